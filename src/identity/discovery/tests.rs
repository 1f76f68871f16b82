use serde_json::{Value, json};

use super::*;
use crate::identity::testing::{Page, Site};

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

fn document(site: &Site) -> Value {
    let at = |path: &str| format!("{}{path}", site.origin());
    json!({
        "issuer": site.origin(),
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "jwks_uri": at("/jwks"),
        "userinfo_endpoint": at("/userinfo"),
    })
}

fn with(site: &Site, name: &str, value: &str) {
    let mut changed = document(site);
    changed[name] = json!(value);
    site.set(WELL_KNOWN, Page::Json(changed));
}

fn discovery(site: &Site, hosts: &[&str]) -> Discovery {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    Discovery::new(site.origin(), &hosts, Outgoing::new().unwrap()).unwrap()
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + secs)
}

async fn refusal(site: &Site, hosts: &[&str]) -> String {
    match discovery(site, hosts).get(at(0), Asker::Person).await {
        Err(OutgoingError::BadAnswer(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[actix_web::test]
async fn many_ask_at_once_and_one_fetch_is_made() {
    let site = Site::start();
    site.set(WELL_KNOWN, Page::Json(document(&site)));
    let discovery = discovery(&site, &[]);
    assert_eq!(discovery.health(), Health::NotYetAsked);
    let asking: Vec<_> = (0..30)
        .map(|_| {
            let discovery = discovery.clone();
            tokio::spawn(async move { discovery.get(at(0), Asker::Person).await })
        })
        .collect();
    for one in asking {
        assert_eq!(one.await.unwrap().unwrap().token_endpoint, Some(site.url("/token")));
    }
    assert_eq!(site.hits(WELL_KNOWN), 1);
    assert_eq!(discovery.health(), Health::Ready);
}

#[actix_web::test]
async fn another_issuer_is_refused_to_the_letter() {
    let site = Site::start();
    with(&site, "issuer", "https://evil.example");
    assert!(refusal(&site, &[]).await.contains("names the issuer \"https://evil.example\""));
    with(&site, "issuer", &format!("{}/", site.origin()));
    assert!(refusal(&site, &[]).await.contains("equal to the letter"));
}

#[actix_web::test]
async fn an_endpoint_elsewhere_is_refused_by_the_line_to_add() {
    let site = Site::start();
    with(&site, "jwks_uri", "https://keys.example:8443/jwks");
    let text = refusal(&site, &[]).await;
    assert!(text.contains("jwks_uri") && text.contains("`endpoint_hosts: [keys.example]`"), "{text}");
    assert!(refusal(&site, &["keys.example:443", "example"]).await.contains("endpoint_hosts"));
    for listed in ["keys.example", "KEYS.example:8443"] {
        assert!(discovery(&site, &[listed]).get(at(0), Asker::Person).await.is_ok(), "{listed}");
    }
    // Listed or not: plain http beyond loopback needs its own switch.
    with(&site, "jwks_uri", "http://keys.example/jwks");
    assert!(refusal(&site, &["keys.example"]).await.contains("`insecure_http: true`"));
    with(&site, "token_endpoint", &site.origin().replace("http://", "http://user:pass@"));
    assert!(refusal(&site, &[]).await.contains("user information"));
}

#[test]
fn the_large_issuers_endpoints_are_known_but_only_for_them() {
    let source = |issuer: &str| Source {
        issuer: issuer.into(),
        named: issuer.into(),
        address: Url::parse(issuer).unwrap(),
        endpoint_hosts: Vec::new(),
        outgoing: Outgoing::new().unwrap(),
    };
    let known = |issuer, endpoint| source(issuer).on_known_host(&Url::parse(endpoint).unwrap());
    assert!(known("https://accounts.google.com", "https://oauth2.googleapis.com/token"));
    assert!(known("https://accounts.google.com", "https://openidconnect.googleapis.com/v1/userinfo"));
    assert!(known("https://login.microsoftonline.com/t/v2.0", "https://graph.microsoft.com/oidc/userinfo"));
    assert!(!known("https://idp.example", "https://oauth2.googleapis.com/token"));
    assert!(!known("https://accounts.google.com", "https://graph.microsoft.com/x"));
}

#[actix_web::test]
async fn a_provider_that_is_down_is_asked_again_sooner_for_people_than_for_programs() {
    let site = Site::start();
    site.set(WELL_KNOWN, Page::Text(503, String::new()));
    let discovery = discovery(&site, &[]);
    let failed = |outcome: Result<Arc<Metadata>, OutgoingError>| {
        assert!(matches!(outcome, Err(OutgoingError::Unavailable(_))), "{outcome:?}");
    };
    failed(discovery.get(at(0), Asker::Program).await);
    assert!(matches!(discovery.health(), Health::Failing { since, .. } if since == at(0)));
    failed(discovery.get(at(4), Asker::Program).await);
    failed(discovery.get(at(0), Asker::Person).await);
    assert_eq!(site.hits(WELL_KNOWN), 1);
    failed(discovery.get(at(5), Asker::Program).await);
    assert_eq!(site.hits(WELL_KNOWN), 2);
    // Two failures: the pause is ten seconds now.
    failed(discovery.get(at(14), Asker::Program).await);
    assert_eq!(site.hits(WELL_KNOWN), 2);
    // A clock set back does not make a pause of hours.
    failed(discovery.get(at(-7200), Asker::Program).await);
    assert_eq!(site.hits(WELL_KNOWN), 3);
    site.set(WELL_KNOWN, Page::Json(document(&site)));
    assert!(discovery.get(at(15), Asker::Person).await.is_ok());
    assert_eq!(discovery.health(), Health::Ready);
}

#[actix_web::test]
async fn a_copy_is_refreshed_behind_and_outlives_a_failure_for_a_day() {
    let site = Site::start();
    site.set(WELL_KNOWN, Page::Json(document(&site)));
    let discovery = discovery(&site, &[]);
    discovery.get(at(0), Asker::Person).await.unwrap();
    discovery.get(at(3599), Asker::Person).await.unwrap();
    assert_eq!(site.hits(WELL_KNOWN), 1);
    site.set(WELL_KNOWN, Page::Text(500, String::new()));
    for hour in [1, 12, 23] {
        assert!(discovery.get(at(hour * 3600 + 1), Asker::Person).await.is_ok(), "after {hour} h");
    }
    // The first may still have waited for the refresh of an hour before.
    let _ = discovery.get(at(24 * 3600 + 1), Asker::Person).await;
    let after_a_day = discovery.get(at(24 * 3600 + 3), Asker::Person).await;
    assert!(matches!(after_a_day, Err(OutgoingError::Unavailable(_))), "{after_a_day:?}");
    assert!(matches!(discovery.health(), Health::Failing { .. }));
}

#[test]
fn the_recorded_document_of_keycloak_is_read() {
    let text = include_str!("../../../tests/fixtures/keycloak/discovery.json");
    let issuer = "http://127.0.0.1:18080/realms/labs64";
    let discovery = Discovery::new(issuer, &[], Outgoing::new().unwrap()).unwrap();
    assert_eq!(discovery.source.address.as_str(), format!("{issuer}/.well-known/openid-configuration"));
    let metadata = discovery.source.check(serde_json::from_str(text).unwrap()).unwrap();
    assert!(metadata.iss_in_answers && metadata.backchannel_logout && !metadata.secret_in_body);
    assert!(metadata.end_session_endpoint.is_some() && metadata.userinfo_endpoint.is_some());
}
