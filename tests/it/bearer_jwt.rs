//! Bearer tokens at `/auth`: what services are told, and what nobody is let in with.

use std::time::Duration;

use serde_json::json;

use super::support::{APP, Answer, Browser, Gateway, Idp, Setup};

const POLICY: &str = "\
assign:\n  - { role: staff, email_domain: example.com, provider: p0 }\n\
public: [/v3/api-docs]\n\
services:\n\
\x20 admin: { prefix: /api/v1/admin, roles: [admin-role] }\n\
\x20 auditflow: { prefix: /api/v1/auditflow, roles: [admin-role, auditflow-role] }\n\
\x20 narrow: { prefix: /narrow, authenticated: true, audiences: [narrow-api] }\n\
\x20 open: { prefix: /open, public: true, audiences: [narrow-api] }\n\
\x20 granted: { prefix: /granted, roles: [granted-role] }\n\
\x20 app: { prefix: /app, authenticated: true }\n";

fn bearer(idp: &Idp) -> String {
    format!(
        "bearer: {{ issuers: [{{ issuer: \"{}\", audiences: [api], roles_claims: [roles] }}] }}",
        idp.issuer
    )
}

async fn gateway(idp: &Idp) -> Gateway {
    Setup::with(idp).and(&bearer(idp)).policy(POLICY).start().await
}

async fn token(idp: &Idp, sub: &str, roles: &[&str]) -> String {
    idp.mint(json!({"sub": sub, "aud": "api", "roles": roles}), json!({})).await
}

async fn ask(gateway: &Gateway, path: &str, authorization: &str) -> Answer {
    let url = format!("https://auth.example.test{path}");
    let response = gateway.ask("GET", &url).header("authorization", authorization).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { url, status, headers, body: response.text().await.unwrap(), served: status == 200 }
}

#[actix_web::test]
async fn three_people_and_a_role_mapping() {
    let idp = Idp::shared();
    let gateway = gateway(idp).await;
    let admin = token(idp, "u-1", &["admin-role", "unknown-role"]).await;
    let auditor = token(idp, "u-2", &["auditflow-role"]).await;
    let neither = token(idp, "u-3", &[]).await;
    for (path, statuses) in [
        ("/api/v1/admin", [200, 403, 403]),
        ("/api/v1/auditflow", [200, 200, 403]),
        ("/api/v1/administrator", [403, 403, 403]),
        ("/v3/api-docs", [200, 200, 200]),
        ("/unlisted", [403, 403, 403]),
    ] {
        for (token, status) in [&admin, &auditor, &neither].into_iter().zip(statuses) {
            let answer = ask(&gateway, path, &format!("Bearer {token}")).await;
            assert_eq!(answer.status, status, "{path}: {}", answer.body);
        }
    }
    let answer = ask(&gateway, "/api/v1/admin", &format!("bearer {admin}")).await;
    assert_eq!(answer.header("x-auth-method"), "jwt");
    assert_eq!(answer.header("x-user-id"), "u-1");
    assert_eq!(answer.header("x-auth-user"), "u-1");
    assert_eq!(answer.header("x-auth-roles"), "admin-role", "a role that no rule names goes nowhere");
    assert_eq!(answer.header("x-auth-assertion").split('.').count(), 3);
    assert_eq!(answer.header("cache-control"), "no-store");
    let refused = ask(&gateway, "/api/v1/admin", &format!("Bearer {neither}")).await;
    assert_eq!(refused.json()["error"], "forbidden");
    gateway.stop().await;
}

#[actix_web::test]
async fn an_authorization_that_is_wrong_is_never_followed_by_the_cookie() {
    let idp = Idp::shared();
    let gateway = gateway(idp).await;
    let mut ada = Browser::new(&gateway);
    assert!(ada.sign_in(APP, "ada@example.com").await.served);
    let token = token(idp, "u-1", &[]).await;
    let expired = idp.mint(json!({"sub": "u-1", "aud": "api", "exp": 1_000_000_000}), json!({})).await;
    for authorization in [
        "Bearer garbage".to_owned(),
        "Bearer".to_owned(),
        "Basic YTpi".to_owned(),
        format!("Bearer  {token}"),
        format!("Bearer {token} {token}"),
        format!("Token {token}"),
        format!("Bearer {expired}"),
        token.clone(),
    ] {
        ada.headers.push(("authorization", authorization.clone()));
        let answer = ada.get(APP).await;
        assert_eq!(answer.status, 401, "{authorization}");
        assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
        assert!(answer.json()["message"].as_str().unwrap().starts_with("invalid token"), "{}", answer.body);
        assert!(answer.set_cookies().is_empty() && answer.header("x-auth-user").is_empty());
        ada.headers.pop();
    }
    // On a public target nobody is turned away, and nothing is told.
    ada.headers.push(("authorization", "Bearer garbage".into()));
    let answer = ada.get("https://auth.example.test/v3/api-docs").await;
    assert_eq!((answer.status, answer.header("x-auth-method").as_str()), (200, "anonymous"));
    assert_eq!(answer.header("x-user-id"), "");
    ada.headers.pop();
    assert!(ada.get(APP).await.served);
    gateway.stop().await;
}

/// RFC 6750 2.1 and nothing else: not 2.2, not 2.3, and none of the places where people put tokens.
#[actix_web::test]
async fn a_token_counts_in_one_place_only() {
    let idp = Idp::shared();
    let gateway = gateway(idp).await;
    let token = token(idp, "u-1", &["admin-role"]).await;
    let at = "https://auth.example.test/api/v1/admin";
    let asked = async |url: &str, header: Option<(&str, String)>| {
        let mut ask = gateway.ask("POST", url);
        if let Some((name, value)) = header {
            ask = ask.header(name, value);
        }
        let response = ask.body(format!("access_token={token}")).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, response.text().await.unwrap())
    };
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let (status, headers, _) = asked(at, Some(("authorization", format!("{scheme} {token}")))).await;
        assert_eq!((status, headers["x-user-id"].to_str().unwrap()), (200, "u-1"), "{scheme}");
    }
    for header in [
        Some(("authorization", format!("Bearer\t{token}"))),
        Some(("authorization", format!("Bearer  {token}"))),
        Some(("authorization", format!("Bearer {token} {token}"))),
        Some(("authorization", format!("Bearer {token},"))),
        Some(("authorization", format!("Bearer, {token}"))),
        Some(("authorization", format!("Token {token}"))),
        Some(("authorization", format!("DPoP {token}"))),
        Some(("authorization", "Bearer".to_owned())),
        Some(("authorization", token.clone())),
        Some(("cookie", format!("access_token={token}; doorward={token}; __Host-doorward={token}"))),
        Some(("sec-websocket-protocol", token.clone())),
        Some(("sec-websocket-protocol", format!("base64url.bearer.authorization.k8s.io.{token}"))),
        Some(("x-api-key", token.clone())),
        Some(("x-auth-token", token.clone())),
        Some(("x-forwarded-access-token", token.clone())),
        Some(("proxy-authorization", format!("Bearer {token}"))),
        None,
    ] {
        let (status, headers, body) = asked(at, header.clone()).await;
        assert_eq!(status, 401, "{header:?}: {body}");
        assert!(!headers.contains_key("x-user-id") && !body.contains(&token), "{header:?}: {body}");
    }
    for parameter in ["access_token", "token", "jwt", "bearer"] {
        assert_eq!(asked(&format!("{at}?{parameter}={token}"), None).await.0, 401, "{parameter}");
    }
    let twice = gateway.ask("GET", at).header("authorization", format!("Bearer {token}"));
    let twice = twice.header("authorization", format!("Bearer {token}")).send().await.unwrap();
    assert_eq!(twice.status(), 401);
    let log = std::fs::read_to_string(gateway.dir.join("audit.log")).unwrap();
    let (_, signature) = token.rsplit_once('.').unwrap();
    assert!(log.lines().count() > 20 && !log.contains(signature), "no part of it is written down");
    gateway.stop().await;
}

/// Keys that cannot be had leave a token open; no fault of the issuer's documents lets one in.
#[actix_web::test]
async fn an_issuer_whose_documents_are_wrong_vouches_for_nobody() {
    let idp = Idp::start();
    let token = format!("Bearer {}", token(&idp, "u-1", &["admin-role"]).await);
    for settings in [
        json!({ "discovery": { "issuer": "https://evil.test" } }),
        json!({ "discovery": { "issuer": format!("{}/", idp.issuer) } }),
        json!({ "discovery": { "issuer": null } }),
        json!({ "discovery": { "jwks_uri": "http://169.254.169.254/keys" } }),
        json!({ "discovery": { "jwks_uri": "https://evil.test/keys" } }),
        json!({ "redirect": { "discovery": "http://169.254.169.254/" } }),
        json!({ "redirect": { "jwks": "http://169.254.169.254/" } }),
        json!({ "garbage": { "jwks": true } }),
        json!({ "huge": { "jwks": 3_000_000 } }),
        json!({ "status": { "jwks": 500 } }),
        json!({ "status": { "discovery": 404 } }),
    ] {
        idp.reset().await;
        idp.control(settings.clone()).await;
        let gateway = gateway(&idp).await;
        let answer = ask(&gateway, "/api/v1/admin", &token).await;
        assert_eq!(answer.status, 503, "{settings}: {}", answer.body);
        assert!(!answer.body.contains("evil.test"), "the cause is for the log: {}", answer.body);
        let open = ask(&gateway, "/v3/api-docs", &token).await;
        assert_eq!((open.status, open.header("x-user-id").as_str()), (200, ""), "{settings}");
        gateway.stop().await;
    }
    idp.reset().await;
    let gateway = gateway(&idp).await;
    assert_eq!(ask(&gateway, "/api/v1/admin", &token).await.status, 200);
    gateway.stop().await;
}

#[actix_web::test]
async fn nothing_presented_is_told_to_bring_a_token() {
    let gateway = gateway(Idp::shared()).await;
    let response = gateway.ask("POST", APP).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    let body: serde_json::Value = response.json().await.unwrap();
    assert!(body["message"].as_str().unwrap().starts_with("missing bearer token"), "{body}");
    gateway.stop().await;
}

#[actix_web::test]
async fn a_person_is_the_same_one_by_browser_and_by_token() {
    let idp = Idp::shared();
    let gateway = gateway(idp).await;
    let mut ada = Browser::new(&gateway);
    let by_browser = ada.sign_in(APP, "ada@example.com").await;
    let id = by_browser.header("x-user-id");
    let claims = json!({"sub": id, "aud": "api", "email": "ada@example.com", "email_verified": true});
    let token = format!("Bearer {}", idp.mint(claims, json!({})).await);
    let by_token = ask(&gateway, "/app/x", &token).await;
    assert_eq!((by_token.header("x-user-id"), by_token.header("x-auth-method")), (id.clone(), "jwt".into()));
    assert_eq!(by_token.header("x-auth-roles"), "staff", "assigned by the verified e-mail");

    // What an admin grants and takes counts for both, without a new token.
    assert_eq!(ask(&gateway, "/granted", &token).await.status, 403);
    let store = &gateway.state().store;
    assert!(store.grant(&id, "granted-role").await.unwrap());
    until(&gateway, &token, 200).await;
    assert!(store.ungrant(&id, "granted-role").await.unwrap());
    until(&gateway, &token, 403).await;
    assert!(store.set_disabled(&id, true).await.unwrap());
    until(&gateway, &token, 401).await;
    gateway.stop().await;
}

/// A change counts within a second; two are given.
async fn until(gateway: &Gateway, token: &str, status: u16) {
    for _ in 0..40 {
        if ask(gateway, "/granted", token).await.status == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never {status}");
}

#[actix_web::test]
async fn an_e_mail_that_is_not_verified_gives_no_role() {
    let idp = Idp::shared();
    let gateway = gateway(idp).await;
    for verified in [json!(false), json!(1), json!("yes"), json!(null)] {
        let claims =
            json!({"sub": "u-9", "aud": "api", "email": "eve@example.com", "email_verified": verified});
        let token = format!("Bearer {}", idp.mint(claims, json!({})).await);
        let answer = ask(&gateway, "/app/x", &token).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            (answer.header("x-auth-email"), answer.header("x-auth-roles")),
            (String::new(), String::new())
        );
    }
    gateway.stop().await;
}

#[actix_web::test]
async fn a_service_with_audiences_takes_only_tokens_that_are_meant_for_it() {
    let idp = Idp::shared();
    let gateway = gateway(idp).await;
    let plain = format!("Bearer {}", token(idp, "u-1", &[]).await);
    let meant = idp.mint(json!({"sub": "u-1", "aud": ["api", "narrow-api"]}), json!({})).await;
    let meant = format!("Bearer {meant}");
    let refused = ask(&gateway, "/narrow/x", &plain).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("not meant for this service"), "{}", refused.body);
    assert_eq!(ask(&gateway, "/narrow/x", &meant).await.status, 200);
    // A public service is told nothing by a token for others.
    assert_eq!(ask(&gateway, "/open", &plain).await.header("x-auth-method"), "anonymous");
    assert_eq!(ask(&gateway, "/open", &meant).await.header("x-auth-method"), "jwt");
    // A session is for every service.
    let mut ada = Browser::new(&gateway);
    assert!(ada.sign_in("https://auth.example.test/narrow/x", "ada@example.com").await.served);
    gateway.stop().await;
}

#[actix_web::test]
async fn an_issuer_that_is_away_leaves_it_open_and_closed() {
    let idp = Idp::start();
    let token = format!("Bearer {}", token(&idp, "u-1", &["admin-role"]).await);
    let setup = Setup::with(&idp).and(&bearer(&idp)).policy(POLICY);
    drop(idp);
    let gateway = setup.start().await;
    let answer = ask(&gateway, "/api/v1/admin", &token).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(!answer.header("retry-after").is_empty());
    let public = ask(&gateway, "/v3/api-docs", &token).await;
    assert_eq!((public.status, public.header("x-auth-method").as_str()), (200, "anonymous"));
    gateway.stop().await;
}

#[actix_web::test]
async fn the_reason_is_in_the_log_and_not_in_the_answer() {
    let idp = Idp::shared();
    let gateway = gateway(idp).await;
    let token = idp.mint(json!({"sub": "u-1", "aud": "other"}), json!({})).await;
    let answer = ask(&gateway, "/app/x", &format!("Bearer {token}")).await;
    assert_eq!(answer.status, 401);
    assert!(!answer.body.contains("audience"), "{}", answer.body);
    let log = std::fs::read_to_string(gateway.dir.join("audit.log")).unwrap();
    let id = answer.header("x-auth-decision-id");
    let line = log.lines().find(|line| line.contains(&id)).unwrap_or_else(|| panic!("{id} is not in {log}"));
    assert!(line.contains("it is for another audience"), "{line}");
    assert!(!log.contains(&token));
    gateway.stop().await;
}
