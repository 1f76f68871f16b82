//! Headers that a client makes up: about who they are, and about what they ask for.

use serde_json::{Value, json};

use super::support::{Person, Raw, Setup, Stack, raw};

const IDENTITY: [&str; 8] = [
    "X-Auth-User",
    "X-User-Id",
    "X-Auth-Email",
    "X-Auth-Name",
    "X-Auth-Roles",
    "X-Auth-Permissions",
    "X-Auth-Method",
    "X-Auth-Assertion",
];

/// Every value of every header that foo received, in one text.
fn received(answer: &Raw) -> (Value, String) {
    let echo = answer.echo().unwrap_or_else(|| panic!("not foo's: {} {:?}", answer.head, answer.body));
    let text = echo["headers"].to_string();
    (echo, text)
}

#[tokio::test]
async fn identity_headers_of_a_client_never_reach_a_service() {
    let stack = Stack::shared().await;
    let grace = Person::signed_in(stack, "grace@example.com").await;
    for name in IDENTITY {
        for spelling in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
            let line = format!("{spelling}: canary-of-client");
            let (echo, all) = received(&raw(stack, b"/foo/public/x", std::slice::from_ref(&line)).await);
            assert!(!all.contains("canary-of-client"), "{line}: {all}");
            let own = name.to_lowercase();
            let expected = if own == "x-auth-method" { "anonymous" } else { "" };
            assert_eq!(echo["headers"][&own], json!([expected]), "{line}: present and empty");

            let lines = [format!("Cookie: {}", grace.cookie_line()), line.clone(), line];
            let (echo, all) = received(&raw(stack, b"/foo/api/echo", &lines).await);
            assert!(!all.contains("canary-of-client"), "{lines:?}: {all}");
            assert_eq!(echo["headers"]["x-auth-email"], json!(["grace@example.com"]));
        }
    }
}

fn aliases(name: &str) -> Vec<String> {
    let mixed = name.replacen('-', "_", 1);
    vec![name.replace('-', "_"), name.replace('-', "."), name.to_lowercase().replace('-', "_"), mixed]
}

#[tokio::test]
async fn aliases_of_identity_headers_are_refused() {
    let stack = Stack::shared().await;
    for name in IDENTITY {
        for alias in aliases(name).into_iter().chain([name.replacen('-', ".", 1)]) {
            let answer = raw(stack, b"/foo/public/x", &[format!("{alias}: canary-of-client")]).await;
            assert!((400..500).contains(&answer.status), "{alias}: {}", answer.head);
            assert!(!answer.is_foos(), "{alias}");
        }
    }
}

#[tokio::test]
async fn aliases_are_refused_by_the_gateway_where_the_proxy_lets_them_pass() {
    let stack =
        Setup::demo().replacing("aliasHeadersStrategy: reject", "aliasHeadersStrategy: keep").start().await;
    for name in IDENTITY {
        for alias in aliases(name) {
            let answer = raw(&stack, b"/foo/public/x", &[format!("{alias}: canary-of-client")]).await;
            assert_eq!(answer.status, 400, "{alias}: {}", answer.head);
            assert!(!answer.is_foos(), "{alias}");
        }
    }
    // Some of these Traefik takes away by itself; what it leaves is refused.
    for name in ["X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Host", "X-Forwarded-Proto"] {
        for alias in aliases(name) {
            let answer = raw(&stack, b"/foo/public/x", &[format!("{alias}: canary-of-client")]).await;
            let passed = String::from_utf8_lossy(&answer.body).contains("canary-of-client");
            assert!(!passed && (answer.is_foos() || answer.status == 400), "{alias}: {}", answer.head);
        }
    }
}

#[tokio::test]
async fn the_target_is_the_request_itself_whatever_the_client_says() {
    let stack = Stack::shared().await;
    let grace = Person::signed_in(stack, "grace@example.com").await;
    let claims = [
        "X-Forwarded-Uri: /foo/public/x",
        "X-Forwarded-Prefix: /foo/public",
        "X-Forwarded-Method: OPTIONS",
        "X-Forwarded-Host: other.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Port: 443",
        "X-Forwarded-For: 127.0.0.1",
        "X-Real-Ip: 127.0.0.1",
        "Forwarded: for=127.0.0.1;host=other.example;proto=https",
        "X-Original-URL: /foo/public/x",
        "X-Original-Uri: /foo/public/x",
        "X-Original-Method: OPTIONS",
        "X-Rewrite-URL: /foo/public/x",
        "X-Envoy-Original-Path: /foo/public/x",
        "X-HTTP-Method-Override: OPTIONS",
    ];
    for claim in claims {
        for cookie in [None, Some(grace.cookie_line())] {
            let mut lines = vec![claim.to_owned()];
            lines.extend(cookie.map(|cookie| format!("Cookie: {cookie}")));
            let answer = raw(stack, b"/foo/admin/x", &lines).await;
            assert!((400..500).contains(&answer.status), "{lines:?}: {}", answer.head);
            assert!(!answer.is_foos(), "{lines:?}");
        }
        let lines = [claim.to_owned(), "Accept: text/html".into()];
        let answer = raw(stack, b"/foo/x", &lines).await;
        assert!(!answer.is_foos() && (300..500).contains(&answer.status), "{claim}: {}", answer.head);
        if answer.status == 302 {
            let to = format!("Location: {}/rbac/login?rd=", stack.origin);
            assert!(answer.head.contains(&to), "{claim}: {}", answer.head);
            assert!(!answer.head.contains("other.example"), "{claim}: {}", answer.head);
        }
    }
}

#[tokio::test]
async fn connection_cannot_strip_what_the_decision_rests_on() {
    let stack = Stack::shared().await;
    let grace = Person::signed_in(stack, "grace@example.com").await;
    let names = [
        "X-Forwarded-Uri",
        "X-Forwarded-Method",
        "X-Forwarded-Host",
        "X-Auth-User",
        "X-Auth-Roles",
        "Cookie",
    ];
    for name in names {
        let lines = [format!("Cookie: {}", grace.cookie_line()), format!("Connection: {name}")];
        let answer = raw(stack, b"/foo/admin/x", &lines).await;
        assert!((400..500).contains(&answer.status) && !answer.is_foos(), "{name}: {}", answer.head);
        let lines = [format!("Connection: {name}"), format!("{name}: canary-of-client")];
        let answer = raw(stack, b"/foo/public/x", &lines).await;
        assert!(!String::from_utf8_lossy(&answer.body).contains("canary-of-client"), "{name}");
    }
}
