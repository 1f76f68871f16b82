//! Providers that are down, slow, or talk nonsense: a page with the right status within ten seconds, nobody signed
//! in, and everybody who is signed in unharmed.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use doorward::identity::provider::Health;
use serde_json::{Value, json};

use super::support::{APP, Answer, Browser, Gateway, Idp, LOGIN, Setup};

const HOST: &str = "auth.example.test";

#[actix_web::test]
async fn a_provider_that_is_down_at_the_start_does_not_stop_it() {
    // A port that nobody listens on, for now.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut setup = Setup::with(Idp::shared()).clock_stands_still();
    setup.issuers = vec![format!("http://127.0.0.1:{port}")];
    let gateway = setup.start().await;
    let mut ada = Browser::new(&gateway);
    let answer = ada.visit(APP).await;
    assert_eq!(answer.status, 504, "{}", answer.body);
    assert!(answer.body.contains("does not answer") && answer.body.contains("Provider 0"), "{}", answer.body);
    assert!(
        answer.body.contains("rd=https%3A%2F%2Fauth.example.test%2Fapp%2Fpage"),
        "and offers to try again"
    );
    let ready = super::support::idp::client().get(gateway.at("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200, "a provider that is away costs no readiness");
    let lines: Value = ready.json().await.unwrap();
    assert_eq!(lines["checks"][1]["status"], "failing", "{lines}");

    let _idp = Idp::start_on(port);
    gateway.later(Duration::from_secs(2));
    let there = ada.sign_in(APP, "ada@example.com").await;
    assert!(there.served && there.url == APP, "{there:?}");
    gateway.stop().await;
}

#[actix_web::test]
async fn a_token_endpoint_that_hangs_holds_nobody_up() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let mut ada = Browser::new(&gateway);
    assert!(ada.sign_in(APP, "ada@example.com").await.served);
    let mut waiting = Vec::new();
    for n in 0..30 {
        let mut browser = Browser::new(&gateway);
        let callback = browser.sign_in_up_to_callback(APP, &format!("p{n}@example.com")).await;
        waiting.push((browser, callback));
    }
    idp.reset().await;
    idp.control(json!({ "delay_ms": { "token": 60_000 } })).await;
    let began = Instant::now();
    let mut callbacks = tokio::task::JoinSet::new();
    for (mut browser, callback) in waiting {
        callbacks.spawn(async move {
            let answer = browser.get(&callback).await;
            (answer, browser, callback)
        });
    }
    // Meanwhile whoever is signed in notices nothing.
    let mut slowest = Duration::ZERO;
    let mut checks = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..100 {
        checks.tick().await;
        let asked = Instant::now();
        assert!(ada.get(APP).await.served);
        slowest = slowest.max(asked.elapsed());
    }
    assert!(began.elapsed() < Duration::from_secs(8), "the callbacks were still waiting");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    let ended = callbacks.join_all().await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(idp.hits("token").await, 30);
    for (answer, mut browser, callback) in ended {
        assert_eq!((answer.status, browser.session(HOST)), (504, None), "{}", answer.body);
        assert_eq!(browser.get(&callback).await.status, 400, "the state is used up");
    }
    assert_eq!(idp.hits("token").await, 30);
    gateway.stop().await;
}

/// A callback while the provider behaves like this, with a gateway that has not asked it anything before but its
/// metadata.
async fn callback_while(idp: &Idp, settings: Value) -> (Answer, Browser, Duration) {
    idp.reset().await;
    let gateway = Setup::with(idp).start().await;
    let mut ada = Browser::new(&gateway);
    let callback = ada.sign_in_up_to_callback(APP, "ada@example.com").await;
    idp.control(settings).await;
    let began = Instant::now();
    let answer = ada.get(&callback).await;
    let took = began.elapsed();
    gateway.stop().await;
    (answer, ada, took)
}

#[actix_web::test]
async fn nonsense_of_the_token_endpoint() {
    let idp = Idp::start();
    for (settings, status) in [
        (json!({ "status": { "token": 500 } }), 504),
        (json!({ "status": { "token": 503 } }), 504),
        (json!({ "status": { "token": 429 } }), 504),
        (json!({ "status": { "token": 404 } }), 403),
        (json!({ "garbage": { "token": true } }), 502),
        (json!({ "garbage": { "token": "" } }), 502),
        (json!({ "garbage": { "token": "null" } }), 502),
        (json!({ "garbage": { "token": "[".repeat(100_000) } }), 502),
        (json!({ "huge": { "token": 3_000_000 } }), 502),
        (json!({ "redirect": { "token": "http://169.254.169.254/latest" } }), 502),
        (json!({ "token": { "id_token": null } }), 502),
        (json!({ "token": { "access_token": null } }), 502),
        (json!({ "error": { "token": "invalid_grant" } }), 403),
        (json!({ "error": { "token": "invalid_client" } }), 502),
    ] {
        let (answer, ada, _) = callback_while(&idp, settings.clone()).await;
        let shown: String = settings.to_string().chars().take(80).collect();
        assert_eq!((answer.status, ada.session(HOST)), (status, None), "{shown}: {}", answer.body);
        assert!(answer.header("content-type").starts_with("text/html"), "{shown}");
    }
}

/// Keys are fetched behind the start, so their trouble is there from the beginning.
async fn sign_in_with(idp: &Idp, settings: Value) -> (Answer, Browser) {
    idp.reset().await;
    idp.control(settings).await;
    let gateway = Setup::with(idp).start().await;
    let mut ada = Browser::new(&gateway);
    let callback = ada.sign_in_up_to_callback(APP, "ada@example.com").await;
    let answer = ada.get(&callback).await;
    gateway.stop().await;
    (answer, ada)
}

#[actix_web::test]
async fn nonsense_of_the_key_set_and_user_info() {
    let idp = Idp::start();
    let asks_user_info = json!({ "email": null, "email_verified": null });
    let with = |mut settings: Value| {
        settings["id_token"] = asks_user_info.clone();
        settings
    };
    for (settings, statuses) in [
        (json!({ "status": { "jwks": 500 } }), [504, 504]),
        (json!({ "garbage": { "jwks": true } }), [502, 502]),
        (json!({ "garbage": { "jwks": "{\"keys\":[]}" } }), [403, 502]),
        (json!({ "huge": { "jwks": 3_000_000 } }), [502, 502]),
        (json!({ "redirect": { "jwks": "http://169.254.169.254/" } }), [502, 502]),
        (with(json!({ "status": { "userinfo": 500 } })), [504, 504]),
        (with(json!({ "garbage": { "userinfo": true } })), [502, 502]),
        (with(json!({ "redirect": { "userinfo": "http://169.254.169.254/" } })), [502, 502]),
        (with(json!({ "huge": { "userinfo": 3_000_000 } })), [502, 502]),
    ] {
        let (answer, ada) = sign_in_with(&idp, settings.clone()).await;
        assert!(statuses.contains(&answer.status), "{settings}: {} {}", answer.status, answer.body);
        assert_eq!(ada.session(HOST), None, "{settings}");
    }
    // Many keys are no trouble while they fit.
    let (answer, _) = sign_in_with(&idp, json!({ "many_keys": 90 })).await;
    assert_eq!(answer.location(), APP, "{}", answer.body);
}

#[actix_web::test]
async fn what_drips_is_cut_off() {
    let (one, other) = (Idp::start(), Idp::start());
    let (token, user_info) = tokio::join!(
        callback_while(&one, json!({ "drip": { "token": true } })),
        callback_while(&other, json!({ "drip": { "userinfo": true }, "id_token": { "email": null } })),
    );
    for (answer, ada, took) in [token, user_info] {
        assert_eq!((answer.status, ada.session(HOST)), (504, None), "{}", answer.body);
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

async fn start_with_metadata(idp: &Idp, settings: Value) -> (Answer, Gateway) {
    idp.reset().await;
    idp.control(settings).await;
    let gateway = Setup::with(idp).start().await;
    let answer = Browser::new(&gateway).get(&format!("{LOGIN}?rd=/x")).await;
    (answer, gateway)
}

#[actix_web::test]
async fn metadata_is_believed_only_as_far_as_the_configuration_reaches() {
    let idp = Idp::start();
    for (settings, status, cause) in [
        (json!({ "discovery": { "issuer": "https://evil.test" } }), 502, "equal to the letter"),
        (json!({ "discovery": { "issuer": null } }), 502, ""),
        (
            json!({ "discovery": { "token_endpoint": "https://evil.test/token" } }),
            502,
            "endpoint_hosts: [evil.test]",
        ),
        (
            json!({ "discovery": { "jwks_uri": "https://evil.test/keys" } }),
            502,
            "endpoint_hosts: [evil.test]",
        ),
        (
            json!({ "discovery": { "authorization_endpoint": "https://evil.test/a" } }),
            502,
            "endpoint_hosts: [evil.test]",
        ),
        (json!({ "discovery": { "userinfo_endpoint": "http://10.0.0.1/u" } }), 502, "not https"),
        (json!({ "discovery": { "jwks_uri": "file:///etc/passwd" } }), 502, "not https"),
        (json!({ "discovery": { "token_endpoint": "javascript:alert(1)" } }), 502, "not https"),
        (
            json!({ "redirect": { "discovery": "http://169.254.169.254/" } }),
            502,
            "redirects are not followed",
        ),
        (json!({ "garbage": { "discovery": true } }), 502, "no usable JSON"),
        (json!({ "huge": { "discovery": 3_000_000 } }), 502, "more than"),
        (json!({ "status": { "discovery": 404 } }), 502, "answered 404"),
        (json!({ "status": { "discovery": 500 } }), 504, "answered 500"),
    ] {
        let (answer, gateway) = start_with_metadata(&idp, settings.clone()).await;
        assert_eq!((answer.status, answer.set_cookies().len()), (status, 0), "{settings}: {}", answer.body);
        assert!(!answer.body.contains("evil.test"), "the cause is for the log: {}", answer.body);
        match gateway.state().providers.get("p0").unwrap().health() {
            Health::Failing { cause: told, .. } => assert!(told.contains(cause), "{settings}: {told}"),
            other => panic!("{settings}: {other:?}"),
        }
        gateway.stop().await;
    }
    // With the slash that many add by mistake, too.
    idp.reset().await;
    idp.control(json!({ "discovery": { "issuer": format!("{}/", idp.issuer) } })).await;
    let gateway = Setup::with(&idp).start().await;
    assert_eq!(Browser::new(&gateway).get(LOGIN).await.status, 502);
    gateway.stop().await;
}

#[actix_web::test]
async fn who_is_signed_in_does_not_need_the_provider() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let mut ada = Browser::new(&gateway);
    assert!(ada.sign_in(APP, "ada@example.com").await.served);
    drop(idp);
    assert!(ada.get(APP).await.served);
    assert_eq!(ada.get(super::support::HOME).await.status, 200);
    // Somebody new is told. The metadata is known, so the browser is still sent there.
    let mut grace = Browser::new(&gateway);
    assert!(grace.follow_to_provider(APP).await.starts_with("http://127.0.0.1:"));
    gateway.stop().await;
}
