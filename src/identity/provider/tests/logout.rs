//! Signing out there, and being told of it.

use super::*;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn header() -> Value {
    json!({"alg": "ES256", "kid": "k1", "typ": "logout+jwt"})
}

fn claims(realm: &Realm) -> Value {
    json!({"iss": realm.site.origin(), "aud": "gw-web", "sub": "alice-1", "sid": "sid-1", "jti": "j-1",
        "iat": NOW.secs(), "exp": NOW.secs() + 120, "events": {EVENT: {}}})
}

#[actix_web::test]
async fn a_good_logout_token_says_whose_session_ended() {
    let realm = Realm::new();
    let provider = build(realm.config());
    let notice = provider.verify_logout_token(&realm.sign(&header(), &claims(&realm)), NOW).await.unwrap();
    assert_eq!(notice.subject.as_deref(), Some("alice-1"));
    assert_eq!((notice.sid.as_deref(), notice.jti.as_str()), (Some("sid-1"), "j-1"));
    assert_eq!(notice.expires_at, NOW.plus(Duration::from_secs(150)));
    let mut only_sid = claims(&realm);
    only_sid.as_object_mut().unwrap().remove("sub");
    only_sid["aud"] = json!(["other", "gw-web"]);
    let mut typ = header();
    typ["typ"] = json!("application/LOGOUT+JWT");
    let notice = provider.verify_logout_token(&realm.sign(&typ, &only_sid), NOW).await.unwrap();
    assert_eq!((notice.subject, notice.sid.as_deref()), (None, Some("sid-1")));
}

#[actix_web::test]
async fn each_fault_of_a_logout_token_is_refused() {
    let realm = Realm::new();
    let provider = build(realm.config());
    let now = NOW.secs();
    let changed: Vec<(&str, Value)> = vec![
        ("iss", json!("https://evil.example")),
        ("aud", json!("other")),
        ("aud", json!(["other"])),
        ("aud", json!(["gw-web", 1])),
        ("iat", json!(now - 301)),
        ("iat", json!(now + 301)),
        ("iat", json!("now")),
        ("exp", json!(now - 30)),
        ("exp", json!("later")),
        ("events", json!({})),
        ("events", json!({EVENT: true})),
        ("events", json!([EVENT])),
        ("nonce", json!("n")),
        ("sub", json!(7)),
        ("sid", json!("a\nb")),
        ("jti", json!("")),
    ];
    let mut tokens: Vec<(String, String)> = Vec::new();
    for (name, value) in changed {
        let mut bad = claims(&realm);
        bad[name] = value.clone();
        tokens.push((format!("{name} = {value}"), realm.sign(&header(), &bad)));
    }
    for names in [&["iss"][..], &["aud"], &["iat"], &["jti"], &["events"], &["sub", "sid"]] {
        let mut bad = claims(&realm);
        bad.as_object_mut().unwrap().retain(|name, _| !names.contains(&name.as_str()));
        tokens.push((format!("no {names:?}"), realm.sign(&header(), &bad)));
    }
    for (name, value) in [
        ("typ", json!("JWT")),
        ("typ", json!(null)),
        ("typ", json!("at+jwt")),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("kid", json!("k2")),
        ("crit", json!(["exp"])),
    ] {
        let mut bad = header();
        bad[name] = value.clone();
        tokens.push((format!("header {name} = {value}"), realm.sign(&bad, &claims(&realm))));
    }
    let stranger = mint(&header(), &claims(&realm), &pair("k1").private, Algorithm::ES256);
    tokens.push(("another key".into(), stranger));
    let secret = EncodingKey::from_secret(b"p/ss w:rd");
    let hs256 = json!({"alg": "HS256", "kid": "k1", "typ": "logout+jwt"});
    tokens.push(("HS256".into(), mint(&hs256, &claims(&realm), &secret, Algorithm::HS256)));
    let id_token = realm.sign(&realm.header(), &realm.claims("n"));
    tokens.push(("an ID token".into(), id_token));
    for (name, token) in tokens {
        let outcome = provider.verify_logout_token(&token, NOW).await;
        assert!(matches!(outcome, Err(ProviderError::InvalidLogoutToken(_))), "{name}: {outcome:?}");
    }
}

#[actix_web::test]
async fn a_logout_token_that_cannot_be_checked_is_not_called_wrong() {
    let realm = Realm::new();
    realm.site.set("/jwks", Page::Text(503, String::new()));
    let provider = build(realm.config());
    let outcome = provider.verify_logout_token(&realm.sign(&header(), &claims(&realm)), NOW).await;
    assert!(matches!(outcome, Err(ProviderError::Unavailable(_))), "{outcome:?}");
}

#[actix_web::test]
async fn a_logout_token_finds_its_provider_among_several() {
    let (one, two) = (Realm::new(), Realm::new());
    let mut second = two.config();
    second.id = "two".into();
    let mut third = two.config();
    (third.id, third.client_id) = ("three".into(), "gw-other".into());
    let callback = |_: &str, _| Url::parse("https://auth.example.com/rbac/callback").unwrap();
    let providers = Providers::new(&[one.config(), second, third], callback).unwrap();
    let of = |claims: &Value| providers.of_logout_token(&two.sign(&header(), claims)).map(Provider::id);
    let mut addressed = claims(&two);
    assert_eq!(of(&addressed), Some("two"));
    addressed["aud"] = json!("gw-other");
    assert_eq!(of(&addressed), Some("three"));
    addressed["aud"] = json!("nobody");
    assert_eq!(of(&addressed), None);
    assert!(providers.of_logout_token("rubbish").is_none());
}

#[actix_web::test]
async fn the_way_to_the_providers_logout_names_the_session_and_the_way_back() {
    let realm = Realm::new();
    let provider = build(realm.config());
    let back = Url::parse("https://auth.example.com/rbac/").unwrap();
    let url = provider.logout_url(Some("id.to.ken"), &back, NOW).await.unwrap();
    assert_eq!(
        url.as_str(),
        format!(
            "{}/logout?keep=1&id_token_hint=id.to.ken&client_id=gw-web&post_logout_redirect_uri=\
             https%3A%2F%2Fauth.example.com%2Frbac%2F",
            realm.site.origin()
        )
    );
    let mut metadata = realm.metadata.clone();
    metadata.as_object_mut().unwrap().remove("end_session_endpoint");
    realm.publish(&metadata);
    assert_eq!(build(realm.config()).logout_url(None, &back, NOW).await, None);
}

#[actix_web::test]
async fn a_tenants_notice_is_about_that_tenants_people() {
    let realm = Realm::new();
    let origin = realm.site.origin();
    let mut metadata = realm.metadata.clone();
    metadata["issuer"] = json!(format!("{origin}/{}/v2.0", config::TENANT));
    realm.site.set("/organizations/v2.0/.well-known/openid-configuration", Page::Json(metadata));
    let mut config = realm.config();
    config.issuer = format!("{origin}/organizations/v2.0");
    config.tenants = Some(config::Tenants {
        claim: "tid".into(),
        allowed: vec!["ours".into(), "partner".into()],
        issuers: Some(format!("{origin}/{}/v2.0", config::TENANT)),
    });
    let providers =
        Providers::new(&[config], |_, _| Url::parse("https://auth.example.com/").unwrap()).unwrap();
    let of = |tenant: &str| {
        let mut claims = claims(&realm);
        claims["iss"] = json!(format!("{origin}/{tenant}/v2.0"));
        realm.sign(&header(), &claims)
    };
    for tenant in ["ours", "partner"] {
        let token = of(tenant);
        let provider = providers.of_logout_token(&token).expect("it is this provider's");
        let notice = provider.verify_logout_token(&token, NOW).await.unwrap();
        assert_eq!(notice.subject, Some(format!("{tenant}/alice-1")));
    }
    for other in ["stranger", "organizations", config::TENANT] {
        assert!(providers.of_logout_token(&of(other)).is_none(), "{other}");
        let outcome = providers.first().unwrap().verify_logout_token(&of(other), NOW).await;
        assert_eq!(outcome.err(), Some(ProviderError::InvalidLogoutToken("it is of another issuer".into())));
    }
}
