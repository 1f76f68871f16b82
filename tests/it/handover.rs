//! Sign-on across hosts: each host gets a cookie of its own by a ticket that works once, soon, there, and in the
//! browser that began; or one cookie serves a whole domain.

use std::time::Duration;

use super::support::{APP, Browser, Gateway, HOME, Idp, LOGIN, Setup};

const OWN: &str = "auth.example.test";
const OTHER: &str = "app.other.test";
const PAGE: &str = "https://app.other.test/x?y=%2F";

fn hosts(setup: Setup) -> Setup {
    setup.and("login: { return_hosts: [app.other.test, app.third.test, \"odd.test:8443\"] }")
}

async fn signed_in(gateway: &Gateway, email: &str) -> Browser {
    let mut browser = Browser::new(gateway);
    browser.sign_in(LOGIN, email).await;
    assert!(browser.session(OWN).is_some());
    browser
}

/// Follows from `url` until the address with the ticket, which is not visited.
async fn up_to_ticket(browser: &mut Browser, url: &str) -> String {
    let mut next = url.to_owned();
    for _ in 0..6 {
        next = browser.get(&next).await.location();
        if next.contains("ticket=") {
            return next;
        }
    }
    panic!("no ticket on the way from {url}, last at {next}");
}

#[actix_web::test]
async fn a_ticket_works_once() {
    let gateway = hosts(Setup::with(Idp::shared())).start().await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    let ticket = up_to_ticket(&mut ada, PAGE).await;
    let saved = ada.clone();
    let arrived = ada.get(&ticket).await;
    assert_eq!(arrived.location(), PAGE);
    let set = arrived.set_cookies().into_iter().find(|line| line.starts_with("__Host-doorward=")).unwrap();
    for attribute in ["; Secure", "; HttpOnly", "; Path=/", "; SameSite=Lax"] {
        assert!(set.contains(attribute) && !set.contains("Domain"), "{set}");
    }
    assert!(ada.get(PAGE).await.served);
    let mut again = saved;
    let refused = again.get(&ticket).await;
    assert_eq!((refused.status, again.session(OTHER)), (400, None), "{}", refused.body);
    gateway.stop().await;
}

#[actix_web::test]
async fn a_ticket_lives_for_thirty_seconds() {
    let gateway = hosts(Setup::with(Idp::shared())).clock_stands_still().start().await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    let ticket = up_to_ticket(&mut ada, PAGE).await;
    gateway.later(Duration::from_secs(31));
    assert_eq!((ada.get(&ticket).await.status, ada.session(OTHER)), (400, None));
    let ticket = up_to_ticket(&mut ada, PAGE).await;
    gateway.later(Duration::from_secs(28));
    assert_eq!(ada.get(&ticket).await.location(), PAGE);
    gateway.stop().await;
}

/// Neither can a thief use a ticket, nor can he make somebody else's browser take his.
#[actix_web::test]
async fn a_ticket_is_for_the_browser_that_began() {
    let gateway = hosts(Setup::with(Idp::shared())).start().await;
    let mut mallory = signed_in(&gateway, "grace@example.com").await;
    let ticket = up_to_ticket(&mut mallory, PAGE).await;
    let mut victim = Browser::new(&gateway);
    let answer = victim.get(&ticket).await;
    assert_eq!((answer.status, victim.session(OTHER)), (400, None), "{}", answer.body);
    assert_eq!(mallory.get(&ticket).await.status, 400, "tried is used");
    // One who has a number of his own, from another hand-over, fares no better.
    let mut victim = signed_in(&gateway, "ada@example.com").await;
    up_to_ticket(&mut victim, PAGE).await;
    let ticket = up_to_ticket(&mut mallory, PAGE).await;
    assert_eq!((victim.get(&ticket).await.status, victim.session(OTHER)), (400, None));
    gateway.stop().await;
}

#[actix_web::test]
async fn a_ticket_is_for_the_host_it_was_made_for() {
    let gateway = hosts(Setup::with(Idp::shared())).start().await;
    for elsewhere in ["app.third.test", "evil.test", OWN, "app.other.test:8443"] {
        let mut ada = signed_in(&gateway, "ada@example.com").await;
        let ticket = up_to_ticket(&mut ada, PAGE).await;
        // The browser's number is there too, so that it is the host that decides.
        let number = ada.jar[OTHER].clone();
        let own_session = ada.session(OWN);
        ada.jar.entry(elsewhere.split(':').next().unwrap().into()).or_default().extend(number);
        let answer = ada.get(&ticket.replace(OTHER, elsewhere)).await;
        assert_eq!(answer.status, 421, "{elsewhere}: {}", answer.body);
        assert!(answer.set_cookies().is_empty(), "{elsewhere}");
        assert_eq!(ada.session(OWN), own_session);
    }
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    for bad in [
        "rd=https://app.third.test/",
        "rd=https://evil.test/",
        "rd=//evil.test",
        "",
        "ticket=",
        "ticket=a&ticket=b",
        "rd=/&rd=/",
    ] {
        let answer = ada.get(&format!("https://app.other.test/rbac/continue?{bad}")).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.body);
    }
    let made_up = ada.get(&format!("https://app.other.test/rbac/continue?ticket={}", "A".repeat(43))).await;
    assert_eq!((made_up.status, ada.session(OTHER)), (400, None));
    gateway.stop().await;
}

#[actix_web::test]
async fn a_cookie_of_one_host_is_useless_on_another() {
    let gateway = hosts(Setup::with(Idp::shared())).start().await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    assert!(ada.visit(PAGE).await.served);
    let (own, other) = (ada.session(OWN).unwrap(), ada.session(OTHER).unwrap());
    assert_ne!(own, other);
    for (value, url) in
        [(&other, APP), (&own, PAGE), (&other, "https://app.third.test/"), (&own, "https://app.third.test/")]
    {
        let asked = gateway.ask("GET", url).header("accept", "text/html");
        let answer = asked.header("cookie", format!("__Host-doorward={value}")).send().await.unwrap();
        assert_eq!(answer.status(), 302, "{url}");
    }
    let home = gateway.page(reqwest::Method::GET, "/userinfo");
    let home = home.header("cookie", format!("__Host-doorward={other}")).send().await.unwrap();
    assert_eq!(home.status(), 401, "a service that sees its cookie learns nothing more by it");
    gateway.stop().await;
}

#[actix_web::test]
async fn signing_out_ends_it_on_every_host() {
    let gateway = hosts(Setup::with(Idp::shared())).start().await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    let pages = [PAGE, "https://app.third.test/", "https://odd.test:8443/z", APP];
    for page in pages {
        let there = ada.visit(page).await;
        assert!(there.served && there.url == page, "{there:?}");
    }
    let sessions = gateway
        .state()
        .store
        .sessions("", doorward::store::page::Slice { offset: 0, limit: 9 }, gateway.state().clock.now())
        .await
        .unwrap()
        .items;
    assert_eq!(sessions.len(), 1, "one session behind all the cookies");
    // On another host the way out leads to the gateway's own.
    let there = ada.get("https://app.other.test/rbac/logout").await;
    assert_eq!(there.location(), "https://auth.example.test/rbac/logout");
    let before = ada.clone();
    let page = ada.get(&format!("{HOME}logout")).await;
    let csrf =
        page.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(ada.post(&format!("{HOME}logout"), &[("csrf", &csrf)]).await.status, 303);
    for mut browser in [ada, before] {
        for page in pages {
            assert_eq!(browser.get(page).await.status, 302, "{page}");
        }
    }
    gateway.stop().await;
}

#[actix_web::test]
async fn a_session_that_ended_on_the_way_does_not_arrive() {
    let gateway = hosts(Setup::with(Idp::shared())).start().await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    let ticket = up_to_ticket(&mut ada, PAGE).await;
    let state = gateway.state();
    let session = state
        .store
        .sessions("", doorward::store::page::Slice { offset: 0, limit: 1 }, state.clock.now())
        .await
        .unwrap()
        .items
        .remove(0);
    assert!(state.store.end_session(&session.id).await.unwrap());
    state.known.ended(&session.id);
    assert_eq!((ada.get(&ticket).await.status, ada.session(OTHER)), (400, None));
    gateway.stop().await;
}

#[actix_web::test]
async fn a_browser_that_keeps_no_cookie_on_the_other_host_is_stopped() {
    let gateway = hosts(Setup::with(Idp::shared())).clock_stands_still().start().await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    for _ in 0..3 {
        assert_eq!(ada.visit(PAGE).await.url, PAGE);
        ada.jar.remove(OTHER);
    }
    let stopped = ada.visit(PAGE).await;
    assert_eq!(stopped.status, 400, "{stopped:?}");
    assert!(stopped.body.contains("round in circles"), "{}", stopped.body);
    // Parallel tabs share one number, so that both arrive.
    let mut tabs = signed_in(&gateway, "grace@example.com").await;
    let first = up_to_ticket(&mut tabs, "https://app.other.test/1").await;
    let second = up_to_ticket(&mut tabs, "https://app.other.test/2").await;
    assert_eq!(tabs.get(&second).await.location(), "https://app.other.test/2");
    let late = tabs.get(&first).await;
    // The second tab used the number up; the first one starts over and arrives without a question.
    assert!(matches!(late.status, 302 | 400), "{late:?}");
    assert!(tabs.visit("https://app.other.test/1").await.served);
    gateway.stop().await;
}

#[actix_web::test]
async fn one_cookie_serves_a_domain() {
    let gateway = Setup::with(Idp::shared()).and("session: { cookie_domain: example.test }").start().await;
    let mut ada = Browser::new(&gateway);
    let callback = ada.sign_in_up_to_callback("https://app.example.test/x?y=1", "ada@example.com").await;
    let end = ada.get(&callback).await;
    assert_eq!(end.location(), "https://app.example.test/x?y=1", "no hand-over is needed");
    let set = end.set_cookies().into_iter().find(|line| line.starts_with("__Secure-doorward=")).unwrap();
    for attribute in ["; Domain=example.test", "; Secure", "; HttpOnly", "; Path=/", "; SameSite=Lax"] {
        assert!(set.contains(attribute), "{attribute} in {set}");
    }
    for page in ["https://app.example.test/x?y=1", "https://a.b.example.test/", "https://example.test/", APP]
    {
        assert!(ada.get(page).await.served, "{page}");
    }
    let page = ada.get(&format!("{HOME}logout")).await;
    let csrf =
        page.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let out = ada.post(&format!("{HOME}logout"), &[("csrf", &csrf)]).await;
    let gone = out.set_cookies().into_iter().find(|line| line.starts_with("__Secure-doorward=;")).unwrap();
    assert!(gone.contains("; Domain=example.test") && gone.contains("Max-Age=0"), "{gone}");
    assert_eq!(ada.get("https://app.example.test/x").await.status, 302);
    gateway.stop().await;
}
