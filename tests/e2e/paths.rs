//! Spellings of paths, byte for byte, as Traefik passes them on. What foo serves must be what was decided on.

use super::support::{Person, Setup, Stack, raw};

/// Roads to `/foo/admin` that begin as something else, and spellings of it.
const TRICKS: &[&str] = &[
    // dot segments
    "/foo/public/../admin/x",
    "/foo/public/./../admin",
    "/foo/public/x/../../admin",
    "/public/../foo/admin/x",
    // encoded dots
    "/foo/public/%2e%2e/admin",
    "/foo/public/%2E%2E/admin",
    "/foo/public/.%2e/admin",
    "/foo/public/%2e./admin",
    "/foo/public/%2e/../admin",
    // encoded slashes
    "/foo/public/..%2fadmin",
    "/foo/public%2f..%2fadmin",
    "/foo/public/%2e%2e%2Fadmin",
    "/foo/public/x%2f..%2f..%2fadmin",
    "/foo%2fadmin/x",
    "/foo/admin%2fx",
    // a second layer
    "/foo/public/%252e%252e%252fadmin",
    "/foo/public/..%252fadmin",
    "/foo/%2561dmin/x",
    // slashes
    "//foo/admin/x",
    "/foo//admin/x",
    "/foo/public//..//admin",
    "///foo/admin",
    "//localhost/foo/public/../admin",
    // fragments and queries
    "/foo/admin#/foo/public/x",
    "/foo/public/#/../../admin",
    "/foo/public%23/../../admin",
    "/foo/public/..%23/admin",
    "/foo/admin?x=/foo/public/",
    "/foo/admin?/foo/public/a",
    "/foo/admin%3f/foo/public/a",
    "/foo/admin?/../public/",
    "/foo/public/../admin?",
    // letters
    "/foo/%61dmin/x",
    "/foo/adm%69n/x",
    "/%66oo/admin/x",
    // backslashes
    "/foo/public/..\\admin",
    "/foo/public\\..\\admin",
    "/foo/public/%5c..%5cadmin",
    "/foo/public/..%5Cadmin",
    "/foo\\admin",
    "\\foo\\admin",
    // its own root
    "/foo/admin",
    "/foo/admin/",
    "/foo/admin/.",
    "/foo/admin//",
    "/foo/admin?",
    "/foo/./admin",
    // parameters, control bytes, other encodings
    "/foo/admin;x=1",
    "/foo/admin;/x",
    "/foo/public/..;/admin",
    "/foo/public;/../admin",
    "/foo/admin%00",
    "/foo/public/%00/../../admin",
    "/foo/admin%0a",
    "/foo/admin%09/x",
    "/foo/public/%c0%ae%c0%ae/admin",
    "/foo/public/%uff0e%uff0e/admin",
    "/foo/public/..%ef%bc%8fadmin",
    "/foo/public/%",
    "/foo/public/%2",
    // the whole address as the target
    "http://localhost/foo/admin/x",
    "http://other.example/foo/admin/x",
    "http://localhost/foo/public/../admin/x",
];

/// Whether any reading of `path` that a service might take lies below `/foo/admin`: decoded again and again,
/// backslashes as slashes, cut at what another program may take for an end, parameters dropped, dots resolved.
fn might_be_admin(path: &str) -> bool {
    let mut text = path.to_ascii_lowercase();
    for _ in 0..4 {
        let cut = text.split(['#', '?', '\0', '\n']).next().unwrap_or_default().to_owned();
        for reading in [text.clone(), cut] {
            let mut segments: Vec<&str> = Vec::new();
            for segment in reading.split(['/', '\\']) {
                match segment.split(';').next().unwrap_or_default().trim() {
                    "" | "." => {}
                    ".." => {
                        segments.pop();
                    }
                    plain => segments.push(plain),
                }
            }
            if segments.starts_with(&["foo", "admin"]) {
                return true;
            }
        }
        text = decode(&text);
    }
    false
}

fn decode(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte.to_ascii_lowercase());
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn the_readings_are_told_apart() {
    for bad in
        ["/foo/admin", "/foo/public/../admin/x", "/foo/%2561dmin", "/foo/public/..%5cadmin", "//foo//ADMIN;a"]
    {
        assert!(might_be_admin(bad), "{bad}");
    }
    for good in ["/foo/", "/foo/administrator", "/foo/public/admin", "/foo/api/echo/admin"] {
        assert!(!might_be_admin(good), "{good}");
    }
}

#[tokio::test]
async fn no_spelling_leads_to_a_path_that_was_not_decided_on() {
    check_tricks(Stack::shared().await).await;
}

#[tokio::test]
async fn nor_where_the_proxy_refuses_nothing() {
    let stack = Setup::demo()
        .replacing("sanitizePath: true", "sanitizePath: false")
        .replacing("allowEncodedSlash: false", "allowEncodedSlash: true")
        .replacing("allowEncodedBackSlash: false", "allowEncodedBackSlash: true")
        .replacing("allowEncodedNullCharacter: false", "allowEncodedNullCharacter: true")
        .replacing("allowEncodedSemicolon: false", "allowEncodedSemicolon: true")
        .replacing("allowEncodedPercent: false", "allowEncodedPercent: true")
        .replacing("allowEncodedQuestionMark: false", "allowEncodedQuestionMark: true")
        .replacing("allowEncodedHash: false", "allowEncodedHash: true")
        .start()
        .await;
    check_tricks(&stack).await;
}

async fn check_tricks(stack: &Stack) {
    let grace = Person::signed_in(stack, "grace@example.com").await;
    let mut wrong = Vec::new();
    for trick in TRICKS {
        for cookie in [None, Some(grace.cookie_line())] {
            let who = if cookie.is_some() { "Grace" } else { "nobody" };
            let lines: Vec<String> = cookie.iter().map(|cookie| format!("Cookie: {cookie}")).collect();
            let answer = raw(stack, trick.as_bytes(), &lines).await;
            if answer.status == 0 {
                wrong.push(format!("{who} {trick}: no answer"));
            }
            let Some(echo) = answer.echo() else {
                if answer.is_foos() {
                    wrong.push(format!("{who} {trick}: foo greets"));
                }
                continue;
            };
            let served = echo["path"].as_str().unwrap_or_default();
            let public = served == "/foo/public" || served.starts_with("/foo/public/");
            if might_be_admin(served) || (who == "nobody" && !public) {
                wrong.push(format!("{who} {trick}: foo was asked for {served}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn an_admin_is_served_the_path_that_was_asked_for() {
    let stack = Stack::shared().await;
    let ada = Person::signed_in(stack, "ada@example.com").await;
    let line = [format!("Cookie: {}", ada.cookie_line())];
    for path in ["/foo/admin/x", "/foo/admin/x/y?z=../public"] {
        let echo = raw(stack, path.as_bytes(), &line).await.echo().expect("foo answers");
        assert_eq!(echo["path"], path.split('?').next().unwrap());
        assert_eq!(echo["headers"]["x-auth-roles"][0], "admin-role,staff");
    }
}

#[tokio::test]
async fn a_prefix_ends_at_a_slash() {
    let stack = Stack::shared().await;
    for path in
        ["/foo/publicity", "/foo/public.evil", "/foo/public-old/x", "/foo/PUBLIC/x", "/foo/public%20/x"]
    {
        let answer = raw(stack, path.as_bytes(), &[]).await;
        assert!(matches!(answer.status, 400 | 401) && !answer.is_foos(), "{path}: {}", answer.head);
    }
    for path in ["/foobar", "/FOO/public", "/fo/public"] {
        assert!(!raw(stack, path.as_bytes(), &[]).await.is_foos(), "{path}");
    }
}

#[tokio::test]
async fn ordinary_paths_pass_as_they_are() {
    let stack = Stack::shared().await;
    let grace = Person::signed_in(stack, "grace@example.com").await;
    let line = [format!("Cookie: {}", grace.cookie_line())];
    for target in [
        "/foo/api/echo/caf%C3%A9/a%20b",
        "/foo/api/echo/docs/v1.2/..hidden/file.tar.gz",
        "/foo/api/echo/a/.well-known/x",
        "/foo/api/echo?next=/foo/admin&u=..%2f..%2fadmin",
        "/foo/api/echo/~alice/(1)/a,b",
        "/foo/api/echo/a+b/@me/$x/!",
        "/foo/api/echo/admin",
    ] {
        let answer = raw(stack, target.as_bytes(), &line).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.head);
        let echo = answer.echo().expect("foo answers");
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        assert_eq!((echo["path"].as_str(), echo["query"].as_str()), (Some(path), query), "{target}");
    }
}
