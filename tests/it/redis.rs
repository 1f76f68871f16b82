//! Gateways that share a Redis: what one does the other knows, and what they do when it is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use doorward::identity::api_token::{Asked, NewToken};
use doorward::policy::is_role;
use doorward::store::token::TokenRecord;

use super::support::redis::Redis;
use super::support::world::{World, assert_allowed, assert_anonymous, assert_status, session_of};
use super::support::{Browser, Setup};

const GRACE: &str = "grace@example.com";
/// 32 different bytes, in base64: what gateways on one Redis share.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn setup(redis: &Redis) -> Setup {
    let mut setup = World::setup();
    setup.more = format!(
        "session: {{ cookie_domain: example.test, keys: [\"{KEY}\"] }}\nstore: {{ url: \"{}\" }}\n\
         tokens: {{ pepper: f3Jq0-uT9v_Xx2k7LmZ1 }}\nrate_limit: {{ failures: 0 }}\n",
        redis.url()
    );
    setup
}

async fn two(redis: &Redis) -> (World, World) {
    (World::of(setup(redis)).await, World::of(setup(redis)).await)
}

/// A token for everywhere, made at this gateway as the admin pages do it.
async fn token(at: &World, limit: Option<i64>) -> (String, TokenRecord) {
    let state = at.gateway.state();
    let asked = Asked {
        name: Some("robot".into()),
        hosts: vec!["*".into()],
        roles: vec!["user".into()],
        limit,
        ..Asked::default()
    };
    let new = NewToken::new(&asked, None, &state.config.tokens, is_role).unwrap();
    let (plain, record) = new.mint(state.tokens.peppers(), state.clock.now()).unwrap();
    state.store.put_token(&record).await.unwrap();
    (format!("Bearer {}", plain.expose()), record)
}

async fn brings(world: &World, bearer: &str) -> u16 {
    world.asks("/").with("authorization", bearer).send().await.status
}

/// Within the second that is promised.
async fn within_a_second(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < Duration::from_secs(1), "{what}: not within a second");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn health(world: &World, path: &str) -> u16 {
    super::support::idp::client().get(world.gateway.at(path)).send().await.unwrap().status().as_u16()
}

/// Until the store is known to answer again, and to tell; a recovery takes less than five seconds.
async fn until_it_is_back(world: &World, begun: Instant) {
    while !world.gateway.state().known.healthy() || health(world, "/healthz").await != 200 {
        assert!(begun.elapsed() < Duration::from_secs(5), "no recovery in {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[actix_web::test]
async fn what_ends_at_one_gateway_is_over_at_the_other() {
    let redis = Redis::start();
    let (one, two) = two(&redis).await;
    let mut grace = Browser::new(&one.gateway);
    assert!(grace.sign_in("https://app.example.test/", GRACE).await.served);
    let hers = session_of(&grace.cookies_for("app.example.test"));
    let ada = one.sign_in("ada").await;
    for world in [&one, &two] {
        assert_allowed(&world.asks("/").cookies(&hers).send().await, GRACE, "user", "known at both");
        assert_status(&world.asks("/admin/x").cookies(&hers).send().await, &[403], "no admin");
        assert_status(&world.asks("/").cookies(&ada).send().await, &[200], "ada too");
    }

    let user = two.gateway.state().store.users_named(GRACE).await.unwrap().remove(0);
    two.gateway.state().store.grant(&user.id, "admin").await.unwrap();
    within_a_second("a role that was granted", async || {
        one.asks("/admin/x").cookies(&hers).send().await.status == 200
    })
    .await;

    let account = grace.get("https://auth.example.test/rbac/logout").await;
    let csrf = account.body.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let csrf = csrf.expect("a form").to_owned();
    let out = grace.post("https://auth.example.test/rbac/logout", &[("csrf", &csrf)]).await;
    assert!(out.status < 400, "{out:?}");
    assert_status(&one.asks("/").cookies(&hers).send().await, &[302], "at once here");
    within_a_second("a sign-out", async || two.asks("/").cookies(&hers).send().await.status == 302).await;

    let user = one.gateway.state().store.users_named("ada@example.com").await.unwrap().remove(0);
    one.gateway.state().store.set_disabled(&user.id, true).await.unwrap();
    within_a_second("a user who was disabled", async || {
        two.asks("/").cookies(&ada).send().await.status == 302
    })
    .await;
    one.ends_well().await;
    two.ends_well().await;
}

#[actix_web::test]
async fn a_token_that_is_revoked_anywhere_is_refused_everywhere() {
    let redis = Redis::start();
    let (one, two) = two(&redis).await;
    for by_hand in [false, true] {
        let (bearer, record) = token(&one, None).await;
        assert_eq!((brings(&one, &bearer).await, brings(&two, &bearer).await), (200, 200));
        if by_hand {
            redis.by_hand::<i64>(&["DEL", &format!("tokens:{}", record.digest)]);
        } else {
            assert!(one.gateway.state().store.revoke_token(&record.digest).await.unwrap());
        }
        for world in [&one, &two] {
            within_a_second("a revocation", async || brings(world, &bearer).await == 401).await;
        }
    }
    // One that another program wrote: good on its hosts, without a role.
    let (bearer, record) = token(&one, None).await;
    let key = format!("tokens:{}", record.digest);
    redis.by_hand::<i64>(&["DEL", &key]);
    redis.by_hand::<i64>(&["HSET", &key, "hosts", "app.example.test"]);
    within_a_second("another program's token", async || brings(&two, &bearer).await == 403).await;
    let public = two.asks("/public/x").with("authorization", &bearer).send().await;
    assert_eq!((public.status, public.header("x-auth-method").as_str()), (200, "token"));
    one.ends_well().await;
    two.ends_well().await;
}

#[actix_web::test]
async fn limits_are_shared() {
    let redis = Redis::start();
    let (one, two) = two(&redis).await;
    let (bearer, _) = token(&one, Some(10)).await;
    let (mut served, mut refused) = (0, [0, 0]);
    let begun = Instant::now();
    for n in 0..40 {
        let world = if n % 2 == 0 { &one } else { &two };
        match brings(world, &bearer).await {
            200 => served += 1,
            429 => refused[n % 2] += 1,
            status => panic!("{status}"),
        }
    }
    // The window is a second: each that began meanwhile allows ten more.
    let most = 10 * (2 + begun.elapsed().as_secs());
    assert!(served >= 1 && served <= most, "{served} in {:?}", begun.elapsed());
    assert!(begun.elapsed() > Duration::from_secs(1) || refused.iter().all(|n| *n > 0), "{refused:?}");
}

/// Redis is killed under load and comes back: who is known goes on, nobody else gets in, nobody is signed out.
#[actix_web::test]
async fn redis_is_killed_under_load_and_comes_back() {
    let mut redis = Redis::with(&["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
    let (one, two) = two(&redis).await;
    let known = one.sign_in("grace").await;
    let ended = one.sign_in("jurgen").await;
    let unknown = two.sign_in("ada").await;
    let (known_token, _) = token(&one, None).await;
    let (unknown_token, _) = token(&two, None).await;
    let (revoked_token, revoked) = token(&one, None).await;
    assert_eq!((brings(&one, &known_token).await, brings(&one, &revoked_token).await), (200, 200));
    assert_status(&one.asks("/").cookies(&ended).send().await, &[200], "for now");
    let store = &one.gateway.state().store;
    let user = store.users_named("jurgen@example.com").await.unwrap().remove(0);
    store.end_sessions_of(&user.id).await.unwrap();
    store.revoke_token(&revoked.digest).await.unwrap();
    within_a_second("a revocation", async || brings(&one, &revoked_token).await == 401).await;

    let one = Arc::new(one);
    let stop = Arc::new(AtomicBool::new(false));
    let load = |cookies: String, allowed: &'static [u16]| {
        let (one, stop) = (Arc::clone(&one), Arc::clone(&stop));
        actix_web::rt::spawn(async move {
            let mut asked = 0;
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                // That a 503 carries `Retry-After`, and that no answer touches a cookie, is checked for every one.
                let answer = one.asks("/").cookies(&cookies).send().await;
                assert_status(&answer, allowed, "under load");
                assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
                asked += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            asked
        })
    };
    let loads =
        [load(known.clone(), &[200]), load(ended.clone(), &[302]), load(unknown.clone(), &[200, 503])];
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Whoever was just seen is known here: what the others know is not.
    let late = two.sign_in("nobody").await;

    redis.kill();
    let begun = Instant::now();
    while one.gateway.state().known.healthy() {
        assert!(begun.elapsed() < Duration::from_secs(2), "the silence was not noticed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..20 {
        assert_allowed(&one.asks("/").cookies(&known).send().await, GRACE, "user", "known");
        assert_eq!(brings(&one, &known_token).await, 200, "a token that is known");
        assert_status(&one.asks("/").cookies(&late).send().await, &[503], "not known here");
        assert_status(&one.asks("/").cookies(&ended).send().await, &[302], "over");
        // Not let in; whether 401 or 503 depends on what is still known of it.
        assert!([401, 503].contains(&brings(&one, &revoked_token).await), "revoked");
        let answer = one.asks("/").with("authorization", &unknown_token).send().await;
        assert_status(&answer, &[503], "a token that is not known here");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("redis unavailable"), "{message}");
        assert_anonymous(&one.asks("/public/x").send().await, "public");
    }
    assert_eq!((health(&one, "/healthz").await, health(&one, "/readyz").await), (503, 503));
    let failed = one.gateway.state().store.revoke_token(&revoked.digest).await;
    assert!(failed.is_err(), "what was not done is not told as done");

    redis.start_again();
    until_it_is_back(&one, Instant::now()).await;
    until_it_is_back(&two, Instant::now()).await;
    for (cookies, status) in [(&known, 200), (&unknown, 200), (&ended, 302)] {
        for world in [&*one, &two] {
            assert_status(&world.asks("/").cookies(cookies).send().await, &[status], "afterwards");
        }
    }
    assert_eq!((brings(&one, &unknown_token).await, brings(&one, &revoked_token).await), (200, 401));
    assert_eq!(health(&one, "/readyz").await, 200);
    stop.store(true, Ordering::Relaxed);
    for load in loads {
        assert!(load.await.unwrap() > 20, "there was no load");
    }
    two.ends_well().await;
}

/// A gateway that starts before its Redis waits for it; with a wrong password it does not start.
#[actix_web::test]
async fn a_gateway_starts_before_its_redis_and_not_with_a_wrong_password() {
    let mut redis = Redis::start();
    redis.kill();
    let world = World::of(setup(&redis)).await;
    assert_eq!((health(&world, "/healthz").await, health(&world, "/readyz").await), (503, 503));
    assert_anonymous(&world.asks("/public/x").send().await, "public");
    redis.start_again();
    until_it_is_back(&world, Instant::now()).await;
    assert!(!world.sign_in("grace").await.is_empty());
    world.ends_well().await;

    let mut wrong = setup(&redis);
    wrong.more = wrong.more.replace("redis://", "redis://nobody:S3CRET@");
    let folder = tempfile::tempdir().unwrap();
    let file = super::support::gateway::write_config(&wrong, folder.path());
    let config = doorward::config::Config::load(Some(&file), &wrong.env).unwrap();
    let clock = Arc::new(doorward::clock::SystemClock);
    let error = format!("{:#}", doorward::server::start(config, clock).await.err().expect("refused"));
    assert!(error.contains("store.url") && error.contains("WRONGPASS"), "{error}");
    assert!(!error.contains("S3CRET"), "{error}");
}

/// A record that somebody changed is nobody's: 503, never a default, never 500.
#[actix_web::test]
async fn a_poisoned_record_lets_nobody_in() {
    let redis = Redis::start();
    let (one, two) = two(&redis).await;
    let grace = one.sign_in("grace").await;
    let user = one.gateway.state().store.users_named(GRACE).await.unwrap().remove(0);
    redis.by_hand::<i64>(&["HSET", &format!("{{doorward}}:user:{}", user.id), "granted", r#"["admin"]"#]);
    assert_status(&two.asks("/admin/x").cookies(&grace).send().await, &[503], "the user was changed");
    let (bearer, record) = token(&one, None).await;
    redis.by_hand::<i64>(&["HSET", &format!("tokens:{}", record.digest), "roles", "admin"]);
    assert_eq!(brings(&two, &bearer).await, 503, "the token was changed");
    redis.by_hand::<()>(&["SET", &format!("tokens:{}", record.digest), "{}"]);
    assert_eq!(brings(&one, &bearer).await, 503, "it is no hash");
    let mut browser = Browser::new(&two.gateway);
    let callback = browser.sign_in_up_to_callback("https://app.example.test/", GRACE).await;
    assert_eq!(browser.get(&callback).await.status, 503, "nobody is made out of it");
    one.ends_well().await;
    two.ends_well().await;
}
