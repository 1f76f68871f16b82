//! Claims that lie: whatever a provider or an issuer says of somebody, by session and by bearer token.

use serde_json::{Value, json};

use super::support::{APP, Answer, Browser, Gateway, Idp, Setup};

const HOST: &str = "auth.example.test";
/// Somebody from outside is in the group `audit`; whoever has an e-mail of the house is staff.
const POLICY: &str = "\
roles: { admin-role: [\"*\"], auditor: [\"audit:read\"], staff: , ok-role: }
assign:
  - { role: staff, email_domain: example.com, provider: p0 }
  - { role: admin-role, email: boss@example.com, provider: p0 }
  - { role: auditor, group: audit, provider: p0 }
services:
  app: { prefix: /app, authenticated: true }
  admin: { prefix: /admin, roles: [admin-role] }
";

/// A gateway that takes sessions and tokens of the same provider, with or without a policy.
async fn gateway(idp: &Idp, policy: Option<&str>) -> Gateway {
    let bearer = format!(
        "bearer: {{ issuers: [{{ issuer: \"{}\", audiences: [api], roles_claims: [roles] }}] }}",
        idp.issuer
    );
    let setup = Setup::with(idp).and(&bearer);
    policy.iter().fold(setup, |setup, policy| setup.policy(policy)).start().await
}

/// The answers to somebody of whom the provider says so: by session, then by bearer token.
async fn both(gateway: &Gateway, idp: &Idp, claims: &Value) -> [Answer; 2] {
    [by_session(gateway, idp, claims).await, by_bearer(gateway, idp, claims, APP).await]
}

async fn by_session(gateway: &Gateway, idp: &Idp, claims: &Value) -> Answer {
    idp.control(json!({ "auto_account": "plain@example.com", "id_token": claims })).await;
    let mut browser = Browser::new(gateway);
    let answer = browser.visit(APP).await;
    assert!(browser.cookies_for(HOST).len() < 4096);
    // What was let in stays what it was: no rule for admins was met by a claim.
    if answer.served {
        assert_eq!(
            browser.get("https://auth.example.test/admin").await.status,
            admin(gateway, &answer),
            "{claims}"
        );
    }
    answer
}

async fn by_bearer(gateway: &Gateway, idp: &Idp, claims: &Value, url: &str) -> Answer {
    let mut all = json!({ "sub": "u-1", "aud": "api", "email": "ada@example.com", "email_verified": true });
    merge(&mut all, claims);
    let token = format!("Bearer {}", idp.mint(all, json!({})).await);
    let ask = async |url: &str| {
        let response = gateway.ask("GET", url).header("authorization", &token).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer {
            url: url.into(),
            status,
            headers,
            body: response.text().await.unwrap(),
            served: status == 200,
        }
    };
    let answer = ask(url).await;
    if answer.served {
        assert_eq!(ask("https://auth.example.test/admin").await.status, admin(gateway, &answer), "{claims}");
    }
    answer
}

/// What `/admin` answers to somebody with these roles; without a policy it is open to whoever is known.
fn admin(gateway: &Gateway, answer: &Answer) -> u16 {
    let may = answer.header("x-auth-roles").split(',').any(|role| role == "admin-role");
    if may || !gateway.dir.join("policy.yaml").exists() { 200 } else { 403 }
}

fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().unwrap() {
        into[name] = value.clone();
    }
}

fn lies() -> Value {
    let mut lies: Vec<Value> = [
        "admin-role,ok-role",
        "ok-role admin-role",
        "ok-role;admin-role",
        "ok-role\nadmin-role",
        "ok-role\r\nX-Auth-Roles: admin-role",
        "admin-role\0",
        "\u{1b}[2Jadmin-role",
        "admin-role\u{a0}",
        " admin-role",
        "\"admin-role\"",
        "Admin-Role",
        "ádmin-role",
        "",
        "public",
        "Public",
        "authenticated",
        "AUTHENTICATED",
        "anonymous",
        "*",
    ]
    .into_iter()
    .map(Value::from)
    .collect();
    lies.extend([json!(7), json!(null), json!(["admin-role"]), json!({"admin-role": true})]);
    lies.push("x".repeat(4000).into());
    lies.push("ok-role".into());
    Value::Array(lies)
}

#[actix_web::test]
async fn a_role_is_a_plain_name_that_the_policy_knows_or_nothing() {
    let idp = Idp::start();
    let gateway = gateway(&idp, Some(POLICY)).await;
    for answer in both(&gateway, &idp, &json!({ "roles": lies() })).await {
        assert!(answer.served, "{answer:?}");
        assert_eq!(answer.header("x-auth-roles"), "ok-role,staff");
        assert_eq!(answer.header("x-auth-permissions"), "");
    }
    for not_a_list in [json!("admin-role"), json!({"admin-role": true}), json!("admin-role ok-role")] {
        for answer in both(&gateway, &idp, &json!({ "roles": not_a_list })).await {
            // A provider that sends no list where one belongs may be refused; it gives no role.
            let roles = answer.header("x-auth-roles");
            assert!(!answer.served || roles == "staff", "{not_a_list}: {answer:?}");
        }
    }
    // The gateway's own role is one like others: it counts when the provider that is asked for roles claims it.
    for answer in both(&gateway, &idp, &json!({ "roles": ["doorward-admin", "Doorward-Admin"] })).await {
        assert_eq!(answer.header("x-auth-roles"), "doorward-admin,staff", "{answer:?}");
    }
    gateway.stop().await;
}

#[actix_web::test]
async fn without_a_policy_roles_are_told_and_built_in_words_are_not() {
    let idp = Idp::start();
    let gateway = gateway(&idp, None).await;
    for answer in both(&gateway, &idp, &json!({ "roles": lies() })).await {
        assert!(answer.served, "{answer:?}");
        assert_eq!(answer.header("x-auth-roles"), "Admin-Role,ok-role");
    }
    gateway.stop().await;
}

#[actix_web::test]
async fn an_e_mail_that_could_be_another_is_none() {
    let idp = Idp::start();
    let gateway = gateway(&idp, Some(POLICY)).await;
    for (email, verified) in [
        (json!("boss@evil.test@example.com"), json!(true)),
        (json!("boss@example.com@evil.test"), json!(true)),
        (json!("boss@example.com"), json!(false)),
        (json!("boss@example.com"), json!("false")),
        (json!("boss@example.com"), json!(1)),
        (json!("boss@example.com"), json!([true])),
        (json!("boss@example.com\n"), json!(true)),
        (json!("boss\0@example.com"), json!(true)),
        (json!("eve@evil.test,boss@example.com"), json!(true)),
        (json!("eve boss@example.com"), json!(true)),
        (json!(["boss@example.com"]), json!(true)),
    ] {
        let claims = json!({ "email": email, "email_verified": verified });
        let told = by_bearer(&gateway, &idp, &claims, APP).await;
        assert_eq!(told.status, 200, "{claims}: the token is good, its e-mail is not");
        for name in ["x-auth-email", "x-auth-roles", "x-auth-permissions"] {
            assert_eq!(told.header(name), "", "{claims}: {name}");
        }
        assert_eq!(told.header("x-auth-user"), "u-1", "{claims}");
        if email.is_string() {
            // People are not let in without one.
            let answer = by_session(&gateway, &idp, &claims).await;
            assert!(!answer.served && answer.status == 403, "{claims}: {answer:?}");
        }
    }
    let boss = json!({ "email": "Boss@Example.com" });
    for answer in both(&gateway, &idp, &boss).await {
        assert_eq!(answer.header("x-auth-roles"), "admin-role,staff", "the control: {answer:?}");
    }
    gateway.stop().await;
}

#[actix_web::test]
async fn control_bytes_reach_no_header() {
    let idp = Idp::start();
    let gateway = gateway(&idp, Some(POLICY)).await;
    let name = "Ada\r\nX-Auth-Roles: admin-role\u{85}\u{0}\u{1b}[2J";
    for answer in both(&gateway, &idp, &json!({ "name": name })).await {
        assert!(answer.served, "{answer:?}");
        assert_eq!(answer.header("x-auth-name"), "AdaX-Auth-Roles%3A%20admin-role%5B2J");
        assert_eq!(answer.header("x-auth-roles"), "staff");
        assert_eq!(answer.headers.get_all("x-auth-roles").iter().count(), 1);
    }
    for sub in ["u\n1", "u\u{0}1", "", &"u".repeat(256), "u\u{85}"] {
        let claims = json!({ "sub": sub });
        let [session, bearer] = both(&gateway, &idp, &claims).await;
        assert_eq!((session.served, bearer.status), (false, 401), "{claims}: {session:?}");
    }
    gateway.stop().await;
}

#[actix_web::test]
async fn of_five_thousand_groups_only_those_that_the_policy_knows_are_kept() {
    let idp = Idp::start();
    let gateway = gateway(&idp, Some(POLICY)).await;
    let groups = |many: usize| {
        let mut groups: Vec<Value> = (0..many).map(|n| format!("g{n}").into()).collect();
        groups.extend([
            "audit".into(),
            "admin-role".into(),
            "audit,staff".into(),
            7.into(),
            json!(["audit"]),
        ]);
        json!({ "email": "eve@elsewhere.test", "groups": groups })
    };
    let there = by_session(&gateway, &idp, &groups(5000)).await;
    assert!(there.served, "{there:?}");
    // A group is no role, whatever it is called.
    assert_eq!(there.header("x-auth-roles"), "auditor");
    // As many as fit into a header; beyond that the token is refused, not read in part.
    let there = by_bearer(&gateway, &idp, &groups(1000), APP).await;
    assert_eq!((there.status, there.header("x-auth-roles").as_str()), (200, "auditor"), "{there:?}");
    let refused = by_bearer(&gateway, &idp, &groups(5000), APP).await;
    assert!(matches!(refused.status, 400 | 401 | 431), "{refused:?}");
    gateway.stop().await;
    // Without a policy nobody asks for groups.
    let gateway = self::gateway(&idp, None).await;
    let there = by_session(&gateway, &idp, &groups(5000)).await;
    assert_eq!((there.served, there.header("x-auth-roles").as_str()), (true, ""), "{there:?}");
    gateway.stop().await;
}
