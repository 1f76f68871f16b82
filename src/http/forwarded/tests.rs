//! Questions as attackers and odd proxies put them.

use actix_web::http::header::{HeaderName, HeaderValue};

use super::*;

const FA: [(&str, &str); 6] = [
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-method", "GET"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "app.example.test"),
    ("x-forwarded-uri", "/"),
    ("accept", "text/html"),
];

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

/// `FA` without the header `name`, and with `more`.
fn fa(without: &str, more: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut lines: Vec<_> = FA.into_iter().filter(|(name, _)| *name != without).collect();
    lines.extend(more);
    headers(&lines)
}

fn proxy() -> IpAddr {
    "10.0.0.1".parse().unwrap()
}

fn trusted() -> Vec<IpNet> {
    vec!["10.0.0.1/32".parse().unwrap(), "10.1.0.0/16".parse().unwrap()]
}

fn ask(map: &HeaderMap) -> Result<Asked<'_>, BadQuestion> {
    read(map, Dialect::Forwarded, proxy(), &trusted())
}

fn target(map: &HeaderMap) -> String {
    match ask(map).unwrap().question {
        Question::Route(target) => format!("{} {}", target.method(), target.url()),
        Question::WholeHost(host) => host.as_str().to_owned(),
    }
}

#[test]
fn only_the_proxy_may_ask() {
    let map = fa("", &[]);
    let stranger = read(&map, Dialect::Forwarded, "10.9.9.9".parse().unwrap(), &trusted());
    assert_eq!(stranger.unwrap_err(), BadQuestion::Untrusted);
    let mapped = read(&map, Dialect::Forwarded, "::ffff:10.0.0.1".parse().unwrap(), &trusted());
    assert!(mapped.is_ok());
}

#[test]
fn every_header_is_there_exactly_once() {
    for (name, again) in [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "secret.apps.example.test"),
        ("x-forwarded-uri", "/admin/x"),
    ] {
        let missing = if name == "x-forwarded-host" { "X-Forwarded-Host" } else { "" };
        let error = ask(&fa(name, &[])).unwrap_err();
        assert!(matches!(error, BadQuestion::Missing(named) if missing.is_empty() || named == missing));
        assert!(matches!(ask(&fa("", &[(name, again)])).unwrap_err(), BadQuestion::Repeated(_)), "{name}");
        assert!(ask(&fa(name, &[(name, "")])).is_err(), "{name} empty");
    }
    // `Host` is the client's: it never stands in.
    assert!(ask(&fa("x-forwarded-host", &[("host", "app.example.test")])).is_err());
    for host in ["a.example, b.example", "app.example.test,", "app.example.test:0443", "app.example.test:"] {
        let mut map = fa("x-forwarded-host", &[]);
        map.append(HeaderName::from_static("x-forwarded-host"), HeaderValue::from_str(host).unwrap());
        assert!(ask(&map).is_err(), "{host}");
    }
}

#[test]
fn the_host_alone_asks_about_all_of_it() {
    let map = headers(&[("x-forwarded-host", "App.example.test:8080")]);
    assert_eq!(target(&map), "app.example.test");
    let two = headers(&[("x-forwarded-host", "app.example.test"), ("x-forwarded-uri", "/")]);
    assert!(ask(&two).is_err());
}

#[test]
fn other_families_and_the_rfc_decide_nothing() {
    let map = fa(
        "",
        &[
            ("x-original-url", "https://app.example.test/public/x"),
            ("x-original-method", "POST"),
            ("x-rewrite-url", "/public/x"),
            ("forwarded", "for=127.0.0.1;host=x.apps.example.test;proto=https"),
            ("x-forwarded-prefix", "/public"),
            ("x-forwarded-port", "1"),
        ],
    );
    assert_eq!(target(&map), "GET https://app.example.test/");
    assert_eq!(ask(&map).unwrap().client.to_string(), "203.0.113.9");
}

#[test]
fn nginx_speaks_its_own_dialect_alone() {
    let map = headers(&[
        ("x-original-url", "https://app.example.test:8443/admin/x?a=//b"),
        ("x-original-method", "POST"),
        ("x-forwarded-uri", "/public/x"),
        ("x-forwarded-host", "other.example.test"),
        ("x-forwarded-method", "GET"),
    ]);
    let asked = read(&map, Dialect::Original, proxy(), &trusted()).unwrap();
    let Question::Route(target) = asked.question else { panic!("no route") };
    assert_eq!(
        (target.method(), target.url().as_str()),
        ("POST", "https://app.example.test:8443/admin/x?a=//b")
    );
    for url in
        ["/admin", "https:/app.example.test/", "https://app.example.test", "https://u@app.example.test/"]
    {
        let map = headers(&[("x-original-url", url), ("x-original-method", "GET")]);
        assert!(read(&map, Dialect::Original, proxy(), &trusted()).is_err(), "{url}");
    }
}

#[test]
fn aliases_are_refused() {
    for name in [
        "x_auth_user",
        "x.auth.roles",
        "x_forwarded_uri",
        "x-auth_user",
        "x_forwarded-host",
        "x_user_id",
        "x!auth!user",
        "x~auth+roles",
        "x-auth-user|",
    ] {
        assert_eq!(ask(&fa("", &[(name, "root")])).unwrap_err(), BadQuestion::Alias, "{name}");
    }
    assert!(ask(&fa("", &[("my_header", "x"), ("x-auth-user", "root")])).is_ok());
}

#[test]
fn a_method_override_must_agree() {
    let name = "x-http-method-override";
    assert_eq!(ask(&fa("", &[(name, "DELETE")])).unwrap_err(), BadQuestion::MethodOverride);
    assert!(ask(&fa("", &[(name, "GET")])).is_ok());
}

#[test]
fn only_a_browser_going_to_a_page_is_navigating() {
    let navigates =
        |without: &str, more: &[(&'static str, &'static str)]| ask(&fa(without, more)).unwrap().navigation;
    assert!(navigates("", &[]));
    assert!(navigates("", &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]));
    assert!(navigates("x-forwarded-method", &[("x-forwarded-method", "HEAD")]));
    assert!(!navigates("accept", &[]));
    assert!(!navigates("accept", &[("accept", "*/*")]));
    assert!(!navigates("accept", &[("accept", "application/json")]));
    assert!(!navigates("accept", &[("accept", "text/html;q=0, */*")]));
    assert!(!navigates("x-forwarded-method", &[("x-forwarded-method", "POST")]));
    for more in [
        ("x-requested-with", "XMLHttpRequest"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "image"),
        ("authorization", "Bearer x"),
        ("upgrade", "websocket"),
    ] {
        assert!(!navigates("", &[more]), "{more:?}");
    }
}

#[test]
fn a_form_that_a_browser_sends_waits_for_a_page_and_is_not_redirected() {
    let posts = |more: &[(&'static str, &'static str)]| {
        let all = [&[("x-forwarded-method", "POST")], more].concat();
        let asked = ask(&fa("x-forwarded-method", &all)).map(|asked| (asked.page, asked.navigation));
        asked.unwrap()
    };
    let (mode, dest) = (("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"));
    assert_eq!(posts(&[mode, dest]), (true, false));
    for more in [
        &[][..],
        &[mode],
        &[dest],
        &[("sec-fetch-mode", "cors"), dest],
        &[mode, dest, ("authorization", "x")],
    ] {
        assert_eq!(posts(more), (false, false), "{more:?}");
    }
}

#[test]
fn a_preflight_has_all_three_marks() {
    let options = [("x-forwarded-method", "OPTIONS")];
    let marks = [("origin", "https://app.example.test"), ("access-control-request-method", "GET")];
    let preflight =
        |more: &[(&'static str, &'static str)]| ask(&fa("x-forwarded-method", more)).unwrap().preflight;
    assert!(preflight(&[options[0], marks[0], marks[1]]));
    assert!(!preflight(&[options[0]]));
    assert!(!preflight(&[options[0], marks[0], ("access-control-request-method", "")]));
    assert!(!preflight(&[("x-forwarded-method", "POST"), marks[0], marks[1]]));
}

#[test]
fn the_client_is_the_rightmost_stranger() {
    let client = |lines: &[&str]| {
        let mut map = fa("x-forwarded-for", &[]);
        for line in lines {
            map.append(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_str(line).unwrap());
        }
        ask(&map).unwrap().client.to_string()
    };
    assert_eq!(client(&["1.2.3.4, 203.0.113.9"]), "203.0.113.9");
    assert_eq!(client(&["1.2.3.4, 203.0.113.9, 10.1.2.3"]), "203.0.113.9");
    assert_eq!(client(&["1.2.3.4", "203.0.113.9"]), "203.0.113.9");
    assert_eq!(client(&["::ffff:203.0.113.9"]), "203.0.113.9");
    for junk in ["a", "", "unknown", "203.0.113.9:1234", "1.2.3.4, \"[2001:db8::1]:80\""] {
        assert_eq!(client(&[junk]), "10.0.0.1", "{junk}");
    }
    assert_eq!(client(&[]), "10.0.0.1");
    assert_eq!(client(&["10.1.0.1,".repeat(10_000).as_str()]), "10.0.0.1");
}

#[test]
fn a_request_id_is_repeated_only_when_fit() {
    assert!(ask(&fa("", &[("x-request-id", "abc-123")])).unwrap().request_id.is_some());
    assert!(ask(&fa("", &[("x-request-id", "<script>")])).unwrap().request_id.is_none());
}

#[test]
fn a_websocket_is_known_by_what_proxies_leave_of_its_handshake() {
    let upgrade = |proto: &'static str, more: &[(&'static str, &'static str)]| {
        let mut lines = vec![("x-forwarded-proto", proto), ("origin", "https://a.test")];
        lines.extend(more);
        let headers = fa("x-forwarded-proto", &lines);
        let asked = ask(&headers).unwrap();
        (matches!(asked.upgrade, Upgrade::WebSocket(Some("https://a.test"))), asked.navigation)
    };
    assert_eq!(upgrade("https", &[]), (false, true));
    assert_eq!(upgrade("wss", &[]), (true, false));
    assert_eq!(upgrade("WS", &[]), (true, false));
    assert_eq!(upgrade("https", &[("upgrade", "WebSocket")]), (true, false));
    assert_eq!(upgrade("https", &[("sec-websocket-key", "eA==")]), (true, false));
    assert_eq!(upgrade("https", &[("upgrade", "h2c")]), (false, false));
}
