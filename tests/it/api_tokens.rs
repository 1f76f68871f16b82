//! API tokens at `/auth` and for services: where they are good, what they carry, and that everything that is none is
//! answered alike. The people's own tokens are in `account_tokens.rs`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doorward::identity::api_token::{Asked, NewToken, Plain};
use doorward::policy::is_role;
use doorward::policy::live::Reload;
use doorward::store::SignIn;
use doorward::store::token::{TokenDigest, TokenRecord};
use serde_json::{Value, json};

use super::support::idp::client;
use super::support::world::IDENTITY;
use super::support::{APP, Answer, Browser, Gateway, Idp, Setup};

const POLICY: &str = "\
version: 1\n\
roles: { reader: [\"reports:read\"], auditor: [], staff: [] }\n\
assign:\n  - { role: staff, email_domain: example.com }\n\
public: [/docs]\n\
services:\n\
\x20 app: { prefix: /app, authenticated: true }\n\
\x20 reports: { prefix: /reports, permission: \"reports:read\" }\n\
\x20 staff: { prefix: /staff, roles: [staff] }\n\
\x20 shadow: { prefix: /shadow, roles: [staff], mode: shadow }\n\
\x20 own: { prefix: /own, authenticated: true, authorization: passthrough }\n";

async fn gateway() -> Gateway {
    // The limit on failures is told in `rate_limits.rs`; here many are asked about at once.
    let setup = Setup::with(Idp::shared()).policy(POLICY).and("rate_limit: { failures: 0 }");
    setup.clock_stands_still().start().await
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn asked(hosts: &[&str], roles: &[&str]) -> Asked {
    Asked { name: Some("robot".into()), hosts: texts(hosts), roles: texts(roles), ..Asked::default() }
}

/// A token that is made and kept, as the admin pages do it.
async fn make(gateway: &Gateway, asked: &Asked) -> (String, TokenRecord) {
    let state = gateway.state();
    let new = NewToken::new(asked, None, &state.config.tokens, is_role).unwrap();
    let (plain, record) = new.mint(state.tokens.peppers(), state.clock.now()).unwrap();
    state.store.put_token(&record).await.unwrap();
    (plain.expose().to_owned(), record)
}

async fn answer(url: &str, request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer {
        url: url.to_owned(),
        status,
        headers,
        body: response.text().await.unwrap(),
        served: status == 200,
    }
}

async fn ask(gateway: &Gateway, url: &str, authorization: &str) -> Answer {
    answer(url, gateway.ask("GET", url).header("authorization", authorization)).await
}

async fn bearer(gateway: &Gateway, url: &str, token: &str) -> Answer {
    ask(gateway, url, &format!("Bearer {token}")).await
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// 401, with nothing in it that tells why.
fn assert_unknown(answer: &Answer, case: &str) {
    assert_eq!(answer.status, 401, "{case}: {}", answer.body);
    assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"", "{case}");
    assert_eq!(answer.json()["message"], "invalid token", "{case}");
    assert!(IDENTITY.iter().all(|name| !answer.headers.contains_key(*name)), "{case}");
}

fn assert_wrong_host(answer: &Answer, case: &str) {
    assert_eq!(answer.status, 403, "{case}: {}", answer.body);
    assert_eq!(answer.json()["message"], "forbidden for host", "{case}");
    assert!(IDENTITY.iter().all(|name| !answer.headers.contains_key(*name)), "{case}");
}

async fn wait_until<F: Future<Output = bool>>(mut what: impl FnMut() -> F) {
    for _ in 0..200 {
        if what().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come to that");
}

#[actix_web::test]
async fn a_token_speaks_as_bearer_and_as_basic() {
    let gateway = gateway().await;
    let wanted = Asked { email: Some("ops@example.com".into()), ..asked(&["app.example.test"], &["reader"]) };
    let (token, record) = make(&gateway, &wanted).await;
    let url = "https://app.example.test/reports/7";
    for authorization in [
        format!("Bearer {token}"),
        format!("bearer {token}"),
        basic("x", &token),
        basic("", &token),
        basic("ada@example.com", &token),
        basic(&token, ""),
        basic(&token, "x-oauth-basic"),
    ] {
        let allowed = ask(&gateway, url, &authorization).await;
        assert_eq!(allowed.status, 200, "{authorization}: {}", allowed.body);
        assert_eq!(allowed.header("x-auth-method"), "token");
        assert_eq!(allowed.header("x-auth-user"), "robot");
        assert_eq!(allowed.header("x-user-id"), format!("token/{}", record.stable_id()));
        assert_eq!(allowed.header("x-auth-email"), "ops@example.com");
        assert_eq!(allowed.header("x-auth-roles"), "reader", "no role by the e-mail of whom to ask");
        assert_eq!(allowed.header("x-auth-permissions"), "reports:read");
        assert_eq!(allowed.header("x-auth-assertion").split('.').count(), 3);
        assert!(allowed.set_cookies().is_empty());
    }
    let (nameless, record) = make(&gateway, &Asked { name: None, ..asked(&["*"], &[]) }).await;
    let allowed = bearer(&gateway, "https://app.example.test/app", &nameless).await;
    assert_eq!(allowed.header("x-auth-user"), format!("token/{}", record.stable_id()));
    let refused = bearer(&gateway, url, &nameless).await;
    assert_eq!((refused.status, refused.json()["error"].as_str()), (403, Some("forbidden")));
    // The log tells which token it was, and not the token.
    let log = std::fs::read_to_string(gateway.dir.join("audit.log")).unwrap();
    assert!(
        log.contains("\"token_name\":\"robot\"") && log.contains(&format!("token/{}", record.stable_id()))
    );
    assert!(!log.contains(&token) && !log.contains(&token[3..20]));
    gateway.stop().await;
}

#[actix_web::test]
async fn a_nearly_right_token_is_none() {
    let gateway = gateway().await;
    let (token, _) = make(&gateway, &asked(&["*"], &[])).await;
    let (other, _) = make(&gateway, &asked(&["*"], &[])).await;
    let url = "https://app.example.test/app";
    assert_eq!(bearer(&gateway, url, &token).await.status, 200);
    let mut wrong: Vec<String> = (1..=token.len()).map(|n| token[..token.len() - n].to_owned()).collect();
    wrong.extend([
        format!("{token}a"),
        format!("{token}="),
        format!("{token}%20"),
        format!(" {token}"),
        format!("{token} "),
        format!("\"{token}\""),
        token.to_ascii_lowercase(),
        token.to_ascii_uppercase(),
        token.replace("dw_", "DW_"),
        token.replace("dw_", ""),
        token.replace('_', "%5F"),
        format!("{}{}", &token[..20], &other[20..]),
        format!("{}{}", &other[..20], &token[20..]),
        format!("{token},{token}"),
        Plain::new().unwrap().expose().to_owned(),
    ]);
    for wrong in &wrong {
        // A blank at the end of a header's value is cut by HTTP itself; inside of Basic it is part of the password.
        if !wrong.ends_with(' ') {
            assert_unknown(&bearer(&gateway, url, wrong).await, wrong);
        }
        assert_unknown(&ask(&gateway, url, &basic("x", wrong)).await, wrong);
    }
    for wrong in [format!("Token {token}"), token.clone(), format!("Basic {token}"), "Basic Og==".to_owned()]
    {
        assert_unknown(&ask(&gateway, url, &wrong).await, &wrong);
    }
    let twice = gateway.ask("GET", url).header("authorization", format!("Bearer {token}"));
    let twice = answer(url, twice.header("authorization", format!("Bearer {token}"))).await;
    assert_unknown(&twice, "two of them");
    gateway.stop().await;
}

#[actix_web::test]
async fn a_token_is_good_on_its_hosts_only() {
    let gateway = gateway().await;
    let (one, _) = make(&gateway, &asked(&["api.example.test"], &[])).await;
    let (below, _) = make(&gateway, &asked(&["*.apps.example.test"], &[])).await;
    let (all, _) = make(&gateway, &asked(&["*"], &[])).await;
    let (nowhere, _) = make(&gateway, &asked(&[], &[])).await;
    for (host, good) in [
        ("api.example.test", [true, false]),
        ("API.EXAMPLE.TEST", [true, false]),
        ("api.example.test:443", [true, false]),
        ("api.example.test:8443", [true, false]),
        // The root's dot is cut off wherever a target is read.
        ("api.example.test.", [true, false]),
        ("app.example.test", [false, false]),
        ("xapi.example.test", [false, false]),
        ("api.example.test.evil.test", [false, false]),
        ("x.api.example.test", [false, false]),
        ("apps.example.test", [false, false]),
        ("secret.apps.example.test", [false, true]),
        ("a.b.apps.example.test", [false, true]),
        ("xapps.example.test", [false, false]),
        ("127.0.0.1", [false, false]),
    ] {
        let url = format!("https://{host}/app");
        for (token, good) in [&one, &below, &all, &nowhere].into_iter().zip([good[0], good[1], true, false]) {
            for authorization in [format!("Bearer {token}"), basic("git", token)] {
                let answer = ask(&gateway, &url, &authorization).await;
                if good {
                    assert_eq!(answer.status, 200, "{host}: {}", answer.body);
                } else {
                    assert_wrong_host(&answer, host);
                }
            }
        }
    }
    // A browser that shows one is not sent to sign in either, and a role is needed beside.
    let url = "https://app.example.test/app";
    let browser = gateway.ask("GET", url).header("accept", "text/html");
    assert_wrong_host(
        &answer(url, browser.header("authorization", format!("Bearer {one}"))).await,
        "browser",
    );
    let refused = bearer(&gateway, "https://secret.apps.example.test/reports", &below).await;
    assert_eq!(refused.json()["message"], "forbidden: a permission is missing");
    // Where nobody may, that is said, and shadow mode makes no token good elsewhere.
    let nobody = bearer(&gateway, "https://app.example.test/nowhere", &one).await;
    assert_eq!(nobody.json()["message"], "forbidden: no rule allows this");
    assert_eq!(bearer(&gateway, "https://api.example.test/docs", &one).await.header("x-auth-user"), "robot");
    gateway.stop().await;
}

#[actix_web::test]
async fn nobody_is_turned_away_from_what_is_public() {
    let gateway = gateway().await;
    let (token, _) = make(&gateway, &asked(&["api.example.test"], &[])).await;
    for (url, authorization, user) in [
        ("https://api.example.test/docs", format!("Bearer {token}"), "robot"),
        ("https://api.example.test/docs", basic("x", &token), "robot"),
        ("https://app.example.test/docs", format!("Bearer {token}"), ""),
        ("https://api.example.test/docs", format!("Bearer {token}x"), ""),
        ("https://api.example.test/docs", basic("someone", "their password"), ""),
    ] {
        let answer = ask(&gateway, url, &authorization).await;
        assert_eq!((answer.status, answer.header("x-auth-user").as_str()), (200, user), "{authorization}");
    }
    // A service that reads the header itself: here, nobody has signed in.
    let own = bearer(&gateway, "https://api.example.test/own", &token).await;
    assert_eq!((own.status, own.json()["message"].as_str()), (401, Some("missing bearer token")));
    gateway.stop().await;
}

#[actix_web::test]
async fn a_whole_host_is_asked_about_alone() {
    let policy = "default: deny\nservices:\n\x20 app: { hosts: [app.example.test], roles: [reader] }\n\
        \x20 other: { hosts: [other.example.test], roles: [reader] }\n";
    let gateway = Setup::with(Idp::shared()).policy(policy).start().await;
    let (token, _) = make(&gateway, &asked(&["app.example.test"], &["reader"])).await;
    let whole = |host: &'static str| {
        let request = client().get(gateway.at("/auth")).header("x-forwarded-host", host);
        answer(host, request.header("authorization", format!("Bearer {token}")))
    };
    assert_eq!(whole("app.example.test").await.status, 200);
    assert_wrong_host(&whole("other.example.test").await, "whole host");
    gateway.stop().await;
}

#[actix_web::test]
async fn a_token_ends_when_it_says_and_when_it_is_revoked() {
    let gateway = gateway().await;
    let (token, record) = make(&gateway, &Asked { ttl_seconds: Some(60), ..asked(&["*"], &[]) }).await;
    let url = "https://app.example.test/app";
    gateway.later(Duration::from_secs(59));
    assert_eq!(bearer(&gateway, url, &token).await.status, 200);
    gateway.later(Duration::from_millis(999));
    assert_eq!(bearer(&gateway, url, &token).await.status, 200);
    gateway.later(Duration::from_millis(1));
    assert_unknown(&bearer(&gateway, url, &token).await, "at its end, known until then");
    gateway.later(Duration::from_secs(1));
    assert_unknown(&bearer(&gateway, url, &token).await, "after it");
    assert!(gateway.state().store.revoke_token(&record.digest).await.unwrap(), "not swept yet");

    // Revoked by another process on the same store.
    let (token, record) = make(&gateway, &asked(&["*"], &[])).await;
    let elsewhere = Setup { data: Some(gateway.dir.clone()), ..Setup::with(Idp::shared()) };
    let elsewhere = elsewhere.policy(POLICY).start().await;
    assert_eq!(bearer(&gateway, url, &token).await.status, 200);
    assert_eq!(bearer(&elsewhere, url, &token).await.status, 200, "one pepper, one store");
    let began = Instant::now();
    assert!(elsewhere.state().store.revoke_token(&record.digest).await.unwrap());
    elsewhere.state().known.token_changed(&record.digest);
    assert_unknown(&bearer(&elsewhere, url, &token).await, "where it was revoked: at once");
    wait_until(async || bearer(&gateway, url, &token).await.status == 401).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_unknown(&bearer(&gateway, url, &token).await, "elsewhere");
    gateway.stop().await;
    elsewhere.stop().await;
}

#[actix_web::test]
async fn a_token_works_as_soon_as_it_is_there() {
    let gateway = gateway().await;
    let url = "https://app.example.test/app";
    // Asked about before it is there, as only a token that another tool wrote can be.
    let text = "another-tools-token_0123456789";
    assert_unknown(&bearer(&gateway, url, text).await, "not yet");
    let foreign = foreign(&gateway, text, &["app.example.test"]);
    gateway.state().store.put_token(&foreign).await.unwrap();
    gateway.later(Duration::from_secs(1));
    let allowed = bearer(&gateway, url, text).await;
    assert_eq!(allowed.status, 200, "{}", allowed.body);
    assert_eq!(allowed.header("x-user-id"), format!("token/{}", &foreign.digest.to_string()[..16]));
    gateway.stop().await;
}

/// A token as another tool would write it: a digest and hosts, nothing else.
fn foreign(gateway: &Gateway, text: &str, hosts: &[&str]) -> TokenRecord {
    TokenRecord {
        digest: gateway.state().tokens.peppers().digest(text),
        id: None,
        name: None,
        email: None,
        comment: None,
        hosts: texts(hosts),
        roles: vec![],
        scopes: vec![],
        owner: None,
        vested: vec![],
        limit: None,
        created_at: None,
        expires_at: None,
        last_used_at: None,
        replaced_at: None,
    }
}

#[actix_web::test]
async fn tokens_of_other_tools_are_looked_up_and_jwts_are_not() {
    let gateway = gateway().await;
    let url = "https://app.example.test/app";
    for (text, good) in [
        ("0d1f2c3b4a5968778695a4b3c2d1e0ff", true),
        ("short", true),
        ("a.b", true),
        ("glpat-x/y+z~w==", true),
        // What looks like a JWT, or like one of ours, is that or nothing.
        ("eyJhbGciOiJub25lIn0", false),
        ("a.b.c", false),
        ("dw_0d1f2c3b4a5968778695a4b3c2d1e0ff", false),
    ] {
        let record = foreign(&gateway, text, &["app.example.test"]);
        gateway.state().store.put_token(&record).await.unwrap();
        let answer = bearer(&gateway, url, text).await;
        if good {
            assert_eq!((answer.status, answer.header("x-auth-method").as_str()), (200, "token"), "{text}");
            assert_eq!(ask(&gateway, url, &basic("git", text)).await.status, 200, "{text}");
            assert_wrong_host(&bearer(&gateway, "https://api.example.test/app", text).await, text);
        } else {
            assert_unknown(&answer, text);
        }
    }
    // What another tool wrote may have anything in it: unfit for a header it goes nowhere.
    let mut record =
        foreign(&gateway, "odd", &["APP.example.test ", "app.example.test:8080", "*.", "http://x"]);
    record.name = Some("a\nb\u{7f}".into());
    record.email = Some("no address\r\n".into());
    record.roles = texts(&["reader", "a,b", "doorward\nadmin", "public", "*"]);
    record.id = Some("../../7".into());
    gateway.state().store.put_token(&record).await.unwrap();
    let answer = bearer(&gateway, url, "odd").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-auth-roles"), "reader");
    assert_eq!((answer.header("x-auth-user").as_str(), answer.header("x-auth-email").as_str()), ("ab", ""));
    assert_eq!(answer.header("x-user-id"), format!("token/{}", &record.digest.to_string()[..16]));
    gateway.stop().await;
}

#[actix_web::test]
async fn every_failure_is_answered_alike_and_takes_as_long() {
    let gateway = gateway().await;
    let url = "https://app.example.test/app";
    let (revoked, record) = make(&gateway, &asked(&["*"], &[])).await;
    let (expired, _) = make(&gateway, &Asked { ttl_seconds: Some(1), ..asked(&["*"], &[]) }).await;
    for token in [&revoked, &expired] {
        assert_eq!(bearer(&gateway, url, token).await.status, 200);
    }
    gateway.state().store.revoke_token(&record.digest).await.unwrap();
    gateway.state().known.token_changed(&record.digest);
    let unknown = Plain::new().unwrap().expose().to_owned();
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); 3];
    let mut seen = Vec::new();
    for _ in 0..300 {
        // Each of them is asked about in the store: what is remembered as unknown is, for a second.
        gateway.later(Duration::from_secs(1));
        for (token, times) in [&unknown, &expired, &revoked].into_iter().zip(&mut times) {
            let began = Instant::now();
            let answer = bearer(&gateway, url, token).await;
            times.push(began.elapsed());
            assert_unknown(&answer, token);
            let mut headers: Vec<String> = answer
                .headers
                .iter()
                .filter(|(name, _)| !["x-request-id", "x-auth-decision-id", "date"].contains(&name.as_str()))
                .map(|(name, value)| format!("{name}: {value:?}"))
                .collect();
            headers.sort();
            let id = answer.header("x-auth-decision-id");
            seen.push((headers, answer.body.replace(&id, "ID")));
        }
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "one answer for all");
    let medians: Vec<Duration> = times
        .into_iter()
        .map(|mut times| {
            times.sort();
            times[times.len() / 2]
        })
        .collect();
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    assert!(most.as_secs_f64() / least.as_secs_f64() < 1.5, "{medians:?}");
    gateway.stop().await;
}

#[actix_web::test]
async fn the_store_holds_nothing_to_use_a_token_with() {
    const PEPPER: &str = "the pepper-canary of this test";
    for pepper in [Some(PEPPER), None] {
        let mut setup = Setup::with(Idp::shared()).policy(POLICY);
        if let Some(pepper) = pepper {
            setup = setup.env("DOORWARD_TOKENS_PEPPER", pepper);
        }
        let gateway = setup.start().await;
        let (token, record) = make(&gateway, &asked(&["*"], &[])).await;
        assert_eq!(bearer(&gateway, "https://app.example.test/app", &token).await.status, 200);
        gateway.state().known.flush().await;
        let used = gateway.state().store.token(&record.digest, gateway.state().clock.now()).await.unwrap();
        assert!(used.unwrap().last_used_at.is_some(), "last used is written behind");
        let plain = digest(token.as_bytes());
        let kept = std::fs::read_to_string(gateway.dir.join("keys/pepper")).ok();
        assert_eq!(kept.is_none(), pepper.is_some(), "a pepper is made only where none is configured");
        let pepper = pepper.map_or_else(|| kept.unwrap().trim().to_owned(), str::to_owned);
        let expected = digest(format!("{token}{pepper}").as_bytes());
        assert_eq!(record.digest.as_bytes().as_slice(), expected);
        let (dir, keys) = (gateway.dir.clone(), gateway.dir.join("keys"));
        let held: Vec<(PathBuf, Vec<u8>)> = files(&dir)
            .into_iter()
            .filter(|path| !path.starts_with(&keys))
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect();
        assert!(
            held.iter().any(|(_, bytes)| contains(bytes, record.digest.to_string().as_bytes())),
            "the store was looked into"
        );
        for (path, bytes) in &held {
            for secret in [
                token.as_bytes(),
                &token.as_bytes()[3..],
                &plain,
                hex(&plain).as_bytes(),
                STANDARD.encode(&plain).as_bytes(),
                pepper.as_bytes(),
            ] {
                assert!(!contains(bytes, secret), "{}", path.display());
            }
        }
        gateway.stop().await;
    }
}

fn digest(text: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    TokenDigest::new(bytes.try_into().unwrap()).to_string()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn files(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[actix_web::test]
async fn a_pepper_is_changed_and_nobody_notices() {
    let (old, new) = ("the pepper of the last year", "the pepper of the new year");
    let setup = || Setup::with(Idp::shared()).policy(POLICY).clock_stands_still();
    let before = setup().env("DOORWARD_TOKENS_PEPPER", old).start().await;
    let dir = tempfile::tempdir().unwrap();
    let data = Setup { data: Some(dir.path().to_owned()), ..setup() };
    let gateway = data.clone().env("DOORWARD_TOKENS_PEPPER", old).start().await;
    before.stop().await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(make(&gateway, &asked(&["*"], &["reader"])).await);
    }
    let text = "of-another-tool";
    let foreign = foreign(&gateway, text, &["*"]);
    gateway.state().store.put_token(&foreign).await.unwrap();
    let url = "https://app.example.test/app";
    let id = bearer(&gateway, url, &made[0].0).await.header("x-user-id");
    let foreign_id = bearer(&gateway, url, text).await.header("x-user-id");
    let until = gateway.state().clock.now().plus(Duration::from_secs(3600));
    gateway.stop().await;

    let rotated = data
        .clone()
        .env("DOORWARD_TOKENS_PEPPER", new)
        .env("DOORWARD_TOKENS_PREVIOUS_PEPPER", old)
        .env("DOORWARD_TOKENS_PREVIOUS_PEPPER_UNTIL", &until.rfc3339());
    let gateway = rotated.start().await;
    let at = gateway.state().clock.now();
    let store = &gateway.state().store;
    for round in ["moved", "known by now"] {
        let answer = bearer(&gateway, url, &made[0].0).await;
        assert_eq!((answer.status, answer.header("x-user-id")), (200, id.clone()), "{round}");
        assert_eq!(bearer(&gateway, url, text).await.header("x-user-id"), foreign_id, "{round}");
    }
    assert!(store.token(&made[0].1.digest, at).await.unwrap().is_none(), "its old digest is gone");
    let moved = gateway.state().tokens.peppers().digest(&made[0].0);
    let kept = store.token(&moved, at).await.unwrap().unwrap();
    assert_eq!(
        TokenRecord { digest: made[0].1.digest, last_used_at: None, ..kept },
        made[0].1,
        "the rest stays"
    );
    // Two at once move it once.
    let (one, two) = tokio::join!(bearer(&gateway, url, &made[1].0), bearer(&gateway, url, &made[1].0));
    assert_eq!((one.status, two.status), (200, 200));
    gateway.later(Duration::from_secs(3601));
    assert_unknown(&bearer(&gateway, url, &made[2].0).await, "not used before the old pepper's end");
    assert_eq!(bearer(&gateway, url, &made[1].0).await.status, 200);
    gateway.stop().await;

    let gateway = data.env("DOORWARD_TOKENS_PEPPER", new).start().await;
    assert_eq!(bearer(&gateway, url, &made[0].0).await.header("x-user-id"), id, "and without the old one");
    gateway.stop().await;
}

#[actix_web::test]
async fn what_is_somebodys_own_is_never_more_than_they_are() {
    let gateway = gateway().await;
    let state = gateway.state();
    let now = state.clock.now();
    let ada = SignIn {
        user_id: "u-1".into(),
        provider: "p0".into(),
        subject: "u-1".into(),
        email: Some("ada@example.com".into()),
        name: None,
    };
    state.store.sign_in(&ada, now).await.unwrap();
    state.store.grant("u-1", "auditor").await.unwrap();
    let (token, mut record) = make(&gateway, &asked(&["*"], &["reader", "auditor", "staff"])).await;
    record.owner = Some("u-1".into());
    record.vested = texts(&["reader"]);
    state.store.put_token(&record).await.unwrap();
    let url = "https://app.example.test/app";
    // `staff` was never theirs: neither vested nor granted.
    assert_eq!(bearer(&gateway, url, &token).await.header("x-auth-roles"), "auditor,reader");
    state.store.ungrant("u-1", "auditor").await.unwrap();
    state.known.user_changed("u-1");
    assert_eq!(bearer(&gateway, url, &token).await.header("x-auth-roles"), "reader");
    state.store.set_disabled("u-1", true).await.unwrap();
    wait_until(async || bearer(&gateway, url, &token).await.status == 401).await;
    assert_unknown(&bearer(&gateway, url, &token).await, "whose owner is disabled");
    state.store.set_disabled("u-1", false).await.unwrap();
    state.known.user_changed("u-1");
    assert_eq!(bearer(&gateway, url, &token).await.status, 200);
    record.owner = Some("nobody".into());
    state.store.put_token(&record).await.unwrap();
    state.known.token_changed(&record.digest);
    gateway.later(Duration::from_secs(1));
    assert_unknown(&bearer(&gateway, url, &token).await, "whose owner is gone");
    gateway.stop().await;
}

#[actix_web::test]
async fn a_changed_token_and_a_changed_policy_count_at_once() {
    let gateway = gateway().await;
    let state = gateway.state();
    let (token, mut record) = make(&gateway, &asked(&["*"], &["reader"])).await;
    let url = "https://app.example.test/reports/1";
    assert_eq!(bearer(&gateway, url, &token).await.status, 200);
    let other =
        POLICY.replace("reader: [\"reports:read\"], auditor: []", "reader: [], auditor: [\"reports:read\"]");
    std::fs::write(gateway.dir.join("policy.yaml"), other).unwrap();
    assert!(matches!(state.policy.reload(), Reload::Swapped(_) | Reload::Unchanged));
    let refused = bearer(&gateway, url, &token).await;
    assert_eq!(
        (refused.status, refused.json()["message"].as_str()),
        (403, Some("forbidden: a permission is missing"))
    );
    record.roles = texts(&["auditor"]);
    state.store.put_token(&record).await.unwrap();
    wait_until(async || bearer(&gateway, url, &token).await.header("x-auth-roles") == "auditor").await;
    gateway.stop().await;
}

#[actix_web::test]
async fn services_ask_about_tokens() {
    let gateway = gateway().await;
    let (token, record) = make(&gateway, &asked(&["app.example.test"], &["reader"])).await;
    let post = async |path: &str, host: Option<&str>, token: &str, body: Value| {
        let mut request = client().post(gateway.at(path)).header("authorization", format!("Bearer {token}"));
        if let Some(host) = host {
            request = request.header("x-forwarded-host", host);
        }
        answer(path, request.body(body.to_string())).await
    };
    let who = post("/authenticate", None, &token, json!({})).await;
    assert_eq!(who.status, 200);
    let id = format!("token/{}", record.stable_id());
    assert_eq!((&who.json()["user_id"], &who.json()["method"]), (&json!(id), &json!("token")));
    assert_eq!(post("/authenticate", Some("app.example.test"), &token, json!({})).await.status, 200);
    assert_wrong_host(
        &post("/authenticate", Some("api.example.test"), &token, json!({})).await,
        "by its name",
    );
    assert_unknown(&post("/authenticate", None, &format!("{token}x"), json!({})).await, "authenticate");
    let checks = json!({ "checks": [
        { "host": "app.example.test", "path": "/reports/1" },
        { "host": "api.example.test", "path": "/reports/1" },
        { "host": "api.example.test", "path": "/docs" },
        { "permission": "reports:read" },
    ]});
    let may = post("/authorize", None, &token, checks).await.json();
    let allowed: Vec<bool> = may.as_array().unwrap().iter().map(|one| one["allow"] == true).collect();
    assert_eq!(allowed, [true, false, true, true]);
    assert_eq!(may[1]["reason"], "the token does not list this host");
    let elsewhere = json!({ "permission": "reports:read" });
    let may = post("/authorize", Some("api.example.test"), &token, elsewhere).await.json();
    assert_eq!(may["allow"], false, "{may}");
    gateway.stop().await;
}

#[actix_web::test]
async fn a_scope_lets_a_service_ask_about_others() {
    let gateway = gateway().await;
    let mut ada = Browser::new(&gateway);
    assert!(ada.sign_in(APP, "ada@example.com").await.served);
    let user = &gateway.state().store.users_named("ada@example.com").await.unwrap()[0].id;
    let scoped = Asked { scopes: texts(&["authorize"]), ..asked(&[], &[]) };
    let (may, _) = make(&gateway, &scoped).await;
    let (may_not, _) = make(&gateway, &Asked { scopes: texts(&["admin"]), ..asked(&["*"], &[]) }).await;
    let evaluate = async |token: &str, subject: &str, path: &str| {
        let body = json!({
            "subject": { "type": "user", "id": subject }, "action": { "name": "GET" },
            "resource": { "type": "route", "id": format!("https://app.example.test{path}") },
        });
        let url = gateway.at("/access/v1/evaluation");
        let request = client().post(&url).header("authorization", format!("Bearer {token}"));
        answer(&url, request.body(body.to_string())).await
    };
    for (path, allow) in [("/staff", true), ("/app", true), ("/reports", false), ("/docs", true)] {
        for name in [user.as_str(), "ada@example.com"] {
            let answer = evaluate(&may, name, path).await;
            assert_eq!((answer.status, &answer.json()["decision"]), (200, &json!(allow)), "{path}");
        }
    }
    gateway.state().store.grant(user, "reader").await.unwrap();
    assert_eq!(evaluate(&may, user, "/reports").await.json()["decision"], true);
    assert_eq!(evaluate(&may, "nobody@example.com", "/app").await.json()["decision"], false);
    assert_eq!(evaluate(&may, "nobody@example.com", "/docs").await.json()["decision"], true);
    assert_eq!(evaluate(&may_not, user, "/app").await.status, 403);
    gateway.state().store.set_disabled(user, true).await.unwrap();
    assert_eq!(evaluate(&may, user, "/app").await.json()["decision"], false);
    // A log that says who asked does not say that they did it.
    let log = std::fs::read_to_string(gateway.dir.join("audit.log")).unwrap();
    let line = log.lines().find(|line| line.contains("\"asked_by\":\"token/")).unwrap();
    assert!(line.contains(&format!("\"user_id\":\"{user}\"")) && !line.contains("auth_method"), "{line}");
    // A batch with one about oneself and one about somebody else.
    let own = Asked { scopes: texts(&["authorize"]), ..asked(&["app.example.test"], &["reader"]) };
    let (own, record) = make(&gateway, &own).await;
    let batch = json!({
        "action": { "name": "GET" },
        "resource": { "type": "route", "id": "https://app.example.test/reports" },
        "evaluations": [
            { "subject": { "type": "token", "id": format!("token/{}", record.stable_id()) } },
            { "subject": { "type": "user", "id": "bob@example.com" } },
            { "subject": { "type": "user" } },
        ],
    });
    let url = gateway.at("/access/v1/evaluations");
    let request =
        client().post(&url).header("authorization", format!("Bearer {own}")).body(batch.to_string());
    let answers = answer(&url, request).await.json();
    let decisions: Vec<&Value> =
        answers["evaluations"].as_array().unwrap().iter().map(|one| &one["decision"]).collect();
    assert_eq!(decisions, [&json!(true), &json!(false), &json!(false)], "{answers}");
    gateway.stop().await;
}
