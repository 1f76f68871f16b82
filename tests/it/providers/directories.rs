//! Providers that keep a directory of one's own: Keycloak, Okta, Authentik, Zitadel, Dex, Authelia.

use serde_json::{Value, json};

use super::{ADA, Example, token};
use crate::support::{APP, Browser, query};

#[actix_web::test]
async fn keycloak() {
    let keycloak = Example::new("keycloak.md", 0).play(json!({})).await;
    let none = json!({ "id_token": { "realm_access": null }, "userinfo": { "realm_access": null } });
    assert_eq!(keycloak.lets_in(none).await.header("x-auth-roles"), "");
    assert_eq!(keycloak.roles(token(json!({ "realm_access": { "roles": ["staff"] } }))).await, "staff");
    let other_realm = json!({ "iss": format!("{}/realms/other", keycloak.idp.origin) });
    keycloak.refuses(token(other_realm), 403, "the ID token is not valid").await;
    keycloak.end().await;
}

#[actix_web::test]
async fn okta() {
    let page = "providers/okta.md";
    let okta = Example::new(page, 0).policy_of(page).play(token(json!({ "roles": null }))).await;
    let groups = |groups: Value| token(json!({ "groups": groups }));
    let there = okta.lets_in(groups(json!(["Doorward Staff", "Everyone"]))).await;
    assert_eq!((there.header("x-auth-roles"), there.header("x-auth-email")), ("staff".into(), ADA.into()));
    // A thin ID token, as the organisation's own server issues: the groups are in UserInfo.
    let thin = json!({ "id_token": { "groups": null }, "userinfo": { "groups": ["Doorward Staff"] } });
    assert_eq!(okta.roles(thin).await, "staff");
    for near in [
        json!(["doorward staff"]),
        json!(["Doorward"]),
        json!(["Staff"]),
        json!(["Doorward Staff "]),
        json!("Doorward Staff"),
        json!([["Doorward Staff"]]),
    ] {
        let (_, mut browser) = okta.attempt(ADA, &groups(near.clone())).await;
        assert_eq!(browser.get(APP).await.status, 403, "{near}");
    }
    for server in [
        "",
        "/",
        "/oauth2",
        "/oauth2/",
        "/oauth2/default/",
        "/oauth2/defaults",
        "/oauth2/aus1a2b3c4d5e6f7g8h9",
    ] {
        let iss = format!("{}{server}", okta.idp.origin);
        okta.refuses(token(json!({ "iss": iss })), 403, "the ID token is not valid").await;
    }
    okta.refuses(json!({ "email_verified": false }), 403, "the e-mail is not verified").await;
    okta.end().await;
}

#[actix_web::test]
async fn authentik() {
    let page = "providers/authentik.md";
    let authentik = Example::new(page, 0).policy_of(page).play(token(json!({ "roles": null }))).await;
    assert!(authentik.idp.issuer.ends_with("/application/o/doorward/"), "{}", authentik.idp.issuer);
    let groups = token(json!({ "groups": ["authentik Admins"] }));
    assert_eq!(authentik.roles(groups).await, "staff");
    // Its default mapping says so of everybody.
    authentik.refuses(json!({ "email_verified": false }), 403, "the e-mail is not verified").await;
    for other in ["/application/o/doorward", "/application/o/other/", "/application/o/", "/"] {
        let iss = format!("{}{other}", authentik.idp.origin);
        authentik.refuses(token(json!({ "iss": iss })), 403, "the ID token is not valid").await;
    }
    authentik.refuses(json!({ "alg": "HS256" }), 403, "is not allowed").await;
    authentik.end().await;
}

const ROLES: &str = "urn:zitadel:iam:org:project:roles";
const OWNER: &str = "urn:zitadel:iam:user:resourceowner:id";
const OURS: &str = "201982826478953724";
const PARTNER: &str = "309988776655443322";

#[actix_web::test]
async fn zitadel() {
    let manner = json!({ "id_token": { "roles": null, "groups": null }, "userinfo": { "roles": null, "groups": null } });
    let zitadel = Example::new("providers/zitadel.md", 0).play(manner).await;
    let granted =
        json!({ ROLES: { "staff": { OURS: "example.com" }, "auditor": { PARTNER: "partner.example" } } });
    assert_eq!(zitadel.roles(token(granted.clone())).await, "auditor,staff");
    // Without "User roles inside ID Token" they are in UserInfo.
    assert_eq!(zitadel.roles(json!({ "userinfo": granted })).await, "auditor,staff");
    for odd in [
        json!({ "staff": true }),
        json!({ "staff": {} }),
        json!({ "staff": [OURS] }),
        json!("staff"),
        json!(null),
        json!({ "a,staff": { OURS: "x" } }),
    ] {
        assert_eq!(zitadel.roles(token(json!({ ROLES: odd }))).await, "", "{odd}");
    }
    zitadel.end().await;
}

#[actix_web::test]
async fn zitadels_organisations() {
    let manner = json!({ "id_token": { "roles": null, "groups": null, OWNER: OURS }, "userinfo": { "roles": null, "groups": null } });
    let zitadel = Example::new("providers/zitadel.md", 1).play(manner).await;
    let asked = query(&Browser::new(&zitadel.gateway).follow_to_provider(APP).await);
    assert_eq!(asked["scope"], "openid email profile urn:zitadel:iam:user:resourceowner");
    let roles = json!({ ROLES: { "staff": { OURS: "example.com" }, "both": { PARTNER: "p.example", OURS: "example.com" }, "theirs": { PARTNER: "example.com" } } });
    assert_eq!(zitadel.roles(token(roles.clone())).await, "both,staff");
    // What only UserInfo says of the organisation counts as well; what the ID token says goes first.
    let in_user_info = json!({ "id_token": { OWNER: null }, "userinfo": { OWNER: OURS } });
    zitadel.lets_in(in_user_info).await;
    let mut foreign = roles;
    foreign[OWNER] = json!(PARTNER);
    zitadel
        .refuses(
            json!({ "id_token": foreign, "userinfo": { OWNER: OURS } }),
            403,
            "is of none of the allowed tenants",
        )
        .await;
    for owner in [
        json!(null),
        json!([OURS]),
        json!({ OURS: 1 }),
        json!(format!("{OURS} ")),
        json!("example.com"),
        json!(201_982_826_478_953_724_u64),
    ] {
        zitadel.refuses(token(json!({ OWNER: owner })), 403, "is of none of the allowed tenants").await;
    }
    zitadel.end().await;
}

#[actix_web::test]
async fn dex() {
    let page = "providers/dex.md";
    let dex = Example::new(page, 0).policy_of(page).play(token(json!({ "roles": null }))).await;
    let asked = query(&Browser::new(&dex.gateway).follow_to_provider(APP).await);
    assert_eq!(asked["scope"], "openid email profile groups");
    let developers =
        json!({ "groups": ["developers"], "federated_claims": { "connector_id": "github", "user_id": "1" } });
    assert_eq!(dex.roles(token(developers)).await, "staff");
    dex.refuses(json!({ "email_verified": false }), 403, "the e-mail is not verified").await;
    dex.end().await;
}

#[actix_web::test]
async fn dex_with_several_connectors() {
    let page = "providers/dex.md";
    let dex = Example::new(page, 1)
        .policy_of(page)
        .play(token(json!({ "roles": null, "groups": ["developers"] })))
        .await;
    let asked = query(&Browser::new(&dex.gateway).follow_to_provider(APP).await);
    assert_eq!(asked["scope"], "openid email profile groups federated:id");
    let by = |connector: Value| {
        token(json!({ "federated_claims": { "connector_id": connector, "user_id": "1" } }))
    };
    assert_eq!(dex.roles(by(json!("ldap"))).await, "staff");
    for other in [json!("github"), json!("LDAP"), json!("ldap2"), json!(["ldap"]), json!(null)] {
        dex.refuses(by(other), 403, "is of none of the allowed tenants").await;
    }
    // Whoever takes the scope out of the address on their way has no such claim, and names do not reach into others.
    dex.refuses(json!({}), 403, "it has no claim").await;
    dex.refuses(token(json!({ "federated_claims.connector_id": "ldap" })), 403, "it has no claim").await;
    dex.refuses(token(json!({ "federated_claims": "ldap", "connector_id": "ldap" })), 403, "it has no claim")
        .await;
    dex.end().await;
}

#[actix_web::test]
async fn authelia() {
    let page = "providers/authelia.md";
    let bare = json!({ "id_token": { "email": null, "email_verified": null, "name": null, "given_name": null, "preferred_username": null,
        "groups": null, "roles": null, "realm_access": null, "hd": null } });
    let authelia = Example::new(page, 0).policy_of(page).play(bare).await;
    let there = authelia.lets_in(json!({ "userinfo": { "groups": ["staff"] } })).await;
    assert_eq!((there.header("x-auth-email"), there.header("x-auth-roles")), (ADA.into(), "staff".into()));
    assert_eq!(there.header("x-auth-name"), "Ada%20Lovelace");
    // An e-mail of the one document is not verified by the other.
    authelia
        .refuses(
            json!({ "email_verified": false, "id_token": { "email_verified": true } }),
            403,
            "the e-mail is not verified",
        )
        .await;
    authelia.refuses(json!({ "userinfo": { "sub": "somebody-else" } }), 502, "another sub").await;
    authelia.refuses(json!({ "userinfo": { "sub": null } }), 502, "another sub").await;
    authelia
        .refuses(json!({ "garbage": { "userinfo": "eyJhbGciOiJSUzI1NiJ9.e30.c2ln" } }), 502, "no usable JSON")
        .await;
    authelia.refuses(json!({ "status": { "userinfo": 503 } }), 504, "userinfo answered 503").await;
    authelia.end().await;
}
