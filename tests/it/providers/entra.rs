//! Microsoft Entra ID: tenants, e-mails that anybody could have written, groups that do not fit.

use serde_json::{Value, json};

use super::{Example, Played, merge, token};
use crate::support::{APP, Browser};

const PAGE: &str = "providers/entra.md";
const OURS: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const PARTNER: &str = "82229342-1101-4ab6-817b-70c0747630f3";
/// `sub`, which Entra makes for one application.
const SUB: &str = "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ";
const STRANGER: &str = "11111111-2222-3333-4444-555555555555";
/// The tenant of private accounts.
const PRIVATE: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// What Entra says of an account of a tenant: no `email_verified`, no `iss` in the answer, keys that name their issuers.
fn manner(example: &Example, tenant: &str) -> Value {
    let origin = &example.idp.origin;
    json!({
        "no_iss_param": true,
        "email_verified": "missing",
        "jwk": { "issuer": format!("{origin}/{{tenantid}}/v2.0"), "alg": null },
        "userinfo": { "sub": SUB, "groups": null, "roles": null, "realm_access": null, "hd": null },
        "id_token": {
            "iss": format!("{origin}/{tenant}/v2.0"), "tid": tenant, "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "ver": "2.0",
            "sub": SUB, "xms_edov": true, "roles": ["staff"],
            "preferred_username": "boss@example.com", "groups": null, "realm_access": null, "hd": null, "azp": null, "sid": null,
        },
    })
}

async fn single() -> Played {
    let example = Example::new(PAGE, 0);
    let manner = manner(&example, OURS);
    example.play(manner).await
}

/// `/organizations`, with two tenants allowed.
async fn several() -> Played {
    let example = Example::new(PAGE, 2);
    let mut manner = manner(&example, OURS);
    merge(
        &mut manner,
        &json!({ "discovery": { "issuer": format!("{}/{{tenantid}}/v2.0", example.idp.origin) } }),
    );
    example.play(manner).await
}

#[actix_web::test]
async fn one_tenant() {
    let entra = single().await;
    let there = entra.lets_in(json!({})).await;
    assert_eq!(
        (there.header("x-auth-email").as_str(), there.header("x-auth-roles").as_str()),
        ("ada@example.com", "staff")
    );
    assert_eq!(there.header("x-user-id"), SUB);
    let iss =
        |tenant: &str| token(json!({ "iss": format!("{}/{tenant}/v2.0", entra.idp.origin), "tid": tenant }));
    for other in [PARTNER, PRIVATE, "common", "organizations", "{tenantid}"] {
        entra.refuses(iss(other), 403, "the ID token is not valid").await;
    }
    for slip in ["/", " ", "?", "#", "/.."] {
        let iss = format!("{}{slip}", entra.idp.issuer);
        entra.refuses(token(json!({ "iss": iss })), 403, "the ID token is not valid").await;
    }
    entra.end().await;
}

#[actix_web::test]
async fn an_email_that_anybody_could_have_written_is_none() {
    let entra = single().await;
    for yes in [json!(true), json!("true"), json!(1), json!("1")] {
        let there = entra.lets_in(token(json!({ "xms_edov": yes }))).await;
        assert_eq!(there.header("x-auth-email"), "ada@example.com", "{yes}");
    }
    for no in [json!(null), json!(false), json!(0), json!("0"), json!("yes"), json!([true])] {
        let says = token(json!({ "email": "boss@example.com", "xms_edov": no }));
        entra.refuses(says, 403, "the e-mail is not verified").await;
    }
    // Nobody asked for this claim, and an account has it by whatever mapping.
    let says = token(json!({ "email": "boss@example.com", "xms_edov": null, "email_verified": true }));
    entra.refuses(says, 403, "the e-mail is not verified").await;
    let says = token(json!({ "email": "boss@example.com", "email_verified": false }));
    entra.refuses(says, 403, "the e-mail is not verified").await;
    // UserInfo's e-mail counts as little, and the user principal name is none.
    entra.refuses(token(json!({ "email": null })), 403, "the e-mail is not verified").await;
    let says = json!({ "id_token": { "email": null }, "userinfo": { "email": null } });
    entra.refuses(says, 403, "the account has no e-mail").await;
    entra.end().await;
}

#[actix_web::test]
async fn without_an_email_people_are_people_without_an_email() {
    let example = Example::new(PAGE, 1);
    let mut manner = manner(&example, OURS);
    merge(&mut manner, &token(json!({ "xms_edov": null })));
    let example = Example {
        policy: Some(
            "version: 1\nassign:\n  - { role: boss, email: boss@example.com, provider: entra }\n  - { role: house, email_domain: example.com, \
             provider: entra }\nroles: { staff: , boss: , house: }\nservices: { app: { prefix: /app, authenticated: true } }\n"
                .into(),
        ),
        ..example
    };
    let entra = example.play(manner).await;
    for claims in [
        json!({ "email": "boss@example.com" }),
        json!({ "email": "boss@example.com", "email_verified": false }),
        json!({ "email": "boss@example.com", "xms_edov": true }),
        json!({ "email": "a,boss@example.com", "email_verified": true }),
        json!({ "email": "boss@example.com@example.com", "email_verified": true }),
    ] {
        let there = entra.lets_in(token(claims.clone())).await;
        assert_eq!(there.header("x-auth-email"), "", "{claims}");
        assert_eq!(there.header("x-auth-user"), SUB, "{claims}");
        assert_eq!(there.header("x-auth-roles"), "staff", "{claims}: no rule by e-mail is about them");
    }
    let there = entra.lets_in(token(json!({ "email": "boss@example.com", "email_verified": true }))).await;
    assert_eq!(there.header("x-auth-roles"), "boss,house,staff", "the control: a verified one is one");
    entra.end().await;
}

#[actix_web::test]
async fn tenants_that_are_listed_and_no_others() {
    let entra = several().await;
    let origin = entra.idp.origin.clone();
    let of = |iss: Value, tid: Value| token(json!({ "iss": iss, "tid": tid }));
    let issuer = |tenant: &str| json!(format!("{origin}/{tenant}/v2.0"));
    // `sub` is unique within a tenant alone: the same one elsewhere is somebody else.
    for tenant in [OURS, PARTNER] {
        let there = entra.lets_in(of(issuer(tenant), json!(tenant))).await;
        assert_eq!(there.header("x-user-id"), format!("{tenant}/{SUB}"));
    }
    let lying = token(json!({ "sub": format!("../{PARTNER}/somebody") }));
    assert_eq!(entra.lets_in(lying).await.header("x-user-id"), format!("{OURS}/../{PARTNER}/somebody"));
    for stranger in [STRANGER, PRIVATE] {
        entra.refuses(of(issuer(stranger), json!(stranger)), 403, "is of none of the allowed tenants").await;
        entra.refuses(of(issuer(stranger), json!(OURS)), 403, "is of none of the allowed tenants").await;
        entra.refuses(of(issuer(OURS), json!(stranger)), 403, "is of none of the allowed tenants").await;
    }
    entra.refuses(of(issuer(OURS), json!(PARTNER)), 403, "is of none of the allowed tenants").await;
    for tid in [
        json!(null),
        json!(""),
        json!("*"),
        json!([OURS]),
        json!({ OURS: true }),
        json!(OURS.to_uppercase()),
        json!(format!("{OURS} ")),
    ] {
        entra.refuses(of(issuer(OURS), tid), 403, "is of none of the allowed tenants").await;
    }
    for iss in [
        issuer("organizations"),
        issuer("common"),
        issuer("{tenantid}"),
        issuer(&OURS.to_uppercase()),
        issuer(&format!("{OURS}/../{OURS}")),
        json!(format!("{origin}/{OURS}/v2.0/")),
        json!(format!("{origin}/{OURS}/v2.0.evil")),
        json!(format!("{origin}/{OURS}")),
        json!(format!("https://login.evil.example/{OURS}/v2.0")),
    ] {
        entra.refuses(of(iss, json!(OURS)), 403, "is of none of the allowed tenants").await;
    }
    entra.end().await;
}

#[actix_web::test]
async fn an_answer_that_names_an_issuer_names_that_of_the_token() {
    let entra = several().await;
    let answered = |tenant: &str| json!({ "no_iss_param": false, "callback_iss": format!("{}/{tenant}/v2.0", entra.idp.origin) });
    entra.lets_in(answered(OURS)).await;
    entra.refuses(answered(PARTNER), 403, "by another issuer than the one asked").await;
    for other in [STRANGER, "organizations", "{tenantid}"] {
        entra.refuses(answered(other), 403, "by another issuer than the one asked").await;
        assert_eq!(entra.idp.hits("token").await, 0, "{other}: the code is not even redeemed");
    }
    entra.end().await;
}

#[actix_web::test]
async fn a_key_of_private_accounts_vouches_for_no_company() {
    for (page, n) in [(PAGE, 0), (PAGE, 2)] {
        let example = Example::new(page, n);
        let origin = example.idp.origin.clone();
        let mut manner = manner(&example, OURS);
        merge(&mut manner, &json!({ "jwk": { "issuer": format!("{origin}/{PRIVATE}/v2.0") } }));
        if n == 2 {
            merge(&mut manner, &json!({ "discovery": { "issuer": format!("{origin}/{{tenantid}}/v2.0") } }));
        }
        let entra = example.play(manner).await;
        entra.refuses(json!({}), 403, "its key is for tokens of another issuer").await;
        entra.end().await;
    }
}

#[actix_web::test]
async fn groups_that_do_not_fit_are_not_no_groups() {
    let example = Example::new(PAGE, 0).policy_of(PAGE);
    let mut manner = manner(&example, OURS);
    merge(&mut manner, &token(json!({ "roles": null })));
    let entra = example.instead("    roles_claim: roles\n", "").play(manner).await;
    let staff = "0760b6cf-170e-4a14-91b3-4b78e0739963";
    assert_eq!(
        entra.roles(token(json!({ "groups": [staff, "3b2b0c93-acd8-4208-8eba-7a48db1cd4c0"] }))).await,
        "staff"
    );
    let (answer, mut nobody) = entra.attempt("ada@example.com", &json!({})).await;
    assert_eq!(
        (answer.location().as_str(), nobody.get(APP).await.status),
        (APP, 403),
        "no groups are no groups"
    );
    let overage = json!({ "_claim_names": { "groups": "src1" }, "_claim_sources": { "src1": { "endpoint": "http://127.0.0.1:9/graph" } } });
    let mut with_some = overage.clone();
    merge(&mut with_some, &json!({ "groups": [staff] }));
    for claims in [overage.clone(), with_some, json!({ "hasgroups": true }), json!({ "hasgroups": "true" })] {
        entra.refuses(token(claims), 503, "Groups assigned to the application").await;
    }
    let (page, _) = entra.attempt("ada@example.com", &token(overage)).await;
    assert!(page.body.contains("too many of them") && !page.body.contains("_claim"), "{}", page.body);
    assert_eq!(page.header("retry-after"), "5");
    entra.end().await;
}

#[actix_web::test]
async fn groups_that_nobody_decides_by_keep_nobody_out_and_roles_do() {
    let entra = single().await;
    let overage =
        |claim: &str| json!({ "_claim_names": { claim: "src1" }, "_claim_sources": { "src1": {} } });
    assert_eq!(entra.roles(token(overage("groups"))).await, "staff");
    entra.refuses(token(overage("roles")), 503, "have it send less").await;
    let mut without = overage("roles");
    merge(&mut without, &json!({ "roles": null }));
    entra.refuses(token(without), 503, "have it send less").await;
    entra.end().await;
}

#[actix_web::test]
async fn an_access_token_without_its_groups_could_not_be_checked() {
    let idp = crate::support::Idp::start();
    let bearer = format!(
        "bearer: {{ issuers: [{{ id: entra, issuer: \"{}\", audiences: [api], roles_claims: [roles], email_verified_claim: xms_edov }}] }}",
        idp.issuer
    );
    let policy = "version: 1\nassign: [{ role: staff, group: g, provider: entra }]\nroles: { staff: , admin: }\n\
        services: { app: { prefix: /app, authenticated: true } }\n";
    let setup = crate::support::Setup { issuers: Vec::new(), ..crate::support::Setup::with(&idp) };
    let gateway = setup.and(&bearer).policy(policy).start().await;
    let ask = async |claims: Value| {
        let mut all = json!({ "sub": "u-1", "aud": "api", "email": "ada@example.com", "xms_edov": true });
        merge(&mut all, &claims);
        let bearer = format!("Bearer {}", idp.mint(all, json!({})).await);
        let answer = gateway.ask("GET", APP).header("authorization", bearer).send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), header("x-auth-roles"), header("x-auth-email"))
    };
    let (staff, ada) = (Some("staff".to_owned()), Some("ada@example.com".to_owned()));
    assert_eq!(ask(json!({ "groups": ["g"] })).await, (200, staff, ada));
    let (_, _, email) = ask(json!({ "groups": ["g"], "xms_edov": false })).await;
    assert_eq!(email.as_deref(), Some(""), "an e-mail that is not verified is none");
    for claims in [
        json!({ "_claim_names": { "groups": "src1" } }),
        json!({ "hasgroups": true }),
        json!({ "_claim_names": { "roles": "src1" }, "groups": ["g"] }),
    ] {
        assert_eq!(ask(claims.clone()).await, (503, None, None), "{claims}");
    }
    assert_eq!(ask(json!({})).await.0, 200, "and one without groups is fine");
    let mut browser = Browser::new(&gateway);
    assert_eq!(browser.get(APP).await.status, 401, "the control: nobody without a token");
    gateway.stop().await;
}
