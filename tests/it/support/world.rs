//! A gateway with a policy of many hosts, people who are signed in there, and questions about them in which one
//! thing or another is wrong. Every answer passes the checks that hold for all answers.

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::idp::client;
use super::{Answer, Browser, Gateway, Idp, Setup};

/// The headers of every 200, in one place.
pub(crate) const IDENTITY: [&str; 8] = [
    "x-auth-user",
    "x-user-id",
    "x-auth-email",
    "x-auth-name",
    "x-auth-roles",
    "x-auth-permissions",
    "x-auth-method",
    "x-auth-assertion",
];

/// What no answer, line of the log or metric may ever have in it.
pub(crate) const CLIENT_SECRET: &str = "client-secret-canary";

/// The policy of these tests: grace is a user, ada an admin too, jurgen a reader as well, nobody a writer.
pub(crate) const POLICY: &str = r#"
version: 1
default: deny
assign:
  - { role: user, email_domain: example.com, provider: p0 }
  - { role: admin, email: ada@example.com, provider: p0 }
  - { role: reader, email: jurgen@example.com, provider: p0 }
services:
  app:
    hosts: [app.example.test]
    roles: [user]
    endpoints:
      - { path: "/public/**", methods: [GET], public: true }
      - { path: /healthz, public: true }
      - { path: "/admin/**", roles: [admin] }
  api:
    hosts: [api.example.test]
    prefix: /v1
    endpoints:
      - { path: "/**", methods: [GET], roles: [reader] }
      - { path: "/**", methods: [POST, PUT, PATCH, DELETE], roles: [writer] }
  secret: { hosts: [secret.apps.example.test], roles: [admin] }
  apps: { hosts: ["*.apps.example.test"], roles: [user] }
  ws:
    hosts: [ws.example.test]
    origins: ["https://app.example.test"]
    endpoints: [{ path: /socket, roles: [user] }]
"#;

/// The gateway of that policy; one cookie serves all of its hosts.
pub(crate) struct World {
    /// The gateway.
    pub(crate) gateway: Gateway,
    client: reqwest::Client,
}

impl World {
    /// Its set-up, to be changed.
    pub(crate) fn setup() -> Setup {
        Setup::with(Idp::shared()).policy(POLICY).and("session: { cookie_domain: example.test }")
    }

    /// With everything as it is.
    pub(crate) async fn start() -> Self {
        Self::of(Self::setup()).await
    }

    /// With a set-up of one's own.
    pub(crate) async fn of(setup: Setup) -> Self {
        Self { gateway: setup.start().await, client: client() }
    }

    /// Signs somebody in on the application's host; their cookies as one line.
    pub(crate) async fn sign_in(&self, name: &str) -> String {
        let mut browser = Browser::new(&self.gateway);
        let there = browser.sign_in("https://app.example.test/", &format!("{name}@example.com")).await;
        assert!(there.served, "{name}: {there:?}");
        session_of(&browser.cookies_for("app.example.test"))
    }

    /// A browser's question about a path of the application.
    pub(crate) fn asks(&self, uri: &str) -> Ask<'_> {
        let mut ask =
            Ask { world: self, dialect: "/auth", method: Method::GET, headers: Vec::new(), body: None };
        for (name, value) in [
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-method", "GET"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "app.example.test"),
            ("x-forwarded-uri", uri),
            ("accept", "text/html"),
        ] {
            ask = ask.with(name, value);
        }
        ask
    }

    /// nginx's question about an address.
    pub(crate) fn nginx_asks(&self, url: &str) -> Ask<'_> {
        let ask =
            Ask { world: self, dialect: "/auth/nginx", method: Method::GET, headers: Vec::new(), body: None };
        ask.with("x-original-url", url).with("x-original-method", "GET").with("accept", "text/html")
    }

    /// Whatever was asked before, it serves: the last words of most tests.
    pub(crate) async fn ends_well(self) {
        let answer = self.asks("/healthz").send().await;
        assert_anonymous(&answer, "afterwards");
        self.gateway.stop().await;
    }
}

/// The session's part of a line of cookies.
pub(crate) fn session_of(cookies: &str) -> String {
    let is_session = |pair: &&str| {
        ["__Secure-doorward=", "__Host-doorward=", "doorward="].iter().any(|name| pair.starts_with(name))
    };
    cookies.split("; ").find(is_session).unwrap_or_else(|| panic!("no session in {cookies}")).to_owned()
}

/// A question in the making.
#[derive(Clone)]
#[must_use]
pub(crate) struct Ask<'a> {
    world: &'a World,
    dialect: &'static str,
    method: Method,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

impl Ask<'_> {
    /// With one more header line.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Without a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    /// With another value of a header.
    pub(crate) fn but(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).with(name, value)
    }

    /// About another host.
    pub(crate) fn host(self, host: &str) -> Self {
        self.but("x-forwarded-host", host)
    }

    /// About another method.
    pub(crate) fn method(self, method: &str) -> Self {
        self.but("x-forwarded-method", method)
    }

    /// With these cookies.
    pub(crate) fn cookies(self, line: &str) -> Self {
        self.with("cookie", line)
    }

    /// With a method and body of the proxy's own request.
    pub(crate) fn sent_as(mut self, method: Method, body: &str) -> Self {
        self.method = method;
        self.body = Some(body.as_bytes().to_vec());
        self
    }

    /// The answer, after the checks that every answer passes.
    pub(crate) async fn send(self) -> Answer {
        let head = self.method == Method::HEAD;
        let mut request = self.world.client.request(self.method, self.world.gateway.at(self.dialect));
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value).unwrap_or_else(|_| panic!("{name} cannot be sent")),
            );
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        let began = Instant::now();
        let response = request.headers(headers).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await.unwrap();
        // A second would do on a machine of one's own.
        assert!(began.elapsed() < Duration::from_secs(5), "slow: {:?}", began.elapsed());
        let answer = Answer { url: self.dialect.into(), status, headers, body, served: status == 200 };
        check_decision(&answer, head);
        answer
    }
}

/// What holds for every answer to a proxy's question, whatever was asked.
pub(crate) fn check_decision(answer: &Answer, head: bool) {
    let (status, headers) = (answer.status, &answer.headers);
    let once = |name: &str| headers.get_all(name).iter().count() == 1;
    assert!(matches!(status, 200 | 302 | 400 | 401 | 403 | 429 | 503), "{status}: {}", answer.body);
    for name in IDENTITY {
        let count = headers.get_all(name).iter().count();
        assert_eq!(count, usize::from(status == 200), "{name} {count} times on {status}");
    }
    for name in ["x-request-id", "x-auth-decision-id", "cache-control"] {
        assert!(once(name), "{name} on {status}");
    }
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!answer.header("x-auth-decision-id").is_empty());
    assert!(answer.set_cookies().is_empty(), "no decision sets a cookie");
    assert!(headers.keys().all(|name| !name.as_str().contains(['_', '.'])), "{headers:?}");
    assert!(matches!(answer.header("connection").as_str(), "" | "close" | "keep-alive"), "{headers:?}");
    assert!(!answer.body.contains(CLIENT_SECRET) && !format!("{headers:?}").contains(CLIENT_SECRET));
    assert_eq!(headers.contains_key("www-authenticate"), status == 401, "{status}");
    // nginx is told 403 for whatever could not be checked.
    let may_retry = status == 403 && answer.url == "/auth/nginx";
    assert!(may_retry || headers.contains_key("retry-after") == matches!(status, 429 | 503), "{status}");
    if status == 302 {
        assert!(
            answer.location().starts_with("https://auth.example.test/rbac/login"),
            "{}",
            answer.location()
        );
    } else {
        assert!(!headers.contains_key("location"));
    }
    let says_json = answer.header("content-type").starts_with("application/json");
    if says_json && !head {
        assert!(status >= 400);
        let json = answer.json();
        assert!(json["error"].is_string() && json["message"].is_string(), "{json}");
        assert_eq!(json["decision_id"].as_str(), Some(answer.header("x-auth-decision-id").as_str()));
    }
    if status == 200 && !head {
        assert_eq!(answer.body, "OK");
    }
}

/// Let in, as this person with these roles.
pub(crate) fn assert_allowed(answer: &Answer, email: &str, roles: &str, case: &str) {
    assert_eq!(answer.status, 200, "{case}: {}", answer.body);
    assert_eq!(answer.header("x-auth-email"), email, "{case}");
    assert_eq!(answer.header("x-auth-user"), email, "{case}");
    assert_eq!(answer.header("x-auth-roles"), roles, "{case}");
    assert_eq!(answer.header("x-auth-method"), "session", "{case}");
}

/// Let in, as nobody.
pub(crate) fn assert_anonymous(answer: &Answer, case: &str) {
    assert_eq!(answer.status, 200, "{case}: {}", answer.body);
    for name in IDENTITY.into_iter().filter(|name| *name != "x-auth-method") {
        assert_eq!(answer.header(name), "", "{case}: {name}");
    }
    assert_eq!(answer.header("x-auth-method"), "anonymous", "{case}");
}

/// Not let in: to sign in, refused, or not understood.
pub(crate) fn assert_kept_out(answer: &Answer, case: &str) {
    assert!(matches!(answer.status, 302 | 400 | 401 | 403), "{case}: {}", answer.status);
}

/// One of these.
pub(crate) fn assert_status(answer: &Answer, expected: &[u16], case: &str) {
    assert!(expected.contains(&answer.status), "{case}: {} {}", answer.status, answer.body);
}
