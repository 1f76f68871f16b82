//! ID tokens that must not sign anybody in: each differs from a good one in one thing.

use super::*;

fn without(claims: &mut Value, name: &str) {
    claims.as_object_mut().unwrap().remove(name);
}

type Change = Box<dyn FnOnce(&mut Value, &mut Value)>;

fn claim(name: &'static str, value: Value) -> (String, Change) {
    (format!("{name} = {value}"), Box::new(move |_, claims| claims[name] = value))
}

fn header(name: &'static str, value: Value) -> (String, Change) {
    (format!("header {name} = {value}"), Box::new(move |header, _| header[name] = value))
}

fn missing(name: &'static str) -> (String, Change) {
    (format!("no {name}"), Box::new(move |_, claims| without(claims, name)))
}

#[actix_web::test]
async fn each_fault_of_an_id_token_is_refused_after_one_token_request() {
    let realm = Realm::new();
    let provider = build(realm.config());
    let origin = realm.site.origin().to_owned();
    let now = NOW.secs();
    let faults = [
        claim("iss", json!(format!("{origin}/"))),
        claim("iss", json!(format!("{origin}/realms/other"))),
        missing("iss"),
        claim("aud", json!("other")),
        claim("aud", json!("gw-web ")),
        claim("aud", json!(["gw-web", "other"])),
        claim("aud", json!([])),
        missing("aud"),
        claim("azp", json!("other")),
        claim("azp", json!(null)),
        claim("azp", json!(["gw-web"])),
        missing("nonce"),
        claim("nonce", json!("")),
        claim("nonce", json!("of-another-sign-in")),
        claim("nonce", json!(7)),
        claim("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
        claim("c_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
        claim("exp", json!(now - 30)),
        claim("exp", json!("9999999999")),
        claim("exp", json!("2099-01-01T00:00:00Z")),
        claim("exp", json!(1e300)),
        claim("exp", json!(-1)),
        missing("exp"),
        claim("iat", json!(now + 3600)),
        claim("iat", json!(now + 301)),
        claim("iat", json!(now - 86_400)),
        claim("iat", json!("2023-11-14T22:13:20Z")),
        missing("iat"),
        claim("nbf", json!(now + 31)),
        claim("nbf", json!("soon")),
        claim("typ", json!("Bearer")),
        claim("typ", json!("Logout")),
        claim("typ", json!(1)),
        missing("sub"),
        claim("sub", json!("")),
        claim("sub", json!("a\nb")),
        claim("sub", json!("s".repeat(256))),
        header("alg", json!("none")),
        header("alg", json!("RS256")),
        header("alg", json!("HS256")),
        header("alg", json!("ES384")),
        header("kid", json!("k2")),
        header("kid", json!(1)),
        header("crit", json!(["exp"])),
        header("crit", json!([])),
        header("crit", json!(null)),
        header("typ", json!("logout+jwt")),
        header("typ", json!("at+jwt")),
        header("cty", json!("JWT")),
    ];
    for (n, (name, change)) in faults.into_iter().enumerate() {
        let outcome = realm.sign_in(&provider, change).await;
        assert!(matches!(outcome, Err(ProviderError::InvalidIdToken(_))), "{name}: {outcome:?}");
        assert_eq!(realm.site.hits("/token"), n + 1, "{name}");
    }
}

#[actix_web::test]
async fn the_leeway_is_thirty_seconds_and_a_good_token_passes_in_each_form() {
    let realm = Realm::new();
    let provider = build(realm.config());
    let now = NOW.secs();
    let at_hash = {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"at-1");
        URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16])
    };
    let good: Vec<(String, Change)> = vec![
        claim("exp", json!(now - 29)),
        claim("exp", json!(now as f64 + 0.5)),
        claim("nbf", json!(now + 29)),
        claim("iat", json!(now + 299)),
        claim("aud", json!(["gw-web"])),
        claim("azp", json!("gw-web")),
        (
            "several audiences and azp".into(),
            Box::new(|_, claims| {
                claims["aud"] = json!(["gw-web", "api"]);
                claims["azp"] = json!("gw-web");
            }),
        ),
        claim("typ", json!("ID")),
        claim("at_hash", json!(at_hash)),
        claim("unheard_of", json!({"deep": [1]})),
        claim("updated_at", json!("2023-11-14T22:13:20.000Z")),
        header("typ", json!("jwt")),
        ("no typ".into(), Box::new(|header, _| without(header, "typ"))),
        ("no kid".into(), Box::new(|header, _| without(header, "kid"))),
    ];
    for (name, change) in good {
        let outcome = realm.sign_in(&provider, change).await;
        assert_eq!(outcome.as_ref().map(|person| person.subject.as_str()), Ok("alice-1"), "{name}");
    }
}

#[actix_web::test]
async fn a_signature_by_anybody_else_is_refused() {
    let realm = Realm::new();
    let provider = build(realm.config());
    let stranger = pair("k1");
    let secret = EncodingKey::from_secret(b"p/ss w:rd");
    let mut with_key = realm.header();
    with_key["jwk"] = stranger.public.clone();
    let hs256 = json!({"alg": "HS256", "kid": "k1"});
    let unsigned = json!({"alg": "none"});
    let started = provider.start(false, NOW).await.unwrap();
    let claims = realm.claims(&started.pending.nonce);
    let good = realm.sign(&realm.header(), &claims);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let mut other = claims.clone();
    other["sub"] = json!("mallory");
    let swapped = format!("{}.{}.{signature}", part(&realm.header()), part(&other));
    let tokens = [
        ("another key", mint(&realm.header(), &claims, &stranger.private, Algorithm::ES256)),
        ("a key in its header", mint(&with_key, &claims, &stranger.private, Algorithm::ES256)),
        ("HS256 by the client secret", mint(&hs256, &claims, &secret, Algorithm::HS256)),
        ("alg none", format!("{}.{}.", part(&unsigned), part(&claims))),
        ("alg none and a signature", format!("{}.{}.{signature}", part(&unsigned), part(&claims))),
        ("no signature", format!("{signed}.")),
        ("other claims", swapped),
        ("padding", format!("{good}=")),
        // 64 bytes leave four bits over in the last letter; these are A, Q, g or w with one of them set.
        (
            "loose bits",
            format!(
                "{}{}",
                &good[..good.len() - 1],
                match good.as_bytes()[good.len() - 1] {
                    b'A' => 'B',
                    b'Q' => 'R',
                    b'g' => 'h',
                    _ => 'x',
                }
            ),
        ),
        ("two parts", signed.to_owned()),
        ("four parts", format!("{good}.x")),
        ("a blank", good.replacen('.', " .", 1)),
        ("rubbish", "rubbish".into()),
        ("empty", String::new()),
    ];
    let answer = CallbackAnswer { code: "code-1", iss: None };
    for (name, token) in tokens {
        realm.answer(&token);
        let outcome = provider.finish(&answer, &started.pending, NOW).await;
        assert!(matches!(outcome, Err(ProviderError::InvalidIdToken(_))), "{name}: {outcome:?}");
    }
    realm.answer(&good);
    assert!(
        provider.finish(&answer, &started.pending, NOW).await.is_ok(),
        "the one they are made of is good"
    );
}

#[actix_web::test]
async fn an_algorithm_counts_only_when_configured() {
    let realm = Realm::new();
    let mut config = realm.config();
    config.algorithms = vec!["RS256".into()];
    let outcome = realm.sign_in(&build(config), |_, _| ()).await;
    assert!(
        matches!(&outcome, Err(ProviderError::InvalidIdToken(text)) if text.contains("ES256")),
        "{outcome:?}"
    );
}

#[actix_web::test]
async fn a_rotated_key_is_fetched_and_keys_that_cannot_be_had_are_another_outcome() {
    let mut realm = Realm::new();
    let provider = build(realm.config());
    realm.sign_in(&provider, |_, _| ()).await.unwrap();
    realm.key = pair("k3");
    realm.site.set("/jwks", Page::Json(json!({"keys": [realm.key.public]})));
    let later = NOW.plus(Duration::from_secs(2));
    let started = provider.start(false, later).await.unwrap();
    let mut header = realm.header();
    header["kid"] = json!("k3");
    realm.answer(&realm.sign(&header, &realm.claims(&started.pending.nonce)));
    let answer = CallbackAnswer { code: "code-1", iss: None };
    assert!(provider.finish(&answer, &started.pending, later).await.is_ok());
    assert_eq!(realm.site.hits("/jwks"), 2);

    let fresh = build(realm.config());
    realm.site.set("/jwks", Page::Text(500, String::new()));
    let outcome = realm.sign_in(&fresh, |_, _| ()).await;
    assert!(matches!(outcome, Err(ProviderError::Unavailable(_))), "{outcome:?}");
}
