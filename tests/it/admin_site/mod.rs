//! The admin site: who may see it, that it shows what others wrote as text, that its lists are lists, and that what
//! it does is done.

mod changes;
mod lists;
mod text;
mod views;

use std::time::Duration;

use doorward::clock::{Clock as _, SystemClock, Timestamp};
use doorward::http::state::State;
use doorward::store::SignIn;
use doorward::store::token::{TokenDigest, TokenRecord};
use reqwest::Method;
use reqwest::header::HeaderMap;

use super::support::idp::client;
use super::support::{Browser, Gateway, HOME, Idp, Setup};

const HOST: &str = "auth.example.test";
const PASS: &str = "correct-horse-battery";
const POLICY: &str = r#"
version: 1
default: deny
roles: { reader: [read], writer: [write], staff: [] }
assign:
  - { role: doorward-admin, email: ada@example.com, provider: p0 }
  - { role: staff, email_domain: example.com, provider: p0 }
services:
  app:
    hosts: [app.example.test, "*.app.example.test"]
    roles: [reader]
    endpoints: [{ path: "/reports/{id}", methods: [POST], permission: write }]
  trial: { hosts: [trial.example.test], roles: [writer], mode: shadow }
tests:
  - { as: { roles: [reader] }, request: GET https://app.example.test/x, expect: allow }
  - { as: anonymous, request: GET https://app.example.test/x, expect: login }
"#;

fn setup() -> Setup {
    let admin = format!("admin: {{ user: root, pass: {PASS} }}");
    Setup::with(Idp::shared()).policy(POLICY).and(&admin)
}

/// What came back, as a person would get it.
struct Shown {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Shown {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The addresses of all links, as written.
    fn links(&self) -> Vec<String> {
        let hrefs = self.body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        hrefs.map(unescaped).collect()
    }

    /// The value of a hidden field.
    fn hidden(&self, name: &str) -> String {
        let mark = format!("name=\"{name}\" value=\"");
        let value = self.body.split(&mark).nth(1).unwrap_or_else(|| panic!("no {name}: {}", self.body));
        unescaped(value.split('"').next().unwrap())
    }
}

fn unescaped(text: &str) -> String {
    let pairs =
        [("&#x2f;", "/"), ("&quot;", "\""), ("&#x27;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// An administrator with a session.
struct Desk {
    gateway: Gateway,
    cookies: String,
}

impl Desk {
    async fn of(setup: Setup) -> Self {
        let gateway = setup.start().await;
        let cookies = cookies_of(&gateway, "ada@example.com").await;
        Self { gateway, cookies }
    }

    fn state(&self) -> &State {
        self.gateway.state()
    }

    fn now(&self) -> Timestamp {
        self.state().clock.now()
    }

    /// A page below `/rbac/admin`.
    async fn get(&self, path: &str) -> Shown {
        let request = self.gateway.page(Method::GET, &format!("/admin{path}"));
        shown(request.header("cookie", &self.cookies).header("accept", "text/html")).await
    }

    /// A form, as a browser sends it from the site.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let request = self.gateway.page(Method::POST, &format!("/admin{path}"));
        let request = request.header("cookie", &self.cookies).header("accept", "text/html");
        let request =
            request.header("origin", "https://auth.example.test").header("sec-fetch-site", "same-origin");
        shown(request.form(fields)).await
    }

    /// Asks, then does it: the page that asks names the fields.
    async fn confirm(&self, path: &str) -> Shown {
        let asks = self.get(path).await;
        assert_eq!(asks.status, 200, "{path}: {}", asks.body);
        let mut fields = vec![("csrf".to_owned(), asks.hidden("csrf"))];
        for name in ["id", "role"] {
            if asks.body.contains(&format!("name=\"{name}\" value=")) {
                fields.push((name.to_owned(), asks.hidden(name)));
            }
        }
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(path.split('?').next().unwrap(), &fields).await
    }

    async fn csrf(&self) -> String {
        self.get("/tokens/new").await.hidden("csrf")
    }

    async fn person(&self, id: &str, email: Option<&str>, name: Option<&str>) {
        let who = SignIn {
            user_id: id.into(),
            provider: "p0".into(),
            subject: id.into(),
            email: email.map(str::to_owned),
            name: name.map(str::to_owned),
        };
        self.state().store.sign_in(&who, self.now()).await.unwrap();
    }
}

async fn shown(request: reqwest::RequestBuilder) -> Shown {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Shown { status, headers, body: answer.text().await.unwrap() }
}

async fn cookies_of(gateway: &Gateway, email: &str) -> String {
    let mut browser = Browser::new(gateway);
    assert_eq!(browser.sign_in(HOME, email).await.status, 200);
    browser.cookies_for(HOST)
}

fn token(number: u64, name: Option<&str>) -> TokenRecord {
    let mut digest = [7; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    TokenRecord {
        digest: TokenDigest::new(digest),
        id: None,
        name: name.map(str::to_owned),
        email: None,
        comment: None,
        hosts: vec!["app.example.test".into()],
        roles: vec!["reader".into()],
        scopes: Vec::new(),
        owner: None,
        vested: Vec::new(),
        limit: None,
        created_at: Some(SystemClock.now().minus(Duration::from_secs(number))),
        expires_at: None,
        last_used_at: None,
        replaced_at: None,
    }
}

/// Every page that is there to be looked at, given somebody and something to look at.
async fn pages(desk: &Desk) -> Vec<String> {
    let state = desk.state();
    let first = doorward::store::page::Slice { offset: 0, limit: 1 };
    let order = doorward::store::UserOrder::LastSeen;
    let user = state.store.users("ada@example.com", order, first).await.unwrap().items.remove(0).id;
    let id = format!("id={user}");
    let digest = token(1, Some("first")).digest;
    state.store.put_token(&token(1, Some("first"))).await.unwrap();
    state.store.grant(&user, "reader").await.unwrap();
    let sessions = desk.get("/sessions").await;
    let end = sessions.links().into_iter().find(|link| link.contains("/sessions/end?")).unwrap();
    let mut all: Vec<String> = [
        "",
        "/",
        "/tokens",
        "/tokens/new",
        "/users",
        "/sessions",
        "/policy",
        "/policy/file",
        "/policy/tests",
    ]
    .map(str::to_owned)
    .into();
    all.extend(["/policy/explain", "/activity", "/activity?live=1"].map(str::to_owned));
    all.push("/policy/explain?as=roles&who=reader&url=https%3A%2F%2Fapp.example.test%2F".to_owned());
    all.extend(["", "/revoke", "/rotate"].map(|path| format!("/tokens/{digest}{path}")));
    all.extend(["one", "grant", "disable", "enable", "sign-out"].map(|path| format!("/users/{path}?{id}")));
    all.push(format!("/users/ungrant?{id}&role=reader"));
    all.push(end.strip_prefix("/rbac/admin").unwrap().to_owned());
    all
}

#[actix_web::test]
async fn every_page_is_for_administrators_and_for_nobody_else() {
    let desk = Desk::of(setup()).await;
    let grace = cookies_of(&desk.gateway, "grace@example.com").await;
    let jwt = Idp::shared()
        .mint(serde_json::json!({ "sub": "x", "roles": ["doorward-admin"] }), serde_json::json!({}));
    let jwt = jwt.await;
    for path in pages(&desk).await {
        let request =
            || desk.gateway.page(Method::GET, &format!("/admin{path}")).header("accept", "text/html");
        let page = desk.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        assert!(page.body.starts_with("<!doctype html>"), "{path}");
        for once in ["<h1", "<main", "<header", "<footer", "<title>", "aria-label=\"Admin\""] {
            assert_eq!(page.body.matches(once).count(), 1, "{path}: {once}");
        }
        let by_password = shown(request().basic_auth("root", Some(PASS))).await;
        assert_eq!(by_password.status, 200, "{path} by password");

        let nobody = shown(request()).await;
        let login = "https://auth.example.test/rbac/login?rd=https%3A%2F%2Fauth.example.test%2Frbac%2Fadmin";
        assert!(
            nobody.status == 302 && nobody.header("location").starts_with(login),
            "{path}: {:?}",
            nobody.headers
        );
        for (case, status, request) in [
            ("no administrator", 403, request().header("cookie", &grace)),
            ("a JWT with the role", 401, request().bearer_auth(&jwt)),
            (
                "identity headers",
                302,
                request().header("x-auth-user", "root").header("x-auth-roles", "doorward-admin"),
            ),
        ] {
            let refused = shown(request).await;
            assert_eq!(refused.status, status, "{path}: {case}: {}", refused.body);
            assert!(
                !refused.body.contains("aria-label=\"Admin\"") && !refused.body.contains("name=\"csrf\""),
                "{path}"
            );
        }
        // Known there too, were the cookie to be sent: the site is on the gateway's own host.
        let elsewhere = client().get(desk.gateway.at(&format!("/rbac/admin{path}")));
        let elsewhere = elsewhere.header("host", "app.example.test").header("cookie", &desk.cookies);
        let elsewhere = shown(elsewhere.header("accept", "text/html")).await;
        assert_eq!(elsewhere.status, 404, "{path} on another host");
    }
    // At the end: whoever guesses is slowed down.
    for pass in ["wrong", ""] {
        let request = desk.gateway.page(Method::GET, "/admin").basic_auth("root", Some(pass));
        let refused = shown(request).await;
        assert!(
            refused.status == 401 && refused.header("www-authenticate").starts_with("Basic "),
            "{pass:?}"
        );
    }
    desk.gateway.stop().await;
}

/// OWASP ASVS 5.0 3.4.1 to 3.4.8.
#[actix_web::test]
async fn every_page_has_the_headers_of_a_page() {
    let desk = Desk::of(setup()).await;
    let mut all = pages(&desk).await;
    all.extend(["/users/one?id=nobody", "/tokens/00000000", "/users?page=99"].map(str::to_owned));
    for path in all {
        let page = desk.get(&path).await;
        let csp = page.header("content-security-policy");
        if page.status != 302 {
            for part in
                ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
            {
                assert!(csp.contains(part), "{path}: {csp}");
            }
            assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{path}");
        }
        assert!(!csp.contains("unsafe") && !csp.contains("http"), "{path}: {csp}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("x-frame-options", "DENY"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(page.header(name), value, "{path}: {name}");
        }
        assert!(!page.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{path}");
        assert!(
            !page.header("x-request-id").is_empty() && page.body.contains(page.header("x-request-id"))
                || page.status == 302
        );
    }
    // What the pages load is there, as what it says it is.
    let page = desk.get("").await;
    for (suffix, kind) in [(".css", "text/css; charset=utf-8"), (".js", "text/javascript; charset=utf-8")] {
        let address = page.body.split('"').map(unescaped).find(|part| part.ends_with(suffix)).unwrap();
        let path = address.strip_prefix("/rbac").unwrap();
        let asset = shown(desk.gateway.page(Method::GET, path)).await;
        assert_eq!((asset.status, asset.header("content-type")), (200, kind), "{address}");
    }
    desk.gateway.stop().await;
}

/// OWASP ASVS 5.0 14.2.6.
#[actix_web::test]
async fn no_page_tells_a_secret() {
    let desk = Desk::of(setup()).await;
    let keys = std::fs::read_to_string(desk.gateway.dir.join("keys/session")).unwrap();
    let all = doorward::store::page::Slice { offset: 0, limit: 10 };
    let sessions = desk.state().store.sessions("", all, desk.now()).await.unwrap().items;
    let names: Vec<&str> = sessions.iter().map(|session| session.id.as_str()).collect();
    assert!(!names.is_empty());
    let cookie = desk.cookies.split('=').nth(1).unwrap().to_owned();
    let secrets: Vec<&str> =
        [PASS, "client-secret-canary", keys.trim(), &cookie].into_iter().chain(names).collect();
    for path in pages(&desk).await {
        let page = unescaped(&desk.get(&path).await.body);
        for secret in &secrets {
            assert!(!page.contains(*secret), "{path} tells {secret}");
        }
    }
    desk.gateway.stop().await;
}
