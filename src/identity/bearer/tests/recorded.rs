//! One verdict for every recorded token, each with its reason.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

const ISSUER: &str = "http://127.0.0.1:18080/realms/labs64";
/// Some tokens were made up to 103 s after the first.
const NOW: Timestamp = Timestamp::from_secs(1_795_310_194 + 103);
const ALL: [&str; 4] = ["RS256", "PS256", "ES256", "EdDSA"];

const KIND: &str = "its claim typ says that it is another kind of token";
const ALGORITHM: &str = "its algorithm is not allowed (`algorithms`)";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keycloak")
}

fn json_file(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

fn token(name: &str) -> String {
    fs::read_to_string(folder().join("tokens").join(name)).unwrap().trim().to_owned()
}

/// `None` where the token holds.
fn expected(name: &str) -> Option<&'static str> {
    let foreign = ["other-realm", "master-realm"].iter().any(|mark| name.contains(mark));
    match name {
        _ if name.contains("localhost-issuer") => Some(NAMESAKE),
        _ if foreign => Some(STRANGER),
        _ if name.ends_with(".refresh.jwt") => Some(ALGORITHM),
        _ if name.ends_with(".id.jwt") => Some(KIND),
        "alice.cli-lightweight.access.jwt" => Some("it is for another audience, or for none"),
        "alice.code-expired.access.jwt" => Some("it has expired"),
        _ => None,
    }
}

#[actix_web::test]
async fn every_recorded_token_has_its_verdict() {
    let site = site_with(json_file("jwks-after-rotation.json"));
    let issuers = issuers(&site, &config(ISSUER, "account", &ALL));
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for entry in fs::read_dir(folder().join("tokens")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let want = expected(&name);
        let got = match ask(&issuers, &token(&name), NOW).await {
            Verdict::Valid(_) => None,
            Verdict::Wrong(why) => Some(why),
            Verdict::Unchecked(why) => panic!("{name}: {why}"),
        };
        assert_eq!(got, want, "{name}");
        *counts.entry(want.unwrap_or("holds")).or_default() += 1;
    }
    assert_eq!(counts["holds"], 21, "{counts:?}");
    assert_eq!(site.hits("/jwks"), 1, "the keys are asked for once");
}

#[actix_web::test]
async fn what_a_recorded_token_says_is_what_is_believed() {
    let site = site_with(json_file("jwks.json"));
    let issuers = issuers(&site, &config(ISSUER, "account", &ALL));
    let Verdict::Valid(alice) = ask(&issuers, &token("alice.code.access.jwt"), NOW).await else { panic!() };
    assert_eq!(alice.subject, "00000000-0000-4000-8000-000000000001");
    assert_eq!((alice.issuer.as_str(), alice.email.is_some()), ("kc", true));
    assert!(alice.roles.contains(&"admin-role".to_owned()), "{:?}", alice.roles);
    assert_eq!(alice.audiences, ["doorward", "account"]);
    assert_eq!(alice.expires_at, Some(Timestamp::from_secs(1_795_310_194 + 302)));
    // An e-mail that is not verified is none.
    let Verdict::Valid(dave) = ask(&issuers, &token("dave.code.access.jwt"), NOW).await else { panic!() };
    assert_eq!(dave.email, None);
}

#[actix_web::test]
async fn only_the_configured_algorithms_count() {
    let site = site_with(json_file("jwks.json"));
    let issuers = issuers(&site, &config(ISSUER, "account", &["RS256"]));
    for alg in ["eddsa", "es256", "ps256"] {
        let token = token(&format!("alice.cli-{alg}.access.jwt"));
        assert_eq!(refusal(&issuers, &token, NOW).await, ALGORITHM);
    }
}

#[actix_web::test]
async fn a_token_dies_at_its_time_though_it_was_checked_before() {
    let site = site_with(json_file("jwks.json"));
    let issuers = issuers(&site, &config(ISSUER, "account", &ALL));
    let token = token("alice.cli.access.jwt");
    let ends = Timestamp::from_secs(1_795_310_194 + 300);
    let almost = ends.plus(Duration::from_secs(29));
    assert!(matches!(ask(&issuers, &token, NOW).await, Verdict::Valid(_)));
    assert!(matches!(ask(&issuers, &token, almost).await, Verdict::Valid(_)));
    assert_eq!(refusal(&issuers, &token, ends.plus(Duration::from_secs(30))).await, "it has expired");
}

#[actix_web::test]
async fn keys_that_cannot_be_had_leave_it_open() {
    let site = site_with(json_file("jwks.json"));
    site.set("/jwks", Page::Text(500, String::new()));
    let issuers = issuers(&site, &config(ISSUER, "account", &ALL));
    assert!(matches!(ask(&issuers, &token("alice.cli.access.jwt"), NOW).await, Verdict::Unchecked(_)));
    // What is wrong by itself is wrong all the same.
    assert_eq!(refusal(&issuers, &token("alice.cli.id.jwt"), NOW).await, KIND);
}
