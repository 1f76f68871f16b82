//! The way there, the way back, and who it is.

use std::collections::HashMap;

use super::*;

fn query(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

fn form(body: &str) -> HashMap<String, String> {
    query(&Url::parse(&format!("http://form/?{body}")).unwrap())
}

#[actix_web::test]
async fn the_authorization_address_has_what_the_flow_needs_and_no_secret() {
    let realm = Realm::new();
    let provider = build(realm.config());
    let (one, two) = (provider.start(false, NOW).await.unwrap(), provider.start(false, NOW).await.unwrap());
    let (q, r) = (query(&one.url), query(&two.url));
    assert!(one.url.as_str().starts_with(&format!("{}/authorize?", realm.site.origin())));
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "gw-web"),
        ("redirect_uri", "https://auth.example.com/rbac/callback"),
        ("scope", "openid email profile"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(q[name], value, "{name}");
    }
    for name in ["state", "nonce", "code_challenge"] {
        assert_eq!(q[name].len(), 43, "{name} has 256 bits");
        assert_ne!(q[name], r[name], "{name} is new each time");
    }
    assert_eq!((&q["state"], &q["nonce"]), (&one.pending.state, &one.pending.nonce));
    assert!(!one.url.as_str().contains(&one.pending.verifier));
    assert!(!format!("{:?}", one.pending).contains(&one.pending.state));
    let sealed = serde_json::to_string(&one.pending).unwrap();
    assert_eq!(serde_json::from_str::<PendingAuth>(&sealed).unwrap(), one.pending);
}

#[actix_web::test]
async fn a_person_comes_back_with_checked_claims() {
    let realm = Realm::new();
    let mut config = realm.config();
    config.roles_claim = Some("realm_access.roles".into());
    let provider = build(config);
    let person = realm
        .sign_in(&provider, |_, claims| {
            claims["realm_access"] = json!({"roles": ["writer", "reader", "writer", "bad,role"]});
        })
        .await
        .unwrap();
    assert_eq!(person.subject, "alice-1");
    assert_eq!(person.email.as_deref(), Some("alice@example.com"));
    assert_eq!(person.name.as_deref(), Some("Alice Example"));
    assert_eq!(
        (person.roles, person.groups),
        (vec!["reader".into(), "writer".into()], vec!["/staff".into()])
    );
    assert_eq!(person.provider_sid.as_deref(), Some("sid-1"));
    assert!(person.id_token.is_some());
    assert_eq!(realm.site.hits("/userinfo"), 0);
    assert_eq!(provider.health(), Health::Ready);
}

#[actix_web::test]
async fn the_code_is_redeemed_with_the_verifier_and_the_secret_where_the_provider_wants_it() {
    let realm = Realm::new();
    let started = {
        let provider = build(realm.config());
        realm.sign_in(&provider, |_, _| ()).await.unwrap();
        realm.site.last("/token")
    };
    let sent = form(&started.body);
    assert_eq!((sent["grant_type"].as_str(), sent["code"].as_str()), ("authorization_code", "code-1"));
    assert_eq!(sent["redirect_uri"], "https://auth.example.com/rbac/callback");
    assert_eq!(sent["code_verifier"].len(), 43);
    // RFC 6749 2.3.1: each half is form-encoded first.
    let basic = base64::engine::general_purpose::STANDARD.encode("gw-web:p%2Fss+w%3Ard");
    assert_eq!(started.authorization, Some(format!("Basic {basic}")));
    assert!(!sent.contains_key("client_secret"));

    let mut metadata = realm.metadata.clone();
    metadata["token_endpoint_auth_methods_supported"] = json!(["client_secret_post", "private_key_jwt"]);
    realm.publish(&metadata);
    realm.sign_in(&build(realm.config()), |_, _| ()).await.unwrap();
    let posted = realm.site.last("/token");
    assert_eq!(form(&posted.body)["client_secret"], "p/ss w:rd");
    assert_eq!(posted.authorization, None);

    let mut public = realm.config();
    public.client_secret = None;
    realm.sign_in(&build(public), |_, _| ()).await.unwrap();
    let public = realm.site.last("/token");
    assert_eq!(form(&public.body)["client_id"], "gw-web");
    assert!(public.authorization.is_none() && !public.body.contains("client_secret"));
}

#[actix_web::test]
async fn an_answer_by_another_issuer_costs_no_token_request() {
    let realm = Realm::new();
    let mut metadata = realm.metadata.clone();
    metadata["authorization_response_iss_parameter_supported"] = json!(true);
    realm.publish(&metadata);
    let provider = build(realm.config());
    let started = provider.start(false, NOW).await.unwrap();
    let slash = format!("{}/", realm.site.origin());
    for iss in [None, Some("https://evil.example"), Some(slash.as_str()), Some("")] {
        let outcome = provider.finish(&CallbackAnswer { code: "c", iss }, &started.pending, NOW).await;
        assert_eq!(outcome.err(), Some(ProviderError::WrongIssuer), "{iss:?}");
    }
    assert_eq!(realm.site.hits("/token"), 0);
    realm.answer(&realm.sign(&realm.header(), &realm.claims(&started.pending.nonce)));
    let right = CallbackAnswer { code: "c", iss: Some(realm.site.origin()) };
    assert!(provider.finish(&right, &started.pending, NOW).await.is_ok());
}

#[actix_web::test]
async fn refusals_of_the_token_endpoint_are_told_apart_without_their_texts() {
    let realm = Realm::new();
    let provider = build(realm.config());
    let started = provider.start(false, NOW).await.unwrap();
    let answer = CallbackAnswer { code: "s3cret-code", iss: None };
    let error = |status: u16, body: &str| (status, body.to_owned());
    type Expected = fn(&ProviderError) -> bool;
    let cases: [((u16, String), Expected); 9] = [
        (
            error(400, r#"{"error":"invalid_grant","error_description":"s3cret-code not valid"}"#),
            |e| matches!(e, ProviderError::CodeRefused(code) if code == "invalid_grant"),
        ),
        (error(401, r#"{"error":"invalid_client"}"#), |e| matches!(e, ProviderError::ClientRefused(_))),
        (error(401, r#"{"error":"unauthorized_client"}"#), |e| matches!(e, ProviderError::ClientRefused(_))),
        (error(400, ""), |e| matches!(e, ProviderError::BadAnswer(_))),
        (error(200, "<html>s3cret-code"), |e| matches!(e, ProviderError::BadAnswer(_))),
        (
            error(200, r#"{"access_token":"s3cret-code","token_type":"Bearer"}"#),
            |e| matches!(e, ProviderError::BadAnswer(text) if text.contains("no ID token")),
        ),
        (error(200, r#"{"error":"s3cret-code"}"#), |e| matches!(e, ProviderError::BadAnswer(_))),
        (error(503, ""), |e| matches!(e, ProviderError::Unavailable(_))),
        (error(302, ""), |e| matches!(e, ProviderError::BadAnswer(_))),
    ];
    for ((status, body), expected) in cases {
        realm.site.set("/token", Page::Text(status, body.clone()));
        let error = provider.finish(&answer, &started.pending, NOW).await.unwrap_err();
        assert!(expected(&error), "{status} {body}: {error:?}");
        assert!(!format!("{error:?} {error}").contains("s3cret"), "{error:?}");
    }
}

#[actix_web::test]
async fn user_info_fills_in_what_is_missing_but_only_about_the_same_sub() {
    let realm = Realm::new();
    let mut config = realm.config();
    config.roles_claim = Some("roles".into());
    let provider = build(config);
    let bare = |_: &mut Value, claims: &mut Value| {
        claims
            .as_object_mut()
            .unwrap()
            .retain(|name, _| !matches!(name.as_str(), "email" | "name" | "groups"));
    };
    let full = json!({"sub": "alice-1", "email": "a@example.com", "email_verified": true, "roles": ["r"],
        "groups": ["g"], "name": "From UserInfo"});
    let without = |name: &str, value: Value| {
        let mut changed = full.clone();
        changed[name] = value;
        Page::Json(changed)
    };
    realm.site.set("/userinfo", Page::Json(full.clone()));
    let person = realm.sign_in(&provider, bare).await.unwrap();
    assert_eq!(person.email.as_deref(), Some("a@example.com"));
    assert_eq!((person.roles, person.groups), (vec!["r".to_owned()], vec!["g".to_owned()]));
    assert_eq!(person.name.as_deref(), Some("From UserInfo"));
    assert_eq!(realm.site.last("/userinfo").authorization.as_deref(), Some("Bearer at-1"));
    // Only the roles are missing: the e-mail stays the ID token's.
    let person = realm.sign_in(&provider, |_, _| ()).await.unwrap();
    assert_eq!((person.email.as_deref(), person.roles), (Some("alice@example.com"), vec!["r".to_owned()]));
    for (page, expected) in [
        (without("email_verified", json!(false)), ProviderError::EmailNotVerified),
        (without("email", json!(null)), ProviderError::EmailMissing),
        (without("email", json!("a@b@c")), ProviderError::EmailUnusable),
    ] {
        realm.site.set("/userinfo", page);
        assert_eq!(realm.sign_in(&provider, bare).await.err(), Some(expected));
    }
    for page in [without("sub", json!("mallory")), without("sub", json!(null)), Page::Text(401, "{}".into())]
    {
        realm.site.set("/userinfo", page);
        let outcome = realm.sign_in(&provider, bare).await;
        assert!(matches!(outcome, Err(ProviderError::BadAnswer(_))), "{outcome:?}");
    }
    realm.site.set("/userinfo", Page::Text(500, String::new()));
    let outcome = realm.sign_in(&provider, bare).await;
    assert!(matches!(outcome, Err(ProviderError::Unavailable(_))), "{outcome:?}");
}

#[actix_web::test]
async fn an_unverified_email_and_a_foreign_domain_sign_nobody_in() {
    let realm = Realm::new();
    let mut config = realm.config();
    config.allowed_domains = vec!["example.com".into()];
    let provider = build(config);
    assert!(realm.sign_in(&provider, |_, _| ()).await.is_ok());
    for verified in [json!(false), json!("false"), json!(0), json!(null)] {
        let outcome = realm.sign_in(&provider, |_, claims| claims["email_verified"] = verified.clone()).await;
        // A number is no boolean at all, which the crate refuses while reading.
        assert!(
            matches!(outcome, Err(ProviderError::EmailNotVerified | ProviderError::InvalidIdToken(_))),
            "{verified}: {outcome:?}"
        );
    }
    let outcome = realm.sign_in(&provider, |_, claims| claims["email"] = json!("a@example.com.evil")).await;
    assert_eq!(outcome.err(), Some(ProviderError::DomainNotAllowed));
}

#[actix_web::test]
async fn google_shows_the_chooser_and_lets_in_by_hd_alone() {
    let realm = Realm::new();
    let google = |domains: &[&str]| {
        let mut config = config(ProviderKind::Google, realm.site.origin());
        config.allowed_domains = domains.iter().map(|domain| (*domain).to_owned()).collect();
        build(config)
    };
    let start = async |domains: &[&str]| query(&google(domains).start(false, NOW).await.unwrap().url);
    let open = start(&[]).await;
    assert_eq!((open["prompt"].as_str(), open.get("hd")), ("select_account", None));
    assert_eq!(start(&["Example.com"]).await["hd"], "example.com");
    assert_eq!(start(&["example.com", "example.org"]).await["hd"], "*");

    let provider = google(&["example.com"]);
    let hd = async |value: Value| realm.sign_in(&provider, |_, claims| claims["hd"] = value).await.err();
    assert_eq!(hd(json!("example.com")).await, None);
    for other in [
        json!("evil.test"),
        json!("EXAMPLE.com.evil.test"),
        json!("sub.example.com"),
        json!(null),
        json!(["example.com"]),
    ] {
        assert_eq!(hd(other.clone()).await, Some(ProviderError::DomainNotAllowed), "{other}");
    }
    let no_hd = realm.sign_in(&provider, |_, _| ()).await;
    assert_eq!(
        no_hd.err(),
        Some(ProviderError::DomainNotAllowed),
        "the e-mail's domain is not the organisation"
    );
}

fn github(site: &Site, domains: &[&str]) -> Provider {
    let mut config = config(ProviderKind::Github, site.origin());
    config.api_url = Some(site.url("/api/v3"));
    config.scopes = vec!["read:user".into(), "user:email".into()];
    config.allowed_domains = domains.iter().map(|domain| (*domain).to_owned()).collect();
    build(config)
}

#[actix_web::test]
async fn github_signs_in_by_number_and_primary_verified_email() {
    let site = Site::start();
    let provider = github(&site, &[]);
    let started = provider.start(false, NOW).await.unwrap();
    let q = query(&started.url);
    assert!(started.url.as_str().starts_with(&format!("{}/login/oauth/authorize?", site.origin())));
    assert_eq!((q["scope"].as_str(), q["code_challenge_method"].as_str()), ("read:user user:email", "S256"));
    assert!(!q.contains_key("nonce"));
    let token = json!({"access_token": "gho_1", "token_type": "bearer", "scope": "read:user,user:email"});
    site.set("/login/oauth/access_token", Page::Json(token));
    site.set("/api/v3/user", Page::Json(json!({"id": 583_231, "login": "octocat", "name": null})));
    let emails = |primary: &str, verified: bool| {
        Page::Json(json!([
            {"email": "other@example.com", "primary": false, "verified": true, "visibility": null},
            {"email": primary, "primary": true, "verified": verified, "visibility": "public"},
        ]))
    };
    site.set("/api/v3/user/emails", emails("octo@example.com", true));
    let finish = async |provider: &Provider, iss: Option<&str>| {
        provider.finish(&CallbackAnswer { code: "c", iss }, &started.pending, NOW).await
    };
    let person = finish(&provider, None).await.unwrap();
    assert_eq!((person.subject.as_str(), person.name.as_deref()), ("583231", Some("octocat")));
    assert_eq!(person.email.as_deref(), Some("octo@example.com"));
    let sent = form(&site.last("/login/oauth/access_token").body);
    assert_eq!((&sent["code_verifier"], sent["client_id"].as_str()), (&started.pending.verifier, "gw-web"));
    assert_eq!(site.last("/api/v3/user").authorization.as_deref(), Some("Bearer gho_1"));
    assert_eq!(provider.health(), Health::Ready);

    assert!(finish(&provider, Some(&format!("{}/login/oauth", site.origin()))).await.is_ok());
    assert_eq!(finish(&provider, Some("https://evil.example")).await.err(), Some(ProviderError::WrongIssuer));
    let elsewhere = github(&site, &["example.org"]);
    assert_eq!(finish(&elsewhere, None).await.err(), Some(ProviderError::DomainNotAllowed));
    site.set("/api/v3/user/emails", emails("octo@example.com", false));
    assert_eq!(finish(&provider, None).await.err(), Some(ProviderError::EmailNotVerified));
    site.set("/api/v3/user/emails", Page::Json(json!([])));
    assert_eq!(finish(&provider, None).await.err(), Some(ProviderError::EmailMissing));
    site.set("/login/oauth/access_token", Page::Json(json!({"error": "bad_verification_code"})));
    let refused = finish(&provider, None).await.err();
    assert_eq!(refused, Some(ProviderError::CodeRefused("bad_verification_code".into())));
    site.set("/login/oauth/access_token", Page::Text(502, String::new()));
    assert!(matches!(finish(&provider, None).await, Err(ProviderError::Unavailable(_))));
    assert!(matches!(provider.health(), Health::Failing { since, .. } if since == NOW));
}

#[actix_web::test]
async fn a_provider_that_is_down_at_start_is_found_later() {
    let realm = Realm::new();
    realm.site.set("/.well-known/openid-configuration", Page::Text(503, String::new()));
    let provider = build(realm.config());
    assert_eq!(provider.health(), Health::NotYetAsked);
    provider.warm(NOW).await;
    assert!(matches!(provider.health(), Health::Failing { .. }));
    assert!(matches!(provider.start(false, NOW).await, Err(ProviderError::Unavailable(_))));
    realm.publish(&realm.metadata);
    let later = NOW.plus(Duration::from_secs(1));
    assert!(provider.start(false, later).await.is_ok());
    provider.warm(later).await;
    assert_eq!((provider.health(), realm.site.hits("/jwks")), (Health::Ready, 1));
}

#[test]
fn faults_of_the_configuration_name_the_provider() {
    let callback = |_: &str, _| Url::parse("https://auth.example.com/rbac/callback").unwrap();
    for (issuer, part) in [("http://idp.example", "insecure_http"), ("not an address", "is not a URL")] {
        let fault = Providers::new(&[config(ProviderKind::Oidc, issuer)], callback).unwrap_err();
        assert!(fault.starts_with("provider idp: ") && fault.contains(part), "{fault}");
    }
    let mut open = config(ProviderKind::Oidc, "http://idp.example");
    open.insecure_http = true;
    let providers = Providers::new(&[open], callback).unwrap();
    assert_eq!((providers.len(), providers.first().map(Provider::id)), (1, Some("idp")));
    assert!(providers.get("idp").is_some() && providers.get("other").is_none());
}
