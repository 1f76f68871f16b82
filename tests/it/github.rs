//! GitHub's manner of signing in: no ID token, a numeric id, and the one e-mail address that is primary and verified.

use serde_json::{Value, json};

use super::support::{APP, Answer, Browser, Gateway, HOME, Idp, Setup, query};

const HOST: &str = "auth.example.test";

async fn gateway(idp: &Idp) -> Gateway {
    let provider = format!(
        "providers: [{{ id: github, kind: github, issuer: \"{0}\", api_url: \"{0}/api\", client_id: doorward, client_secret: client-secret-canary }}]",
        idp.issuer
    );
    let setup = Setup { issuers: Vec::new(), ..Setup::with(idp) };
    setup.and(&provider).start().await
}

async fn attempt(gateway: &Gateway, idp: &Idp, settings: Value) -> (Answer, Browser) {
    idp.reset().await;
    idp.control(settings).await;
    let mut ada = Browser::new(gateway);
    let callback = ada.sign_in_up_to_callback(APP, "ada@example.com").await;
    let answer = ada.get(&callback).await;
    (answer, ada)
}

#[actix_web::test]
async fn somebody_signs_in_with_github() {
    let idp = Idp::start();
    let gateway = gateway(&idp).await;
    let mut ada = Browser::new(&gateway);
    let page = ada.follow_to_provider(APP).await;
    assert!(page.starts_with(&idp.at("/login/oauth/authorize?")), "{page}");
    let asked = query(&page);
    assert_eq!(asked["redirect_uri"], "https://auth.example.test/rbac/callback");
    assert_eq!(
        (asked["scope"].as_str(), asked["code_challenge_method"].as_str()),
        ("read:user user:email", "S256")
    );
    let there = ada.sign_in(APP, "ada@example.com").await;
    assert!(there.served && there.url == APP, "{there:?}");
    assert_eq!(there.header("x-auth-email"), "ada@example.com");
    assert_eq!(there.header("x-auth-name"), "Ada%20Lovelace");
    assert_eq!(there.header("x-auth-roles"), "");
    // The number, and not the login name, which somebody else can take once it is given up.
    let id = there.header("x-user-id");
    assert!(!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
    let renamed = json!({ "github_user": { "login": "somebody-else", "name": null } });
    let (_, mut renamed) = attempt(&gateway, &idp, renamed).await;
    let there = renamed.get(APP).await;
    assert_eq!((there.header("x-user-id"), there.header("x-auth-name")), (id, "somebody-else".into()));
    let (token, emails) = (idp.seen().await["last"]["github_token"].clone(), idp.hits("github_emails").await);
    assert_eq!((&token["client_auth"], emails), (&json!("client_secret_post"), 1));
    // It has no logout of its own: signing out ends here.
    let page = ada.get(&format!("{HOME}logout")).await.body;
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let out = ada.post(&format!("{HOME}logout"), &[("csrf", &csrf)]).await;
    assert_eq!(out.location(), format!("{HOME}logout"));
    gateway.stop().await;
}

#[actix_web::test]
async fn what_github_does_not_vouch_for_is_refused() {
    let idp = Idp::start();
    let gateway = gateway(&idp).await;
    let address = |email: &str, primary: bool, verified: bool| json!({ "email": email, "primary": primary, "verified": verified, "visibility": null });
    for (settings, status) in [
        (json!({ "email_verified": false }), 403),
        (json!({ "github_emails": [] }), 403),
        (json!({ "github_emails": [address("ada@example.com", false, true)] }), 403),
        (
            json!({ "github_emails": [address("spare@example.com", false, true), address("ada@example.com", true, false)] }),
            403,
        ),
        (json!({ "github_emails": [address("a b@example.com", true, true)] }), 403),
        (json!({ "github_emails": { "message": "Not Found" } }), 502),
        (json!({ "github_emails": [{ "email": "ada@example.com" }] }), 502),
        (json!({ "github_user": { "id": null } }), 502),
        (json!({ "github_user": { "id": "17" } }), 502),
        (json!({ "error": { "github_token": "bad_verification_code" } }), 403),
        (json!({ "error": { "github_token": "incorrect_client_credentials" } }), 502),
        (json!({ "status": { "github_token": 500 } }), 504),
        (json!({ "status": { "github_user": 500 } }), 504),
        (json!({ "status": { "github_emails": 403 } }), 502),
        (json!({ "garbage": { "github_user": true } }), 502),
        (json!({ "huge": { "github_user": 3_000_000 } }), 502),
        (json!({ "redirect": { "github_user": "http://169.254.169.254/" } }), 502),
    ] {
        let (answer, ada) = attempt(&gateway, &idp, settings.clone()).await;
        assert_eq!((answer.status, ada.session(HOST)), (status, None), "{settings}: {}", answer.body);
        assert!(idp.hits("github_token").await <= 1, "{settings}");
    }
    let (answer, _) = attempt(&gateway, &idp, json!({})).await;
    assert_eq!(answer.location(), APP, "and all is well afterwards");
    idp.reset().await;
    let mut ada = Browser::new(&gateway);
    let page = ada.follow_to_provider(APP).await;
    let cancelled = ada.post(&page, &[("cancel", "1")]).await.location();
    assert_eq!((ada.get(&cancelled).await.status, idp.hits("github_token").await), (403, 0));
    gateway.stop().await;
}
