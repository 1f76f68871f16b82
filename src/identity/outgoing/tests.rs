use std::time::Instant;

use serde_json::{Value, json};

use super::*;
use crate::identity::testing::{Page, Site};

async fn get(site: &Site, path: &str) -> Result<Value, OutgoingError> {
    Outgoing::new().unwrap().get_json(&site.url(path), None).await
}

fn is_bad(outcome: Result<Value, OutgoingError>, part: &str) {
    let Err(OutgoingError::BadAnswer(text)) = outcome else { panic!("{outcome:?}") };
    assert!(text.contains(part), "{text}");
}

fn is_unavailable(outcome: Result<Value, OutgoingError>, part: &str) {
    let Err(OutgoingError::Unavailable(text)) = outcome else { panic!("{outcome:?}") };
    assert!(text.contains(part), "{text}");
}

#[actix_web::test]
async fn a_document_arrives_and_the_token_goes_with_the_request() {
    let site = Site::start();
    site.set("/doc", Page::Json(json!({"a": 1})));
    let token = SecretString::from("t0ken");
    let got: Value = Outgoing::new().unwrap().get_json(&site.url("/doc"), Some(&token)).await.unwrap();
    assert_eq!(got, json!({"a": 1}));
    let asked = site.last("/doc");
    assert_eq!(asked.authorization.as_deref(), Some("Bearer t0ken"));
    assert_eq!(asked.agent.as_deref(), Some(concat!("doorward/", env!("CARGO_PKG_VERSION"))));
}

#[actix_web::test]
async fn a_redirect_is_not_followed() {
    let site = Site::start();
    site.set("/away", Page::Redirect("/doc".into()));
    site.set("/doc", Page::Json(json!({})));
    is_bad(get(&site, "/away").await, "answered 302");
    assert_eq!(site.hits("/doc"), 0);
}

#[actix_web::test]
async fn a_body_stops_at_the_cap_while_it_arrives() {
    let site = Site::start();
    site.set("/endless", Page::Endless);
    is_bad(get(&site, "/endless").await, "more than 1048576 bytes");
}

#[actix_web::test]
async fn a_drip_and_a_silence_end_at_the_deadline() {
    let site = Site::start();
    site.set("/drip", Page::Drip);
    site.set("/silent", Page::Silent);
    let outgoing = Outgoing::new().unwrap().with_deadline(Duration::from_millis(300));
    for path in ["/drip", "/silent"] {
        let began = Instant::now();
        is_unavailable(outgoing.get_json(&site.url(path), None).await, "did not finish");
        assert!(began.elapsed() < Duration::from_secs(3));
    }
}

#[actix_web::test]
async fn statuses_tell_a_bad_answer_from_a_missing_one() {
    let site = Site::start();
    site.set("/500", Page::Text(500, "{}".into()));
    site.set("/429", Page::Text(429, "{}".into()));
    site.set("/201", Page::Text(201, "{}".into()));
    is_unavailable(get(&site, "/500").await, "answered 500");
    is_unavailable(get(&site, "/429").await, "answered 429");
    is_bad(get(&site, "/404").await, "answered 404");
    is_bad(get(&site, "/201").await, "answered 201");
}

#[actix_web::test]
async fn an_error_quotes_neither_the_body_nor_the_query() {
    let site = Site::start();
    site.set("/text", Page::Text(200, "\"s3cret\" and more".into()));
    let url = site.url("/text?token=s3cret");
    let outcome: Result<Value, _> = Outgoing::new().unwrap().get_json(&url, None).await;
    let text = format!("{outcome:?}");
    assert!(text.contains("no usable JSON") && !text.contains("s3cret"), "{text}");
}

#[actix_web::test]
async fn nobody_there_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    is_unavailable(Outgoing::new().unwrap().get_json(&url, None).await, "failed");
}

#[actix_web::test]
async fn plain_http_is_for_loopback_unless_allowed() {
    let outgoing = Outgoing::new().unwrap();
    let url = |text| Url::parse(text).unwrap();
    is_bad(outgoing.get_json(&url("http://192.0.2.1/x"), None).await, "is not https");
    for (text, allowed, with_insecure) in [
        ("https://idp.example/x", true, true),
        ("http://localhost:8080/x", true, true),
        ("http://[::1]/x", true, true),
        ("http://127.9.9.9/x", true, true),
        ("http://localhost.example/x", false, true),
        ("http://127.0.0.1.example/x", false, true),
        ("http://169.254.169.254/x", false, true),
        ("ftp://localhost/x", false, false),
        ("file:///etc/passwd", false, false),
    ] {
        assert_eq!(outgoing.allows(&url(text)), allowed, "{text}");
        assert_eq!(outgoing.allowing_http(true).allows(&url(text)), with_insecure, "{text}");
    }
}
