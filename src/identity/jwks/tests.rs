use serde_json::json;

use super::*;
use crate::identity::testing::{Page, Site};

const KEYCLOAK: &str = include_str!("../../../tests/fixtures/keycloak/jwks.json");

fn read(document: Value) -> Keys {
    Keys::read(&serde_json::from_value(document).unwrap(), "test")
}

/// A key by its kid that is as good as any other.
fn ec(kid: &str) -> Value {
    json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256",
        "x": "nmgZ-93vZUmdGXvdesPABk_c4y7Zo2j1-dApToareZg", "y": "CdIBjqtSzycx9LgojwNOIga5mlyU5tX4HYMh0bgBI58"})
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + secs)
}

#[test]
fn keycloaks_recorded_keys_are_found_for_their_own_algorithm_only() {
    let keys = read(serde_json::from_str(KEYCLOAK).unwrap());
    assert_eq!(keys.0.len(), 4, "the key for encryption is left out");
    let document: Value = serde_json::from_str(KEYCLOAK).unwrap();
    for key in document["keys"].as_array().unwrap() {
        let (kid, alg) = (key["kid"].as_str().unwrap(), key["alg"].as_str().unwrap());
        assert_eq!(keys.find(Some(kid), alg).is_some(), key["use"] == "sig", "{alg}");
        for other in ["RS256", "PS256", "RS384", "ES256", "ES384", "EdDSA", "HS256", "none", "RSA-OAEP"] {
            assert!(other == alg || keys.find(Some(kid), other).is_none(), "{alg} key for {other}");
        }
    }
    assert!(keys.find(None, "ES256").is_some(), "a lone key needs no kid");
    assert!(keys.find(Some(""), "ES256").is_none());
}

#[test]
fn a_key_that_is_not_one_is_left_out_and_spoils_no_other() {
    let changed = |name: &str, value: Value| {
        let mut key = ec(name);
        key[name] = value;
        key
    };
    let small = json!({"kty": "RSA", "kid": "small", "e": "AQAB", "n": "A".repeat(171)});
    let keys = read(json!({"keys": [
        7, null, "key", {}, {"kty": "oct", "kid": "o", "k": "AAAA"},
        {"kty": "unheard-of", "kid": "u"}, small,
        changed("use", json!("enc")), changed("use", json!(1)), changed("alg", json!("ECDH-ES")),
        changed("alg", json!(5)), changed("crv", json!("P-384")), changed("crv", json!("secp256k1")),
        changed("x", json!("AAAA")), changed("y", json!("not base64url!")), changed("d", json!("AAAA")),
        changed("key_ops", json!(["sign"])), changed("key_ops", json!("verify")),
        changed("kid", json!(9)), ec("good"), changed("key_ops", json!(["verify"])),
    ]}));
    // The last one's kid is `key_ops`, as are those of the two refused ones, so it occurs more than once.
    let kids: Vec<_> = keys.0.iter().map(|key| key.kid.as_deref()).collect();
    assert_eq!(kids, [Some("good")]);
    assert_eq!(keys.find(Some("good"), "ES256").unwrap().jwk().get("use"), None);
}

#[test]
fn a_kid_that_occurs_twice_is_not_used_in_whatever_kind_of_key() {
    let mut enc = ec("two");
    enc["use"] = json!("enc");
    let keys = read(json!({"keys": [ec("one"), ec("one"), ec("two"), enc, ec("three")]}));
    assert!(keys.find(Some("one"), "ES256").is_none() && keys.find(Some("two"), "ES256").is_none());
    assert!(keys.find(Some("three"), "ES256").is_some());
}

#[test]
fn a_kid_is_logged_short_and_escaped() {
    assert_eq!(shown(Some("a\nb\u{1b}[0m")), "a\\nb\\u{1b}[0m");
    assert!(shown(Some(&"k".repeat(70_000))).len() == 64);
}

struct Issuer {
    site: Site,
    keys: KeySet,
}

impl Issuer {
    fn new(kids: &[&str]) -> Self {
        let site = Site::start();
        let at = |path: &str| format!("{}{path}", site.origin());
        let metadata = json!({"issuer": site.origin(), "authorization_endpoint": at("/a"),
            "token_endpoint": at("/t"), "jwks_uri": at("/jwks")});
        site.set("/.well-known/openid-configuration", Page::Json(metadata));
        let outgoing = Outgoing::new().unwrap();
        let discovery = Discovery::new(site.origin(), &[], outgoing.clone()).unwrap();
        let issuer = Self { keys: KeySet::new(discovery, outgoing), site };
        issuer.publish(kids);
        issuer
    }

    fn publish(&self, kids: &[&str]) {
        let keys: Vec<_> = kids.iter().map(|kid| ec(kid)).collect();
        self.site.set("/jwks", Page::Json(json!({ "keys": keys })));
    }

    async fn has(&self, kid: &str, secs: i64) -> bool {
        match self.keys.find(Some(kid), "ES256", at(secs)).await {
            Lookup::Found(key) => key.jwk()["kid"] == kid,
            Lookup::Unknown => false,
            Lookup::Unavailable(error) => panic!("{error}"),
        }
    }

    fn fetches(&self) -> usize {
        self.site.hits("/jwks")
    }
}

#[actix_web::test]
async fn a_flood_of_unknown_kids_costs_one_fetch_a_pause_and_no_cached_key() {
    let issuer = Issuer::new(&["k1"]);
    assert!(issuer.has("k1", 0).await);
    for second in 1..30 {
        assert!(!issuer.has(&format!("made-up-{second}"), second).await && issuer.has("k1", second).await);
    }
    assert_eq!(issuer.fetches(), 1);
    let flood: Vec<_> = (0..50)
        .map(|n| {
            let keys = issuer.keys.clone();
            tokio::spawn(async move { keys.find(Some(&format!("flood-{n}")), "ES256", at(30)).await })
        })
        .collect();
    for one in flood {
        assert_eq!(one.await.unwrap(), Lookup::Unknown);
    }
    assert_eq!(issuer.fetches(), 2);
}

#[actix_web::test]
async fn a_new_key_is_found_and_a_withdrawn_one_goes_within_the_hour() {
    let issuer = Issuer::new(&["k1"]);
    assert!(issuer.has("k1", 0).await);
    issuer.publish(&["k1", "k3"]);
    // People do not wait for a pause: their token came from the issuer itself.
    let found = issuer.keys.find_for_person(Some("k3"), "ES256", at(2)).await;
    assert!(matches!(found, Lookup::Found(_)), "{found:?}");
    assert_eq!(issuer.fetches(), 2);
    issuer.publish(&["k3"]);
    assert!(issuer.has("k1", 3601).await, "fresh until an hour after the last fetch");
    assert!(!issuer.has("k1", 3602).await);
    assert!(issuer.has("k3", 3603).await);
    assert_eq!(issuer.fetches(), 3);
}

#[actix_web::test]
async fn keys_outlive_an_issuer_that_is_down_for_a_day_and_no_longer() {
    let issuer = Issuer::new(&["k1"]);
    assert!(issuer.has("k1", 0).await);
    for page in [Page::Text(500, String::new()), Page::Endless, Page::Text(200, "<html>".into())] {
        issuer.site.set("/jwks", page);
        assert!(issuer.has("k1", 7200).await && issuer.has("k1", 80_000).await);
    }
    // Where the new key may be could not be looked at: that is not "unknown".
    let other = issuer.keys.find(Some("k2"), "ES256", at(80_100)).await;
    assert!(matches!(other, Lookup::Unavailable(_)), "{other:?}");
    let late = issuer.keys.find(Some("k1"), "ES256", at(86_401)).await;
    assert!(matches!(late, Lookup::Unavailable(_)), "{late:?}");
    issuer.publish(&["k1"]);
    assert!(issuer.has("k1", 86_500).await);
}

#[actix_web::test]
async fn a_huge_set_is_cut() {
    let issuer = Issuer::new(&[]);
    let kids: Vec<_> = (0..2000).map(|n| format!("k{n}")).collect();
    issuer.publish(&kids.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(issuer.has("k0", 0).await && issuer.has("k99", 0).await && !issuer.has("k100", 0).await);
}

#[actix_web::test]
async fn without_any_keys_nothing_can_be_checked() {
    let issuer = Issuer::new(&[]);
    issuer.site.set("/jwks", Page::Text(503, String::new()));
    let outcome = issuer.keys.find(Some("k1"), "ES256", at(0)).await;
    assert!(matches!(outcome, Lookup::Unavailable(OutgoingError::Unavailable(_))), "{outcome:?}");
    assert!(matches!(issuer.keys.health(), Health::Failing { .. }));
    issuer.publish(&["k1"]);
    issuer.keys.warm(at(31)).await;
    assert_eq!((issuer.keys.health(), issuer.fetches()), (Health::Ready, 2));
}

#[test]
fn a_key_that_names_an_issuer_signs_for_no_other() {
    const HOST: &str = "https://login.microsoftonline.com";
    let mut of_tenants = ec("tenants");
    of_tenants["issuer"] = json!(format!("{HOST}/{{tenantid}}/v2.0"));
    let mut of_one = ec("one");
    of_one["issuer"] = json!(format!("{HOST}/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"));
    let mut odd = ec("odd");
    odd["issuer"] = json!(7);
    let keys = read(json!({"keys": [of_tenants, of_one, ec("any"), odd]}));
    let may = |kid: &str, issuer: &str| keys.find(Some(kid), "ES256").unwrap().may_sign_for(issuer);
    let (one, other) = ("9188040d-6c67-4c5b-b112-36a304b66dad", "8eaef023-2b34-4da1-9baa-8bc8c9d6a490");
    assert!(may("tenants", &format!("{HOST}/{other}/v2.0")) && may("one", &format!("{HOST}/{one}/v2.0")));
    assert!(!may("one", &format!("{HOST}/{other}/v2.0")), "a key of private accounts vouches for no company");
    for foreign in [
        format!("{HOST}//v2.0"),
        format!("{HOST}/a/b/v2.0"),
        format!("{HOST}/{other}/v2.0/"),
        format!("{HOST}/{other}"),
        format!("https://evil.example/{other}/v2.0"),
        HOST.to_owned(),
    ] {
        assert!(!may("tenants", &foreign) && !may("one", &foreign), "{foreign}");
    }
    for kid in ["any", "odd"] {
        assert!(may(kid, "https://kc.example.com/realms/main"), "{kid}: most key sets say nothing");
    }
}
