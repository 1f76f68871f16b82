//! Where a sign-in and a sign-out may lead: nothing that anybody writes into `rd` takes a browser elsewhere.

use reqwest::Method;
use url::Url;

use super::support::{Browser, Gateway, HOME, Idp, LOGIN, Setup, query};

const HOSTS: &str =
    "login: { return_hosts: [app.example.test, api.example.test, ws.example.test, \"*.apps.example.test\"] }";

fn once(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn corpus() -> Vec<String> {
    let pictures = [('␉', '\t'), ('␊', '\n'), ('␍', '\r'), ('␀', '\0'), ('␠', ' ')];
    let real = |c: char| pictures.iter().find(|(picture, _)| *picture == c).map_or(c, |(_, byte)| *byte);
    let text = include_str!("../fixtures/redirects.txt");
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with("# "))
        .map(|line| line.chars().map(real).collect())
        .collect();
    assert!(lines.len() > 500, "the list is there: {}", lines.len());
    lines
}

/// Runs a whole sign-in from `/login?QUERY`; the address that the callback leads to, `None` when it was refused at
/// the start.
async fn where_it_leads(gateway: &Gateway, raw_query: &str) -> Option<String> {
    let mut browser = Browser::new(gateway);
    // As it is: a URL library on the way would repair it.
    let start = browser.get(&format!("{LOGIN}?{raw_query}")).await;
    if start.status == 400 {
        return None;
    }
    let provider = start.location();
    assert!(provider.starts_with("http://127.0.0.1:"), "{raw_query}: {provider}");
    let callback = browser.post(&provider, &[("account", "ada@example.com")]).await.location();
    let end = browser.get(&callback).await;
    assert_eq!(end.status, 302, "{raw_query}");
    Some(end.location())
}

#[actix_web::test]
async fn no_line_of_the_list_is_followed() {
    let gateway = Setup::with(Idp::shared()).and(HOSTS).start().await;
    for (n, line) in corpus().iter().enumerate() {
        assert_eq!(gateway.state().login.check(line), None, "{line:?}");
        // The whole way, with every tenth of them: as they are where that can be asked, and encoded once.
        if n % 10 != 0 {
            continue;
        }
        if let Some(location) = where_it_leads(&gateway, &format!("rd={}", once(line))).await {
            assert_eq!(location, HOME, "{line:?}");
        }
        let raw_is_legal = line.bytes().all(|byte| byte.is_ascii_graphic() && !b"#&+".contains(&byte));
        if !raw_is_legal {
            continue;
        }
        // Raw, a line that has `%` in it is another address; it must not lead out all the same.
        if let Some(location) = where_it_leads(&gateway, &format!("rd={line}")).await {
            let url = Url::parse(&location).unwrap_or_else(|error| panic!("{line}: {location}: {error}"));
            let host = url.host_str().unwrap_or_default();
            assert!(host.ends_with(".example.test") && url.scheme() == "https", "{line} → {location}");
            assert!(line.contains('%') || location == HOME, "{line} → {location}");
        }
    }
    gateway.stop().await;
}

#[actix_web::test]
async fn what_is_allowed_comes_back_to_the_letter() {
    let gateway = Setup::with(Idp::shared()).and(HOSTS).start().await;
    for good in [
        "https://auth.example.test/docs?a=1&b=%2F%20c&c=x+y&d=%C3%A4",
        "https://auth.example.test/docs?next=https://evil.test/",
        "https://auth.example.test/a@b:c/;d=1/%7e",
        "https://auth.example.test/rbacx",
        "https://auth.example.test/rbac/admin/users?q=a",
        HOME,
    ] {
        assert_eq!(where_it_leads(&gateway, &format!("rd={}", once(good))).await.as_deref(), Some(good));
    }
    let relative = where_it_leads(&gateway, "rd=/docs?a=1").await;
    assert_eq!(relative.as_deref(), Some("https://auth.example.test/docs?a=1"));
    // Another host gets its cookie on the way.
    for good in [
        "https://app.example.test/x?y=%2F",
        "https://a.b.apps.example.test/",
        "https://ws.example.test/socket",
    ] {
        let location = where_it_leads(&gateway, &format!("rd={}", once(good))).await.unwrap();
        let url = Url::parse(&location).unwrap();
        assert_eq!(url.host_str(), Url::parse(good).unwrap().host_str(), "{location}");
        assert_eq!((url.path(), query(&location)["rd"].as_str()), ("/rbac/continue", good));
    }
    gateway.stop().await;
}

#[actix_web::test]
async fn rd_twice_or_overlong_is_not_followed() {
    let gateway = Setup::with(Idp::shared()).and(HOSTS).start().await;
    for twice in [
        "rd=/a&rd=/a",
        "rd=/a&rd=",
        "rd=/a&r%64=https://evil.test",
        "idp=p0&idp=p0",
        "rd=/&continue=a&continue=b",
    ] {
        assert_eq!(where_it_leads(&gateway, twice).await, None, "{twice}");
    }
    let long = format!("rd=/{}", "a".repeat(4000));
    assert_eq!(where_it_leads(&gateway, &long).await.as_deref(), Some(HOME));
    // Names that only look like it mean nothing.
    for other in ["RD=/a", "rd[]=/a", "redirect=/a", "next=https://evil.test", "rd"] {
        assert_eq!(where_it_leads(&gateway, other).await.as_deref(), Some(HOME), "{other}");
    }
    gateway.stop().await;
}

/// The return address travels in the sealed cookie alone: there is nothing in `state` to change it by.
#[actix_web::test]
async fn the_return_address_cannot_be_changed_on_the_way() {
    let gateway = Setup::with(Idp::shared()).and(HOSTS).start().await;
    let mut ada = Browser::new(&gateway);
    let callback = ada.sign_in_up_to_callback(&format!("{LOGIN}?rd=/docs"), "ada@example.com").await;
    let added = ada.get(&format!("{callback}&rd=https://evil.test&return_to=//evil.test")).await;
    assert_eq!(added.location(), "https://auth.example.test/docs");
    // A state with something appended, or of somebody else's sign-in, is no state of this browser's.
    let mut mallory = Browser::new(&gateway);
    let foreign = mallory.sign_in_up_to_callback(&format!("{LOGIN}?rd=/evil"), "grace@example.com").await;
    let mut ada = Browser::new(&gateway);
    let own = ada.sign_in_up_to_callback(&format!("{LOGIN}?rd=/docs"), "ada@example.com").await;
    let (state, stolen) = (query(&own)["state"].clone(), query(&foreign)["state"].clone());
    for changed in [format!("{state}|https://evil.test"), format!("{state}."), stolen] {
        let answer = ada.get(&own.replace(&state, &changed)).await;
        assert_eq!((answer.status, ada.session("auth.example.test")), (400, None), "{changed}");
    }
    gateway.stop().await;
}

#[actix_web::test]
async fn signing_out_leads_to_allowed_addresses_only() {
    let gateway = Setup::with(Idp::shared()).and(HOSTS).start().await;
    // The provider's own logout would be on the way for who is signed in; this is about where it ends after that.
    for (rd, to) in [
        ("https://evil.test", "https://auth.example.test/rbac/logout"),
        ("//evil.test", "https://auth.example.test/rbac/logout"),
        ("/\\evil.test", "https://auth.example.test/rbac/logout"),
        ("https://app.example.test@evil.test/", "https://auth.example.test/rbac/logout"),
        ("http://app.example.test/", "https://auth.example.test/rbac/logout"),
        ("https://app.example.test/bye?x=1", "https://app.example.test/bye?x=1"),
        ("/bye", "https://auth.example.test/bye"),
    ] {
        let answer = Browser::new(&gateway).post(&format!("{HOME}logout"), &[("rd", rd)]).await;
        assert_eq!((answer.status, answer.location().as_str()), (303, to), "{rd}");
    }
    let names =
        ["rd=https://evil.test", "post_logout_redirect_uri=https://evil.test", "returnTo=//evil.test"];
    for name in names {
        let mut ada = Browser::new(&gateway);
        ada.sign_in(HOME, "ada@example.com").await;
        let page = gateway.page(Method::POST, &format!("/logout?{name}"));
        let page = page.header("cookie", ada.cookies_for("auth.example.test")).send().await.unwrap();
        assert_eq!(page.status(), 303);
        let location = page.headers()["location"].to_str().unwrap();
        assert!(location.starts_with(&Idp::shared().at("/end_session?")), "{location}");
        assert!(!location.contains("evil"), "{location}");
        assert!(!ada.visit("https://auth.example.test/app").await.served, "{name}: the session is over");
    }
    gateway.stop().await;
}
