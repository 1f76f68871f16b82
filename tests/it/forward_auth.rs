//! What a proxy is answered: every outcome, with its status, headers and body.

use reqwest::Method;
use serde_json::Value;

use super::support::world::{Ask, IDENTITY, POLICY, World, assert_allowed, assert_anonymous, assert_status};
use super::support::{Idp, Setup};

const GRACE: &str = "grace@example.com";

#[actix_web::test]
async fn who_is_let_in_comes_with_all_of_who_they_are() {
    let world = World::start().await;
    let ada = world.sign_in("ada").await;
    let answer = world.asks("/x?y=1").cookies(&ada).send().await;
    assert_allowed(&answer, "ada@example.com", "admin,user", "ada");
    assert_eq!(answer.header("x-auth-name"), "Ada%20Lovelace");
    assert_eq!(answer.header("x-auth-permissions"), "");
    assert!(!answer.header("x-user-id").is_empty());
    let assertion = answer.header("x-auth-assertion");
    let claims = assertion.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(
        &base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap(),
    )
    .unwrap();
    assert_eq!(claims["aud"], "app");
    assert_eq!(claims["iss"], "https://auth.example.test");
    assert_eq!(claims["roles"], serde_json::json!(["admin", "user"]));
    assert!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap() <= 300);
    // Beyond ASCII: percent-encoded, whole.
    let jurgen = world.sign_in("jurgen").await;
    let answer = world.asks("/").cookies(&jurgen).send().await;
    assert_eq!(answer.header("x-auth-name"), "J%C3%BCrgen%20%C3%91and%C3%BA%20%E6%9D%B1%E4%BA%AC");
    world.ends_well().await;
}

#[actix_web::test]
async fn a_browser_on_its_way_to_a_page_is_sent_to_sign_in() {
    let world = World::start().await;
    let login = "https://auth.example.test/rbac/login?rd=";
    let answer = world.asks("/a%20b?x=1&y=%2F").send().await;
    assert_eq!(answer.status, 302);
    assert_eq!(
        answer.location(),
        format!("{login}https%3A%2F%2Fapp.example.test%2Fa%2520b%3Fx%3D1%26y%3D%252F")
    );
    for ask in [
        world.asks("/").method("HEAD"),
        world.asks("/").with("sec-fetch-mode", "navigate").with("sec-fetch-dest", "document"),
        world.asks("/").but("accept", "application/xhtml+xml,*/*;q=0.8"),
        // An older version of ours, or a cookie of somebody else: anonymous like everybody.
        world.asks("/").cookies("__Secure-doorward=garbage"),
    ] {
        assert_status(&ask.send().await, &[302], "a navigation");
    }
    world.ends_well().await;
}

#[actix_web::test]
async fn everything_else_without_a_session_is_told_so() {
    let world = World::start().await;
    for (case, ask) in [
        ("json", world.asks("/").but("accept", "application/json")),
        ("anything", world.asks("/").but("accept", "*/*")),
        ("no html", world.asks("/").but("accept", "text/html;q=0, */*")),
        ("no Accept", world.asks("/").without("accept")),
        ("XHR", world.asks("/").with("x-requested-with", "XMLHttpRequest")),
        ("fetch", world.asks("/").with("sec-fetch-mode", "cors")),
        ("image", world.asks("/").with("sec-fetch-dest", "image")),
        ("frame", world.asks("/").with("sec-fetch-mode", "navigate").with("sec-fetch-dest", "iframe")),
        ("POST", world.asks("/").method("POST")),
        ("OPTIONS", world.asks("/").method("OPTIONS")),
        ("upgrade", world.asks("/").with("upgrade", "websocket")),
    ] {
        let answer = ask.send().await;
        assert_status(&answer, &[401], case);
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{case}");
        let json = answer.json();
        assert_eq!(json["error"], "unauthorized", "{case}");
        assert!(json["message"].as_str().unwrap().starts_with("missing bearer token"), "{case}");
        assert_eq!(
            json["login_url"], "https://auth.example.test/rbac/login?rd=https%3A%2F%2Fapp.example.test%2F",
            "{case}"
        );
    }
    world.ends_well().await;
}

#[actix_web::test]
async fn a_wrong_credential_is_said_to_be_wrong_and_nothing_stands_in_for_it() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    let session = grace.split_once('=').unwrap().1.to_owned();
    let mut bodies = Vec::new();
    for value in [
        "Bearer x".to_owned(),
        "Bearer a.b.c".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {session}"),
        "Basic YWRhOnNlY3JldA==".to_owned(),
        "Basic".to_owned(),
        "Digest username=\"ada\"".to_owned(),
        String::new(),
    ] {
        // The session beside it is good.
        let answer = world.asks("/").with("authorization", &value).cookies(&grace).send().await;
        assert_status(&answer, &[401], &value);
        assert_eq!(answer.header("www-authenticate"), r#"Bearer error="invalid_token""#, "{value}");
        let mut json = answer.json();
        assert!(json["message"].as_str().unwrap().starts_with("invalid token"), "{value}");
        json["decision_id"] = Value::Null;
        bodies.push(json);
        // What is public is so for everybody.
        let public = world.asks("/public/x").with("authorization", &value).send().await;
        assert_anonymous(&public, &value);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "they all look alike: {bodies:?}");
    let twice = world.asks("/").with("authorization", "Bearer x").with("authorization", "Bearer x");
    assert_status(&twice.cookies(&grace).send().await, &[401], "twice");
    world.ends_well().await;
}

#[actix_web::test]
async fn a_refusal_is_a_page_for_people_and_json_for_programs() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    let page = world.asks("/admin/x").cookies(&grace).send().await;
    assert_status(&page, &[403], "a page");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    for part in ["grace@example.com", "admin", &page.header("x-auth-decision-id"), "logout"] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let json = world.asks("/admin/x").cookies(&grace).but("accept", "application/json").send().await;
    assert_status(&json, &[403], "JSON");
    assert_eq!(json.json()["error"], "forbidden");
    // Nobody signs in in vain for what nobody may have.
    let nobody = world.asks("/v2").host("api.example.test").send().await;
    assert_status(&nobody, &[403], "no rule");
    world.ends_well().await;
}

#[actix_web::test]
async fn what_is_public_knows_people_all_the_same() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    let known = world.asks("/public/x").cookies(&grace).send().await;
    assert_allowed(&known, GRACE, "user", "known");
    assert_anonymous(&world.asks("/public/x").send().await, "unknown");
    assert_anonymous(&world.asks("/public/x").cookies("__Secure-doorward=garbage").send().await, "wrong");
    assert_anonymous(&world.asks("/public/x").method("HEAD").send().await, "HEAD");
    // Only GET is: anything else falls to the service's own rule.
    assert_status(&world.asks("/public/x").method("POST").send().await, &[401], "POST");
    world.ends_well().await;
}

#[actix_web::test]
async fn the_method_decides_and_only_as_the_proxy_forwards_it() {
    let world = World::start().await;
    let jurgen = world.sign_in("jurgen").await;
    let api = |method: &str| world.asks("/v1/x").host("api.example.test").method(method).cookies(&jurgen);
    for method in ["GET", "HEAD"] {
        assert_allowed(&api(method).send().await, "jurgen@example.com", "reader,user", method);
    }
    for method in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "TRACE", "CONNECT"] {
        assert_status(&api(method).send().await, &[403], method);
    }
    // The gateway's own request may have any.
    for own in [Method::POST, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS] {
        let answer = api("GET").sent_as(own.clone(), "").send().await;
        assert_allowed(&answer, "jurgen@example.com", "reader,user", own.as_str());
        assert_status(&api("DELETE").sent_as(own, "").send().await, &[403], "DELETE");
    }
    for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
        assert_status(&api("GET").with(name, "DELETE").send().await, &[400], name);
        assert_status(&api("GET").with(name, "GET").with(name, "DELETE").send().await, &[400], name);
    }
    // In the query it decides nothing, as docs/policy.md says.
    let query = world.asks("/v1/x?_method=DELETE").host("api.example.test").cookies(&jurgen).send().await;
    assert_status(&query, &[200], "in the query");
    let long = "A".repeat(300);
    for method in ["get", "GeT", "GET /admin", "G\tET", "GET,POST", &long, "", "G\u{e9}T", "GET1"] {
        assert_status(&api(method).send().await, &[400], method);
    }
    world.ends_well().await;
}

fn options(world: &World, preflight: bool) -> Ask<'_> {
    let ask = world.asks("/v1/x").host("api.example.test").method("OPTIONS").with("x-auth-user", "root");
    if !preflight {
        return ask;
    }
    ask.with("origin", "https://app.example.test").with("access-control-request-method", "GET")
}

#[actix_web::test]
async fn a_preflight_passes_only_where_the_policy_says_so() {
    let world = World::start().await;
    for preflight in [false, true] {
        assert_status(&options(&world, preflight).send().await, &[401], "not allowed");
    }
    world.ends_well().await;
    let policy = POLICY.replace("prefix: /v1\n", "prefix: /v1\n    preflight: true\n");
    let world = World::of(World::setup().policy(&policy)).await;
    assert_status(&options(&world, false).send().await, &[401], "an OPTIONS is no preflight");
    assert_anonymous(&options(&world, true).send().await, "a preflight");
    world.ends_well().await;
}

#[actix_web::test]
async fn a_web_socket_opens_from_the_right_page_only() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    let socket = || {
        let ask = world.asks("/socket").host("ws.example.test").but("x-forwarded-proto", "wss");
        ask.with("upgrade", "websocket").with("sec-websocket-version", "13")
    };
    assert_status(&socket().send().await, &[401], "anonymous");
    let with = |origin: &str| socket().cookies(&grace).with("origin", origin);
    assert_allowed(&with("https://app.example.test").send().await, GRACE, "user", "ours");
    for origin in
        ["https://evil.test", "https://app.example.test.evil.test", "http://app.example.test", "null"]
    {
        assert_status(&with(origin).send().await, &[403], origin);
    }
    assert_status(&socket().cookies(&grace).send().await, &[403], "without Origin");
    let twice = with("https://app.example.test").with("origin", "https://evil.test");
    assert_status(&twice.send().await, &[403], "two of them");
    world.ends_well().await;
}

#[actix_web::test]
async fn a_whole_host_is_allowed_when_all_of_it_is() {
    let world = World::start().await;
    let (grace, ada) = (world.sign_in("grace").await, world.sign_in("ada").await);
    let whole = |host: &str| {
        let ask = world.asks("/").host(host);
        ask.without("x-forwarded-method").without("x-forwarded-proto").without("x-forwarded-uri")
    };
    assert_status(&whole("app.example.test").send().await, &[401], "anonymous");
    assert_status(&whole("app.example.test").cookies(&grace).send().await, &[403], "not all of it");
    let answer = whole("app.example.test").cookies(&ada).send().await;
    assert_allowed(&answer, "ada@example.com", "admin,user", "all of it");
    assert_allowed(&whole("x.apps.example.test").cookies(&grace).send().await, GRACE, "user", "all of it");
    assert_status(&whole("nohost.example.test").cookies(&ada).send().await, &[403], "no rule");
    world.ends_well().await;
}

#[actix_web::test]
async fn nginx_is_answered_in_its_three_words() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    let app = |path: &str| format!("https://app.example.test{path}");
    let anonymous = world.nginx_asks(&app("/x?y=1")).send().await;
    assert_status(&anonymous, &[401], "anonymous");
    assert_eq!(
        anonymous.header("x-auth-redirect"),
        "https://auth.example.test/rbac/login?rd=https%3A%2F%2Fapp.example.test%2Fx%3Fy%3D1"
    );
    assert_allowed(&world.nginx_asks(&app("/x")).cookies(&grace).send().await, GRACE, "user", "grace");
    assert_status(&world.nginx_asks(&app("/admin/x")).cookies(&grace).send().await, &[403], "admin");
    for url in
        ["/x", "app.example.test/x", "https://app.example.test", "https:///x", &app("/../x"), "", &app("/#")]
    {
        assert_status(&world.nginx_asks(url).cookies(&grace).send().await, &[403], url);
    }
    world.ends_well().await;
}

#[actix_web::test]
async fn ids_are_on_every_answer_and_the_proxys_is_kept() {
    let world = World::start().await;
    let sent = world.asks("/public/x").with("x-request-id", "abc-123.x_y").send().await;
    assert_eq!(sent.header("x-request-id"), "abc-123.x_y");
    assert_ne!(sent.header("x-auth-decision-id"), "abc-123.x_y");
    let long = "x".repeat(65);
    for unfit in ["a b", "<script>", &long, ""] {
        let answer = world.asks("/public/x").with("x-request-id", unfit).send().await;
        assert_eq!(answer.header("x-request-id"), answer.header("x-auth-decision-id"), "{unfit}");
    }
    let (one, other) = (world.asks("/healthz").send().await, world.asks("/healthz").send().await);
    assert_ne!(one.header("x-auth-decision-id"), other.header("x-auth-decision-id"));
    world.ends_well().await;
}

#[actix_web::test]
async fn a_service_in_shadow_is_open_to_whom_the_default_says() {
    let policy = POLICY
        .replace("default: deny", "default: authenticated")
        .replace("secret: { ", "secret: { mode: shadow, ");
    let world = World::of(World::setup().policy(&policy)).await;
    let grace = world.sign_in("grace").await;
    let secret = || world.asks("/").host("secret.apps.example.test");
    assert_allowed(&secret().cookies(&grace).send().await, GRACE, "user", "not enforced");
    assert_status(&secret().send().await, &[302], "the default");
    assert_status(&world.asks("/admin/x").cookies(&grace).send().await, &[403], "others are enforced");
    let audit = std::fs::read_to_string(world.gateway.dir.join("audit.log")).unwrap();
    let line = audit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert!(
        line.into_iter().any(|line| line["shadow"] == "forbidden" && line["outcome"] == "allowed"),
        "{audit}"
    );
    let metrics = world.gateway.state().metrics.render();
    let counts = |line: &str| {
        let series = line.starts_with("doorward_shadow_decisions_total{rule=\"secret\"");
        series && line.ends_with("outcome=\"forbidden\"} 1")
    };
    assert!(metrics.lines().any(counts), "{metrics}");
    world.ends_well().await;
}

#[actix_web::test]
async fn services_need_not_see_the_gateways_credentials() {
    let world =
        World::of(World::setup().and("forward_auth: { strip_credentials: true, user_header_format: json }"))
            .await;
    let grace = world.sign_in("grace").await;
    let answer = world.asks("/").cookies(&format!("a=1; {grace}; b=2")).with("cookie", "c=3").send().await;
    assert_status(&answer, &[200], "grace");
    assert_eq!(answer.header("cookie"), "a=1; b=2; c=3");
    assert!(!answer.headers.contains_key("authorization"));
    let user: Value = serde_json::from_str(&answer.header("x-auth-user")).unwrap();
    assert_eq!(user["email"], GRACE, "{user}");
    // A refusal repeats nothing of what was sent.
    let refused = world.asks("/admin/x").cookies(&format!("a=1; {grace}")).send().await;
    assert_status(&refused, &[403], "refused");
    assert!(!refused.headers.contains_key("cookie"));
    world.ends_well().await;
}

#[actix_web::test]
async fn without_a_sign_in_everything_is_told_and_nothing_redirected() {
    let mut setup = Setup::with(Idp::shared()).policy("services:\n  app: { roles: [user] }\n");
    setup.issuers.clear();
    let world = World::of(setup).await;
    let answer = world.asks("/").send().await;
    assert_status(&answer, &[401], "a navigation");
    assert!(answer.json().get("login_url").is_none_or(Value::is_null), "{}", answer.body);
    let body = world.asks("/").sent_as(Method::POST, "x").send().await;
    assert_status(&body, &[401], "with a body");
    assert!(IDENTITY.iter().all(|name| !answer.headers.contains_key(*name)));
    world.gateway.stop().await;
}
