//! The journey that everything else is about: somebody opens a page, signs in, and is where they wanted to be.

use super::support::{APP, Browser, Idp, Setup};

#[actix_web::test]
async fn somebody_signs_in_and_is_where_they_wanted_to_be() {
    let gateway = Setup::with(Idp::shared()).start().await;
    let mut ada = Browser::new(&gateway);
    let asked = ada.get(APP).await;
    assert_eq!(asked.status, 302);
    assert_eq!(
        asked.location(),
        "https://auth.example.test/rbac/login?rd=https%3A%2F%2Fauth.example.test%2Fapp%2Fpage%3Fa%3D1%26b%3D%252Fx"
    );
    let there = ada.sign_in(APP, "ada@example.com").await;
    assert!(there.served, "{there:?}");
    assert_eq!(there.url, APP);
    assert_eq!(there.header("x-auth-email"), "ada@example.com");
    assert_eq!(there.header("x-auth-name"), "Ada%20Lovelace");
    assert_eq!(there.header("x-auth-roles"), "admin-role,staff");
    assert_eq!(there.header("x-auth-method"), "session");
    assert!(there.header("x-auth-assertion").split('.').count() == 3);
    assert!(there.set_cookies().is_empty());
    gateway.stop().await;
}

#[actix_web::test]
async fn another_host_gets_its_own_cookie_by_a_hand_over() {
    let gateway = Setup::with(Idp::shared()).and("login: { return_hosts: [app.other.test] }").start().await;
    let mut ada = Browser::new(&gateway);
    let there = ada.sign_in("https://app.other.test/x?y=1", "ada@example.com").await;
    assert!(there.served && there.url == "https://app.other.test/x?y=1", "{there:?}");
    let (own, other) = (ada.session("auth.example.test").unwrap(), ada.session("app.other.test").unwrap());
    assert_ne!(own, other);
    gateway.stop().await;
}
