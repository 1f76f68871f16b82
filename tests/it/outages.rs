//! The store is away: known sessions go on for a while, then nobody is let in, nobody is signed out, and it
//! recovers by itself.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

use super::support::world::{World, assert_allowed, assert_anonymous, assert_status};
use super::support::{Browser, Gateway, Setup};

const GRACE: &str = "grace@example.com";
const GRACE_PERIOD: &str = "session: { cookie_domain: example.test, store_grace: 60s }\n";

fn setup(session: &str) -> Setup {
    let mut setup = World::setup();
    setup.more = session.into();
    setup
}

fn database(gateway: &Gateway) -> PathBuf {
    let is_database = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "db");
    let entries = std::fs::read_dir(&gateway.dir).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().find(is_database).expect("a database")
}

/// Waits until the store is known to tell, or not to: a look every few milliseconds, bounded.
async fn until_the_store_tells(gateway: &Gateway, tells: bool) {
    let began = Instant::now();
    while gateway.state().known.healthy() != tells {
        assert!(began.elapsed() < Duration::from_secs(20), "the store never came to tells = {tells}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn health(gateway: &Gateway, path: &str) -> u16 {
    super::support::idp::client().get(gateway.at(path)).send().await.unwrap().status().as_u16()
}

#[actix_web::test]
async fn known_sessions_go_on_for_a_while_and_nobody_is_signed_out() {
    let world = World::of(setup(GRACE_PERIOD).clock_stands_still()).await;
    let gateway = &world.gateway;
    let mut browser = Browser::new(gateway);
    assert!(browser.sign_in("https://app.example.test/", GRACE).await.served);
    let grace = super::support::world::session_of(&browser.cookies_for("app.example.test"));
    let (file, aside) = (database(gateway), gateway.dir.join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    until_the_store_tells(gateway, false).await;

    assert_allowed(&world.asks("/").cookies(&grace).send().await, GRACE, "user", "within the grace");
    assert_status(&world.asks("/admin/x").cookies(&grace).send().await, &[403], "by the same rules");
    gateway.later(Duration::from_secs(61));
    for ask in [world.asks("/"), world.asks("/admin/x"), world.asks("/").but("accept", "*/*")] {
        let answer = ask.cookies(&grace).send().await;
        // That it carries `Retry-After` and touches no cookie is checked for every answer.
        assert_status(&answer, &[503], "after the grace");
        assert!(
            !answer.body.to_lowercase().contains("sqlite") && !answer.body.contains(".db"),
            "{}",
            answer.body
        );
    }
    let nginx = world.nginx_asks("https://app.example.test/").cookies(&grace).send().await;
    assert_status(&nginx, &[403], "nginx knows no 503");
    // Whoever needs no store is served as ever.
    assert_anonymous(&world.asks("/public/x").cookies(&grace).send().await, "public");
    assert_anonymous(&world.asks("/healthz").send().await, "public");
    assert_status(&world.asks("/").send().await, &[302], "anonymous");
    assert_status(&world.asks("/").cookies("__Secure-doorward=forged").send().await, &[302], "forged");
    assert_eq!((health(gateway, "/healthz").await, health(gateway, "/readyz").await), (503, 503));
    let page = browser.get("https://auth.example.test/rbac/userinfo").await;
    assert_eq!((page.status, page.set_cookies().len()), (503, 0), "{page:?}");

    std::fs::rename(&aside, &file).unwrap();
    until_the_store_tells(gateway, true).await;
    assert_allowed(&world.asks("/").cookies(&grace).send().await, GRACE, "user", "recovered");
    assert_eq!((health(gateway, "/healthz").await, health(gateway, "/readyz").await), (200, 200));
    assert_eq!(browser.get("https://auth.example.test/rbac/userinfo").await.status, 200);
    world.ends_well().await;
}

#[actix_web::test]
async fn without_a_grace_it_is_at_once() {
    let world = World::of(setup("session: { cookie_domain: example.test, store_grace: 0 }\n")).await;
    let grace = world.sign_in("grace").await;
    let (file, aside) = (database(&world.gateway), world.gateway.dir.join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    until_the_store_tells(&world.gateway, false).await;
    assert_status(&world.asks("/").cookies(&grace).send().await, &[503], "away");
    std::fs::rename(&aside, &file).unwrap();
    until_the_store_tells(&world.gateway, true).await;
    assert_allowed(&world.asks("/").cookies(&grace).send().await, GRACE, "user", "back");
    world.ends_well().await;
}

/// A sign-in that cannot be written down is none, and says so; it works when the store is back.
#[actix_web::test]
async fn nobody_signs_in_while_it_cannot_be_written_down() {
    let world = World::start().await;
    let other = rusqlite::Connection::open(database(&world.gateway)).unwrap();
    let grace = world.sign_in("grace").await;
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut ada = Browser::new(&world.gateway);
    let callback = ada.sign_in_up_to_callback("https://app.example.test/", "ada@example.com").await;
    let began = Instant::now();
    let refused = ada.get(&callback).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(!ada.cookies_for("app.example.test").contains("__Secure-doorward="));
    // Decisions wait for no writer.
    for _ in 0..20 {
        let began = Instant::now();
        assert_allowed(&world.asks("/").cookies(&grace).send().await, GRACE, "user", "meanwhile");
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    other.execute_batch("ROLLBACK").unwrap();
    assert!(ada.sign_in("https://app.example.test/", "ada@example.com").await.served);
    world.ends_well().await;
}

/// A sign-out that could not be written down is told to have failed, and the session goes on.
#[actix_web::test]
async fn a_sign_out_that_failed_says_so() {
    let world = World::start().await;
    let mut grace = Browser::new(&world.gateway);
    assert!(grace.sign_in("https://app.example.test/", GRACE).await.served);
    let account = grace.get("https://auth.example.test/rbac/logout").await;
    let csrf = account.body.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let csrf = csrf.expect("a form").to_owned();
    let other = rusqlite::Connection::open(database(&world.gateway)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let cookie = super::support::world::session_of(&grace.cookies_for("app.example.test"));
    let out = grace.post("https://auth.example.test/rbac/logout", &[("csrf", &csrf)]).await;
    assert_eq!(out.status, 503, "{out:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_allowed(&world.asks("/").cookies(&cookie).send().await, GRACE, "user", "not signed out");
    let out =
        grace.send(Method::POST, "https://auth.example.test/rbac/logout", Some(format!("csrf={csrf}"))).await;
    assert!(out.status < 400, "{out:?}");
    assert_status(&world.asks("/").cookies(&cookie).send().await, &[302], "signed out");
    let ready: Value = super::support::idp::client()
        .get(world.gateway.at("/readyz"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(ready["ready"], true, "{ready}");
    world.ends_well().await;
}
