//! Providers at which anybody can have an account: Auth0, GitLab, GitHub, Google.

use serde_json::{Value, json};

use super::{ADA, Example, Played, token};
use crate::support::{APP, Browser, Idp, Setup, query};

const ROLES: &str = "https://example.com/roles";

/// Auth0 with the `n`th configuration of its page.
async fn auth0(n: usize) -> Played {
    let auth0 = Example::new("providers/auth0.md", n)
        .play(token(json!({ "roles": null, "groups": null, "realm_access": null })))
        .await;
    assert_eq!(auth0.idp.issuer, format!("{}/", auth0.idp.origin));
    auth0
}

#[actix_web::test]
async fn auth0s_claims_and_its_slash() {
    let auth0 = auth0(0).await;
    assert_eq!(auth0.roles(token(json!({ ROLES: ["staff", "auditor"] }))).await, "auditor,staff");
    assert_eq!(auth0.roles(json!({ "userinfo": { ROLES: ["staff"] } })).await, "staff");
    for lookalike in [
        json!({ "https://example": { "com/roles": ["staff"] } }),
        json!({ "https://example.com/roles/": ["staff"] }),
        json!({ "HTTPS://example.com/roles": ["staff"] }),
        json!({ "http://example.com/roles": ["staff"] }),
        json!({ "roles": ["staff"] }),
        json!({ ROLES: "staff" }),
        json!({ ROLES: { "staff": { "1": "x" } } }),
    ] {
        assert_eq!(auth0.roles(token(lookalike.clone())).await, "", "{lookalike}");
    }
    for other in ["", "//", "/other"] {
        let iss = format!("{}{other}", auth0.idp.origin);
        auth0.refuses(token(json!({ "iss": iss })), 403, "the ID token is not valid").await;
    }
    // In the answer, too, the issuer is a name to the letter.
    let answered = json!({ "callback_iss": auth0.idp.origin });
    auth0.refuses(answered, 403, "by another issuer than the one asked").await;
    auth0.refuses(json!({ "alg": "HS256" }), 403, "is not allowed").await;
    auth0.refuses(json!({ "email_verified": false }), 403, "the e-mail is not verified").await;
    auth0.end().await;
}

/// Without the slash nobody signs in, and the operator reads why.
#[actix_web::test]
async fn a_slash_that_is_missing_is_told() {
    let idp = Idp::with_path("/");
    let setup = Setup { issuers: vec![idp.origin.clone()], ..Setup::with(&idp) };
    let gateway = setup.start().await;
    let mut ada = Browser::new(&gateway);
    let start = ada.get("https://auth.example.test/rbac/login").await;
    assert_eq!(start.status, 502, "{}", start.body);
    let log = std::fs::read_to_string(gateway.dir.join("audit.log")).unwrap();
    assert!(
        log.contains("must be equal to the letter") && log.contains(&format!("{}/", idp.origin)),
        "{log}"
    );
    gateway.stop().await;
}

#[actix_web::test]
async fn auth0s_organisations() {
    let auth0 = auth0(1).await;
    auth0.lets_in(token(json!({ "org_id": "org_9ybsU1dN2dKfDkBi" }))).await;
    for other in [
        json!("org_other"),
        json!("ORG_9ybsU1dN2dKfDkBi"),
        json!(["org_9ybsU1dN2dKfDkBi"]),
        json!(""),
        json!("*"),
    ] {
        auth0.refuses(token(json!({ "org_id": other })), 403, "is of none of the allowed tenants").await;
    }
    auth0.refuses(token(json!({ "org_name": "org_9ybsU1dN2dKfDkBi" })), 403, "it has no claim").await;
    auth0.end().await;
}

/// What GitLab says: direct groups in the ID token, all of them in UserInfo.
fn gitlab(direct: &Value, all: &Value) -> Value {
    json!({ "id_token": { "groups": null, "roles": null, "groups_direct": direct }, "userinfo": { "roles": null, "groups": all } })
}

#[actix_web::test]
async fn gitlabs_groups() {
    let page = "providers/gitlab.md";
    let direct = Example::new(page, 0).policy_of(page).play(json!({})).await;
    let group = json!(["example/platform"]);
    assert_eq!(direct.roles(gitlab(&json!(["x", "example/platform"]), &json!([]))).await, "staff");
    assert_eq!(direct.idp.hits("userinfo").await, 0);
    for elsewhere in [
        json!(["example"]),
        json!(["example/platform/team"]),
        json!(["evil/example/platform"]),
        json!(["Example/Platform"]),
        json!([]),
    ] {
        let (_, mut browser) = direct.attempt(ADA, &gitlab(&elsewhere, &group)).await;
        assert_eq!(browser.get(APP).await.status, 403, "{elsewhere}: groups above say nothing");
    }
    direct.refuses(json!({ "email_verified": false }), 403, "the e-mail is not verified").await;
    direct.end().await;
    // With the other claims of the page, which only UserInfo has.
    let inherited =
        Example::new(page, 0).policy_of(page).instead("groups_claim: groups_direct", "groups_claim: groups");
    let inherited = inherited.play(json!({})).await;
    assert_eq!(inherited.roles(gitlab(&json!([]), &group)).await, "staff");
    assert_eq!(inherited.idp.hits("userinfo").await, 1);
    inherited.end().await;
    let owner = "https://gitlab.org/claims/groups/owner";
    let owners = Example::new(page, 0)
        .policy_of(page)
        .instead("groups_claim: groups_direct", &format!("groups_claim: {owner}"));
    let owners = owners.play(json!({})).await;
    assert_eq!(owners.roles(json!({ "userinfo": { owner: ["example/platform"] } })).await, "staff");
    owners.end().await;
}

#[actix_web::test]
async fn github() {
    let page = "providers/github.md";
    for n in [0, 1] {
        let github = Example::new(page, n).policy_of(page).play(json!({})).await;
        let asked = query(&Browser::new(&github.gateway).follow_to_provider(APP).await);
        assert_eq!(asked["scope"], "read:user user:email");
        let there =
            github.lets_in(json!({ "github_user": { "email": "boss@example.com", "login": "boss" } })).await;
        assert_eq!(
            (there.header("x-auth-email"), there.header("x-auth-roles")),
            (ADA.into(), "admin-role,staff".into())
        );
        let boss = |primary: bool, verified: bool| json!({ "email": ADA, "primary": primary, "verified": verified, "visibility": "public" });
        let own =
            json!({ "email": "eve@evil.example", "primary": true, "verified": true, "visibility": null });
        // An address of the house that is not the primary one, verified or not, is not looked at.
        for other in [boss(false, true), boss(false, false)] {
            let (answer, mut eve) =
                github.attempt("eve@evil.example", &json!({ "github_emails": [other, own] })).await;
            assert_eq!((answer.location().as_str(), eve.get(APP).await.status), (APP, 403), "{other}");
        }
        github
            .refuses(json!({ "github_emails": [boss(true, false)] }), 403, "the e-mail is not verified")
            .await;
        github.refuses(json!({ "status": { "github_emails": 404 } }), 502, "/user/emails answered 404").await;
        github.end().await;
    }
}

#[actix_web::test]
async fn google() {
    let google = Example::new("providers/google.md", 0).play(json!({})).await;
    let asked = query(&Browser::new(&google.gateway).follow_to_provider(APP).await);
    assert_eq!((asked["hd"].as_str(), asked["prompt"].as_str()), ("example.com", "select_account"));
    assert_eq!(google.lets_in(json!({})).await.header("x-auth-email"), ADA);
    for hd in [json!(null), json!("evil.example"), json!("sub.example.com"), json!(["example.com"])] {
        google.refuses(token(json!({ "hd": hd })), 403, "in none of the allowed domains").await;
    }
    google.refuses(json!({ "email_verified": false }), 403, "the e-mail is not verified").await;
    google.end().await;
}
