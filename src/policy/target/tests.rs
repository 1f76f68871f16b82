//! Reading requests: every spelling that attackers use for another path or host.

use proptest::prelude::*;

use super::{Ambiguity, Host, Scheme, Target, TargetError};

fn get(uri: &str) -> Result<Target, TargetError> {
    Target::parse(b"GET", b"https", b"app.example.test", uri.as_bytes())
}

fn ambiguity(uri: &str) -> Option<Ambiguity> {
    get(uri).unwrap().ambiguity()
}

#[test]
fn dot_segments_in_every_spelling() {
    for uri in [
        "/public/../admin/secrets",
        "/public/./../admin",
        "/public/x/../../admin",
        "/public/%2e%2e/admin",
        "/public/%2E%2E/admin",
        "/public/.%2e/admin",
        "/public/%2e./admin",
        "/public/%2e/../admin",
        "/admin/.",
        "/public/..;/admin",
        "/public/..;x=1/admin",
        "/public/.;/admin",
        "/public/..%3bx/admin",
        "/public/..%23/admin",
        "/public/..%3f/admin",
        "/public%23/../../admin",
        "/..",
        "/public/%2e%2e;/admin",
        "/public/%2e%2e%3b/admin",
        "/public/x;/%2e%2e/admin",
        // Windows cuts blanks and dots off the end of a name.
        "/public/..%20/admin",
        "/public/%20../admin",
        "/public/.%20./admin",
        "/public/..%C2%A0/admin",
        "/public/.../admin",
        // Fullwidth and one-dot, two-dot and three-dot leaders (NFKC).
        "/public/%EF%BC%8E%EF%BC%8E/admin",
        "/public/.%E2%80%A4/admin",
        "/public/%E2%80%A5/admin",
        "/public/%EF%B9%92%EF%B9%92/admin",
        "/public/..%EF%BC%8Fadmin",
        "/public/x%EF%BC%8F..%EF%BC%8Fadmin",
        "/public/..%EF%BC%BCadmin",
        "/public/..%E2%88%95admin",
        "/public/..%E2%81%84admin",
    ] {
        assert_eq!(ambiguity(uri), Some(Ambiguity::DotSegment), "{uri}");
    }
}

#[test]
fn separators_in_every_spelling() {
    use Ambiguity::{Backslash, DoubleSlash, EncodedSlash};
    for (uri, why) in [
        ("/public/..%2fadmin", EncodedSlash),
        ("/public%2f..%2fadmin", EncodedSlash),
        ("/public/%2e%2e%2Fadmin", EncodedSlash),
        ("/files/group%2Fproject/raw", EncodedSlash),
        ("/public/..\\admin", Backslash),
        ("/public\\..\\admin", Backslash),
        ("/public/%5c..%5cadmin", Backslash),
        ("/public/..%5Cadmin", Backslash),
        ("//admin/x", DoubleSlash),
        ("///admin", DoubleSlash),
        ("//app.example.test/public/x", DoubleSlash),
        ("/admin//", DoubleSlash),
        ("/a/;x/b", DoubleSlash),
        ("/;/admin", DoubleSlash),
        ("/%3b/admin", DoubleSlash),
        ("/%3Bx/admin", DoubleSlash),
        ("/public/;%2e%2e/admin", DoubleSlash),
    ] {
        assert_eq!(ambiguity(uri), Some(why), "{uri}");
    }
}

#[test]
fn encodings_that_do_not_end() {
    use Ambiguity::{BadEscape, Control, DoubleEncoding, InvalidUtf8};
    for (uri, why) in [
        ("/public/%252e%252e%252fadmin", DoubleEncoding),
        ("/public/..%252fadmin", DoubleEncoding),
        ("/%2561dmin/x", DoubleEncoding),
        ("/%25u002e%25u002e/x", DoubleEncoding),
        ("/%u002e%u002e/x", BadEscape),
        ("/a%", BadEscape),
        ("/a%2", BadEscape),
        ("/a%zz", BadEscape),
        ("/a%00.png", Control),
        ("/a%0d%0ab", Control),
        ("/a%7f", Control),
        ("/a%c2%85", Control),
        ("/%25%32%65%25%32%65/admin", DoubleEncoding),
        ("/public/%25%35%63..", DoubleEncoding),
        ("/%%32%65/admin", BadEscape),
        ("/%2%65/admin", BadEscape),
        ("/%c0%ae%c0%ae/admin", InvalidUtf8),
        // A slash in two, three, four and five bytes; half a surrogate pair; CESU-8; UTF-16.
        ("/public%c0%afadmin", InvalidUtf8),
        ("/public%e0%80%afadmin", InvalidUtf8),
        ("/public%f0%80%80%afadmin", InvalidUtf8),
        ("/public%f8%80%80%80%afadmin", InvalidUtf8),
        ("/public%c1%9cadmin", InvalidUtf8),
        ("/%ed%a0%80", InvalidUtf8),
        ("/%ed%a0%bd%ed%b8%80", InvalidUtf8),
        ("/%fe%ff", InvalidUtf8),
        ("/%ff", InvalidUtf8),
    ] {
        assert_eq!(ambiguity(uri), Some(why), "{uri}");
    }
}

#[test]
fn ordinary_paths_have_one_reading() {
    for (uri, path) in [
        ("/", "/"),
        ("/caf%C3%A9/a%20b", "/café/a b"),
        ("/docs/v1.2/..hidden/file.tar.gz", "/docs/v1.2/..hidden/file.tar.gz"),
        ("/a/.well-known/x", "/a/.well-known/x"),
        ("/x?next=/admin&u=..%2f..%2fadmin", "/x"),
        ("/~alice/(1)/a,b;v=1", "/~alice/(1)/a,b;v=1"),
        ("/%61dmin/x", "/admin/x"),
        ("/adm%69n/x", "/admin/x"),
        ("/%41DMIN/x", "/ADMIN/x"),
        ("/wiki/AC%EF%BC%8FDC", "/wiki/AC／DC"),
        ("/wiki/%E2%80%A6so", "/wiki/…so"),
        ("/compare/v1...v2", "/compare/v1...v2"),
        ("/a/x;%2e%2e", "/a/x;.."),
        ("/admin/", "/admin/"),
        ("/admin?", "/admin"),
        ("/100%25", "/100%"),
        ("/admin?/../public/", "/admin"),
        ("/a?b?c", "/a"),
    ] {
        let target = get(uri).unwrap();
        assert_eq!((target.path(), target.ambiguity()), (path, None), "{uri}");
        assert_eq!(target.raw_uri(), uri);
        assert_eq!(target.url(), format!("https://app.example.test{uri}"));
    }
}

#[test]
fn what_is_no_request_target() {
    for (uri, why) in [
        ("/admin#/public/x", TargetError::Byte),
        ("/public/#/../../admin", TargetError::Byte),
        ("/x?y#z", TargetError::Byte),
        ("/a b", TargetError::Byte),
        ("/a\tb", TargetError::Byte),
        ("/a\r\nb", TargetError::Byte),
        ("/a\0b", TargetError::Byte),
        ("/é", TargetError::Byte),
        ("/x?é", TargetError::Byte),
        ("", TargetError::Relative),
        ("\\admin", TargetError::Relative),
        ("admin", TargetError::Relative),
        ("https://app.example.test/x", TargetError::Relative),
        ("*", TargetError::Relative),
    ] {
        assert_eq!(get(uri), Err(why), "{uri:?}");
    }
    assert_eq!(get(&format!("/{}", "a".repeat(8 * 1024))), Err(TargetError::TooLong));
    assert!(get(&format!("/{}", "a".repeat(8 * 1024 - 1))).is_ok());
}

#[test]
fn what_is_certain_of_an_ambiguous_path() {
    for (uri, base) in [
        ("/gitlab/a%2Fb/raw", "/gitlab"),
        ("/gitlab/api/v4/a%2Fb", "/gitlab/api/v4"),
        ("/gitlab//x", "/gitlab"),
        ("/gitlab/x%252Fy", "/gitlab"),
        ("/gitlab/a%2F..%2F..%2Fadmin", "/"),
        ("/gitlab/a%252F%252e%252e%252Fadmin", "/"),
        ("/gitlab/..%5cadmin", "/"),
        ("/gitlab/%00", "/"),
        ("/gitlab/%zz", "/"),
        ("/gitlab/%ff", "/"),
        ("/gitlab/..%20/x%2Fy", "/"),
        ("/%67itlab/a%2Fb", "/"),
        ("//gitlab/x", "/"),
    ] {
        assert_eq!(get(uri).unwrap().certain_base(), base, "{uri}");
    }
    let layers = format!("/gitlab/%{}2e", "25".repeat(4000));
    assert_eq!(get(&layers).unwrap().certain_base(), "/");
}

fn host(text: &str) -> Option<String> {
    Host::parse(text.as_bytes()).ok().map(|host| host.as_str().to_owned())
}

#[test]
fn hosts_have_one_spelling() {
    for (text, canonical) in [
        ("SECRET.Apps.Example.Test", "secret.apps.example.test"),
        ("secret.apps.example.test.", "secret.apps.example.test"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("a-b--c.example", "a-b--c.example"),
        ("1.example", "1.example"),
        ("[::1]", "[::1]"),
        ("[0:0:0:0:0:0:0:1]", "[::1]"),
        ("[2001:DB8::A]", "[2001:db8::a]"),
        ("127.0.0.1.", "127.0.0.1"),
    ] {
        assert_eq!(host(text).as_deref(), Some(canonical), "{text}");
    }
    for text in [
        "",
        ".",
        "app.example.test..",
        ".apps.example.test",
        "x..apps.example.test",
        "app.example.test, secret.apps.example.test",
        "app.example.test,",
        "app example.test",
        "user@app.example.test",
        "app.example.test/x",
        "app_x.example.test",
        "app.example.test\0",
        "bücher.example",
        "app。example",
        "xn--a.example",
        "xn--.example",
        "xn--ASCII-.example",
        "127.1",
        "127.0.0.01",
        "0x7f.0.0.1",
        "0x7f000001",
        "2130706433",
        "256.1.1.1",
        "app.123",
        "[::1",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "[::1].",
        "[::1]]",
        "[[::1]",
        "[127.0.0.1]",
        "[v1.x]",
        "ａpp.example.test",
        "app．example.test",
        "%61pp.example.test",
        "app.example.test%00",
        "app%2eexample.test",
        "xn--pp-wia\u{0}.example",
        "xn--a\u{ff0e}b.example",
        "127.0.0.0x1",
        "0177.0.0.1",
        "1.2.3.4.5",
        "127.0.0.1..",
        "::1",
        "[]",
        "*.example.test",
    ] {
        assert_eq!(host(text), None, "{text:?}");
    }
    assert_eq!(host(&format!("{}.test", "a".repeat(64))), None);
    assert_eq!(host(&["a"; 130].join(".")), None);
}

#[test]
fn ports_are_plain_numbers() {
    let port = |text: &str| Host::parse_with_port(text.as_bytes()).map(|(_, port)| port);
    assert_eq!(port("app.example.test"), Ok(None));
    assert_eq!(port("app.example.test:443"), Ok(Some(443)));
    assert_eq!(port("[::1]:8443"), Ok(Some(8443)));
    assert_eq!(port("[::1]"), Ok(None));
    for text in [":0", ":99999", ":", ":0443", ":+80", ":8 0", ":65536", ":-1", ":٣"] {
        assert_eq!(port(&format!("app.example.test{text}")), Err(TargetError::Port), "{text}");
    }
    assert!(port("app.example.test:443:443").is_err());
    assert!(port("[::1]x:80").is_err());
    assert!(port(":80").is_err());
    assert!(port("app.example.test:443.").is_err());
    assert_eq!(Host::parse_with_port(b"A.test.:8443"), Ok((Host::parse(b"a.test").unwrap(), Some(8443))));
}

#[test]
fn the_address_keeps_a_port_that_says_something() {
    let url = |scheme: &str, host: &str| {
        let target = Target::parse(b"GET", scheme.as_bytes(), host.as_bytes(), b"/x?y").unwrap();
        (target.port(), target.url())
    };
    assert_eq!(url("https", "A.test:443"), (None, "https://a.test/x?y".to_owned()));
    assert_eq!(url("wss", "a.test:443"), (None, "https://a.test/x?y".to_owned()));
    assert_eq!(url("http", "localhost:8080"), (Some(8080), "http://localhost:8080/x?y".to_owned()));
    assert_eq!(url("https", "a.test:80"), (Some(80), "https://a.test:80/x?y".to_owned()));
}

#[test]
fn schemes_are_four_words() {
    for (text, scheme) in
        [("https", Scheme::Https), ("HTTPS", Scheme::Https), ("wss", Scheme::Https), ("ws", Scheme::Http)]
    {
        assert_eq!(Scheme::parse(text.as_bytes()), Ok(scheme));
    }
    for text in ["", "https, http", "javascript", "https ", "ftp", "https:"] {
        assert_eq!(Scheme::parse(text.as_bytes()), Err(TargetError::Scheme), "{text:?}");
    }
}

#[test]
fn methods_are_upper_case_names() {
    let method = |text: &str| {
        Target::parse(text.as_bytes(), b"https", b"a.test", b"/").map(|target| target.method().to_owned())
    };
    for text in ["GET", "PROPFIND", "VERSION-CONTROL", "M-SEARCH"] {
        assert_eq!(method(text).as_deref(), Ok(text));
    }
    let long = "A".repeat(300);
    for text in ["get", "GeT", "GET /admin", "G\tET", "GET,POST", "", "-", "G\0T", "GÉT", &long] {
        assert_eq!(method(text), Err(TargetError::Method), "{text:?}");
    }
}

#[test]
fn errors_repeat_no_input() {
    let text = get("/\u{1}<script>").unwrap_err().to_string();
    assert!(!text.contains("script"), "{text}");
}

/// Escapes what a canonical path may hold and a request target may not.
fn encode(path: &str) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~' | b';');
    path.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

proptest! {
    #[test]
    fn normalising_twice_is_normalising_once(uri in "/([a-c./;%?~]|%2[5eEfF]|%4[1-3]|%C3%A9){0,12}") {
        let once = get(&uri).unwrap();
        if once.ambiguity().is_none() {
            let again = get(&encode(once.path())).unwrap();
            prop_assert_eq!(again.ambiguity(), None);
            prop_assert_eq!(again.path(), once.path());
        }
    }

    /// Of a whole request: what is rendered is read as what it was.
    #[test]
    fn a_target_is_read_once_and_for_all(
        host in "[aA1][a-zB.]{0,8}[a-z]\\.?(:[1-9][0-9]{0,3})?|\\[[0-9a-f:]{2,9}\\](:443)?",
        uri in "/([a-c./;%?~]|%2[5eEfF]|%C3%A9){0,12}",
        scheme in "https?|wss?|HTTPS",
    ) {
        if let Ok(once) = Target::parse(b"GET", scheme.as_bytes(), host.as_bytes(), uri.as_bytes()) {
            prop_assert_eq!(Target::of_url("GET", &once.url()), Ok(once));
        }
    }

    #[test]
    fn a_canonical_path_has_nothing_to_resolve(uri in "/([a-c./;%\\\\]|%2[5eEfF]|%5[cC]|%00){0,12}") {
        let target = get(&uri).unwrap();
        if target.ambiguity().is_none() {
            let path = target.path();
            prop_assert!(!path.contains("//") && !path.contains('\\') && !path.contains('\0'));
            prop_assert!(path.split('/').all(|segment| segment != "." && segment != ".."));
        }
    }

    #[test]
    fn hosts_are_canonical_at_once(text in "[a-zA-Z0-9.\\[\\]:_-]{0,24}") {
        if let Ok(host) = Host::parse(text.as_bytes()) {
            prop_assert_eq!(Host::parse(host.as_str().as_bytes()), Ok(host.clone()));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        method in proptest::collection::vec(any::<u8>(), 0..8),
        host in proptest::collection::vec(any::<u8>(), 0..40),
        mut uri in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let _ = Target::parse(&method, b"https", &host, &uri);
        uri.insert(0, b'/');
        if let Ok(target) = Target::parse(b"GET", b"https", b"a.test", &uri) {
            prop_assert!(target.url().is_ascii());
            prop_assert!(target.certain_base().starts_with('/'));
        }
    }
}
