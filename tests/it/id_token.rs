//! What an ID token must be. A provider that answers with another is refused: exactly one question to its token
//! endpoint, a page that tells no reason, no session.

use std::time::Duration;

use doorward::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::support::{APP, Answer, Browser, Gateway, Idp, Setup};

const HOST: &str = "auth.example.test";

fn now() -> i64 {
    SystemClock.now().secs()
}

/// One sign-in of Ada's in a new browser while the provider behaves like this.
async fn attempt(gateway: &Gateway, idp: &Idp, settings: &Value) -> (Answer, Browser) {
    idp.reset().await;
    idp.control(settings.clone()).await;
    let mut ada = Browser::new(gateway);
    let callback = ada.sign_in_up_to_callback(APP, "ada@example.com").await;
    let answer = ada.get(&callback).await;
    assert_eq!(idp.hits("token").await, 1, "{settings}: the code is redeemed once");
    (answer, ada)
}

async fn assert_refused(gateway: &Gateway, idp: &Idp, settings: &Value, status: u16) -> Answer {
    let (answer, ada) = attempt(gateway, idp, settings).await;
    assert_eq!(answer.status, status, "{settings}: {}", answer.body);
    assert_eq!(ada.session(HOST), None, "{settings}");
    assert!(answer.set_cookies().iter().all(|line| !line.starts_with("__Host-doorward=")), "{settings}");
    assert!(answer.header("content-type").starts_with("text/html"), "{settings}");
    answer
}

async fn all_refused(gateway: &Gateway, idp: &Idp, cases: &[Value]) {
    for case in cases {
        let answer = assert_refused(gateway, idp, case, 403).await;
        assert!(answer.body.contains("We could not accept this sign-in"), "{case}: {}", answer.body);
        for inside in ["nonce", "at_hash", "azp", "kid", "alg"] {
            assert!(!answer.body.contains(inside), "{case}: the reason is for the log: {}", answer.body);
        }
    }
    // The same gateway and provider let the same person in when all is well.
    let (answer, ada) = attempt(gateway, idp, &json!({})).await;
    assert_eq!((answer.location().as_str(), ada.session(HOST).is_some()), (APP, true));
}

#[actix_web::test]
async fn who_issued_it_and_for_whom() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let claims = [
        json!({ "iss": format!("{}/", idp.issuer) }),
        json!({ "iss": format!("{}/realms/other", idp.issuer) }),
        json!({ "iss": null }),
        json!({ "iss": 7 }),
        json!({ "aud": "other" }),
        json!({ "aud": null }),
        json!({ "aud": [] }),
        json!({ "aud": "doorward " }),
        json!({ "aud": "Doorward" }),
        json!({ "aud": ["doorward", "other"], "azp": null }),
        json!({ "aud": ["doorward", "other"], "azp": "other" }),
        json!({ "azp": "other" }),
        json!({ "azp": ["doorward"] }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": "x".repeat(256) }),
        json!({ "sub": "a\u{0}b" }),
    ];
    let cases: Vec<Value> = claims.into_iter().map(|claims| json!({ "id_token": claims })).collect();
    all_refused(&gateway, &idp, &cases).await;
    let (answer, _) =
        attempt(&gateway, &idp, &json!({ "id_token": { "aud": ["doorward", "other"], "azp": "doorward" } }))
            .await;
    assert_eq!(answer.location(), APP);
    gateway.stop().await;
}

#[actix_web::test]
async fn that_it_is_of_this_very_sign_in() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let whole = json!({
        "sub": "1", "aud": "doorward", "nonce": "of-an-earlier-sign-in", "email": "grace@example.com", "email_verified": true,
    });
    let earlier = idp.mint(whole, json!({})).await;
    let logout = idp
        .mint(
            json!({ "sub": "1", "aud": "doorward", "jti": "j", "events": { "http://schemas.openid.net/event/backchannel-logout": {} } }),
            json!({ "typ": "logout+jwt" }),
        )
        .await;
    let cases = [
        json!({ "id_token": { "nonce": null } }),
        json!({ "id_token": { "nonce": "" } }),
        json!({ "id_token": { "nonce": "wrong" } }),
        json!({ "id_token": { "nonce": 7 } }),
        json!({ "id_token": { "nonce": ["a"] } }),
        json!({ "id_token": { "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" } }),
        json!({ "id_token": { "c_hash": "AAAAAAAAAAAAAAAAAAAAAA" } }),
        json!({ "id_token": { "typ": "Bearer" } }),
        json!({ "id_token": { "typ": "Refresh" } }),
        json!({ "id_token": { "typ": "Logout" } }),
        json!({ "token": { "id_token": earlier } }),
        json!({ "token": { "id_token": logout } }),
        json!({ "token": { "id_token": "a.b.c" } }),
        json!({ "token": { "id_token": "e30.e30." } }),
    ];
    all_refused(&gateway, &idp, &cases).await;
    gateway.stop().await;
}

#[actix_web::test]
async fn that_it_is_fresh() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let claims = [
        json!({ "exp": now() - 31 }),
        json!({ "exp": 0 }),
        json!({ "exp": -1 }),
        json!({ "exp": null }),
        json!({ "exp": "9999999999" }),
        json!({ "exp": 1e300 }),
        json!({ "iat": now() + 3600 }),
        json!({ "iat": now() - 86_400 }),
        json!({ "iat": null }),
        json!({ "iat": "now" }),
        json!({ "nbf": now() + 3600 }),
    ];
    let cases: Vec<Value> = claims.into_iter().map(|claims| json!({ "id_token": claims })).collect();
    all_refused(&gateway, &idp, &cases).await;
    gateway.stop().await;
}

#[actix_web::test]
async fn who_signed_it_and_how() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let cases = [
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "HS256-pem" }),
        // Published keys, but the client asked for RS256.
        json!({ "alg": "ES256" }),
        json!({ "alg": "PS256" }),
        json!({ "alg": "EdDSA" }),
        json!({ "alg": "unknown-key" }),
        json!({ "alg": "unknown-key-same-kid" }),
        json!({ "kid": "no-such-key" }),
        json!({ "header": { "crit": ["x"], "x": 1 } }),
        json!({ "header": { "alg": "none" } }),
        json!({ "header": { "alg": "RS512" } }),
    ];
    all_refused(&gateway, &idp, &cases).await;
    gateway.stop().await;
}

#[actix_web::test]
async fn other_algorithms_where_they_are_configured() {
    let gateway_with = |algorithms: &str| {
        let idp = Idp::start();
        let setup = Setup::with(&idp).provider(&format!("algorithms: [{algorithms}]"));
        async move { (setup.start().await, idp) }
    };
    for alg in ["ES256", "PS256"] {
        let (gateway, idp) = gateway_with(alg).await;
        let (answer, _) = attempt(&gateway, &idp, &json!({ "alg": alg })).await;
        assert_eq!(answer.location(), APP, "{alg}");
        assert_refused(&gateway, &idp, &json!({ "alg": "RS256" }), 403).await;
        gateway.stop().await;
    }
}

#[actix_web::test]
async fn a_kid_that_two_keys_share_is_not_used() {
    let idp = Idp::start();
    idp.control(json!({ "duplicate_kid": true })).await;
    let gateway = Setup::with(&idp).start().await;
    let mut ada = Browser::new(&gateway);
    let callback = ada.sign_in_up_to_callback(APP, "ada@example.com").await;
    assert_eq!((ada.get(&callback).await.status, ada.session(HOST)), (403, None));
    assert_eq!(idp.hits("token").await, 1);
    gateway.stop().await;
}

#[actix_web::test]
async fn rotated_keys_are_fetched_when_they_are_met() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).clock_stands_still().start().await;
    let (answer, _) = attempt(&gateway, &idp, &json!({})).await;
    assert_eq!(answer.location(), APP);
    gateway.later(Duration::from_secs(61));
    let (answer, _) = attempt(&gateway, &idp, &json!({ "rotate": true, "drop_old": true })).await;
    assert_eq!(answer.location(), APP, "{}", answer.body);
    assert_eq!(idp.hits("jwks").await, 1, "asked once for the new key");
    gateway.stop().await;
}

#[actix_web::test]
async fn an_email_counts_only_when_it_is_verified() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    for spelling in [
        json!(false),
        json!("missing"),
        json!("false"),
        json!("TRUE"),
        json!("yes"),
        json!(0),
        json!(1),
        json!([true]),
    ] {
        let answer = assert_refused(&gateway, &idp, &json!({ "email_verified": spelling }), 403).await;
        // A claim that is neither a boolean nor text is an ID token that cannot be read.
        let told = ["is not confirmed", "We could not accept"].iter().any(|text| answer.body.contains(text));
        assert!(told, "{spelling}: {}", answer.body);
    }
    for spelling in [json!(true), json!("true")] {
        let (answer, _) = attempt(&gateway, &idp, &json!({ "email_verified": spelling })).await;
        assert_eq!(answer.location(), APP, "{spelling}: {}", answer.body);
    }
    let mut linus = Browser::new(&gateway);
    idp.reset().await;
    let refused = linus.sign_in(APP, "unverified@example.com").await;
    assert_eq!((refused.status, linus.session(HOST)), (403, None));
    for email in [
        json!("ada"),
        json!("ada@evil.test@example.com"),
        json!("ada@example.com,root@example.com"),
        json!("a b@example.com"),
        json!(7),
    ] {
        assert_refused(&gateway, &idp, &json!({ "id_token": { "email": email } }), 403).await;
    }
    gateway.stop().await;
}

#[actix_web::test]
async fn user_info_fills_in_an_email_and_must_be_about_the_same_person() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let without = json!({ "email": null, "email_verified": null });
    let (answer, mut ada) = attempt(&gateway, &idp, &json!({ "id_token": without })).await;
    assert_eq!((answer.location().as_str(), idp.hits("userinfo").await), (APP, 1));
    assert_eq!(ada.get(APP).await.header("x-auth-email"), "ada@example.com");
    for (userinfo, status) in [
        (json!({ "sub": "somebody-else" }), 502),
        (json!({ "sub": null }), 502),
        (json!({ "email": null }), 403),
        (json!({ "email_verified": false }), 403),
        (json!({ "email_verified": null }), 403),
    ] {
        let settings = json!({ "id_token": without, "userinfo": userinfo });
        assert_refused(&gateway, &idp, &settings, status).await;
    }
    // Half of the statement from each document is no statement.
    let mixed = json!({ "id_token": { "email_verified": null }, "userinfo": { "email_verified": true } });
    assert_refused(&gateway, &idp, &mixed, 403).await;
    gateway.stop().await;
}

/// Anybody can have a Google account; `hd` in the ID token says which organisation it belongs to.
#[actix_web::test]
async fn google_accounts_must_be_of_the_organisation() {
    let idp = Idp::start();
    let google = format!(
        "providers: [{{ id: google, kind: google, issuer: \"{}\", client_id: doorward, client_secret: client-secret-canary, allowed_domains: [example.com] }}]",
        idp.issuer
    );
    let setup = Setup { issuers: Vec::new(), ..Setup::with(&idp) };
    let gateway = setup.and(&google).start().await;
    let to_provider = Browser::new(&gateway).follow_to_provider(APP).await;
    let asked = super::support::query(&to_provider);
    assert_eq!((asked["prompt"].as_str(), asked["hd"].as_str()), ("select_account", "example.com"));
    for hd in [
        json!(null),
        json!("evil.test"),
        json!("EXAMPLE.com.evil.test"),
        json!("xexample.com"),
        json!(""),
        json!(["example.com"]),
    ] {
        let answer = assert_refused(&gateway, &idp, &json!({ "id_token": { "hd": hd } }), 403).await;
        assert!(answer.body.contains("organisation"), "{hd}: {}", answer.body);
    }
    let (answer, _) = attempt(&gateway, &idp, &json!({})).await;
    assert_eq!(answer.location(), APP);
    // The e-mail's own domain is not what counts.
    idp.reset().await;
    let mut olga = Browser::new(&gateway);
    assert_eq!(olga.sign_in(APP, "other@elsewhere.example").await.status, 403);
    gateway.stop().await;
}

#[actix_web::test]
async fn allowed_domains_work_for_every_kind() {
    let idp = Idp::shared();
    let github = format!(
        "providers:\n  - {{ id: oidc, kind: oidc, issuer: \"{0}\", client_id: doorward, client_secret: client-secret-canary, allowed_domains: [example.com] }}\n  - {{ id: github, kind: github, issuer: \"{0}\", api_url: \"{0}/api\", client_id: doorward, client_secret: client-secret-canary, allowed_domains: [example.com] }}",
        idp.issuer
    );
    let setup = Setup { issuers: Vec::new(), ..Setup::with(idp) };
    let gateway = setup.and(&github).start().await;
    for id in ["oidc", "github"] {
        let login = format!("{}?idp={id}&rd=/x", super::support::LOGIN);
        for (email, status) in [
            ("ada@example.com", 200),
            ("other@elsewhere.example", 403),
            ("eve@sub.example.com", 403),
            ("eve@example.com.evil.test", 403),
        ] {
            let mut browser = Browser::new(&gateway);
            let there = browser.sign_in(&login, email).await;
            assert_eq!(
                (there.status, browser.session(HOST).is_some()),
                (status, status == 200),
                "{id} {email}"
            );
        }
    }
    gateway.stop().await;
}
