//! Sessions end: by time, by hand, by the provider, by tampering, and never by an outage of the gateway.

use reqwest::Method;

use super::support::{Answer, Person, Setup, Stack, api, navigation, until};

#[tokio::test]
async fn a_session_ends_with_its_lifetime() {
    let stack = Setup::demo().and("session: { lifetime: 4s, idle: 0 }").start().await;
    let mut ada = Person::signed_in(&stack, "ada@example.com").await;
    let kept = ada.clone();
    until("the end of the session", async || {
        let answer = ada.fetch("/foo/api/whoami").await;
        assert!(matches!(answer.status, 200 | 401), "{answer:?}");
        (answer.status == 401).then_some(())
    })
    .await;
    // The cookie as it was, whatever the browser thinks of its age.
    let mut replayed = kept;
    assert_eq!(replayed.fetch("/foo/api/whoami").await.status, 401);
    assert_eq!(replayed.visit("/foo/").await.status, 302, "people are sent to sign in again");
    let again = replayed.sign_in("/foo/api/whoami?again", "ada@example.com").await;
    assert_eq!(again.status, 200);
}

#[tokio::test]
async fn signing_out_ends_the_session_everywhere_that_has_the_cookie() {
    let stack = Stack::shared().await;
    let mut ada = Person::signed_in(stack, "ada@example.com").await;
    let mut copy = ada.clone();
    let mut elsewhere = Person::signed_in(stack, "ada@example.com").await;
    assert_eq!(copy.fetch("/foo/api/whoami").await.status, 200);

    let out = sign_out(&mut ada, &stack.origin, Some("same-origin")).await;
    assert_eq!(out.status, 303, "{out:?}");

    assert_eq!(ada.session(), "", "the browser forgot it");
    assert_eq!(ada.fetch("/foo/api/whoami").await.status, 401);
    assert_eq!(copy.fetch("/foo/api/whoami").await.status, 401, "the server did, too");
    assert_eq!(elsewhere.fetch("/foo/api/whoami").await.status, 200, "another session goes on");
}

/// Presses the button of the sign-out page, as a browser that says this `Origin` and `Sec-Fetch-Site`.
async fn sign_out(person: &mut Person, origin: &str, site: Option<&str>) -> Answer {
    let page = person.visit("/rbac/logout").await.body;
    let csrf = page.split_once("name=\"csrf\" value=\"").unwrap().1.split_once('"').unwrap().0;
    let mut headers = navigation();
    headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
    headers.push(("origin", origin.to_owned()));
    headers.extend(site.map(|site| ("sec-fetch-site", site.to_owned())));
    let body = Some(format!("csrf={csrf}").into_bytes());
    person.send(Method::POST, "/rbac/logout", &headers, body).await
}

#[tokio::test]
async fn a_form_acts_only_from_the_gateways_own_pages() {
    let stack = Stack::shared().await;
    let mut ada = Person::signed_in(stack, "ada@example.com").await;
    let sibling = "http://app.localhost";
    for (origin, site) in [
        (sibling, Some("same-site")),
        (sibling, Some("same-origin")),
        (stack.origin.as_str(), Some("cross-site")),
        ("null", Some("same-site")),
        ("null", Some("cross-site")),
        ("null", Some("none")),
        ("null", None),
    ] {
        let answer = sign_out(&mut ada, origin, site).await;
        assert_eq!(answer.status, 403, "{origin} {site:?}: {answer:?}");
        assert_eq!(ada.fetch("/foo/api/whoami").await.status, 200, "{origin} {site:?}: still signed in");
    }
    // What browsers say of a page with `Referrer-Policy: no-referrer` that posts to its own origin.
    assert_eq!(sign_out(&mut ada, "null", Some("same-origin")).await.status, 303);
    assert_eq!(ada.fetch("/foo/api/whoami").await.status, 401);
}

#[tokio::test]
async fn the_provider_ends_all_sessions_of_somebody() {
    let stack = Setup::demo().start().await;
    let mut ada = Person::signed_in(&stack, "ada@example.com").await;
    let mut grace = Person::signed_in(&stack, "grace@example.com").await;
    let sub = ada.fetch("/foo/api/whoami").await.json()["user_id"].as_str().unwrap().to_owned();
    let sent = stack.back_channel_logout(&sub).await;
    assert!(matches!(sent["sent"][0]["status"].as_u64(), Some(200 | 204)), "{sent}");
    assert_eq!(ada.fetch("/foo/api/whoami").await.status, 401);
    assert_eq!(grace.fetch("/foo/api/whoami").await.status, 200);
}

#[tokio::test]
async fn a_tampered_cookie_is_no_session() {
    let stack = Stack::shared().await;
    let mut ada = Person::signed_in(stack, "ada@example.com").await;
    let good = ada.session();
    let mut wrong = vec![
        good[..good.len() / 2].to_owned(),
        format!("{good}A"),
        good.chars().rev().collect(),
        "x".repeat(4000),
        "%00".into(),
    ];
    for at in (0..good.len()).step_by(good.len() / 24 + 1) {
        let other = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
        wrong.push(format!("{}{other}{}", &good[..at], &good[at + 1..]));
    }
    for value in wrong {
        ada.jar.insert("doorward".into(), value.clone());
        let answer = ada.send(Method::GET, "/foo/api/whoami", &api(), None).await;
        assert_eq!(answer.status, 401, "{value}");
    }
    ada.jar.insert("doorward".into(), good);
    assert_eq!(ada.fetch("/foo/api/whoami").await.status, 200);
}

#[tokio::test]
async fn without_the_gateway_nothing_passes_and_with_it_again_sessions_go_on() {
    let mut stack = Setup::demo().start().await;
    let mut ada = Person::signed_in(&stack, "ada@example.com").await;
    let mut nobody = Person::new(&stack);
    stack.stop_doorward();
    for path in ["/foo/", "/foo/public", "/foo/api/echo", "/foo/admin"] {
        for person in [&mut ada, &mut nobody] {
            let answer = person.visit(path).await;
            assert!(answer.status >= 500, "{path}: {answer:?}");
            assert!(!answer.body.contains("service foo"), "{path}: {answer:?}");
        }
    }
    stack.start_doorward().await;
    let who = ada.fetch("/foo/api/whoami").await;
    assert_eq!(who.status, 200, "keys and sessions are kept in data_dir: {who:?}");
    assert_eq!(who.json()["assertion"]["verified"], true);
    assert_eq!(nobody.fetch("/foo/api/whoami").await.status, 401);
}

#[tokio::test]
async fn traefik_has_no_complaint_about_its_configuration() {
    let stack = Setup::demo().start().await;
    assert_eq!(Person::new(&stack).visit("/foo/public").await.status, 200);
    let log = stack.traefik_log();
    let complaints: Vec<&str> = log
        .lines()
        .filter(|line| ["WRN", "ERR", "warn", "error"].iter().any(|word| line.contains(word)))
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
