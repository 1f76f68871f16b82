//! Many people at once: each gets their own identity, and nobody anybody else's.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::support::{Browser, Idp, Setup};

const PEOPLE: usize = 200;

#[actix_web::test]
async fn each_of_two_hundred_gets_their_own_identity() {
    let gateway = Setup::with(Idp::shared()).start().await;
    // As many at a time as a small and busy machine finishes within the deadline of a callback.
    let at_once = Arc::new(Semaphore::new(16));
    let mut people = JoinSet::new();
    for n in 0..PEOPLE {
        let (mut browser, at_once) = (Browser::new(&gateway), Arc::clone(&at_once));
        people.spawn(async move {
            let email = format!("person{n}@example.com");
            let url = format!("https://auth.example.test/of/{n}?n={n}");
            let _turn = at_once.acquire_owned().await.unwrap();
            let there = browser.sign_in(&url, &email).await;
            assert!(there.served && there.url == url, "{there:?}");
            assert_eq!(there.header("x-auth-email"), email);
            assert_eq!(there.header("x-auth-user"), email);
            let info = browser.get("https://auth.example.test/rbac/userinfo").await.json();
            assert_eq!(info["email"], email.as_str());
            assert_eq!(info["user_id"], there.header("x-user-id").as_str());
            (there.header("x-user-id"), browser.session("auth.example.test").unwrap())
        });
    }
    let ended: Vec<(String, String)> = people.join_all().await;
    let ids: BTreeSet<&String> = ended.iter().map(|(id, _)| id).collect();
    let sessions: BTreeSet<&String> = ended.iter().map(|(_, session)| session).collect();
    assert_eq!((ids.len(), sessions.len()), (PEOPLE, PEOPLE));
    gateway.stop().await;
}
