//! The REST API for administrators: who may come in, what they can do, and that it is as its description says.

use std::time::Duration;

use doorward::clock::{Clock as _, SystemClock};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::support::idp::client;
use super::support::{Browser, Gateway, HOME, Idp, Setup};

const HOST: &str = "auth.example.test";
const PASS: &str = "correct-horse-battery";
/// What the policy is about.
const SERVICE: &str = "https://app.example.test/x";
const POLICY: &str = "\
roles: { reader: [read], writer: [write] }
assign:
  - { role: doorward-admin, email: ada@example.com, provider: p0 }
services:
  app: { hosts: [app.example.test], roles: [reader, writer] }
";

fn setup() -> Setup {
    setup_with(Idp::shared())
}

fn setup_with(idp: &Idp) -> Setup {
    let bearer = format!(
        "bearer: {{ issuers: [{{ issuer: \"{}\", audiences: [api], roles_claims: [roles] }}] }}",
        idp.issuer
    );
    let admin = format!("admin: {{ user: root, pass: {PASS} }}");
    Setup::with(idp)
        .policy(POLICY)
        .and(&bearer)
        .and(&admin)
        .and("login: { return_hosts: [app.example.test] }")
}

/// By what somebody comes.
#[derive(Clone)]
enum By {
    Nobody,
    Password(&'static str, &'static str),
    Bearer(String),
    Cookie(String),
    Headers(Vec<(&'static str, &'static str)>),
}

const ROOT: By = By::Password("root", PASS);

struct Told {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A request for the API, as the proxy passes it on. A body is sent as JSON.
async fn call(gateway: &Gateway, by: &By, method: &str, path: &str, body: Option<&Value>) -> Told {
    let mut request = request(gateway, by, method, path);
    if let Some(body) = body {
        request = request.json(body);
    }
    send(request).await
}

fn request(gateway: &Gateway, by: &By, method: &str, path: &str) -> reqwest::RequestBuilder {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = gateway.page(method, &format!("/api/v1{path}"));
    prove(request, by)
}

fn prove(request: reqwest::RequestBuilder, by: &By) -> reqwest::RequestBuilder {
    match by {
        By::Nobody => request,
        By::Password(user, pass) => request.basic_auth(user, Some(pass)),
        By::Bearer(token) => request.bearer_auth(token),
        By::Cookie(cookies) => request.header("cookie", cookies),
        By::Headers(lines) => {
            lines.iter().fold(request, |request, (name, value)| request.header(*name, *value))
        }
    }
}

async fn send(request: reqwest::RequestBuilder) -> Told {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let told = Told { status, headers, text: answer.text().await.unwrap() };
    assert_eq!(told.header("cache-control"), "no-store");
    assert_eq!(told.header("x-content-type-options"), "nosniff");
    assert!(!told.header("x-request-id").is_empty());
    assert!(!told.headers.keys().any(|name| name.as_str().starts_with("access-control-")));
    if status >= 400 && told.header("content-type").starts_with("application/json") && !told.text.is_empty() {
        let json = told.json();
        assert!(json["error"].is_string() && json["message"].is_string(), "{json}");
    }
    told
}

async fn signed_in(gateway: &Gateway, email: &str) -> By {
    let mut browser = Browser::new(gateway);
    assert_eq!(browser.sign_in(HOME, email).await.status, 200);
    By::Cookie(browser.cookies_for(HOST))
}

/// The token for changes by a browser's session.
async fn csrf(gateway: &Gateway, by: &By) -> String {
    let told = call(gateway, by, "GET", "/policy", None).await;
    assert_eq!(told.status, 200, "{}", told.text);
    told.header("x-csrf-token").to_owned()
}

async fn token(gateway: &Gateway, scopes: &[&str]) -> String {
    let body = json!({ "name": "t", "hosts": [], "scopes": scopes });
    let made = call(gateway, &ROOT, "POST", "/tokens", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["token"].as_str().unwrap().to_owned()
}

fn description() -> Value {
    doorward::http::admin::api::openapi::description("/rbac")
}

/// Every operation of the description, with names filled in that name nothing.
fn operations() -> Vec<(String, String)> {
    let description = description();
    let mut all = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let path = path.replace("{digest}", &"0".repeat(64)).replace("{id}", "nobody");
            all.push((method.to_uppercase(), path));
        }
    }
    assert!(all.len() > 15);
    all
}

#[actix_web::test]
async fn nobody_but_an_administrator_comes_in() {
    let idp = Idp::shared();
    let gateway = setup().and("rate_limit: { failures: 0 }").start().await;
    let claims = json!({"sub": "u-1", "aud": "api", "roles": ["doorward-admin"]});
    let jwt = idp.mint(claims, json!({})).await;
    let spoofed = vec![
        ("x-auth-user", "root"),
        ("x-auth-roles", "doorward-admin"),
        ("x-user-id", "root"),
        ("x-auth-method", "session"),
    ];
    let grace = signed_in(&gateway, "grace@example.com").await;
    let (scopeless, authorize) = (token(&gateway, &[]).await, token(&gateway, &["authorize"]).await);
    let callers = [
        (By::Nobody, 401),
        (By::Headers(spoofed), 401),
        (By::Headers(vec![("authorization", "Basic"), ("x-auth-roles", "doorward-admin")]), 401),
        (By::Headers(vec![("authorization", "Digest username=root")]), 401),
        (By::Bearer(jwt), 401),
        (By::Bearer("dw_nonsense".into()), 401),
        (By::Bearer(scopeless), 403),
        (By::Bearer(authorize), 403),
        (grace, 403),
    ];
    for (method, path) in operations() {
        for (n, (by, status)) in callers.iter().enumerate() {
            let told = call(&gateway, by, &method, &path, None).await;
            assert_eq!(told.status, *status, "{method} {path} by {n}: {}", told.text);
            assert_eq!(
                told.headers.contains_key("www-authenticate"),
                *status == 401 || matches!(by, By::Bearer(_))
            );
            assert!(told.headers.get("x-csrf-token").is_none());
        }
    }
    // An Authorization header is never followed by the cookie behind it.
    let By::Cookie(ada) = signed_in(&gateway, "ada@example.com").await else { unreachable!() };
    let both = request(&gateway, &By::Cookie(ada), "GET", "/tokens").bearer_auth("dw_nonsense");
    assert_eq!(send(both).await.status, 401);
    let twice = request(&gateway, &ROOT, "GET", "/tokens").basic_auth("root", Some(PASS));
    assert_eq!(send(twice).await.status, 401);
    gateway.stop().await;
}

#[actix_web::test]
async fn guessing_the_password_slows_down_and_says_nothing() {
    let gateway = setup().start().await;
    let mut seen = Vec::new();
    for (user, pass) in [("root", "wrong"), ("nobody", PASS), ("", ""), ("ROOT", PASS), ("root", "")] {
        let told = call(&gateway, &By::Password(user, pass), "GET", "/tokens", None).await;
        let mut body = told.json();
        body["request_id"] = Value::Null;
        seen.push((told.status, body));
    }
    assert!(seen.iter().all(|told| *told == seen[0]) && seen[0].0 == 401, "{seen:?}");
    let over = call(&gateway, &ROOT, "GET", "/tokens", None).await;
    assert_eq!(over.status, 429, "this address guessed too often: the right one is not looked at");
    assert!(!over.header("retry-after").is_empty());
    let log = std::fs::read_to_string(gateway.dir.join("audit.log")).unwrap();
    assert!(log.contains("admin_sign_in_refused") && !log.contains(PASS), "{log}");
    gateway.stop().await;
}

#[actix_web::test]
async fn without_password_and_role_nobody_is_an_administrator() {
    let gateway = Setup::with(Idp::shared()).start().await;
    let ada = signed_in(&gateway, "ada@example.com").await;
    for by in [By::Nobody, By::Password("admin", ""), By::Password("admin", "admin"), By::Password("", "")] {
        assert_eq!(
            call(&gateway, &by, "GET", "/tokens", None).await.status,
            if matches!(by, By::Nobody) { 401 } else { 404 }
        );
    }
    assert_eq!(call(&gateway, &ada, "GET", "/tokens", None).await.status, 403);
    gateway.stop().await;
}

#[actix_web::test]
async fn administration_is_on_our_own_host_only() {
    let gateway = setup().start().await;
    let on = async |headers: &[(&str, &str)]| {
        let at = gateway.at("/rbac/api/v1/tokens");
        let request =
            headers.iter().fold(client().get(at), |request, (name, value)| request.header(*name, *value));
        request.basic_auth("root", Some(PASS)).send().await.unwrap().status().as_u16()
    };
    assert_eq!(on(&[("host", HOST), ("x-forwarded-host", HOST)]).await, 200);
    assert_eq!(on(&[("host", HOST)]).await, 200);
    for own in ["127.0.0.1:8000", "localhost", "doorward:8000", "[::1]:8000", "10.0.0.7"] {
        assert_eq!(on(&[("host", own)]).await, 200, "{own}");
        assert_eq!(on(&[("host", HOST), ("x-forwarded-host", own)]).await, 404, "{own} through a proxy");
    }
    for other in ["app.example.test", "evil.test:8000", "auth.example.test.evil.test", "127.0.0.1.evil.test"]
    {
        assert_eq!(on(&[("host", other)]).await, 404, "{other}");
        assert_eq!(on(&[("host", other), ("x-forwarded-host", other)]).await, 404, "{other}");
    }
    gateway.stop().await;
}

#[actix_web::test]
async fn a_change_needs_more_than_what_browsers_send_by_themselves() {
    let gateway = setup().start().await;
    let ada = signed_in(&gateway, "ada@example.com").await;
    let (token, own) = (csrf(&gateway, &ada).await, "https://auth.example.test");
    let admin = By::Bearer(self::token(&gateway, &["admin"]).await);
    let basic_token = csrf(&gateway, &ROOT).await;
    let other = csrf(&gateway, &signed_in(&gateway, "ada@example.com").await).await;
    let count = async || call(&gateway, &ROOT, "GET", "/tokens", None).await.json()["total"].clone();
    let before = count().await;
    let create = async |by: &By, headers: &[(&str, &str)]| {
        let made = request(&gateway, by, "POST", "/tokens").json(&json!({"name": "x"}));
        send(headers.iter().fold(made, |request, (name, value)| request.header(*name, *value))).await
    };
    for (by, headers) in [
        (&ada, &[][..]),
        (&ada, &[("x-csrf-token", "wrong")]),
        (&ada, &[("x-csrf-token", &other)]),
        (&ada, &[("x-csrf-token", &basic_token)]),
        (&ada, &[("x-csrf-token", &token), ("x-csrf-token", &token)]),
        (&ada, &[("x-csrf-token", &token), ("origin", "https://evil.test")]),
        (
            &ada,
            &[
                ("x-csrf-token", &token),
                ("origin", "https://app.example.test"),
                ("sec-fetch-site", "same-site"),
            ],
        ),
        (&ada, &[("x-csrf-token", &token), ("sec-fetch-site", "cross-site")]),
        (&ada, &[("x-csrf-token", &token), ("origin", "null")]),
        (&ada, &[("x-csrf-token", &token), ("origin", "http://auth.example.test")]),
        (&ada, &[("origin", own), ("sec-fetch-site", "same-origin")]),
        (&ROOT, &[("origin", own)]),
        (&ROOT, &[("referer", "https://auth.example.test/rbac/admin")]),
        (&ROOT, &[("sec-fetch-site", "same-origin")]),
        (&ROOT, &[("sec-fetch-site", "cross-site")]),
        (&ROOT, &[("origin", "https://evil.test"), ("x-csrf-token", &basic_token)]),
        (&admin, &[("origin", "https://evil.test")]),
        (&admin, &[("sec-fetch-site", "same-site")]),
    ] {
        let told = create(by, headers).await;
        assert_eq!(
            (told.status, &told.json()["error"]),
            (403, &json!("forged")),
            "{headers:?}: {}",
            told.text
        );
    }
    assert_eq!(count().await, before, "nothing was made");
    for (by, headers) in [
        (&ada, &[("x-csrf-token", token.as_str())][..]),
        (&ada, &[("x-csrf-token", &token), ("origin", own), ("sec-fetch-site", "same-origin")]),
        (&ROOT, &[]),
        (&ROOT, &[("x-csrf-token", &basic_token), ("origin", own), ("sec-fetch-site", "same-origin")]),
        (&admin, &[]),
        (&admin, &[("origin", own)]),
    ] {
        let told = create(by, headers).await;
        assert_eq!(told.status, 201, "{headers:?}: {}", told.text);
    }
    gateway.stop().await;
}

#[actix_web::test]
async fn only_json_by_the_methods_that_there_are() {
    let gateway = setup().start().await;
    let body = r#"{"comment":"x","a":"=b"}"#;
    let send_as = async |kind: Option<&str>| {
        let mut request = request(&gateway, &ROOT, "POST", "/tokens").body(body);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        send(request).await.status
    };
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "",
    ] {
        assert_eq!(send_as(Some(kind)).await, 415, "{kind}");
    }
    assert_eq!(send_as(None).await, 415);
    assert_eq!(send_as(Some("application/json; charset=utf-8")).await, 400, "there is no member a");
    // Each path answers the methods of its description, and by no other way is there another.
    let description = description();
    for (path, item) in description["paths"].as_object().unwrap() {
        let item = item.as_object().unwrap();
        let asked = path.replace("{digest}", "0").replace("{id}", "nobody");
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let listed = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
            let told = call(&gateway, &By::Nobody, method, &asked, None).await;
            let expected = if item.contains_key(&listed) { 401 } else { 405 };
            assert_eq!(told.status, expected, "{method} {path}");
            if expected == 405 {
                let allowed = told.header("allow").to_lowercase();
                assert!(
                    item.keys()
                        .filter(|key| *key != "parameters")
                        .all(|method| allowed.contains(method.as_str()))
                );
            }
        }
    }
    let digest =
        call(&gateway, &ROOT, "POST", "/tokens", Some(&json!({"name": "x"}))).await.json()["digest"].clone();
    let path = format!("/tokens/{}", digest.as_str().unwrap());
    for overridden in [
        request(&gateway, &ROOT, "POST", &path).header("x-http-method-override", "DELETE"),
        request(&gateway, &ROOT, "POST", &format!("{path}?_method=DELETE")),
        request(&gateway, &ROOT, "GET", &path).header("x-http-method-override", "DELETE"),
    ] {
        let told = send(overridden).await;
        assert!(matches!(told.status, 405 | 200), "{}", told.status);
    }
    assert_eq!(call(&gateway, &ROOT, "GET", &path, None).await.status, 200, "it is still there");
    gateway.stop().await;
}

#[actix_web::test]
async fn a_change_by_session_needs_a_recent_sign_in() {
    let idp = Idp::start();
    // Its clock goes on while the gateway's is moved; and it is one that does not tell `auth_time`.
    let later = SystemClock.now().plus(Duration::from_secs(3600)).secs();
    idp.control(json!({"id_token": {"exp": later, "auth_time": null}})).await;
    let gateway = setup_with(&idp).clock_stands_still().start().await;
    let mut browser = Browser::new(&gateway);
    browser.sign_in(HOME, "ada@example.com").await;
    let by = By::Cookie(browser.cookies_for(HOST));
    let token = csrf(&gateway, &by).await;
    let create = async |by: &By, token: &str| {
        send(request(&gateway, by, "POST", "/tokens").header("x-csrf-token", token).json(&json!({}))).await
    };
    // It was not asked when they proved who they are, and did not say: it may have let them through in silence.
    let told = create(&by, &token).await;
    assert_eq!((told.status, &told.json()["error"]), (403, &json!("sign_in_again")));
    assert_eq!(call(&gateway, &by, "GET", "/tokens", None).await.status, 200, "looking needs none");
    let login = told.json()["login_url"].as_str().unwrap().to_owned();
    assert!(login.contains("again=1"), "{login}");
    let to_provider = browser.get(&login).await.location();
    assert!(to_provider.contains("prompt=login") && to_provider.contains("max_age=0"), "{to_provider}");
    browser.sign_in(&login, "ada@example.com").await;
    let by = By::Cookie(browser.cookies_for(HOST));
    let token = csrf(&gateway, &by).await;
    assert_eq!(create(&by, &token).await.status, 201, "asked, it is believed");
    gateway.later(Duration::from_secs(15 * 60));
    assert_eq!(create(&by, &token).await.status, 201);
    gateway.later(Duration::from_secs(1));
    assert_eq!(create(&by, &token).await.status, 403);
    gateway.stop().await;
}

/// What counts is when somebody proved who they are, not that the provider let them through in silence.
#[actix_web::test]
async fn a_session_at_the_provider_is_no_recent_sign_in() {
    let idp = Idp::start();
    let gateway = setup_with(&idp).start().await;
    let proved = async |ago: i64| {
        let at = SystemClock.now().secs() - ago;
        idp.control(json!({"id_token": {"auth_time": at}})).await;
    };
    let mut browser = Browser::new(&gateway);
    let create = async |browser: &Browser| {
        let by = By::Cookie(browser.cookies_for(HOST));
        let token = csrf(&gateway, &by).await;
        send(request(&gateway, &by, "POST", "/tokens").header("x-csrf-token", token).json(&json!({}))).await
    };
    proved(16 * 60).await;
    browser.sign_in(HOME, "ada@example.com").await;
    let told = create(&browser).await;
    assert_eq!((told.status, &told.json()["error"]), (403, &json!("sign_in_again")));
    // Asked for a new proof, a provider that lets them through in silence is refused, and the session stays as it was.
    let login = told.json()["login_url"].as_str().unwrap().to_owned();
    proved(60).await;
    let refused = browser.sign_in(&login, "ada@example.com").await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert_eq!(create(&browser).await.status, 403);
    // Nor is a time that is yet to come, nor one that is none.
    for wrong in [json!(SystemClock.now().secs() + 3600), json!("now"), json!(-1)] {
        idp.control(json!({"id_token": {"auth_time": wrong}})).await;
        let refused = browser.sign_in(&login, "ada@example.com").await;
        assert_eq!(refused.status, 403, "{wrong}: {}", refused.body);
    }
    proved(0).await;
    browser.sign_in(&login, "ada@example.com").await;
    assert_eq!(create(&browser).await.status, 201);
    gateway.stop().await;
}

#[actix_web::test]
async fn tokens_from_making_to_revoking() {
    let gateway = setup().start().await;
    let body = json!({"name": "ci", "hosts": ["App.Example.Test", "*.x.test"], "roles": ["reader"], "scopes": ["admin"],
        "email": "ops@example.com", "comment": "nightly", "ttl_seconds": 3600, "limit": 5});
    let made = call(&gateway, &ROOT, "POST", "/tokens", Some(&body)).await;
    assert_eq!(made.status, 201);
    let (secret, digest) = (made.json()["token"].clone(), made.json()["digest"].clone());
    let (secret, digest) = (secret.as_str().unwrap(), digest.as_str().unwrap());
    assert!(secret.starts_with("dw_"));
    assert_eq!(made.header("location"), format!("/rbac/api/v1/tokens/{digest}"));
    let by = By::Bearer(secret.to_owned());
    let shown = call(&gateway, &by, "GET", &format!("/tokens/{digest}"), None).await.json();
    assert_eq!((&shown["hosts"], &shown["limit"]), (&json!(["app.example.test", "*.x.test"]), &json!(5)));
    assert!(shown.get("token").is_none() && shown["expires_at"].as_str().unwrap().ends_with('Z'));
    let list = call(&gateway, &by, "GET", "/tokens?search=NIGHT&sort=name&limit=1", None).await.json();
    assert_eq!(
        (&list["total"], &list["limit"], &list["items"][0]["digest"]),
        (&json!(1), &json!(1), &json!(digest))
    );

    let path = format!("/tokens/{digest}/rotate");
    let rotated = call(&gateway, &by, "POST", &path, None).await;
    assert_eq!(rotated.status, 201, "{}", rotated.text);
    assert_eq!(call(&gateway, &by, "GET", "/tokens", None).await.status, 401, "the old text is over at once");
    let by = By::Bearer(rotated.json()["token"].as_str().unwrap().to_owned());
    assert_eq!(call(&gateway, &by, "GET", "/tokens", None).await.status, 200);
    let new = rotated.json()["digest"].as_str().unwrap().to_owned();
    assert_eq!(rotated.json()["id"], made.json()["id"]);
    let revoked = call(&gateway, &ROOT, "DELETE", &format!("/tokens/{new}"), None).await;
    assert_eq!((revoked.status, &revoked.json()["name"]), (200, &json!("ci")));
    assert_eq!(call(&gateway, &by, "GET", "/tokens", None).await.status, 401);
    for (method, path) in
        [("GET", format!("/tokens/{new}")), ("DELETE", format!("/tokens/{new}")), ("POST", path)]
    {
        let told = call(&gateway, &ROOT, method, &path, None).await;
        assert_eq!((told.status, &told.json()["error"]), (404, &json!("not_found")));
    }
    for (body, status, field) in [
        (json!({"hosts": ["a b"]}), 422, "hosts"),
        (json!({"roles": ["nobody-has-this"]}), 422, "roles"),
        (json!({"scopes": ["root"]}), 422, "scopes"),
        (json!({"ttl_seconds": -1}), 422, "ttl_seconds"),
        (json!({"email": "x"}), 422, "email"),
    ] {
        let told = call(&gateway, &ROOT, "POST", "/tokens", Some(&body)).await;
        assert_eq!((told.status, &told.json()["field"]), (status, &json!(field)), "{}", told.text);
    }
    for body in [json!({"hots": []}), json!({"hosts": "x"}), json!([]), json!("x")] {
        assert_eq!(call(&gateway, &ROOT, "POST", "/tokens", Some(&body)).await.status, 400, "{body}");
    }
    for (query, field) in [("limit=x", "limit"), ("offset=-1", "offset"), ("sort=random", "sort")] {
        let told = call(&gateway, &ROOT, "GET", &format!("/tokens?{query}"), None).await;
        assert_eq!((told.status, &told.json()["field"]), (400, &json!(field)), "{query}");
    }
    assert_eq!(call(&gateway, &ROOT, "GET", "/tokens?limit=1&limit=2", None).await.status, 400);
    let log = std::fs::read_to_string(gateway.dir.join("audit.log")).unwrap();
    for action in ["token_created", "token_rotated", "token_revoked"] {
        assert!(log.contains(action), "{action}");
    }
    assert!(!log.contains(secret));
    gateway.stop().await;
}

#[actix_web::test]
async fn users_and_their_roles_take_effect_at_once() {
    let idp = Idp::shared();
    let gateway = setup().second(idp).start().await;
    let mut grace = Browser::new(&gateway);
    let to_service = "https://auth.example.test/rbac/login?idp=p0&rd=https%3A%2F%2Fapp.example.test%2Fx";
    assert_eq!(grace.sign_in(to_service, "grace@example.com").await.status, 403);
    // Somebody of the second provider, whose id has a slash.
    let mut other = Browser::new(&gateway);
    other.sign_in("https://auth.example.test/rbac/login?idp=p1", "jurgen@example.com").await;
    let list = call(&gateway, &ROOT, "GET", "/users?sort=last_seen", None).await.json();
    assert_eq!(list["total"], 2);
    let foreign = list["items"].as_array().unwrap().iter().find(|user| user["provider"] == "p1").unwrap();
    let id = foreign["id"].as_str().unwrap();
    assert!(id.starts_with("p1/"));
    let encoded = format!("/users/{}", id.replace('/', "%2F"));
    let shown = call(&gateway, &ROOT, "GET", &encoded, None).await;
    assert_eq!((shown.status, &shown.json()["id"]), (200, &json!(id)), "{}", shown.text);
    assert_eq!(shown.json()["sessions"].as_array().unwrap().len(), 1);
    let granted =
        call(&gateway, &ROOT, "POST", &format!("{encoded}/roles"), Some(&json!({"role": "reader"}))).await;
    assert_eq!((granted.status, &granted.json()["roles"]), (200, &json!(["reader"])));

    let grace_roles = "/users/grace%40example.com/roles";
    assert_eq!(
        call(&gateway, &ROOT, "POST", grace_roles, Some(&json!({"role": "writer"}))).await.status,
        200
    );
    assert!(grace.get(SERVICE).await.served, "from the next request on, without a new sign-in");
    let roles = call(&gateway, &ROOT, "GET", grace_roles, None).await.json();
    assert_eq!(roles, json!({"granted": ["writer"], "assigned": []}));
    let told = call(&gateway, &ROOT, "POST", grace_roles, Some(&json!({"role": "wirter"}))).await;
    assert_eq!((told.status, &told.json()["field"]), (422, &json!("role")));
    assert_eq!(
        call(&gateway, &ROOT, "DELETE", &format!("{grace_roles}?role=writer"), None).await.status,
        200
    );
    assert_eq!(
        call(&gateway, &ROOT, "DELETE", &format!("{grace_roles}?role=writer"), None).await.status,
        404
    );
    assert_eq!(call(&gateway, &ROOT, "DELETE", grace_roles, None).await.status, 400);
    assert_eq!(grace.get(SERVICE).await.status, 403);

    // An administrator by grant, until it is taken back.
    let By::Cookie(cookies) = By::Cookie(grace.cookies_for(HOST)) else { unreachable!() };
    let by_grace = By::Cookie(cookies);
    assert_eq!(call(&gateway, &by_grace, "GET", "/users", None).await.status, 403);
    call(&gateway, &ROOT, "POST", grace_roles, Some(&json!({"role": "doorward-admin"}))).await;
    let token = csrf(&gateway, &by_grace).await;
    let own =
        request(&gateway, &by_grace, "PATCH", "/users/grace%40example.com").header("x-csrf-token", &token);
    let told = send(own.json(&json!({"disabled": true}))).await;
    assert_eq!((told.status, &told.json()["field"]), (422, &json!("user")), "nobody disables themselves");
    call(&gateway, &ROOT, "DELETE", &format!("{grace_roles}?role=doorward-admin"), None).await;
    assert_eq!(call(&gateway, &by_grace, "GET", "/users", None).await.status, 403);

    let disable =
        call(&gateway, &ROOT, "PATCH", "/users/grace%40example.com", Some(&json!({"disabled": true}))).await;
    assert_eq!((disable.status, &disable.json()["disabled"]), (200, &json!(true)));
    assert_eq!(grace.get(SERVICE).await.status, 302);
    assert_eq!(call(&gateway, &ROOT, "GET", "/users/nobody", None).await.status, 404);
    gateway.stop().await;
}

#[actix_web::test]
async fn sessions_end_by_their_handles() {
    let gateway = setup().start().await;
    let mut ada = Browser::new(&gateway);
    ada.sign_in(HOME, "ada@example.com").await;
    let mut grace = Browser::new(&gateway);
    grace.sign_in(HOME, "grace@example.com").await;
    let by = By::Cookie(ada.cookies_for(HOST));
    let token = csrf(&gateway, &by).await;
    let list = call(&gateway, &by, "GET", "/sessions?search=grace", None).await.json();
    assert_eq!((&list["total"], &list["items"][0]["email"]), (&json!(1), &json!("grace@example.com")));
    let handle = list["items"][0]["id"].as_str().unwrap().to_owned();
    let delete = async |path: String| {
        send(request(&gateway, &by, "DELETE", &path).header("x-csrf-token", &token)).await
    };
    assert_eq!(delete(format!("/sessions/{handle}")).await.json(), json!({"ended": 1}));
    assert_eq!(grace.get("https://auth.example.test/rbac/userinfo").await.status, 401, "at once");
    assert_eq!(delete(format!("/sessions/{handle}")).await.status, 404);
    assert_eq!(delete("/sessions".to_owned()).await.status, 400, "never all of everybody's");
    grace.sign_in(HOME, "grace@example.com").await;
    assert_eq!(delete("/sessions?user=grace%40example.com".to_owned()).await.json(), json!({"ended": 1}));
    assert_eq!(grace.get("https://auth.example.test/rbac/userinfo").await.status, 401);
    let own = call(&gateway, &by, "GET", "/sessions", None).await.json();
    assert_eq!((&own["total"], &own["items"][0]["current"]), (&json!(1), &json!(true)));
    gateway.stop().await;
}

#[actix_web::test]
async fn the_policy_is_shown_and_requests_are_explained() {
    let gateway = setup().start().await;
    let policy = call(&gateway, &ROOT, "GET", "/policy", None).await.json();
    assert_eq!(policy["callers"], json!(["anonymous", "signed in", "reader", "writer"]));
    let app = &policy["rows"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["host"] == "app.example.test")
        .unwrap()["access"];
    let answers = json!({"anonymous": "login", "signed in": "no", "reader": "yes", "writer": "yes"});
    assert_eq!(app, &answers);
    let explain = async |query: &str| call(&gateway, &ROOT, "GET", &format!("/explain?{query}"), None).await;
    let url = "url=https%3A%2F%2Fapp.example.test%2Fx";
    for (query, decision) in [
        (url.to_owned(), "login"),
        (format!("{url}&roles=reader"), "allow"),
        (format!("{url}&roles=other,%20writer&method=POST"), "allow"),
        (format!("{url}&user=ada@example.com"), "deny"),
    ] {
        let told = explain(&query).await;
        assert_eq!(
            (told.status, &told.json()["decision"]),
            (200, &json!(decision)),
            "{query}: {}",
            told.text
        );
    }
    assert_eq!(explain("url=nonsense").await.json()["field"], "url");
    assert_eq!(explain("").await.status, 422);
    assert_eq!(explain("decision_id=0").await.status, 404);
    assert_eq!(call(&gateway, &ROOT, "GET", "/activity?event=admin", None).await.status, 200);
    gateway.stop().await;
}

#[actix_web::test]
async fn what_others_wrote_is_told_as_they_wrote_it_and_nothing_secret_is() {
    let gateway = setup().start().await;
    for evil in [
        "<img src=x onerror=alert(1)>",
        "\"><script>alert(1)</script>",
        "' autofocus onfocus=alert(1) x='",
        "</script><script>alert(1)//",
        "{{7*7}}",
        "javascript:alert(1)",
    ] {
        let body = json!({"name": evil, "comment": evil});
        let made = call(&gateway, &ROOT, "POST", "/tokens", Some(&body)).await;
        assert_eq!(made.header("content-type"), "application/json");
        let digest = made.json()["digest"].as_str().unwrap().to_owned();
        let shown = call(&gateway, &ROOT, "GET", &format!("/tokens/{digest}"), None).await;
        assert_eq!((&shown.json()["name"], &shown.json()["comment"]), (&json!(evil), &json!(evil)));
        assert_eq!(shown.header("content-type"), "application/json");
        let body = json!({"roles": [evil], "hosts": [evil]});
        assert_eq!(call(&gateway, &ROOT, "POST", "/tokens", Some(&body)).await.status, 422);
        let path =
            format!("/users/{}", url::form_urlencoded::byte_serialize(evil.as_bytes()).collect::<String>());
        let told = call(&gateway, &ROOT, "GET", &path.replace('+', "%20"), None).await;
        assert_eq!((told.status, told.header("content-type")), (404, "application/json"), "{evil}");
    }
    let mut ada = Browser::new(&gateway);
    ada.sign_in(HOME, "ada@example.com").await;
    let mut program = ada.clone();
    program.headers[0].1 = "application/json".into();
    let own = program.get(HOME).await.json()["sessions"][0]["id"].as_str().unwrap().to_owned();
    let secret = token(&gateway, &["admin"]).await;
    let id = call(&gateway, &ROOT, "GET", "/users", None).await.json()["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let keys = std::fs::read_to_string(gateway.dir.join("keys/session")).unwrap_or_default();
    for path in
        ["/tokens", "/users", &format!("/users/{id}"), "/sessions", "/policy", "/activity", "/openapi.json"]
    {
        let told = call(&gateway, &ROOT, "GET", path, None).await;
        assert_eq!(told.status, 200, "{path}");
        for canary in [&*own, &secret, PASS, "client-secret-canary", keys.trim()] {
            assert!(canary.is_empty() || !told.text.contains(canary), "{path} tells {canary}");
        }
    }
    gateway.stop().await;
}

#[actix_web::test]
async fn the_description_is_what_is_answered() {
    let gateway = setup().start().await;
    let ada = signed_in(&gateway, "ada@example.com").await;
    let described = call(&gateway, &ROOT, "GET", "/openapi.json", None).await.json();
    assert_eq!(described, description());
    assert_eq!(
        (&described["openapi"], &described["servers"][0]["url"]),
        (&json!("3.1.0"), &json!("/rbac/api/v1"))
    );
    let schema = |name: &str| &described["components"]["schemas"][name];
    let holds = |name: &str, value: &Value| holds(&described, schema(name), value, name);

    let body = json!({"name": "ci", "hosts": ["*"], "scopes": ["authorize"]});
    let made = call(&gateway, &ROOT, "POST", "/tokens", Some(&body)).await.json();
    holds("MadeToken", &made);
    let digest = made["digest"].as_str().unwrap();
    let get = async |path: &str| call(&gateway, &ada, "GET", path, None).await.json();
    holds("TokenList", &get("/tokens").await);
    holds("Token", &get(&format!("/tokens/{digest}")).await);
    let users = get("/users").await;
    holds("UserList", &users);
    let id = users["items"][0]["id"].as_str().unwrap();
    holds("UserDetail", &get(&format!("/users/{id}")).await);
    holds("UserRoles", &get(&format!("/users/{id}/roles")).await);
    holds("SessionList", &get("/sessions").await);
    holds("Policy", &get("/policy").await);
    holds("Explained", &get("/explain?url=https://app.example.test/&roles=reader").await);
    holds("Explained", &get("/explain?url=https://app.example.test/a/..%252f").await);
    holds("ActivityList", &get("/activity").await);
    holds("Error", &get("/users/nobody").await);
    let change = async |method: &str, path: &str, body: Value| {
        call(&gateway, &ROOT, method, path, Some(&body)).await.json()
    };
    holds("User", &change("POST", &format!("/users/{id}/roles"), json!({"role": "reader"})).await);
    holds("User", &change("PATCH", &format!("/users/{id}"), json!({"disabled": false})).await);
    holds("Ended", &call(&gateway, &ROOT, "DELETE", &format!("/sessions?user={id}"), None).await.json());
    holds("Error", &change("POST", "/tokens", json!({"hosts": ["a b"]})).await);

    // What is asked for: every member of the description is taken, and no other.
    let members =
        |name: &str| schema(name)["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let serialized = |value: Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    use doorward::http::admin::api::{Grant, NewToken, Rotation, UserChange};
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    for (name, value) in [
        ("NewToken", serde_json::to_value(NewToken::default()).unwrap()),
        ("Rotation", serde_json::to_value(Rotation::default()).unwrap()),
        ("UserChange", serde_json::to_value(UserChange { disabled: true }).unwrap()),
        ("Grant", serde_json::to_value(Grant { role: String::new() }).unwrap()),
    ] {
        assert_eq!(sorted(members(name)), sorted(serialized(value)), "{name}");
    }
    gateway.stop().await;
}

#[actix_web::test]
async fn the_description_is_a_page_too() {
    let gateway = setup().start().await;
    let ada = signed_in(&gateway, "ada@example.com").await;
    let page = send(request(&gateway, &ada, "GET", "/").header("accept", "text/html")).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    let text = page.text.replace("&#x2f;", "/").replace("&#x27;", "'");
    let description = description();
    for (path, item) in description["paths"].as_object().unwrap() {
        assert!(text.contains(&format!("<code>{path}</code>")), "{path}");
        for operation in item.as_object().unwrap().values().filter(|operation| operation.is_object()) {
            assert!(text.contains(operation["summary"].as_str().unwrap()), "{operation}");
        }
    }
    for (name, schema) in description["components"]["schemas"].as_object().unwrap() {
        assert!(text.contains(&format!("<h3 id=\"{name}\">")), "{name}");
        for field in schema["properties"].as_object().unwrap().keys() {
            assert!(text.contains(&format!("<code>{field}</code>")), "{name}.{field}");
        }
    }
    // Every link on it leads somewhere on it.
    for link in text.split("href=\"#").skip(1) {
        let id = link.split('"').next().unwrap();
        assert!(text.contains(&format!("id=\"{id}\"")), "#{id} is nowhere");
    }
    assert!(!text.contains("undefined") && !text.contains("none</td>"));
    // Without an administrator it leads to the sign-in, as every page does.
    let anonymous = send(request(&gateway, &By::Nobody, "GET", "/").header("accept", "text/html")).await;
    assert_eq!(anonymous.status, 302);
    gateway.stop().await;
}

/// Whether a value has the members of its schema, all of them and no other, of the right type, all the way down.
fn holds(all: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = all.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{at}: no {name}"));
        return holds(all, schema, value, at);
    }
    if let Some(either) = schema["oneOf"].as_array() {
        let fits = either.iter().find(|one| (one["type"] == "null") == value.is_null());
        return holds(all, fits.unwrap(), value, at);
    }
    let actual = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().map(|one| one.as_str().unwrap()).collect(),
        _ => return,
    };
    assert!(types.contains(&actual), "{at}: {actual} where {types:?} is described");
    if let (Value::String(text), Some(words)) = (value, schema["enum"].as_array()) {
        assert!(words.contains(&json!(text)), "{at}: {text} is none of {words:?}");
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        holds(all, &schema["items"], item, &format!("{at}[{n}]"));
    }
    if let (Some(members), Some(properties)) = (value.as_object(), schema["properties"].as_object()) {
        for (name, member) in members {
            let described = properties.get(name).unwrap_or_else(|| panic!("{at}: {name} is not described"));
            holds(all, described, member, &format!("{at}.{name}"));
        }
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(members.contains_key(required.as_str().unwrap()), "{at}: {required} is missing");
        }
    }
}

#[actix_web::test]
async fn the_two_forms_work_for_scripts() {
    let gateway = setup().start().await;
    let post = async |by: &By, path: &str, form: &[(&str, &str)]| {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = client()
            .post(gateway.at(path))
            .header("host", HOST)
            .header("content-type", "application/x-www-form-urlencoded");
        send(prove(request, by).body(body)).await
    };
    let form = [
        ("hosts", "app.example.test, *.x.test"),
        ("email", "ops@example.com"),
        ("comment", "c"),
        ("ttl_seconds", "60"),
    ];
    let made = post(&ROOT, "/create_token", &form).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let told = made.json();
    assert_eq!((&told["hosts"], &told["comment"]), (&json!(["app.example.test", "*.x.test"]), &json!("c")));
    let secret = told["token"].as_str().unwrap();
    let deleted = post(&ROOT, "/delete_token", &[("token", secret)]).await;
    assert_eq!((deleted.status, &deleted.json()["digest"]), (200, &told["digest"]));
    assert_eq!(post(&ROOT, "/delete_token", &[("token", secret)]).await.status, 404);
    // By its digest, and as JSON.
    let json = client()
        .post(gateway.at("/create_token"))
        .header("host", HOST)
        .json(&json!({"hosts": ["*"], "scopes": ["admin"], "ttl_seconds": 60}));
    let made = send(prove(json, &ROOT)).await.json();
    let admin = By::Bearer(made["token"].as_str().unwrap().to_owned());
    let deleted = post(&admin, "/delete_token", &[("token", made["digest"].as_str().unwrap())]).await;
    assert_eq!(deleted.status, 200);
    for (form, field) in [
        (&[("hosts", "a_b:1")][..], "hosts"),
        (&[("ttl_seconds", "soon")], "ttl_seconds"),
        (&[("ttl_seconds", "-1")], "ttl_seconds"),
    ] {
        let told = post(&ROOT, "/create_token", form).await;
        assert_eq!((told.status, &told.json()["field"]), (422, &json!(field)));
    }
    for path in ["/create_token", "/delete_token"] {
        assert_eq!(post(&By::Nobody, path, &[]).await.status, 401);
        let forged =
            client().post(gateway.at(path)).header("host", HOST).header("origin", "https://evil.test");
        assert_eq!(send(prove(forged, &ROOT)).await.status, 403);
        assert_eq!(client().get(gateway.at(path)).header("host", HOST).send().await.unwrap().status(), 405);
        assert_eq!(post(&ROOT, path, &[("token", "a"), ("token", "b")]).await.status, 400);
    }
    gateway.stop().await;
}
