//! Methods and bodies pass whole, or not at all.

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::Method;

use super::support::{Person, Stack, api, navigation};

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn bodies_arrive_whole() {
    let stack = Stack::shared().await;
    let mut ada = Person::signed_in(stack, "ada@example.com").await;
    let large: Vec<u8> =
        (0..10 * 1024 * 1024_u32).map(|n| u8::try_from((n * 31 + n / 251) % 256).unwrap()).collect();
    for (method, body) in [
        (Method::POST, b"a=1&b=2".to_vec()),
        (Method::PUT, vec![0, 255, 13, 10]),
        (Method::PATCH, Vec::new()),
        (Method::DELETE, b"{}".to_vec()),
        (Method::POST, large),
    ] {
        let (length, hash) = (body.len(), sha256(&body));
        let answer = ada.send(method.clone(), "/foo/api/echo/up?q=1", &api(), Some(body)).await;
        assert_eq!(answer.status, 200, "{method}: {answer:?}");
        assert!(answer.header("set-cookie").is_empty());
        let seen = answer.json();
        assert_eq!(seen["method"], method.as_str());
        assert_eq!((seen["path"].as_str(), seen["query"].as_str()), (Some("/foo/api/echo/up"), Some("q=1")));
        assert_eq!(seen["body"]["length"], length);
        assert_eq!(seen["body"]["sha256"], hash);
    }
}

#[tokio::test]
async fn a_body_of_nobody_goes_nowhere() {
    let stack = Stack::shared().await;
    let mut nobody = Person::new(stack);
    let answer = nobody.send(Method::POST, "/foo/api/echo", &navigation(), Some(vec![b'x'; 100_000])).await;
    assert_eq!(answer.status, 401, "never redirected: the body would be posted to the provider");
    assert!(answer.json()["login_url"].is_string());
}

#[tokio::test]
async fn head_and_options_are_decided_on_like_everything_else() {
    let stack = Stack::shared().await;
    let mut ada = Person::signed_in(stack, "ada@example.com").await;
    let mut grace = Person::signed_in(stack, "grace@example.com").await;
    let mut nobody = Person::new(stack);
    for method in [Method::HEAD, Method::OPTIONS] {
        let answer = ada.send(method.clone(), "/foo/api/echo", &api(), None).await;
        assert_eq!(answer.status, 200, "{method}: {answer:?}");
        assert_eq!(grace.send(method.clone(), "/foo/admin", &api(), None).await.status, 403);
        assert_eq!(nobody.send(method.clone(), "/foo/api/echo", &api(), None).await.status, 401);
    }
    assert_eq!(nobody.send(Method::HEAD, "/foo/", &navigation(), None).await.status, 302);
    let head = ada.send(Method::HEAD, "/foo/api/echo", &api(), None).await;
    assert!(head.body.is_empty());
}
