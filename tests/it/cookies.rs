//! The session's cookie: whole, unchanged, once, on its own host and in time, or there is no session
//! (RFC 6265bis §4.1.3, §8.6; RFC 5116 §2.1).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::support::world::{World, assert_allowed, assert_anonymous, assert_status, session_of};
use super::support::{Browser, Idp, Setup};

const GRACE: &str = "grace@example.com";
const NAME: &str = "__Secure-doorward";

/// Nobody, in the same words as for somebody without a cookie.
async fn is_nobody(world: &World, cookies: &str, case: &str) {
    let program = world.asks("/").cookies(cookies).but("accept", "*/*").send().await;
    assert_status(&program, &[401], case);
    assert_eq!(program.json()["message"], "missing bearer token", "{case}");
    assert_status(&world.asks("/").cookies(cookies).send().await, &[302], case);
}

#[actix_web::test]
async fn the_parent_domains_cookie_is_as_strict_as_it_can_be() {
    let world = World::start().await;
    let mut grace = Browser::new(&world.gateway);
    let callback = grace.sign_in_up_to_callback("https://app.example.test/", GRACE).await;
    let end = grace.get(&callback).await;
    let line = end.set_cookies().into_iter().find(|line| line.starts_with("__Secure-doorward=")).unwrap();
    let mut attributes: Vec<&str> = line.split("; ").skip(1).filter(|a| !a.starts_with("Max-Age=")).collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["Domain=example.test", "HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
    world.ends_well().await;
}

/// Four hundred groups and five kilobytes of a name: the browser keeps the cookie (which it checks), and it works.
#[actix_web::test]
async fn a_huge_account_has_a_small_cookie() {
    let world = World::start().await;
    let huge = world.sign_in("huge").await;
    assert!(huge.len() < 4096, "{}", huge.len());
    let answer = world.asks("/").cookies(&huge).send().await;
    assert_allowed(&answer, "huge@example.com", "user", "huge");
    let size: usize = answer.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    assert!(size < 8 * 1024, "{size} bytes of headers");
    world.ends_well().await;
}

#[actix_web::test]
async fn a_changed_cookie_is_none() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    let value = grace.split_once('=').unwrap().1;
    for at in 0..value.len() {
        let mut bytes = value.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = format!("{NAME}={}", String::from_utf8(bytes).unwrap());
        let answer = world.asks("/").cookies(&changed).send().await;
        assert_status(&answer, &[302], &format!("byte {at}"));
        let cut = format!("{NAME}={}", &value[..at]);
        assert_status(&world.asks("/").cookies(&cut).send().await, &[302], &format!("cut at {at}"));
    }
    let long = "A".repeat(16 * 1024);
    for other in [
        "",
        "=",
        "null",
        "{}",
        "%00",
        "A",
        "AQ",
        "\"\"",
        &format!("\"{value}\""),
        &format!("{value}A"),
        &format!("{value}="),
        &format!("{value}%3D"),
        &format!("%20{value}"),
        &value.replace(['-', '_'], "+"),
        &value.to_lowercase(),
        &format!("{value}{value}"),
        "\u{e9}",
        &long,
    ] {
        is_nobody(&world, &format!("{NAME}={other}"), other).await;
    }
    is_nobody(&world, "__Secure-doorward_chunks=999999999", "a count of pieces").await;
    assert_allowed(&world.asks("/").cookies(&grace).send().await, GRACE, "user", "the true one");
    world.ends_well().await;
}

#[actix_web::test]
async fn a_planted_cookie_beside_the_true_one_wins_nothing() {
    let world = World::start().await;
    let (grace, ada) = (world.sign_in("grace").await, world.sign_in("ada").await);
    for line in [format!("{NAME}=garbage; {grace}"), format!("{grace}; {NAME}=garbage")] {
        assert_allowed(&world.asks("/").cookies(&line).send().await, GRACE, "user", &line);
    }
    for (first, second) in [("__Secure-doorward=garbage", grace.as_str()), (&grace, "__Secure-doorward=x")] {
        let answer = world.asks("/").cookies(first).with("cookie", second).send().await;
        assert_allowed(&answer, GRACE, "user", "two lines");
    }
    for line in [format!("{grace}; {ada}"), format!("{ada}; {grace}")] {
        is_nobody(&world, &line, "two people at once").await;
        assert_anonymous(&world.asks("/public/x").cookies(&line).send().await, "two people at once");
    }
    // The same one twice is one.
    let twice = format!("{grace}; {grace}");
    assert_allowed(&world.asks("/").cookies(&twice).send().await, GRACE, "user", "twice");
    let junk: String = (0..150).map(|n| format!("junk{n}=x; ")).collect();
    let answer = world.asks("/").cookies(&format!("{junk}{grace}")).send().await;
    assert_allowed(&answer, GRACE, "user", "after 150 others");
    let garbage = "A".repeat(grace.len());
    for (of, times) in [("x", 300), (garbage.as_str(), 30)] {
        let junk = format!("{NAME}={of}; ").repeat(times);
        let answer = world.asks("/").cookies(&format!("{junk}{grace}")).send().await;
        assert_allowed(&answer, GRACE, "user", &format!("after {times} of its name"));
    }
    world.ends_well().await;
}

#[actix_web::test]
async fn names_are_compared_byte_for_byte() {
    let world = World::start().await;
    let (grace, ada) = (world.sign_in("grace").await, world.sign_in("ada").await);
    let value = ada.split_once('=').unwrap().1;
    for name in
        ["__%53ecure-doorward", "__secure-doorward", "__Secure-doorward%20", "doorward", "__Host-doorward"]
    {
        let planted = format!("{name}={value}");
        is_nobody(&world, &planted, name).await;
        let answer = world.asks("/").cookies(&format!("{planted}; {grace}")).send().await;
        assert_allowed(&answer, GRACE, "user", name);
    }
    world.ends_well().await;
}

#[actix_web::test]
async fn a_hosts_own_cookie_is_worth_nothing_elsewhere() {
    let world = World::of(
        Setup::with(Idp::shared())
            .policy(super::support::world::POLICY)
            .and("login: { return_hosts: [app.example.test, x.apps.example.test] }"),
    )
    .await;
    let mut grace = Browser::new(&world.gateway);
    assert!(grace.sign_in("https://app.example.test/", GRACE).await.served);
    let app = session_of(&grace.cookies_for("app.example.test"));
    let auth = session_of(&grace.cookies_for("auth.example.test"));
    assert_allowed(&world.asks("/").cookies(&app).send().await, GRACE, "user", "at home");
    for host in ["x.apps.example.test", "ws.example.test", "auth.example.test"] {
        let answer = world.asks("/socket").host(host).cookies(&app).send().await;
        assert_status(&answer, &[302, 401, 403], host);
        assert!(
            answer.status != 403 || host == "auth.example.test",
            "{host}: nobody, not somebody without a role"
        );
    }
    assert_status(&world.asks("/").cookies(&auth).send().await, &[302], "the gateway's own");
    let planted = app.replacen("__Host", "__%48ost", 1);
    assert_status(&world.asks("/").cookies(&planted).send().await, &[302], "an escaped name");
    world.ends_well().await;
}

/// A page's script may set any bytes as a cookie of its own, and that takes neither the session nor the sign-in away.
#[actix_web::test]
async fn a_cookie_that_is_not_ascii_disturbs_no_other() {
    let world = World::start().await;
    let mut grace = Browser::new(&world.gateway);
    for host in ["auth.example.test", "app.example.test"] {
        grace.jar.entry(host.to_owned()).or_default().insert("a".to_owned(), "Jürgen".to_owned());
    }
    let callback = grace.sign_in_up_to_callback("https://app.example.test/", GRACE).await;
    let end = grace.get(&callback).await;
    assert_eq!(end.location(), "https://app.example.test/", "{}", end.body);
    let cookies = grace.cookies_for("app.example.test");
    assert!(cookies.contains("Jürgen"), "{cookies}");
    assert_allowed(&world.asks("/").cookies(&cookies).send().await, GRACE, "user", "beside UTF-8");
    let latin = [b"a=J\xfcrgen; ".as_slice(), session_of(&cookies).as_bytes()].concat();
    assert_allowed(&world.asks("/").with("cookie", latin).send().await, GRACE, "user", "beside Latin-1");
    world.ends_well().await;
}

/// The first key seals, all open. A decision never sets a cookie, so an old one lasts as long as its session.
#[actix_web::test]
async fn keys_are_rotated_without_signing_anybody_out() {
    let key = |first: u8| STANDARD.encode((first..first + 32).collect::<Vec<u8>>());
    let (old, new) = (key(1), key(101));
    let dir = tempfile::TempDir::new().unwrap();
    let with = |keys: &[&str]| {
        let mut setup = Setup::with(Idp::shared()).policy(super::support::world::POLICY);
        setup.more =
            format!("session: {{ cookie_domain: example.test, keys: [\"{}\"] }}\n", keys.join("\", \""));
        setup.data = Some(dir.path().to_owned());
        setup
    };
    let world = World::of(with(&[&old])).await;
    let grace = world.sign_in("grace").await;
    world.ends_well().await;
    let world = World::of(with(&[&new, &old])).await;
    assert_allowed(&world.asks("/").cookies(&grace).send().await, GRACE, "user", "under the old key");
    let ada = world.sign_in("ada").await;
    world.ends_well().await;
    let world = World::of(with(&[&new])).await;
    is_nobody(&world, &grace, "the key is gone").await;
    assert_allowed(
        &world.asks("/").cookies(&ada).send().await,
        "ada@example.com",
        "admin,user",
        "the new one",
    );
    world.ends_well().await;
}

#[actix_web::test]
async fn a_session_ends_in_time_whatever_the_browser_says() {
    const MINUTE: Duration = Duration::from_secs(60);
    let setup = || {
        let mut setup = Setup::with(Idp::shared()).policy(super::support::world::POLICY).clock_stands_still();
        setup.more = "session: { cookie_domain: example.test, idle: 30m, lifetime: 8h }\n".into();
        setup
    };
    let world = World::of(setup()).await;
    let grace = world.sign_in("grace").await;
    for n in 1..24 {
        world.gateway.later(20 * MINUTE);
        let answer = world.asks("/").cookies(&grace).send().await;
        assert_allowed(&answer, GRACE, "user", &format!("after {} minutes", 20 * n));
    }
    world.gateway.later(20 * MINUTE);
    is_nobody(&world, &grace, "after eight hours").await;
    // The clock goes back; the session does not come back.
    let clock = world.gateway.clock.as_ref().unwrap();
    let now = doorward::clock::Clock::now(clock.as_ref());
    clock.set(doorward::clock::Timestamp::from_millis(now.millis() - 3_600_000));
    is_nobody(&world, &grace, "an hour back").await;
    world.ends_well().await;

    let world = World::of(setup()).await;
    let grace = world.sign_in("grace").await;
    world.gateway.later(30 * MINUTE);
    assert_allowed(&world.asks("/").cookies(&grace).send().await, GRACE, "user", "just in time");
    world.gateway.later(31 * MINUTE);
    is_nobody(&world, &grace, "idle").await;
    world.ends_well().await;
}
