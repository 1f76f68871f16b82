//! The way to the provider and back: what is asked for, and every callback that is not the one answer to it.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::support::{APP, Answer, Browser, Gateway, HOME, Idp, LOGIN, Setup, query};

const HOST: &str = "auth.example.test";

/// Refused with this status: a page, no redirect, no session.
fn assert_refused(answer: &Answer, browser: &Browser, status: u16, case: &str) {
    assert_eq!(answer.status, status, "{case}: {}", answer.body);
    assert!(answer.header("content-type").starts_with("text/html"), "{case}");
    assert!(answer.header("cache-control").contains("no-store"), "{case}");
    assert_eq!(browser.session(HOST), None, "{case}");
}

fn deep(path: &str) -> String {
    format!("https://{HOST}{path}")
}

#[actix_web::test]
async fn the_provider_is_asked_by_the_book() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let mut seen = BTreeSet::new();
    for _ in 0..2 {
        let mut ada = Browser::new(&gateway);
        let start = ada.get(&format!("{LOGIN}?rd=/docs-canary")).await;
        assert_eq!(start.status, 302);
        assert_eq!(start.header("referrer-policy"), "no-referrer");
        assert!(start.header("cache-control").contains("no-store"));
        let asked = query(&start.location());
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!(asked["redirect_uri"], "https://auth.example.test/rbac/callback");
        assert_eq!(asked["client_id"], "doorward");
        let scopes: BTreeSet<&str> = asked["scope"].split(' ').collect();
        assert_eq!(scopes, BTreeSet::from(["openid", "email", "profile"]));
        assert_eq!(URL_SAFE_NO_PAD.decode(&asked["code_challenge"]).unwrap().len(), 32);
        for name in ["state", "nonce"] {
            assert!(URL_SAFE_NO_PAD.decode(&asked[name]).unwrap().len() >= 16, "{name}");
        }
        let names: BTreeSet<&str> = asked.keys().map(String::as_str).collect();
        let expected =
            "client_id code_challenge code_challenge_method nonce redirect_uri response_type scope state";
        assert_eq!(names, expected.split(' ').collect());
        let cookie = start.set_cookies().join("\n");
        for secret in ["canary", &asked["state"], &asked["nonce"]] {
            assert!(!cookie.contains(secret), "nothing in clear: {cookie}");
        }
        assert!(!start.location().contains("canary"));
        seen.extend(["state", "nonce", "code_challenge"].map(|name| asked[name].clone()));

        let callback = ada.post(&start.location(), &[("account", "ada@example.com")]).await.location();
        assert_eq!(ada.get(&callback).await.location(), deep("/docs-canary"));
        let redeemed = idp.seen().await["last"]["token"].clone();
        let verifier = redeemed["form"]["code_verifier"].as_str().unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
        assert_eq!(URL_SAFE_NO_PAD.encode(digest), asked["code_challenge"]);
        assert_eq!(redeemed["client_auth"], "client_secret_basic");
        seen.insert(verifier.to_owned());
    }
    assert_eq!(seen.len(), 8, "nothing is used twice");
    gateway.stop().await;
}

#[actix_web::test]
async fn every_cookie_is_as_strict_as_it_can_be() {
    let gateway = Setup::with(Idp::shared()).start().await;
    let mut ada = Browser::new(&gateway);
    let start = ada.get(&format!("{LOGIN}?rd=/")).await;
    let callback = ada.post(&start.location(), &[("account", "ada@example.com")]).await.location();
    let end = ada.get(&callback).await;
    let lines = [start.set_cookies(), end.set_cookies()].concat();
    let names: BTreeSet<&str> = lines.iter().map(|line| line.split('=').next().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["__Host-doorward", "__Host-doorward-login"]));
    for line in &lines {
        for attribute in ["; Secure", "; HttpOnly", "; Path=/", "; SameSite=Lax"] {
            assert!(line.contains(attribute), "{attribute} in {line}");
        }
        assert!(!line.contains("Domain"), "{line}");
    }
    gateway.stop().await;

    let plain = Setup { external_url: "http://localhost".into(), ..Setup::with(Idp::shared()) }.start().await;
    let mut ada = Browser::new(&plain);
    let there = ada.sign_in("http://localhost/foo/?x=1", "ada@example.com").await;
    assert!(there.served && there.url == "http://localhost/foo/?x=1", "{there:?}");
    assert!(ada.jar["localhost"].keys().all(|name| name.starts_with("doorward")), "{:?}", ada.jar);
    plain.stop().await;
}

#[actix_web::test]
async fn with_several_providers_there_is_a_choice() {
    let other = Idp::start();
    let gateway = Setup::with(Idp::shared()).second(&other).start().await;
    let mut ada = Browser::new(&gateway);
    let page = ada.get(&format!("{LOGIN}?rd=/docs%3Fa%3D1")).await;
    assert_eq!((page.status, page.set_cookies().len()), (200, 0));
    for (id, label) in [("p0", "Provider 0"), ("p1", "Provider 1")] {
        assert!(page.body.contains(label) && page.body.contains(&format!("idp={id}")), "{}", page.body);
    }
    for (id, issuer, callback) in
        [("p0", &Idp::shared().issuer, "/rbac/callback"), ("p1", &other.issuer, "/rbac/callback/p1")]
    {
        let mut ada = Browser::new(&gateway);
        let start = format!("{LOGIN}?idp={id}&rd=/docs%3Fa%3D1");
        let to_provider = ada.get(&start).await.location();
        assert!(to_provider.starts_with(issuer.as_str()), "{to_provider}");
        assert_eq!(query(&to_provider)["redirect_uri"], deep(callback));
        let there = ada.sign_in(&start, "ada@example.com").await;
        assert!(there.served && there.url == deep("/docs?a=1"), "{there:?}");
        // A person has one id by the first provider; every other one's are marked.
        assert_eq!(there.header("x-user-id").starts_with("p1/"), id == "p1", "{there:?}");
    }
    for unknown in ["p2", "P0", "p0%00", "../p0", "github"] {
        let answer = ada.get(&format!("{LOGIN}?idp={unknown}&rd=/docs")).await;
        assert_eq!((answer.status, answer.set_cookies().len()), (404, 0), "{unknown}");
    }
    let answer = ada.get(&deep("/rbac/callback/p7?code=a&state=b")).await;
    assert_refused(&answer, &ada, 404, "a callback of nobody");
    gateway.stop().await;
}

#[actix_web::test]
async fn parallel_tabs_end_each_where_it_began() {
    let gateway = Setup::with(Idp::shared()).start().await;
    let mut ada = Browser::new(&gateway);
    let mut callbacks = Vec::new();
    for path in ["/a?x=1", "/b?x=2", "/c?x=3"] {
        callbacks.push((path, ada.sign_in_up_to_callback(&deep(path), "ada@example.com").await));
    }
    for at in [1, 2, 0] {
        let (path, callback) = &callbacks[at];
        let there = ada.visit(callback).await;
        assert!(there.served && there.url == deep(path), "{path}: {there:?}");
    }
    let sessions = gateway
        .state()
        .store
        .sessions("", doorward::store::page::Slice { offset: 0, limit: 10 }, gateway.state().clock.now())
        .await
        .unwrap()
        .items;
    assert_eq!(sessions.len(), 1, "one browser, one session");
    gateway.stop().await;
}

#[actix_web::test]
async fn a_flood_of_started_sign_ins_leaves_one_small_cookie() {
    let gateway = Setup::with(Idp::shared()).start().await;
    let mut ada = Browser::new(&gateway);
    for n in 0..50 {
        ada.follow_to_provider(&deep(&format!("/p{n}?{}", "x".repeat(200)))).await;
    }
    ada.headers.push(("sec-fetch-dest", "image".into()));
    ada.headers.push(("sec-fetch-mode", "no-cors".into()));
    for n in 0..20 {
        let image = ada.get(&deep(&format!("/image{n}.png"))).await;
        assert_eq!((image.status, image.set_cookies().len()), (401, 0));
    }
    ada.headers.truncate(2);
    assert_eq!(ada.jar[HOST].len(), 1, "{:?}", ada.jar);
    assert!(ada.cookies_for(HOST).len() < 4096);
    let there = ada.sign_in(APP, "ada@example.com").await;
    assert!(there.served && there.url == APP, "{there:?}");
    gateway.stop().await;
}

#[actix_web::test]
async fn a_callback_without_its_cookie_is_refused_unasked() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let mut mallory = Browser::new(&gateway);
    let callback = mallory.sign_in_up_to_callback(APP, "grace@example.com").await;
    let mut victim = Browser::new(&gateway);
    let answer = victim.get(&callback).await;
    assert_refused(&answer, &victim, 400, "login CSRF");
    assert!(answer.body.contains("did not keep our cookie"), "{}", answer.body);
    assert_eq!(idp.hits("token").await, 0);
    gateway.stop().await;
}

#[actix_web::test]
async fn a_state_of_another_sign_in_is_refused_unasked() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let mut ada = Browser::new(&gateway);
    let a = ada.sign_in_up_to_callback(&deep("/a"), "ada@example.com").await;
    // Only the second sign-in's cookie is left.
    ada.jar.clear();
    ada.sign_in_up_to_callback(&deep("/b"), "ada@example.com").await;
    let state = query(&a)["state"].clone();
    let flipped = format!("{}{}", if state.starts_with('A') { 'B' } else { 'A' }, &state[1..]);
    let cases = [
        a.clone(),
        a.replace(&state, &flipped),
        a.replace(&state, &state[1..]),
        a.replace(&state, ""),
        a.replace(&format!("state={state}"), "x=y"),
    ];
    for callback in cases {
        let answer = ada.get(&callback).await;
        assert_refused(&answer, &ada, 400, &callback);
    }
    assert_eq!(idp.hits("token").await, 0);
    gateway.stop().await;
}

#[actix_web::test]
async fn a_callback_works_once() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let mut ada = Browser::new(&gateway);
    let callback = ada.sign_in_up_to_callback(APP, "ada@example.com").await;
    let saved = ada.clone();
    assert_eq!(ada.get(&callback).await.location(), APP);
    let session = ada.session(HOST).unwrap();
    // (a) Loaded again with what the browser has now: who is signed in goes on.
    let again = ada.get(&callback).await;
    assert_eq!((again.location().as_str(), again.set_cookies().len()), (APP, 0));
    assert_eq!(ada.session(HOST).as_ref(), Some(&session));
    // (b) With the cookies put back as they were before: used is used.
    let mut thief = saved.clone();
    let replayed = thief.get(&callback).await;
    assert_refused(&replayed, &thief, 400, "saved jar");
    assert!(replayed.body.contains("already used"), "{}", replayed.body);
    assert!(replayed.body.contains("%2Fapp%2Fpage"), "and offers to sign in again: {}", replayed.body);
    assert_eq!(idp.hits("token").await, 1);
    assert!(ada.get(APP).await.served, "the session of before is unharmed");
    gateway.stop().await;
}

#[actix_web::test]
async fn twenty_copies_of_a_callback_make_one_session() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let mut ada = Browser::new(&gateway);
    let callback = ada.sign_in_up_to_callback(APP, "ada@example.com").await;
    let mut copies = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (mut copy, callback) = (ada.clone(), callback.clone());
        copies.spawn(async move {
            let answer = copy.get(&callback).await;
            (answer.status, copy.session(HOST).is_some())
        });
    }
    let mut answers: Vec<(u16, bool)> = copies.join_all().await;
    answers.sort_unstable();
    assert_eq!(answers[..20].iter().filter(|(status, signed_in)| *status == 302 && *signed_in).count(), 1);
    assert_eq!(answers.iter().filter(|(status, signed_in)| *status == 400 && !*signed_in).count(), 19);
    assert_eq!(idp.hits("token").await, 1);
    gateway.stop().await;
}

#[actix_web::test]
async fn a_sign_in_must_be_finished_in_ten_minutes() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).clock_stands_still().start().await;
    let mut ada = Browser::new(&gateway);
    let callback = ada.sign_in_up_to_callback(APP, "ada@example.com").await;
    gateway.later(Duration::from_secs(601));
    // The jar keeps the cookie for ever, as somebody who changed its Max-Age would.
    let answer = ada.get(&callback).await;
    assert_refused(&answer, &ada, 400, "late");
    assert!(answer.body.contains("took too long"), "{}", answer.body);
    assert_eq!(idp.hits("token").await, 0);
    // One that is just in time is fine. (The provider's own clock did not move.)
    let long = gateway.state().clock.now().secs() + 3600;
    idp.control(json!({ "id_token": { "exp": long } })).await;
    let callback = ada.sign_in_up_to_callback(APP, "ada@example.com").await;
    gateway.later(Duration::from_secs(595));
    assert_eq!(ada.get(&callback).await.location(), APP);
    gateway.stop().await;
}

/// A code that a thief got for himself, in the victim's own sign-in (RFC 9700 section 4.5).
#[actix_web::test]
async fn somebody_elses_code_is_worth_nothing() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    // The provider enforces PKCE: the code was issued for another challenge.
    let mut mallory = Browser::new(&gateway);
    let his = mallory.sign_in_up_to_callback(APP, "grace@example.com").await;
    let mut ada = Browser::new(&gateway);
    let own = ada.sign_in_up_to_callback(APP, "ada@example.com").await;
    let injected = own.replace(&query(&own)["code"], &query(&his)["code"]);
    let answer = ada.get(&injected).await;
    assert_refused(&answer, &ada, 403, "with PKCE");
    assert_eq!(idp.hits("token").await, 1);

    // As if the provider ignored it: his code is for the victim's challenge, but his own nonce.
    let mut ada = Browser::new(&gateway);
    let to_provider = ada.follow_to_provider(APP).await;
    let own = query(&to_provider);
    let own_nonce = own["nonce"].clone();
    let his_request = to_provider.replace(&own_nonce, &"N".repeat(43)).replace(&own["state"], "his");
    let his = ada.post(&his_request, &[("account", "grace@example.com")]).await.location();
    let injected = his.replace("state=his", &format!("state={}", own["state"]));
    let answer = ada.get(&injected).await;
    assert_refused(&answer, &ada, 403, "without PKCE");
    assert_eq!(idp.hits("token").await, 2);
    gateway.stop().await;
}

#[actix_web::test]
async fn a_callback_with_odd_parameters_is_refused_unasked() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let mut ada = Browser::new(&gateway);
    let good = ada.sign_in_up_to_callback(APP, "ada@example.com").await;
    let (code, state) = (query(&good)["code"].clone(), query(&good)["state"].clone());
    let iss =
        format!("iss={}", url::form_urlencoded::byte_serialize(idp.issuer.as_bytes()).collect::<String>());
    let cases = [
        format!("code=a&code={code}&state={state}&{iss}"),
        format!("code={code}&code={code}&state={state}&{iss}"),
        format!("code={code}&state={state}&state={state}&{iss}"),
        format!("code={code}&c%6fde=b&state={state}&{iss}"),
        format!("code={code}&state={state}&{iss}&{iss}"),
        format!("code={code}&error=access_denied&state={state}&{iss}"),
        format!("error=access_denied&error=x&state={state}&{iss}"),
        format!("code[]={code}&state={state}&{iss}"),
        format!("code={code};state={state}"),
        format!("code={code}%26state={state}"),
        format!("state={state}&{iss}"),
        format!("code=&state={state}&{iss}"),
        format!("code={}&state={state}&{iss}", "a".repeat(10 * 1024)),
        String::new(),
        "&&&==&%%%".to_owned(),
        format!("{}&code={code}&state={state}", "x=1&".repeat(5000)),
    ];
    for case in &cases {
        let answer = ada.get(&deep(&format!("/rbac/callback?{case}"))).await;
        assert_refused(&answer, &ada, 400, case);
    }
    assert_eq!(idp.hits("token").await, 0);
    // None of them used the sign-in up.
    assert_eq!(ada.get(&good).await.location(), APP);
    gateway.stop().await;
}

#[actix_web::test]
async fn a_refusal_at_the_provider_ends_on_a_page_of_ours() {
    let gateway = Setup::with(Idp::shared()).start().await;
    let mut ada = Browser::new(&gateway);
    let page = ada.follow_to_provider(APP).await;
    let callback = ada.post(&page, &[("cancel", "1")]).await.location();
    assert_eq!(query(&callback)["error"], "access_denied");
    let hostile = "error_description=%3Cscript%3Ealert(1)%3C/script%3E&error_uri=javascript:alert(2)";
    let answer = ada.get(&format!("{callback}&{hostile}")).await;
    assert_refused(&answer, &ada, 403, "cancelled");
    assert!(answer.body.contains("The sign-in was not completed"), "{}", answer.body);
    assert!(answer.body.contains("rd=https%3A%2F%2Fauth.example.test%2Fapp%2Fpage"), "{}", answer.body);
    for echoed in ["alert(", "javascript:", "access_denied"] {
        assert!(!answer.body.contains(echoed), "{echoed}: {}", answer.body);
    }
    assert!(!ada.jar[HOST].contains_key("__Host-doorward-login"), "the login's cookie is gone");
    // Without a state of this browser's, nothing is believed.
    let answer = ada.get(&format!("{callback}&{hostile}")).await;
    assert_refused(&answer, &ada, 400, "no login");
    assert!(!answer.body.contains("alert("));
    // A provider that never lets anybody in does not send the browser round in circles.
    for _ in 0..5 {
        let page = ada.follow_to_provider(&format!("{LOGIN}?rd=/x")).await;
        let state = query(&page)["state"].clone();
        let answer = ada.get(&deep(&format!("/rbac/callback?error=login_required&state={state}"))).await;
        assert_refused(&answer, &ada, 403, "login_required");
    }
    gateway.stop().await;
}

/// RFC 9207 and RFC 9700 section 4.4: the answer of one provider is not taken for another's.
#[actix_web::test]
async fn an_answer_of_another_provider_is_refused_unasked() {
    let (honest, evil) = (Idp::start(), Idp::start());
    let gateway = Setup::with(&honest).second(&evil).start().await;
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let right = format!("iss={}", encode(&honest.issuer));
    for iss in [
        format!("iss={}", encode(&evil.issuer)),
        format!("iss={}", encode(&format!("{}/", honest.issuer))),
        format!("iss={}", encode(&honest.issuer.to_uppercase())),
        "iss=".to_owned(),
        String::new(),
        format!("{right}&{right}"),
    ] {
        let mut ada = Browser::new(&gateway);
        let callback = ada.sign_in_up_to_callback(&format!("{LOGIN}?idp=p0"), "ada@example.com").await;
        assert!(callback.contains(&right), "{callback}");
        let answer = ada.get(&callback.replace(&right, &iss)).await;
        assert!(matches!(answer.status, 400 | 403), "{iss}: {}", answer.status);
        assert_eq!(ada.session(HOST), None, "{iss}");
    }
    // At the other one's address.
    for (id, to) in [("p0", "/rbac/callback/p1"), ("p1", "/rbac/callback")] {
        let mut ada = Browser::new(&gateway);
        let callback = ada.sign_in_up_to_callback(&format!("{LOGIN}?idp={id}"), "ada@example.com").await;
        let (_, parameters) = callback.split_once('?').unwrap();
        let answer = ada.get(&deep(&format!("{to}?{parameters}"))).await;
        assert_refused(&answer, &ada, 403, to);
    }
    assert_eq!((honest.hits("token").await, evil.hits("token").await), (0, 0));
    // A provider that does not advertise `iss` may leave it out, but not name another.
    let quiet = Idp::start();
    quiet.control(json!({ "no_iss_param": true })).await;
    let gateway_of_quiet = Setup::with(&quiet).start().await;
    let mut ada = Browser::new(&gateway_of_quiet);
    assert!(ada.sign_in(APP, "ada@example.com").await.served);
    let callback = ada.sign_in_up_to_callback(LOGIN, "ada@example.com").await;
    let answer = ada.get(&format!("{callback}&iss={}", encode(&evil.issuer))).await;
    assert_eq!((answer.status, quiet.hits("token").await), (403, 1));
    gateway_of_quiet.stop().await;
    gateway.stop().await;
}

/// A browser that never keeps the session cookie: after three rounds there is a page, not a fourth.
#[actix_web::test]
async fn a_browser_that_never_keeps_the_session_is_not_sent_round_in_circles() {
    let gateway = Setup::with(Idp::shared()).clock_stands_still().start().await;
    let mut forgetful = Browser::new(&gateway);
    for round in 1..=3 {
        let callback = forgetful.sign_in_up_to_callback(APP, "ada@example.com").await;
        assert_eq!(forgetful.get(&callback).await.location(), APP, "round {round}");
        forgetful.jar.get_mut(HOST).unwrap().remove("__Host-doorward").unwrap();
    }
    let stopped = forgetful.visit(APP).await;
    assert_refused(&stopped, &forgetful, 400, "round 4");
    assert!(
        stopped.body.contains("round in circles") && stopped.body.contains("keep our cookie"),
        "{}",
        stopped.body
    );
    // Told once, they may try again; and another page, or a while later, is no loop.
    assert!(forgetful.follow_to_provider(APP).await.starts_with("http://127.0.0.1:"));
    gateway.stop().await;
    // One that keeps no cookie at all is told so at the first callback.
    let gateway = Setup::with(Idp::shared()).start().await;
    let mut amnesic = Browser::new(&gateway);
    let callback = amnesic.sign_in_up_to_callback(APP, "ada@example.com").await;
    amnesic.jar.clear();
    let answer = amnesic.get(&callback).await;
    assert_refused(&answer, &amnesic, 400, "no cookie");
    gateway.stop().await;
}

/// Session fixation: what was in the browser before does not become, or stay, the victim's session.
#[actix_web::test]
async fn a_planted_session_ends_with_the_sign_in() {
    let gateway = Setup::with(Idp::shared()).start().await;
    let mut mallory = Browser::new(&gateway);
    assert!(mallory.sign_in(APP, "grace@example.com").await.served);
    let planted = mallory.session(HOST).unwrap();
    let mut ada = Browser::new(&gateway);
    ada.jar.entry(HOST.into()).or_default().insert("__Host-doorward".into(), planted.clone());
    let there = ada.sign_in(LOGIN, "ada@example.com").await;
    assert_eq!((there.status, there.url.as_str()), (200, HOME));
    assert_ne!(ada.session(HOST).unwrap(), planted);
    assert_eq!(ada.get(APP).await.header("x-auth-email"), "ada@example.com");
    assert_eq!(mallory.get(APP).await.status, 302, "the planted session is over");
    // Each sign-in is a new session, and the one before it in this browser ends.
    let before = ada.clone();
    ada.sign_in(LOGIN, "ada@example.com").await;
    assert_ne!(ada.session(HOST), before.session(HOST));
    let mut old = before;
    assert_eq!((old.get(APP).await.status, ada.get(APP).await.status), (302, 200));
    gateway.stop().await;
}

/// No cookie, state or token of one purpose passes for one of another.
#[actix_web::test]
async fn nothing_passes_for_something_else() {
    let gateway: Gateway = Setup::with(Idp::shared()).start().await;
    let mut ada = Browser::new(&gateway);
    let callback = ada.sign_in_up_to_callback(APP, "ada@example.com").await;
    let login = ada.jar[HOST]["__Host-doorward-login"].clone();
    ada.get(&callback).await;
    let session = ada.session(HOST).unwrap();
    let state = query(&callback)["state"].clone();
    for value in [&login, &state] {
        let mut other = Browser::new(&gateway);
        other.jar.entry(HOST.into()).or_default().insert("__Host-doorward".into(), value.clone());
        assert_eq!(other.get(APP).await.status, 302);
    }
    let mut other = Browser::new(&gateway);
    other.jar.entry(HOST.into()).or_default().insert("__Host-doorward-login".into(), session.clone());
    let answer = other.get(&deep(&format!("/rbac/callback?code=a&state={session}"))).await;
    assert_refused(&answer, &other, 400, "a session for a login");
    let bearer = gateway.ask("GET", APP).bearer_auth(&session).send().await.unwrap();
    assert_eq!(bearer.status(), 401);
    gateway.stop().await;
}
