//! Somebody with a cookie jar, in front of the real proxy. Follows nothing by itself.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use super::Stack;

/// A browser going to a page.
pub(crate) fn navigation() -> Vec<(&'static str, String)> {
    let headers = [
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ];
    headers.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

/// A script on a page.
pub(crate) fn api() -> Vec<(&'static str, String)> {
    let headers = [("accept", "application/json"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
    headers.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// One header as text, empty when it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Where it redirects to.
    pub(crate) fn location(&self) -> String {
        assert!(matches!(self.status, 302 | 303), "no redirect: {self:?}");
        self.header("location").to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// One person's browser, without the browser.
#[derive(Clone)]
pub(crate) struct Person {
    origin: String,
    client: Client,
    /// Cookies of the site.
    pub(crate) jar: BTreeMap<String, String>,
}

impl Person {
    /// Nobody yet: an empty jar.
    pub(crate) fn new(stack: &Stack) -> Self {
        let there = SocketAddr::from((Ipv4Addr::LOCALHOST, stack.port));
        let client = builder().resolve("localhost", there).build().unwrap();
        Self { origin: stack.origin.clone(), client, jar: BTreeMap::new() }
    }

    /// Somebody who has signed in.
    pub(crate) async fn signed_in(stack: &Stack, email: &str) -> Self {
        let mut person = Self::new(stack);
        let there = person.sign_in("/foo/", email).await;
        assert_eq!(there.status, 200, "{there:?}");
        person
    }

    /// The session cookie's value.
    pub(crate) fn session(&self) -> String {
        self.jar.get("doorward").cloned().unwrap_or_default()
    }

    /// The cookies as one header line.
    pub(crate) fn cookie_line(&self) -> String {
        self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Goes to a page.
    pub(crate) async fn visit(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &navigation(), None).await
    }

    /// Asks as a program.
    pub(crate) async fn fetch(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &api(), None).await
    }

    /// Goes to a page, signs in on the way, and follows to the end.
    pub(crate) async fn sign_in(&mut self, path: &str, email: &str) -> Answer {
        let callback = self.sign_in_up_to_callback(path, email).await;
        let back = self.visit(&callback).await.location();
        assert_eq!(back, format!("{}{path}", self.origin), "back at exactly the address asked for");
        self.visit(&back).await
    }

    /// The same, up to the address that the provider sends the browser back to, which is not visited.
    pub(crate) async fn sign_in_up_to_callback(&mut self, path: &str, email: &str) -> String {
        let login = self.visit(path).await.location();
        let provider = self.visit(&login).await.location();
        assert!(provider.starts_with("http://127.0.0.1:"), "{provider}");
        let request = client().post(&provider).header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(format!("account={}", email.replace('@', "%40"))).send().await.unwrap();
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    /// One request, to a path or a whole address of the site; cookies are sent and kept.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Option<Vec<u8>>,
    ) -> Answer {
        let mut request = self.request(method, path);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        for line in headers.get_all("set-cookie") {
            self.keep(line.to_str().unwrap());
        }
        Answer { status, headers, body: response.text().await.unwrap() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let whole = path.starts_with("http://");
        assert!(!whole || path.starts_with(&self.origin), "not of this site: {path}");
        let url = if whole { path.to_owned() } else { format!("{}{path}", self.origin) };
        let request = self.client.request(method, url);
        let cookies = self.cookie_line();
        if cookies.is_empty() { request } else { request.header("cookie", cookies) }
    }

    fn keep(&mut self, line: &str) {
        let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
        let (name, value) = pair.split_once('=').unwrap();
        assert!(pair.len() < 4096, "a browser would drop {name}");
        assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Lax"), "{line}");
        if attributes.contains("Max-Age=0") {
            self.jar.remove(name);
        } else {
            self.jar.insert(name.to_owned(), value.to_owned());
        }
    }
}

fn builder() -> reqwest::ClientBuilder {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
    Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().timeout(super::PATIENCE)
}

/// A client that follows nothing and keeps nothing.
pub(crate) fn client() -> Client {
    builder().build().unwrap()
}
