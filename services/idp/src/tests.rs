//! The whole provider on a real port, spoken to as a client and a browser would.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, jwk::JwkSet};
use reqwest::{Client, Response, Url};
use serde_json::{Value, json};

use crate::{config::Config, serve};

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "http://localhost:8000/rbac/callback";

struct Idp {
    base: String,
    http: Client,
}

fn start_with(args: &[&str]) -> Idp {
    let config = Config::read(args.iter().map(|a| (*a).to_owned()), |_| None).unwrap();
    let (server, address) = serve(config).unwrap();
    actix_web::rt::spawn(server);
    let http = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    Idp { base: format!("http://{address}"), http }
}

fn start() -> Idp {
    start_with(&[])
}

fn param(answer: &Response, name: &str) -> Option<String> {
    let to = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    to.query_pairs().find(|(n, _)| n == name).map(|(_, v)| v.into_owned())
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

impl Idp {
    /// The authorization address with these parameters changed; an empty value removes.
    fn authorize(&self, change: &[(&str, &str)]) -> Url {
        let mut params = vec![
            ("client_id", "doorward"),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid email profile"),
            ("state", "s t&te"),
            ("nonce", "n-1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("login_hint", "auto:ada@example.com"),
        ];
        params.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
        params.extend(change.iter().filter(|(_, value)| !value.is_empty()));
        Url::parse_with_params(&format!("{}/authorize", self.base), params).unwrap()
    }

    async fn get(&self, url: impl reqwest::IntoUrl) -> Response {
        self.http.get(url).send().await.unwrap()
    }

    async fn code(&self, change: &[(&str, &str)]) -> String {
        let answer = self.get(self.authorize(change)).await;
        assert_eq!(answer.status(), 303);
        param(&answer, "code").unwrap_or_else(|| panic!("no code: {:?}", answer.headers()["location"]))
    }

    async fn redeem(&self, code: &str, change: &[(&str, &str)]) -> Response {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        form.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
        form.extend(change);
        let request = self.http.post(format!("{}/token", self.base)).form(&form);
        request.basic_auth("doorward", Some("doorward-secret")).send().await.unwrap()
    }

    async fn tokens(&self) -> Value {
        let code = self.code(&[]).await;
        self.redeem(&code, &[]).await.json().await.unwrap()
    }

    async fn id_claims(&self) -> Value {
        claims(self.tokens().await["id_token"].as_str().unwrap())
    }

    async fn control(&self, body: Value) -> Response {
        self.http.post(format!("{}/control", self.base)).json(&body).send().await.unwrap()
    }

    async fn reset(&self) {
        self.http.delete(format!("{}/control", self.base)).send().await.unwrap();
    }
}

#[actix_web::test]
async fn a_whole_sign_in() {
    let idp = start();
    let discovery: Value =
        idp.get(format!("{}/.well-known/openid-configuration", idp.base)).await.json().await.unwrap();
    assert_eq!(discovery["issuer"], idp.base);
    assert_eq!(discovery["authorization_response_iss_parameter_supported"], true);

    let answer = idp.get(idp.authorize(&[])).await;
    assert_eq!(param(&answer, "state").unwrap(), "s t&te");
    assert_eq!(param(&answer, "iss").unwrap(), idp.base);
    let tokens: Value = idp.redeem(&param(&answer, "code").unwrap(), &[]).await.json().await.unwrap();
    let id_token = tokens["id_token"].as_str().unwrap();

    let set: JwkSet = idp.get(discovery["jwks_uri"].as_str().unwrap()).await.json().await.unwrap();
    let kid = jsonwebtoken::decode_header(id_token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&["doorward"]);
    rules.set_issuer(&[&idp.base]);
    let id = decode::<Value>(id_token, &key, &rules).unwrap().claims;
    assert_eq!(id["nonce"], "n-1");
    assert_eq!(id["email"], "ada@example.com");
    assert_eq!(id["hd"], "example.com");
    assert_eq!(id["realm_access"]["roles"], json!(["admin-role", "staff"]));

    let access = tokens["access_token"].as_str().unwrap();
    let user: Value = idp
        .http
        .get(discovery["userinfo_endpoint"].as_str().unwrap())
        .bearer_auth(access)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(user["sub"], id["sub"]);
    let stranger = idp.http.get(format!("{}/userinfo", idp.base)).bearer_auth("wrong").send().await.unwrap();
    assert_eq!(stranger.status(), 401);
}

#[actix_web::test]
async fn a_code_is_good_once_and_only_for_its_verifier_address_and_client() {
    let idp = start();
    let code = idp.code(&[]).await;
    assert_eq!(idp.redeem(&code, &[]).await.status(), 200);
    assert_eq!(idp.redeem(&code, &[]).await.status(), 400);
    for wrong in [("code_verifier", "wrong"), ("redirect_uri", "http://localhost:8000/other"), ("code", "x")]
    {
        let code = idp.code(&[]).await;
        assert_eq!(idp.redeem(&code, &[wrong]).await.status(), 400, "{wrong:?}");
        // A wrong try spends it.
        assert_eq!(idp.redeem(&code, &[]).await.status(), if wrong.0 == "code" { 200 } else { 400 });
    }
    let code = idp.code(&[]).await;
    let post = |secret: &str| {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("client_id", "doorward"),
            ("client_secret", secret),
        ];
        idp.http.post(format!("{}/token", idp.base)).form(&form).send()
    };
    assert_eq!(post("wrong").await.unwrap().status(), 401);
    assert_eq!(post("doorward-secret").await.unwrap().status(), 200);
}

#[actix_web::test]
async fn faulty_requests_are_told_to_the_client_or_to_the_person() {
    let idp = start();
    for (change, error) in [
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "email"), "invalid_scope"),
    ] {
        let answer = idp.get(idp.authorize(&[change])).await;
        assert_eq!(param(&answer, "error").as_deref(), Some(error), "{change:?}");
        assert_eq!(param(&answer, "code"), None);
    }
    for change in [("client_id", "other"), ("redirect_uri", "https://evil.example/cb"), ("redirect_uri", "")]
    {
        assert_eq!(idp.get(idp.authorize(&[change])).await.status(), 400, "{change:?}");
    }
    let twice = format!("{}&state=again", idp.authorize(&[]));
    assert_eq!(idp.get(twice).await.status(), 400);
    let answer = idp.get(idp.authorize(&[("login_hint", ""), ("prompt", "none")])).await;
    assert_eq!(param(&answer, "error").as_deref(), Some("login_required"));
}

#[actix_web::test]
async fn the_page_lets_one_pick_type_or_cancel() {
    let idp = start();
    let url = idp.authorize(&[("login_hint", ""), ("nonce", "<\"'&>")]);
    let page = idp.get(url.clone()).await;
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    let html = page.text().await.unwrap();
    assert!(html.contains("Jürgen Ñandú 東京") && html.contains("400 groups"));
    assert!(!html.contains("<\"'"), "what came in the address is escaped");

    let post = |form: Value| idp.http.post(url.clone()).form(&form).send();
    let picked = post(json!({"account": "grace@example.com"})).await.unwrap();
    let tokens: Value = idp.redeem(&param(&picked, "code").unwrap(), &[]).await.json().await.unwrap();
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["name"], "Grace Hopper");

    let typed =
        json!({"email": "new@x.example", "name": "Ñ", "roles": "a, b", "groups": "", "unverified": "yes"});
    let typed = post(typed).await.unwrap();
    let tokens: Value = idp.redeem(&param(&typed, "code").unwrap(), &[]).await.json().await.unwrap();
    let id = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!(
        (&id["name"], &id["email_verified"], &id["roles"]),
        (&json!("Ñ"), &json!(false), &json!(["a", "b"]))
    );

    let wrong = post(json!({"email": "nobody", "name": "kept"})).await.unwrap();
    assert_eq!(wrong.status(), 422);
    assert!(wrong.text().await.unwrap().contains("value=\"kept\""));
    let cancelled = post(json!({"cancel": "yes"})).await.unwrap();
    assert_eq!(param(&cancelled, "error").as_deref(), Some("access_denied"));
}

#[actix_web::test]
async fn claims_header_and_algorithm_are_as_told_until_reset() {
    let idp = start();
    let told = json!({
        "id_token": {"iss": "https://evil.example", "nonce": null, "exp": 1},
        "email_verified": "true", "kid": null, "alg": "none", "callback_iss": "https://evil.example",
        "auto_account": {"email": "x@y.example", "groups": ["g"], "team": "blue"},
    });
    assert_eq!(idp.control(told).await.status(), 200);
    let answer = idp.get(idp.authorize(&[("login_hint", "")])).await;
    assert_eq!(param(&answer, "iss").unwrap(), "https://evil.example");
    let tokens: Value = idp.redeem(&param(&answer, "code").unwrap(), &[]).await.json().await.unwrap();
    let token = tokens["id_token"].as_str().unwrap();
    let id = claims(token);
    assert_eq!((&id["iss"], &id["exp"], id.get("nonce")), (&json!("https://evil.example"), &json!(1), None));
    assert_eq!((&id["email_verified"], &id["team"]), (&json!("true"), &json!("blue")));
    let header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!(header, json!({"alg": "none", "typ": "JWT"}));

    // Other members stay when one is set.
    idp.control(json!({"email_verified": "missing", "id_token": {}})).await;
    let id = idp.id_claims().await;
    assert_eq!((id.get("email_verified"), &id["iss"]), (None, &json!(idp.base)));

    idp.reset().await;
    assert_eq!(idp.id_claims().await["email_verified"], true);
}

#[actix_web::test]
async fn settings_that_do_not_exist_are_refused() {
    let idp = start();
    for wrong in [json!({"id_tokens": {}}), json!({"status": {"tokens": 500}}), json!({"alg": "RS999"})] {
        assert_eq!(idp.control(wrong.clone()).await.status(), 400, "{wrong}");
    }
    assert_eq!(start_with(&["--control", "off"]).control(json!({})).await.status(), 404);
}

#[actix_web::test]
async fn endpoints_fail_in_every_way() {
    let idp = start();
    let jwks = format!("{}/jwks", idp.base);
    let real = idp.get(&jwks).await.bytes().await.unwrap();

    idp.control(json!({"status": {"jwks": 503}})).await;
    assert_eq!(idp.get(&jwks).await.status(), 503);
    idp.reset().await;
    idp.control(json!({"garbage": {"jwks": true}})).await;
    assert!(idp.get(&jwks).await.json::<Value>().await.is_err());
    idp.reset().await;
    idp.control(json!({"redirect": {"jwks": "http://169.254.169.254/"}})).await;
    assert_eq!(idp.get(&jwks).await.headers()["location"], "http://169.254.169.254/");
    idp.reset().await;
    idp.control(json!({"huge": {"jwks": 3_000_000}})).await;
    let huge = idp.get(&jwks).await;
    assert_eq!(huge.content_length(), None);
    let huge = huge.bytes().await.unwrap();
    assert_eq!(huge.len(), 3_000_000);
    assert!(huge.starts_with(&real) && serde_json::from_slice::<Value>(&huge).is_ok());
    idp.reset().await;
    idp.control(json!({"delay_ms": {"jwks": 300}})).await;
    let since = Instant::now();
    idp.get(&jwks).await;
    assert!(since.elapsed() >= Duration::from_millis(300));
    idp.reset().await;
    idp.control(json!({"drip": {"jwks": true}})).await;
    let mut slow = idp.get(&jwks).await;
    assert_eq!(slow.chunk().await.unwrap().unwrap().len(), 1);
    idp.reset().await;
    idp.control(json!({"duplicate_kid": true, "many_keys": 50})).await;
    let set: JwkSet = idp.get(&jwks).await.json().await.unwrap();
    assert_eq!(set.keys.len(), 50 + 1 + 4);

    let shown: Value = idp.get(format!("{}/control", idp.base)).await.json().await.unwrap();
    assert_eq!(shown["hits"]["jwks"], 1);
}

#[actix_web::test]
async fn the_last_requests_are_shown_without_the_secret() {
    let idp = start();
    idp.tokens().await;
    let shown: Value = idp.get(format!("{}/control", idp.base)).await.json().await.unwrap();
    assert_eq!(shown["last"]["authorize"]["query"]["nonce"], "n-1");
    assert_eq!(shown["last"]["token"]["client_auth"], "client_secret_basic");
    assert_eq!(shown["last"]["token"]["form"]["code_verifier"], VERIFIER);
    assert!(!shown.to_string().contains("doorward-secret"));
}

#[actix_web::test]
async fn issuers_with_a_path_and_two_addresses() {
    let idp = start_with(&["--public-url", "http://localhost:81/idp", "--internal-url", "http://idp:9000"]);
    for prefix in ["", "/idp"] {
        let document: Value = idp
            .get(format!("{}{prefix}/.well-known/openid-configuration", idp.base))
            .await
            .json()
            .await
            .unwrap();
        assert_eq!(document["issuer"], "http://localhost:81/idp");
        assert_eq!(document["authorization_endpoint"], "http://localhost:81/idp/authorize");
        assert_eq!(document["token_endpoint"], "http://idp:9000/token");
    }
    let realm = start_with(&["--issuer-path", "realms/main"]);
    let document: Value = realm
        .get(format!("{}/realms/main/.well-known/openid-configuration", realm.base))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(document["issuer"], format!("{}/realms/main", realm.base));
    assert_eq!(realm.get(document["jwks_uri"].as_str().unwrap()).await.status(), 200);
}

#[actix_web::test]
async fn an_issuer_is_a_name_to_the_letter() {
    for path in ["/", "/application/o/app/"] {
        let idp = start_with(&["--issuer-path", path]);
        let base = format!("{}{}", idp.base, path.trim_end_matches('/'));
        let document: Value =
            idp.get(format!("{base}/.well-known/openid-configuration")).await.json().await.unwrap();
        assert_eq!(document["issuer"], format!("{}{path}", idp.base));
        assert_eq!(document["token_endpoint"], format!("{base}/token"));
    }
    let idp = start();
    idp.control(json!({"jwk": {"issuer": "https://a.example/{tenantid}", "use": null}})).await;
    let put = |body: Value| idp.http.put(format!("{}/control", idp.base)).json(&body).send();
    assert_eq!(put(json!({"nope": 1})).await.unwrap().status(), 400);
    let keys: Value = idp.get(format!("{}/jwks", idp.base)).await.json().await.unwrap();
    for key in keys["keys"].as_array().unwrap() {
        assert_eq!((&key["issuer"], key.get("use")), (&json!("https://a.example/{tenantid}"), None));
    }
    assert_eq!(put(json!({"no_iss_param": true})).await.unwrap().status(), 204);
    let shown: Value = idp.get(format!("{}/control", idp.base)).await.json().await.unwrap();
    assert_eq!((&shown["settings"], &shown["hits"]), (&json!({"no_iss_param": true}), &json!({})));
}

#[actix_web::test]
async fn the_end_of_a_session_is_told_to_the_client_and_leads_back() {
    // Another provider's /jwks does as an address that answers.
    let idp = start();
    idp.control(json!({"backchannel_logout_uri": format!("{}/nowhere", idp.base)})).await;
    let token = idp.tokens().await["id_token"].as_str().unwrap().to_owned();
    let end = |back: &str| {
        let query = [("id_token_hint", token.as_str()), ("post_logout_redirect_uri", back), ("state", "x")];
        Url::parse_with_params(&format!("{}/end_session", idp.base), query).unwrap()
    };
    let answer = idp.get(end("http://localhost:8000/bye")).await;
    assert_eq!(answer.status(), 302);
    assert_eq!(answer.headers()["location"], "http://localhost:8000/bye?state=x");
    let shown: Value = idp.get(format!("{}/control", idp.base)).await.json().await.unwrap();
    assert_eq!(shown["backchannel"][0]["status"], 404);
    assert_eq!(shown["sessions"], 0);
    // Nothing left to end, and nowhere strange to go.
    let answer = idp.get(end("https://evil.example/")).await;
    assert_eq!(answer.status(), 200);
    let shown: Value = idp.get(format!("{}/control", idp.base)).await.json().await.unwrap();
    assert_eq!(shown["backchannel"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn minted_tokens_have_the_claims_and_type_asked_for() {
    let idp = start();
    let mint = |body: Value| idp.http.post(format!("{}/control/mint", idp.base)).json(&body).send();
    let order = json!({"claims": {"sub": "1", "iss": null}, "typ": "logout+jwt", "alg": "ES256"});
    let minted: Value = mint(order).await.unwrap().json().await.unwrap();
    let token = minted["token"].as_str().unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!((header.typ.as_deref(), header.alg), (Some("logout+jwt"), Algorithm::ES256));
    assert_eq!(claims(token).get("iss"), None);
    assert!(claims(token)["exp"].is_u64());
}

#[actix_web::test]
async fn it_plays_github() {
    let idp = start();
    let base = &idp.base;
    let authorize = Url::parse_with_params(
        &format!("{base}/login/oauth/authorize"),
        [
            ("client_id", "doorward"),
            ("redirect_uri", CALLBACK),
            ("scope", "read:user user:email"),
            ("state", "s"),
            ("login_hint", "auto:unverified@example.com"),
        ],
    )
    .unwrap();
    let answer = idp.get(authorize).await;
    assert_eq!(param(&answer, "iss"), None);
    let code = param(&answer, "code").unwrap();
    let form = [("client_id", "doorward"), ("client_secret", "doorward-secret"), ("code", &code)];
    let redeem = || {
        let request = idp.http.post(format!("{base}/login/oauth/access_token")).form(&form);
        request.header("accept", "application/json").send()
    };
    let tokens: Value = redeem().await.unwrap().json().await.unwrap();
    let again = redeem().await.unwrap();
    assert_eq!(again.status(), 200);
    assert_eq!(again.json::<Value>().await.unwrap()["error"], "bad_verification_code");

    let api = |path: &str, token: &str| {
        idp.http.get(format!("{base}/api{path}")).bearer_auth(token).header("user-agent", "test").send()
    };
    let token = tokens["access_token"].as_str().unwrap();
    let user: Value = api("/user", token).await.unwrap().json().await.unwrap();
    assert!(user["id"].is_u64() && user["email"].is_null());
    let emails: Value = api("/user/emails", token).await.unwrap().json().await.unwrap();
    assert_eq!(emails[1]["email"], "unverified@example.com");
    assert_eq!((&emails[1]["primary"], &emails[1]["verified"]), (&json!(true), &json!(false)));
    assert_eq!(api("/user", "wrong").await.unwrap().status(), 401);
    let openid = idp.tokens().await["access_token"].as_str().unwrap().to_owned();
    assert_eq!(api("/user", &openid).await.unwrap().status(), 401);
}
