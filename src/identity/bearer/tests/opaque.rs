//! Tokens that only their issuer can read.

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const TOKEN: &str = "opaque-token_1";

fn asked(site: &Site) -> Issuers {
    let mut config = config("https://kc.example.com", "gw-api", &["RS256"]);
    config.introspection = Some(config::Introspection {
        client_id: "door ward".into(),
        client_secret: secrecy::SecretString::from("s:cret"),
    });
    issuers(site, &config)
}

fn answer() -> Value {
    json!({ "active": true, "sub": "svc-1", "aud": "gw-api", "token_type": "Bearer", "exp": 1_800_000_020,
        "realm_access": { "roles": ["reader"] } })
}

#[actix_web::test]
async fn the_issuer_is_asked_once_and_believed_for_a_short_while() {
    let site = site_with(json!({"keys": []}));
    site.set("/introspect", Page::Json(answer()));
    let issuers = asked(&site);
    for _ in 0..3 {
        let Verdict::Valid(who) = ask(&issuers, TOKEN, NOW).await else { panic!() };
        assert_eq!((who.subject.as_str(), who.roles.as_slice()), ("svc-1", &["reader".to_owned()][..]));
    }
    assert_eq!(site.hits("/introspect"), 1);
    let question = site.last("/introspect");
    // The client's id and secret are form-encoded before they are joined (RFC 6749 2.3.1).
    assert_eq!(question.authorization.as_deref(), Some("Basic ZG9vcit3YXJkOnMlM0FjcmV0"));
    assert!(question.body.contains("token=opaque-token_1"), "{}", question.body);
    // Taken back: at the latest after half a minute it is over.
    site.set("/introspect", Page::Json(json!({ "active": false })));
    assert!(matches!(ask(&issuers, TOKEN, NOW.plus(Duration::from_secs(29))).await, Verdict::Valid(_)));
    assert!(refusal(&issuers, TOKEN, NOW.plus(Duration::from_secs(30))).await.contains("not active"));
    // Another token is another question.
    assert!(refusal(&issuers, "another", NOW).await.contains("not active"));
    assert_eq!(site.hits("/introspect"), 3);
}

#[actix_web::test]
async fn an_answer_must_fit_as_a_token_must() {
    let site = site_with(json!({"keys": []}));
    let issuers = asked(&site);
    for (n, (name, value)) in [
        ("active", json!("true")),
        ("active", Value::Null),
        ("sub", Value::Null),
        ("aud", json!("other")),
        ("aud", Value::Null),
        ("iss", json!("https://evil.test")),
        ("token_type", json!("ID")),
        ("typ", json!("Refresh")),
        ("token_use", json!("refresh_token")),
        ("exp", json!(1_799_999_000)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut lying = answer();
        lying[name] = value.clone();
        if value.is_null() {
            lying.as_object_mut().unwrap().remove(name);
        }
        site.set("/introspect", Page::Json(lying));
        refusal(&issuers, &format!("token-{n}"), NOW).await;
    }
}

#[actix_web::test]
async fn an_issuer_that_does_not_answer_leaves_it_open() {
    let site = site_with(json!({"keys": []}));
    site.set("/introspect", Page::Text(503, String::new()));
    let issuers = asked(&site);
    assert!(matches!(ask(&issuers, TOKEN, NOW).await, Verdict::Unchecked(_)));
    // And it is not remembered as anything.
    site.set("/introspect", Page::Json(answer()));
    assert!(matches!(ask(&issuers, TOKEN, NOW).await, Verdict::Valid(_)));
}

#[actix_web::test]
async fn nobody_is_asked_about_what_means_to_be_a_jwt() {
    let site = site_with(json!({"keys": []}));
    site.set("/introspect", Page::Json(answer()));
    let issuers = asked(&site);
    for token in ["eyJhbGciOiJub25lIn0.e30", "a.b.c", "eyJ"] {
        refusal(&issuers, token, NOW).await;
    }
    assert_eq!(site.hits("/introspect"), 0);
}
