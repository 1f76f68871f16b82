//! The journey through the real proxy, and what the service behind it gets to see.

use reqwest::Method;

use super::support::{Person, Setup, Stack, api, navigation, raw};

#[tokio::test]
async fn a_navigation_is_sent_to_sign_in_and_comes_back_to_the_exact_address() {
    let stack = Stack::shared().await;
    let asked = "/foo/api/whoami?a=1&b=%2Fx%20y&c=d%26e&rd=http://evil.example/";
    let mut ada = Person::new(stack);
    let sent = ada.visit(asked).await;
    assert_eq!(sent.status, 302);
    let encoded: String = url::form_urlencoded::byte_serialize(stack.at(asked).as_bytes()).collect();
    assert_eq!(sent.location(), stack.at(&format!("/rbac/login?rd={encoded}")));
    assert_eq!(sent.header("cache-control"), "no-store");

    let there = ada.sign_in(asked, "ada@example.com").await;
    assert_eq!(there.status, 200);
    assert!(there.header("set-cookie").is_empty(), "the check never sets a cookie");
    let who = there.json();
    assert_eq!(who["query"], asked.split_once('?').unwrap().1);
    assert_eq!(who["email"], "ada@example.com");
    assert_eq!(who["user"], "ada@example.com");
    assert_eq!(who["name"], "Ada Lovelace");
    assert_eq!(who["roles"], serde_json::json!(["admin-role", "staff"]));
    assert_eq!(who["permissions"], serde_json::json!(["*", "foo:read"]));
    assert_eq!(who["method"], "session");
    assert_eq!(who["assertion"]["verified"], true, "{who}");
    assert_eq!(who["assertion"]["claims"]["aud"], "foo");
    assert_eq!(who["assertion"]["claims"]["iss"], stack.origin);
    assert_eq!(who["assertion"]["claims"]["sub"], who["user_id"]);
    assert_eq!(who["headers"].as_object().unwrap().len(), 8, "every identity header: {who}");

    let page = ada.visit("/foo/").await;
    assert!(page.body.contains("Hello, I am service foo!"), "{}", page.body);
    assert!(page.body.contains("Ada Lovelace"));
}

#[tokio::test]
async fn a_name_beyond_ascii_arrives_whole() {
    let stack = Stack::shared().await;
    let mut jurgen = Person::signed_in(stack, "jurgen@example.com").await;
    let who = jurgen.fetch("/foo/api/whoami").await.json();
    assert_eq!(who["name"], "Jürgen Ñandú 東京");
    assert_eq!(who["assertion"]["verified"], true, "{who}");
}

#[tokio::test]
async fn four_hundred_groups_and_a_long_name_still_fit() {
    let stack = Stack::shared().await;
    let mut huge = Person::signed_in(stack, "huge@example.com").await;
    let who = huge.fetch("/foo/api/whoami").await.json();
    assert_eq!(who["email"], "huge@example.com");
    assert_eq!(who["assertion"]["verified"], true, "{who}");
}

#[tokio::test]
async fn programs_are_told_where_to_sign_in_and_never_redirected() {
    let stack = Stack::shared().await;
    let mut nobody = Person::new(stack);
    let plain = vec![("accept", "*/*".to_owned())];
    let asked = [
        (Method::GET, api()),
        (Method::GET, plain.clone()),
        (Method::GET, vec![("accept", "text/html".into()), ("x-requested-with", "XMLHttpRequest".into())]),
        (Method::POST, navigation()),
        (Method::DELETE, plain.clone()),
        (Method::OPTIONS, plain),
    ];
    for (method, headers) in asked {
        let answer = nobody.send(method.clone(), "/foo/api/whoami", &headers, None).await;
        assert_eq!(answer.status, 401, "{method} {headers:?}: {answer:?}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
        let login = answer.json()["login_url"].as_str().unwrap().to_owned();
        assert!(login.starts_with(&stack.at("/rbac/login")), "{login}");
        assert!(answer.header("set-cookie").is_empty());
    }
    let handshake = [
        "Connection: Upgrade".to_owned(),
        "Upgrade: websocket".to_owned(),
        "Sec-WebSocket-Version: 13".to_owned(),
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==".to_owned(),
        "Accept: text/html".to_owned(),
    ];
    assert_eq!(raw(stack, b"/foo/ws", &handshake).await.status, 401);
}

#[tokio::test]
async fn public_is_for_everybody_and_says_nothing_of_nobody() {
    let stack = Stack::shared().await;
    let mut nobody = Person::new(stack);
    let page = nobody.visit("/foo/public").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("nobody is signed in"), "{}", page.body);
    assert!(page.header("set-cookie").is_empty());
    let mut ada = Person::signed_in(stack, "ada@example.com").await;
    assert!(ada.visit("/foo/public").await.body.contains("Ada Lovelace"));
}

#[tokio::test]
async fn a_missing_role_is_explained_to_people_and_to_programs() {
    let stack = Stack::shared().await;
    let mut grace = Person::signed_in(stack, "grace@example.com").await;
    let page = grace.visit("/foo/admin").await;
    assert_eq!(page.status, 403);
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
    for word in ["admin-role", "grace@example.com"] {
        assert!(page.body.contains(word), "{word} is missing: {}", page.body);
    }
    let program = grace.fetch("/foo/admin").await;
    assert_eq!(program.status, 403);
    assert_eq!(program.json()["error"], "forbidden");
    assert!(program.json()["decision_id"].is_string());

    let mut ada = Person::signed_in(stack, "ada@example.com").await;
    assert_eq!(ada.visit("/foo/admin").await.status, 200);
}

#[tokio::test]
async fn only_the_gateways_pages_are_public() {
    let stack = Stack::shared().await;
    let mut ada = Person::signed_in(stack, "ada@example.com").await;
    for inside in ["/auth", "/auth/nginx", "/healthz", "/readyz", "/metrics", "/"] {
        let answer = ada.visit(inside).await;
        assert_eq!(answer.status, 404, "{inside}: {answer:?}");
        assert!(answer.header("x-auth-user").is_empty());
    }
    assert_eq!(ada.visit("/rbac/").await.status, 200);
    assert_eq!(ada.visit("/rbac/.well-known/jwks.json").await.status, 200);
}

#[tokio::test]
async fn services_get_no_gateway_credential_and_keep_their_own_cookies() {
    let stack = Stack::shared().await;
    let mut ada = Person::signed_in(stack, "ada@example.com").await;
    ada.jar.insert("theme".into(), "dark".into());
    let seen = ada.fetch("/foo/api/echo/x").await.json();
    assert_eq!(seen["headers"]["cookie"], serde_json::json!(["theme=dark"]), "{seen}");
    ada.jar.remove("theme");
    let seen = ada.fetch("/foo/api/echo/x").await.json();
    assert!(seen["headers"].get("cookie").is_none(), "{seen}");

    // A public target lets anybody pass; what they showed stays here.
    let line = ["Authorization: Bearer something".to_owned()];
    let seen = raw(stack, b"/foo/public/x", &line).await.echo().expect("foo answers");
    assert!(seen["headers"].get("authorization").is_none(), "{seen}");
}

#[tokio::test]
async fn a_wrong_bearer_is_no_session() {
    let stack = Stack::shared().await;
    let ada = Person::signed_in(stack, "ada@example.com").await;
    let lines = ["Authorization: Bearer nonsense".to_owned(), format!("Cookie: {}", ada.cookie_line())];
    let answer = raw(stack, b"/foo/api/echo", &lines).await;
    assert_eq!(answer.status, 401, "{}", answer.head);
    assert!(!answer.is_foos());
}

#[tokio::test]
async fn with_two_providers_each_signs_in() {
    let stack = Setup::demo().two_providers().start().await;
    let mut ada = Person::new(&stack);
    let login = ada.visit("/foo/?x=1").await.location();
    let page = ada.visit(&login).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Continue with Provider 0") && page.body.contains("Continue with Provider 1"));
    let second = ada.visit(&format!("{login}&idp=p1")).await.location();
    assert!(second.contains("callback%2Fp1"), "{second}");
}

#[tokio::test]
async fn a_websocket_is_opened_by_the_pages_that_may() {
    let stack = Setup::demo()
        .replacing("    prefix: /foo\n", "    prefix: /foo\n    origins: [http://app.localhost]\n")
        .start()
        .await;
    let ada = Person::signed_in(&stack, "ada@example.com").await;
    let open = async |origin: Option<&str>| {
        let mut lines = vec![
            format!("Cookie: {}", ada.cookie_line()),
            "Connection: Upgrade".to_owned(),
            "Upgrade: websocket".to_owned(),
            "Sec-WebSocket-Version: 13".to_owned(),
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==".to_owned(),
        ];
        lines.extend(origin.map(|origin| format!("Origin: {origin}")));
        raw(&stack, b"/foo/api/whoami", &lines).await
    };
    // foo knows no WebSockets and just answers; that it was asked is what counts.
    assert!(open(Some("http://app.localhost")).await.is_foos());
    for origin in [Some("http://evil.example"), Some("null"), None] {
        let answer = open(origin).await;
        assert_eq!(answer.status, 403, "{origin:?}: {}", answer.head);
        assert!(!answer.is_foos());
    }
}
