//! How often who may, over real HTTP: failed credentials by client, requests by user.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doorward::identity::api_token::{Asked, NewToken};
use doorward::policy::is_role;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::support::idp::client;
use super::support::world::{World, assert_anonymous, session_of};
use super::support::{Browser, Gateway, Idp, Setup};

const FAILURES: usize = 20;

/// A program's question with a bad token, and these lines of `X-Forwarded-For`.
fn bad(gateway: &Gateway, forwarded_for: &[&str]) -> RequestBuilder {
    let mut request = client()
        .get(gateway.at("/auth"))
        .header("x-forwarded-method", "GET")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "app.example.test")
        .header("x-forwarded-uri", "/x")
        .header("authorization", "Bearer garbage");
    for line in forwarded_for {
        request = request.header("x-forwarded-for", *line);
    }
    request
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

/// How many of sixty are 401; the others are 429.
async fn refused_before_limited(gateway: &Gateway, lines: impl Fn(usize) -> Vec<String>) -> usize {
    let mut unauthorized = 0;
    for n in 0..60 {
        let lines = lines(n);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        match status(bad(gateway, &lines)).await {
            401 => unauthorized += 1,
            429 => {}
            other => panic!("{other} for {lines:?}"),
        }
    }
    unauthorized
}

/// An address that somebody made up.
fn random(n: usize) -> String {
    format!("{}.{}.{}.{}", 11 + n * 3 % 80, n * 7 % 256, n * 13 % 256, n)
}

fn still() -> Setup {
    World::setup().clock_stands_still()
}

#[actix_web::test]
async fn whatever_stands_before_it_the_rightmost_untrusted_address_counts() {
    let gateway = still().start().await;
    let spoofed = |client: &'static str| move |n| vec![format!("{}, {client}", random(n))];
    assert_eq!(refused_before_limited(&gateway, spoofed("203.0.113.9")).await, FAILURES);
    let lines = |n| vec![random(n), "203.0.113.10".to_owned()];
    assert_eq!(refused_before_limited(&gateway, lines).await, FAILURES);
    // A hop that is no trusted proxy may say what it likes about who is behind it.
    let hop = |n| vec![format!("{}, 198.51.100.1, 127.0.0.1", random(n))];
    assert_eq!(refused_before_limited(&gateway, hop).await, FAILURES);
    // Of IPv6, the line counts and not the address; an address of IPv4 is one however it is spelt.
    let line = |n| vec![format!("2001:db8:0:7:{n:x}::{n:x}")];
    assert_eq!(refused_before_limited(&gateway, line).await, FAILURES);
    let mapped = |n| vec![if n % 2 == 0 { "::ffff:203.0.113.77" } else { "203.0.113.77" }.to_owned()];
    assert_eq!(refused_before_limited(&gateway, mapped).await, FAILURES);
    // Nobody else is concerned.
    assert_eq!(status(bad(&gateway, &["203.0.113.200"])).await, 401);
    assert_eq!(status(bad(&gateway, &["2001:db8:0:8::1"])).await, 401);
    gateway.stop().await;
}

#[actix_web::test]
async fn junk_counts_against_who_sent_it() {
    let gateway = still().start().await;
    let junk: Vec<String> = [
        "a",
        "",
        "unknown",
        "_hidden",
        "127.0.0.1",
        "203.0.113.9:1234",
        "\"[2001:db8::1]:80\"",
        "203.0.113.9, ",
        "203.0.113.9, x",
        "999.1.1.1",
        "0x7f.1",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(["a,".repeat(10_000), "1.1.1.1,".repeat(2000) + "x"])
    .collect();
    // All of them together are the peer.
    assert_eq!(refused_before_limited(&gateway, |n| vec![junk[n % junk.len()].clone()]).await, FAILURES);
    assert_eq!(refused_before_limited(&gateway, |_| Vec::new()).await, 0, "and so is no such header at all");
    for address in ["::1", "10.0.0.1", "0.0.0.0"] {
        assert_eq!(
            refused_before_limited(&gateway, |_| vec![address.to_owned()]).await,
            FAILURES,
            "{address}"
        );
    }
    let long = "203.0.113.50, ".repeat(700) + "203.0.113.51";
    assert_eq!(refused_before_limited(&gateway, |_| vec![long.clone()]).await, FAILURES);
    gateway.stop().await;
}

#[actix_web::test]
async fn the_answer_says_when_to_come_back_and_then_it_is_so() {
    let setup = still().and("rate_limit: { failures: 3 }");
    let world = World::of(setup).await;
    let ask = || world.asks("/x").with("authorization", "Bearer garbage");
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let answer = ask().send().await;
        assert_eq!(answer.status, 401);
        bodies.push(answer.json()["message"].clone());
    }
    let over = ask().send().await;
    assert_eq!(over.status, 429);
    let seconds: u64 = over.header("retry-after").parse().unwrap();
    assert!((1..=120).contains(&seconds), "{seconds}");
    let fields = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit-policy"];
    assert_eq!(fields.map(|name| over.header(name)), ["3", "0", &seconds.to_string(), "3;w=60"]);
    assert_eq!(over.json()["error"], "rate_limited");
    assert_eq!(over.json()["message"], format!("too many requests; try again in {seconds} s"));
    let nginx = world.nginx_asks("https://app.example.test/x").with("authorization", "Bearer garbage");
    let nginx = nginx.with("x-forwarded-for", "203.0.113.9").send().await;
    assert_eq!((nginx.status, nginx.header("retry-after")), (403, seconds.to_string()));
    let services = client()
        .get(world.gateway.at("/authenticate"))
        .header("x-forwarded-for", "203.0.113.9")
        .header("authorization", "Bearer garbage");
    assert_eq!(status(services).await, 429);

    let clock = world.gateway.clock.as_ref().unwrap();
    clock.advance(Duration::from_secs(seconds - 1));
    assert_eq!(ask().send().await.status, 429);
    clock.advance(Duration::from_secs(1));
    assert_eq!(ask().send().await.status, 401);
    clock.advance(Duration::from_secs(121));
    for _ in 0..3 {
        assert_eq!(ask().send().await.status, 401);
    }
    assert_eq!(ask().send().await.status, 429);
    world.ends_well().await;
}

#[actix_web::test]
async fn a_good_credential_from_a_limited_place_passes() {
    let idp = Idp::shared();
    let bearer = format!(
        "bearer: {{ issuers: [{{ issuer: \"{}\", audiences: [api], roles_claims: [roles] }}] }}",
        idp.issuer
    );
    let world = World::of(World::setup().and(&bearer)).await;
    let session = world.sign_in("grace").await;
    let token = idp
        .mint(
            json!({"sub": "svc", "aud": "api", "email": "svc@example.com", "email_verified": true}),
            json!({}),
        )
        .await;
    for _ in 0..40 {
        world.asks("/x").with("authorization", "Bearer garbage").send().await;
    }
    assert_eq!(world.asks("/x").with("authorization", "Bearer garbage").send().await.status, 429);
    let mine = world.asks("/x").cookies(&session).send().await;
    assert_eq!((mine.status, mine.header("x-auth-email").as_str()), (200, "grace@example.com"));
    let program = world.asks("/x").with("authorization", format!("Bearer {token}")).send().await;
    assert_eq!((program.status, program.header("x-user-id").as_str()), (200, "svc"), "{}", program.body);
    // Who brings nothing has not failed, and what is open is open.
    assert_eq!(world.asks("/x").send().await.status, 302);
    let public = world.asks("/public/x").with("authorization", "Bearer garbage").send().await;
    assert_anonymous(&public, "public");
    world.ends_well().await;
}

#[actix_web::test]
async fn a_user_has_one_limit_for_all_their_browsers() {
    let setup = still().and("rate_limit: { window_sec: 60, user_max: 6, max: 1 }");
    let world = World::of(setup).await;
    // Signing in visits the application once.
    let (one, other) = (world.sign_in("grace").await, world.sign_in("grace").await);
    let ada = world.sign_in("ada").await;
    for cookies in [&one, &other, &one, &other] {
        assert_eq!(world.asks("/x").cookies(cookies).send().await.status, 200);
    }
    for cookies in [&one, &other] {
        let page = world.asks("/x?a=1&b=2").cookies(cookies).send().await;
        assert_eq!(page.status, 429, "{}", page.body);
        assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
        assert!(page.body.contains("Too many requests") && page.body.contains("Wait "), "{}", page.body);
        assert!(page.body.contains("app.example.test&#x2f;x?a=1&amp;b=2"), "{}", page.body);
        assert!(page.body.contains(&page.header("x-auth-decision-id")) && page.body.len() < 16_384);
        assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
        let program =
            world.asks("/x").cookies(cookies).with("x-requested-with", "XMLHttpRequest").send().await;
        assert_eq!((program.status, program.json()["error"].as_str()), (429, Some("rate_limited")));
        let nginx = world.nginx_asks("https://app.example.test/x").cookies(cookies).send().await;
        assert_eq!(nginx.status, 403);
        let whole = world.asks("/x").without("x-forwarded-method").without("x-forwarded-proto");
        assert_eq!(whole.without("x-forwarded-uri").cookies(cookies).send().await.status, 429);
    }
    // What is open to everybody is not counted, and is open to them too.
    for _ in 0..20 {
        assert_eq!(world.asks("/public/x").cookies(&one).send().await.status, 200);
    }
    assert_eq!(world.asks("/x").cookies(&ada).send().await.status, 200, "somebody else");
    assert_eq!(world.asks("/x").send().await.status, 302, "nobody");
    world.gateway.clock.as_ref().unwrap().advance(Duration::from_secs(121));
    assert_eq!(world.asks("/x").cookies(&one).send().await.status, 200);

    let line = audit(&world.gateway.dir).into_iter().rfind(|line| line["outcome"] == "rate_limited").unwrap();
    assert_eq!(line["reason"], "over the limit of 6 requests of this user in 60 s");
    assert!(line["user_id"].is_string() && line["host"] == "app.example.test", "{line}");
    world.ends_well().await;
}

/// A token for every host, kept as the admin pages do it.
async fn token(gateway: &Gateway, limit: Option<u32>) -> String {
    let state = gateway.state();
    let asked = Asked {
        name: Some("robot".into()),
        hosts: vec!["*".into()],
        limit: limit.map(i64::from),
        ..Asked::default()
    };
    let asked = Asked { roles: vec!["user".into()], ..asked };
    let new = NewToken::new(&asked, None, &state.config.tokens, is_role).unwrap();
    let (plain, record) = new.mint(state.tokens.peppers(), state.clock.now()).unwrap();
    state.store.put_token(&record).await.unwrap();
    plain.expose().to_owned()
}

#[actix_web::test]
async fn a_token_has_the_common_limit_or_its_own() {
    let world = World::of(still().and("rate_limit: { window_sec: 10, max: 8, user_max: 1 }")).await;
    for (own, most) in [(None, 8), (Some(3), 3), (Some(0), 20)] {
        let token = token(&world.gateway, own).await;
        let mut fine = 0;
        for n in 0..20 {
            // Bearer and Basic are the same token.
            let basic = STANDARD.encode(format!("git:{token}"));
            let credential = if n % 2 == 0 { format!("Bearer {token}") } else { format!("Basic {basic}") };
            let answer = world.asks("/x").with("authorization", credential).send().await;
            match answer.status {
                200 => fine += 1,
                429 => {
                    assert_eq!(answer.header("ratelimit-limit"), most.to_string());
                    assert_eq!(answer.header("ratelimit-policy"), format!("{most};w=10"));
                    let seconds: u64 = answer.header("retry-after").parse().unwrap();
                    assert!((1..=20).contains(&seconds), "{seconds}");
                }
                other => panic!("{other}: {}", answer.body),
            }
        }
        assert_eq!(fine, most, "{own:?}");
    }
    world.ends_well().await;
}

#[actix_web::test]
async fn many_clients_are_many_and_cost_little() {
    let gateway = still().start().await;
    let began = std::time::Instant::now();
    for n in 0..1500_u32 {
        let [_, b, c, d] = n.to_be_bytes();
        let address = format!("100.{b}.{c}.{d}");
        assert_eq!(status(bad(&gateway, &[&address])).await, 401);
    }
    assert!(began.elapsed() < Duration::from_secs(60));
    let mut ada = Browser::new(&gateway);
    let there = ada.sign_in("https://app.example.test/", "ada@example.com").await;
    assert!(there.served && !session_of(&ada.cookies_for("app.example.test")).is_empty());
    gateway.stop().await;
}

fn audit(dir: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("audit.log")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
