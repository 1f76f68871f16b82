//! How long a session holds, what ends it, how large it gets, and what it survives.

use std::time::{Duration, Instant};

use doorward::identity::seal::KeyRing;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::{APP, Browser, Gateway, HOME, Idp, Setup};

const HOST: &str = "auth.example.test";
const MINUTE: Duration = Duration::from_secs(60);

async fn signed_in(gateway: &Gateway, email: &str) -> Browser {
    let mut browser = Browser::new(gateway);
    let there = browser.sign_in(APP, email).await;
    assert!(there.served, "{there:?}");
    browser
}

#[actix_web::test]
async fn a_working_day_is_the_end_however_busy() {
    let limits = "session: { lifetime: 8h, idle: 30m }";
    let gateway = Setup::with(Idp::shared()).and(limits).clock_stands_still().start().await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    for twenty_minutes in 1..24 {
        gateway.later(20 * MINUTE);
        assert!(ada.get(APP).await.served, "after {} minutes", twenty_minutes * 20);
    }
    gateway.later(20 * MINUTE);
    assert_eq!(ada.get(APP).await.status, 302, "after eight hours");
    assert_eq!(ada.get(HOME).await.status, 302);
    // A clock set back does not bring it back.
    let clock = gateway.clock.as_ref().unwrap();
    let now = gateway.state().clock.now();
    clock.set(now.minus(60 * MINUTE));
    assert_eq!(ada.get(APP).await.status, 302);
    gateway.stop().await;
}

#[actix_web::test]
async fn half_an_hour_without_a_request_is_the_end() {
    let gateway = Setup::with(Idp::shared()).and("session: { idle: 30m }").clock_stands_still().start().await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    gateway.later(29 * MINUTE);
    assert!(ada.get(APP).await.served);
    gateway.later(31 * MINUTE);
    assert_eq!(ada.get(APP).await.status, 302);
    gateway.clock.as_ref().unwrap().set(gateway.state().clock.now().minus(10 * MINUTE));
    assert_eq!(ada.get(APP).await.status, 302, "over is over");
    gateway.stop().await;
}

/// Whoever ends a session elsewhere (another process on the same store), it is over here within a second.
#[actix_web::test]
async fn revoked_or_disabled_elsewhere_is_over_here() {
    let gateway = Setup::with(Idp::shared()).start().await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    let mut grace = signed_in(&gateway, "grace@example.com").await;
    let elsewhere = doorward::server::store(&gateway.state().config).await.unwrap();
    let now = gateway.state().clock.now();
    let hers = elsewhere.users_named("ada@example.com").await.unwrap().remove(0);
    let session = elsewhere.sessions_of(&hers.id, now).await.unwrap().remove(0);
    assert!(elsewhere.end_session(&session.id).await.unwrap());
    ends_soon(&mut ada).await;
    assert!(grace.get(APP).await.served);
    let hers = elsewhere.users_named("grace@example.com").await.unwrap().remove(0);
    assert!(elsewhere.set_disabled(&hers.id, true).await.unwrap());
    ends_soon(&mut grace).await;
    // And she cannot come back until she is enabled.
    let mut again = Browser::new(&gateway);
    let refused = again.sign_in(APP, "grace@example.com").await;
    assert_eq!((refused.status, again.session(HOST)), (403, None), "{}", refused.body);
    assert!(refused.body.contains("is disabled"), "{}", refused.body);
    assert!(elsewhere.set_disabled(&hers.id, false).await.unwrap());
    assert!(again.sign_in(APP, "grace@example.com").await.served);
    gateway.stop().await;
}

async fn ends_soon(browser: &mut Browser) {
    let began = Instant::now();
    while browser.get(APP).await.status != 302 {
        assert!(began.elapsed() < Duration::from_secs(3), "it still holds");
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn a_restart_signs_nobody_out() {
    let data = TempDir::new().unwrap();
    let setup = Setup { data: Some(data.path().into()), ..Setup::with(Idp::shared()) };
    let gateway = setup.clone().start().await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    let keys = async |gateway: &Gateway| {
        let answer = gateway.page(reqwest::Method::GET, "/.well-known/jwks.json").send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    let before = keys(&gateway).await;
    gateway.stop().await;
    let gateway = setup.start().await;
    ada = moved(&ada, &gateway);
    assert!(ada.get(APP).await.served);
    assert_eq!(keys(&gateway).await, before, "services keep believing assertions made before");
    gateway.stop().await;
}

/// The same browser in front of a gateway that started again on another port.
fn moved(browser: &Browser, gateway: &Gateway) -> Browser {
    let mut moved = Browser::new(gateway);
    moved.jar = browser.jar.clone();
    moved
}

#[actix_web::test]
async fn keys_are_rotated_without_signing_anybody_out() {
    let data = TempDir::new().unwrap();
    let (old, new) = (KeyRing::new_root().unwrap(), KeyRing::new_root().unwrap());
    let file = data.path().join("session.keys");
    let setup = Setup { data: Some(data.path().into()), ..Setup::with(Idp::shared()) };
    let setup = setup.and("session: { keys_file: session.keys }");
    std::fs::write(&file, format!("{old}\n")).unwrap();
    let gateway = setup.clone().start().await;
    let ada = signed_in(&gateway, "ada@example.com").await;
    gateway.stop().await;

    std::fs::write(&file, format!("{new}\n{old}\n")).unwrap();
    let gateway = setup.clone().start().await;
    assert!(moved(&ada, &gateway).get(APP).await.served, "under the old key");
    let grace = signed_in(&gateway, "grace@example.com").await;
    gateway.stop().await;

    std::fs::write(&file, format!("{new}\n")).unwrap();
    let gateway = setup.start().await;
    assert_eq!(moved(&ada, &gateway).get(APP).await.status, 302, "the old key is gone");
    assert!(moved(&grace, &gateway).get(APP).await.served, "new sessions were sealed by the new one");
    gateway.stop().await;
}

fn decoded(name: &str) -> String {
    let query = format!("n={}", name.replace('+', "%2B"));
    let (_, name) = url::form_urlencoded::parse(query.as_bytes()).next().unwrap();
    name.into_owned()
}

#[actix_web::test]
async fn names_arrive_whole() {
    let gateway = Setup::with(Idp::shared()).start().await;
    let mut jurgen = Browser::new(&gateway);
    let there = jurgen.sign_in(APP, "jurgen@example.com").await;
    assert_eq!(decoded(&there.header("x-auth-name")), "Jürgen Ñandú 東京");
    let info = jurgen.get("https://auth.example.test/rbac/userinfo").await.json();
    assert_eq!(info["name"], "Jürgen Ñandú 東京");
    assert!(jurgen.get(HOME).await.body.contains("Jürgen Ñandú 東京"));
    gateway.stop().await;
}

/// The jar of these tests refuses what browsers drop, so that being signed in at all is half of the proof.
#[actix_web::test]
async fn groups_and_names_without_end_fit() {
    let gateway = Setup::with(Idp::shared()).start().await;
    let mut huge = Browser::new(&gateway);
    let there = huge.sign_in(APP, "huge@example.com").await;
    assert!(there.served, "{there:?}");
    assert!(huge.cookies_for(HOST).len() < 4096);
    let name = decoded(&there.header("x-auth-name"));
    assert!(name.starts_with("Maximiliane von und zu Langenname") && name.len() <= 256, "{name}");
    gateway.stop().await;
}

/// 500 roles of 60 characters.
fn many_roles() -> Vec<String> {
    (0..500).map(|n| format!("{n:0>60}")).collect()
}

async fn with_many_roles(policy: Option<String>) -> (Gateway, Browser, super::support::Answer) {
    let idp = Idp::start();
    idp.control(json!({ "auto_account": { "email": "ada@example.com", "name": "x".repeat(4096), "roles": many_roles() } }))
        .await;
    let setup = Setup::with(&idp);
    let setup = policy.iter().fold(setup, |setup, policy| setup.policy(policy));
    let gateway = setup.start().await;
    let mut ada = Browser::new(&gateway);
    let answer = ada.visit(APP).await;
    (gateway, ada, answer)
}

#[actix_web::test]
async fn roles_without_end_are_never_cut_in_half() {
    // Nothing decides on them: none are kept rather than some.
    let (gateway, _, answer) = with_many_roles(None).await;
    assert!(answer.served, "{answer:?}");
    assert_eq!(answer.header("x-auth-roles"), "");
    gateway.stop().await;
    // A policy that names two of them: those two.
    let roles = many_roles();
    let rule = |list: &str| format!("/app: [{list}]\n");
    let two = format!("\"{}\", \"{}\"", roles[7], roles[499]);
    let (gateway, _, answer) = with_many_roles(Some(rule(&two))).await;
    assert!(answer.served, "{answer:?}");
    assert_eq!(answer.header("x-auth-roles"), format!("{},{}", roles[7], roles[499]));
    gateway.stop().await;
    // One that names all of them: more than a cookie holds, so the sign-in is refused and says why.
    let all: Vec<String> = roles.iter().map(|role| format!("\"{role}\"")).collect();
    let (gateway, ada, answer) = with_many_roles(Some(rule(&all.join(", ")))).await;
    assert_eq!((answer.status, ada.session(HOST)), (403, None), "{}", answer.body);
    assert!(answer.body.contains("too many roles"), "{}", answer.body);
    gateway.stop().await;
}
