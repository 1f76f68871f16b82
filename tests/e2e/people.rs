//! Who may what, through the real proxy: bearer tokens against a role mapping, and a service that asks.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Answer, Chrome, Person, Setup, Stack, api, navigation, raw, until};

/// The short form, as Keycloak users of Traefik know it.
const ROLE_MAPPING: &str = "\
/api/v1/admin: [admin-role]
/api/v1/auditflow: [admin-role, auditflow-role]
/v3/api-docs: []
";

/// The demo with that mapping by its variable, an issuer of bearer tokens, and every path routed to foo, whose echo
/// says what came through (with 404 where it serves nothing).
async fn role_mapping() -> Stack {
    Setup::demo()
        .and("bearer: { issuers: [{ issuer: \"${IDP}\", audiences: [account], roles_claims: [realm_access.roles] }] }")
        .replacing("policy: { file", "# policy: { file")
        .replacing("PathPrefix(`/foo`)", "PathPrefix(`/`)")
        .role_mapping(ROLE_MAPPING)
        .start()
        .await
}

/// A Keycloak-like access token of the stand-in issuer.
async fn token(stack: &Stack, sub: &str, roles: &[&str], more: Value) -> String {
    let mut claims = json!({"sub": sub, "aud": "account", "azp": "cli", "typ": "Bearer",
        "email": format!("{sub}@example.com"), "email_verified": true, "realm_access": {"roles": roles}});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    stack.mint(&claims).await
}

async fn ask(stack: &Stack, path: &str, credential: Option<&str>) -> Answer {
    let mut headers = api();
    headers.extend(credential.map(|token| ("authorization", format!("Bearer {token}"))));
    Person::new(stack).send(Method::GET, path, &headers, None).await
}

/// Whether the answer is foo's, whatever it thinks of the path.
fn came_through(answer: &Answer) -> bool {
    serde_json::from_str::<Value>(&answer.body).is_ok_and(|body| body["headers"].is_object())
}

#[tokio::test]
async fn three_people_and_nobody_before_a_role_mapping() {
    let stack = role_mapping().await;
    let admin = token(&stack, "admin", &["offline_access", "admin-role"], json!({})).await;
    let auditor = token(&stack, "auditor", &["auditflow-role"], json!({})).await;
    let neither = token(&stack, "neither", &["offline_access", "uma_authorization"], json!({})).await;
    let people = [Some(admin.as_str()), Some(&auditor), Some(&neither), None];
    // 200: let through.
    for (path, expected) in [
        ("/api/v1/admin", [200, 403, 403, 401]),
        ("/api/v1/admin/users?x=1", [200, 403, 403, 401]),
        ("/api/v1/administrator", [403, 403, 403, 403]),
        ("/api/v1/admin-old/x", [403, 403, 403, 403]),
        ("/api/v1/auditflow", [200, 200, 403, 401]),
        ("/api/v1/auditflow/reports/7", [200, 200, 403, 401]),
        ("/api/v1/auditflows", [403, 403, 403, 403]),
        ("/v3/api-docs", [200, 200, 200, 200]),
        ("/v3/api-docs/swagger-config", [200, 200, 200, 200]),
        ("/v3/api-docsX", [403, 403, 403, 403]),
        ("/api/v1", [403, 403, 403, 403]),
        ("/unlisted", [403, 403, 403, 403]),
        ("/", [403, 403, 403, 403]),
    ] {
        for (n, (credential, status)) in people.iter().zip(expected).enumerate() {
            let answer = ask(&stack, path, *credential).await;
            assert_eq!(came_through(&answer), status == 200, "{path}, person {n}: {answer:?}");
            if status == 200 {
                continue;
            }
            assert_eq!(answer.status, status, "{path}, person {n}: {answer:?}");
            let body = answer.json();
            let (error, message) = match status {
                401 => ("unauthorized", "missing bearer token"),
                _ => ("forbidden", "forbidden"),
            };
            assert_eq!(body["error"], error, "{path}, person {n}: {body}");
            assert!(body["message"].as_str().unwrap().starts_with(message), "{path}, person {n}: {body}");
            assert_eq!(body["decision_id"], answer.header("x-auth-decision-id"), "{path}, person {n}");
            assert_eq!(answer.headers.get("x-auth-user"), None, "{path}, person {n}");
        }
    }
    let challenged = ask(&stack, "/api/v1/admin", None).await;
    assert_eq!(challenged.header("www-authenticate"), "Bearer");
    assert!(challenged.json()["login_url"].as_str().unwrap().starts_with(&stack.at("/rbac/login?rd=")));
}

#[tokio::test]
async fn a_token_that_does_not_hold_is_an_invalid_token_and_says_no_more() {
    let stack = role_mapping().await;
    let good = token(&stack, "admin", &["admin-role"], json!({})).await;
    let (signed, _) = good.rsplit_once('.').unwrap();
    let mut wrong = vec!["garbage".to_owned(), format!("{signed}."), format!("{signed}.AAAA")];
    for change in [
        json!({"aud": "other"}),
        json!({"exp": 1_000_000_000}),
        json!({"iss": "http://127.0.0.1:9"}),
        json!({"typ": "ID"}),
        json!({"nonce": "n"}),
    ] {
        wrong.push(token(&stack, "admin", &["admin-role"], change).await);
    }
    for token in wrong {
        let answer = ask(&stack, "/api/v1/admin", Some(&token)).await;
        assert_eq!(answer.status, 401, "{token}: {answer:?}");
        assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
        assert_eq!(answer.json()["message"], "invalid token");
        // What is open to all is open to them, too; and unlisted is unlisted.
        assert!(came_through(&ask(&stack, "/v3/api-docs", Some(&token)).await), "{token}");
        assert_eq!(ask(&stack, "/unlisted", Some(&token)).await.status, 403, "{token}");
    }
}

#[tokio::test]
async fn a_service_is_told_who_holds_the_token_whatever_the_client_says() {
    let stack = role_mapping().await;
    let token =
        token(&stack, "auditor", &["auditflow-role", "unknown-role"], json!({"name": "Jürgen"})).await;
    let lines: Vec<String> = [
        ("Authorization", format!("Bearer {token}").as_str()),
        ("X-Auth-User", "canary-of-client"),
        ("X-User-Id", "canary-of-client"),
        ("X-Auth-Email", "canary-of-client"),
        ("X-Auth-Name", "canary-of-client"),
        ("X-Auth-Roles", "admin-role,canary-of-client"),
        ("X-Auth-Permissions", "*,canary-of-client"),
        ("X-Auth-Method", "canary-of-client"),
        ("X-Auth-Assertion", "canary-of-client"),
    ]
    .iter()
    .map(|(name, value)| format!("{name}: {value}"))
    .collect();
    let echo = raw(&stack, b"/api/v1/auditflow/x", &lines).await.echo().expect("foo's");
    let told = &echo["headers"];
    assert!(!told.to_string().contains("canary-of-client"), "{told}");
    for (name, value) in [
        ("x-auth-user", "auditor@example.com"),
        ("x-auth-email", "auditor@example.com"),
        ("x-user-id", "auditor"),
        ("x-auth-name", "J%C3%BCrgen"),
        ("x-auth-roles", "auditflow-role"),
        ("x-auth-permissions", ""),
        ("x-auth-method", "jwt"),
    ] {
        assert_eq!(told[name], json!([value]), "{name}: {told}");
    }
    assert_eq!(told["x-auth-assertion"][0].as_str().unwrap().split('.').count(), 3);
    assert!(told.get("authorization").is_none(), "the demo hands no credential on: {told}");
    // Saying so makes nobody an admin.
    let answer = raw(&stack, b"/api/v1/admin", &lines).await;
    assert_eq!((answer.status, answer.is_foos()), (403, false), "{}", answer.head);
    // Of nobody, nothing is told.
    let echo = raw(&stack, b"/v3/api-docs", &lines[1..]).await.echo().expect("foo's");
    assert!(!echo["headers"].to_string().contains("canary-of-client"), "{echo}");
    assert_eq!(echo["headers"]["x-auth-user"], json!([""]));
    assert_eq!(echo["headers"]["x-auth-method"], json!(["anonymous"]));
}

#[tokio::test]
async fn a_service_asks_for_whom_a_button_works() {
    let stack = Stack::shared().await;
    let mut ada = Person::signed_in(stack, "ada@example.com").await;
    let mut grace = Person::signed_in(stack, "grace@example.com").await;
    let form = [navigation(), vec![("origin", stack.origin.clone())]].concat();
    for (person, may) in [(&mut ada, true), (&mut grace, false)] {
        let report = person.fetch("/foo/api/reports/7").await.json();
        assert_eq!(report["may_approve"], may, "{report}");
        assert_eq!(report["reason"] == "allowed", may, "{report}");
        let page = person.visit("/foo/reports/7").await.body;
        assert_eq!(page.contains("<button id=\"approve\">"), may, "{page}");
        assert_eq!(page.contains("<button id=\"approve\" disabled"), !may, "{page}");
        // The rule that foo was told of is the one that decides.
        let pressed = person.send(Method::POST, "/foo/reports/7/approve", &form, Some(Vec::new())).await;
        assert_eq!(pressed.status, if may { 200 } else { 403 }, "{pressed:?}");
        assert_eq!(pressed.body.contains("Approved."), may, "{pressed:?}");
        // A person who sends a form reads a page, refused or not.
        assert!(pressed.header("content-type").starts_with("text/html"), "{pressed:?}");
    }
    assert_eq!(Person::new(stack).fetch("/foo/api/reports/7").await.status, 401);
    // What foo asks, nobody asks from outside.
    for path in ["/authorize", "/authenticate", "/access/v1/evaluation", "/access/v1/evaluations", "/auth"] {
        let answer = ada.send(Method::POST, path, &api(), Some(b"{\"permission\":\"*\"}".to_vec())).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert_eq!(answer.headers.get("x-auth-decision-id"), None, "{path} is not the gateway's");
    }
    // The credential goes to the routes that ask and to no other.
    let seen = ada.fetch("/foo/api/echo").await;
    assert!(!seen.body.contains(&ada.session()), "{seen:?}");
}

#[tokio::test]
async fn the_button_in_a_browser() {
    let stack = Stack::shared().await;
    for (email, may) in [("ada@example.com", true), ("grace@example.com", false)] {
        let chrome = Chrome::start().await;
        chrome.goto(&stack.at("/foo/reports/7")).await;
        chrome.choose_account(email).await;
        chrome.arrives_at(&stack.at("/foo/reports/7")).await;
        let button = chrome.find("#approve").await;
        assert_eq!(button.is_enabled().await.unwrap(), may, "{email}");
        chrome.picture(if may { "report-may" } else { "report-may-not" }).await;
        if may {
            button.click().await.unwrap();
            chrome.reads("Approved.").await;
            chrome.picture("report-approved").await;
        } else {
            assert!(chrome.reads("You may not").await.contains("reports:approve"));
        }
        chrome.close().await;
    }
}

/// At the default level, in the form for people.
#[tokio::test]
async fn a_refusal_is_a_line_of_the_log_that_says_who_what_and_why() {
    let stack = Stack::shared().await;
    let mut grace = Person::signed_in(stack, "grace@example.com").await;
    let refused = grace.visit("/foo/admin/x?secret=canary-of-query").await;
    assert_eq!(refused.status, 403);
    let id = refused.header("x-auth-decision-id").to_owned();
    assert!(refused.body.contains(&format!("<code>{id}</code>")), "{}", refused.body);
    let line = until("the line of the refusal", async || {
        let log = stack.doorward_log();
        log.lines().find(|line| line.contains(&id) && !line.starts_with('{')).map(str::to_owned)
    })
    .await;
    for part in [
        "INFO",
        "forbidden: none of the roles admin-role",
        "user=\"grace@example.com\"",
        "method=\"GET\"",
        "host=\"localhost\"",
        "path=\"/foo/admin/x\"",
        "rule=\"foo /admin/**\"",
        "policy.yaml:",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(!line.contains("canary-of-query"), "{line}");
}
