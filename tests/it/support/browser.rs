//! A browser with a cookie jar, and the proxy between it and everything else.
//!
//! Addresses of the provider are fetched as they are. Every other address is "behind the proxy": the gateway's own
//! pages go to the gateway; for the rest the proxy asks `/auth`, and an allowed request is answered by a service
//! in miniature, with status 200 and the identity headers that it was given.

use std::collections::BTreeMap;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue};

use super::Gateway;
use super::idp::client;

/// Redirects that a browser follows before it gives up.
const MAX_HOPS: usize = 20;

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// Where it came from.
    pub(crate) url: String,
    /// Status.
    pub(crate) status: u16,
    /// Headers.
    pub(crate) headers: HeaderMap,
    /// Body.
    pub(crate) body: String,
    /// True when the proxy let the request through to a service.
    pub(crate) served: bool,
}

impl Answer {
    /// One header as text, empty when it is missing.
    pub(crate) fn header(&self, name: &str) -> String {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        self.headers.get(name).map(text).unwrap_or_default()
    }

    /// Where it redirects to; panics when it does not.
    pub(crate) fn location(&self) -> String {
        assert!((300..400).contains(&self.status), "no redirect: {} {}", self.status, self.body);
        self.header("location")
    }

    /// Every `Set-Cookie` line.
    pub(crate) fn set_cookies(&self) -> Vec<String> {
        let lines = self.headers.get_all("set-cookie").iter();
        lines.map(|line| line.to_str().unwrap().to_owned()).collect()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// One browser.
#[derive(Clone)]
pub(crate) struct Browser {
    client: reqwest::Client,
    gateway: std::net::SocketAddr,
    /// Cookies by host (exact; `.domain` for domain cookies), then name.
    pub(crate) jar: BTreeMap<String, BTreeMap<String, String>>,
    /// Headers sent with every request, as a navigation.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Browser {
    /// With an empty jar, in front of `gateway`.
    pub(crate) fn new(gateway: &Gateway) -> Self {
        Self::at(gateway.address)
    }

    /// With an empty jar, in front of what listens there.
    pub(crate) fn at(gateway: std::net::SocketAddr) -> Self {
        Self {
            client: client(),
            gateway,
            jar: BTreeMap::new(),
            headers: vec![
                ("accept", "text/html,application/xhtml+xml,*/*;q=0.8".into()),
                (
                    "user-agent",
                    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".into(),
                ),
            ],
        }
    }

    /// The cookies that go to `host`, as one header line.
    pub(crate) fn cookies_for(&self, host: &str) -> String {
        let fits = |owner: &str| match owner.strip_prefix('.') {
            Some(domain) => host == domain || host.ends_with(owner),
            None => owner == host,
        };
        let pairs = self.jar.iter().filter(|(owner, _)| fits(owner)).flat_map(|(_, cookies)| cookies);
        pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// The session cookie's value on a host.
    pub(crate) fn session(&self, host: &str) -> Option<String> {
        let jar = self.jar.get(host)?;
        ["__Host-doorward", "doorward"].iter().find_map(|name| jar.get(*name)).cloned()
    }

    /// One GET, nothing followed.
    pub(crate) async fn get(&mut self, url: &str) -> Answer {
        self.send(Method::GET, url, None).await
    }

    /// One POST of a form, nothing followed.
    pub(crate) async fn post(&mut self, url: &str, form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.send(Method::POST, url, Some(body)).await
    }

    /// GETs and follows until something is no redirect.
    pub(crate) async fn visit(&mut self, url: &str) -> Answer {
        let mut answer = self.get(url).await;
        for _ in 0..MAX_HOPS {
            if !(300..400).contains(&answer.status) {
                return answer;
            }
            answer = self.get(&answer.location()).await;
        }
        panic!("redirected for ever, last to {}", answer.url);
    }

    /// Follows redirects from `answer` until the next one would go to the provider, or there is none.
    pub(crate) async fn follow_to_provider(&mut self, url: &str) -> String {
        let mut next = url.to_owned();
        for _ in 0..MAX_HOPS {
            if next.starts_with("http://127.0.0.1:") {
                return next;
            }
            next = self.get(&next).await.location();
        }
        panic!("never came to the provider from {url}");
    }

    /// Goes to `url`, and signs in at the provider as `email`; returns the callback's address, not yet visited.
    pub(crate) async fn sign_in_up_to_callback(&mut self, url: &str, email: &str) -> String {
        let page = self.follow_to_provider(url).await;
        self.post(&page, &[("account", email)]).await.location()
    }

    /// Goes to `url`, signs in as `email`, and follows to where that ends.
    pub(crate) async fn sign_in(&mut self, url: &str, email: &str) -> Answer {
        let callback = self.sign_in_up_to_callback(url, email).await;
        self.visit(&callback).await
    }

    /// One request; cookies are kept.
    pub(crate) async fn send(&mut self, method: Method, url: &str, form: Option<String>) -> Answer {
        let (scheme, rest) = url.split_once("://").unwrap_or_else(|| panic!("relative: {url}"));
        let (authority, uri) = rest.find(['/', '?']).map_or((rest, "/"), |at| rest.split_at(at));
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned();
        let mut headers: Vec<(&str, String)> = self.headers.clone();
        let cookies = self.cookies_for(&host);
        if !cookies.is_empty() {
            headers.push(("cookie", cookies));
        }
        if authority.starts_with("127.0.0.1:") {
            return self.exchange(method, url.to_owned(), url, &host, headers, form).await;
        }
        headers.push(("host", authority.to_owned()));
        headers.push(("x-forwarded-host", authority.to_owned()));
        headers.push(("x-forwarded-proto", scheme.to_owned()));
        headers.push(("x-forwarded-for", "203.0.113.9".to_owned()));
        let own_page = uri == "/rbac" || uri.starts_with("/rbac/") || uri.starts_with("/rbac?");
        if own_page {
            if method == Method::POST {
                headers.push(("origin", format!("{scheme}://{authority}")));
            }
            let at = format!("http://{}{uri}", self.gateway);
            return self.exchange(method, at, url, &host, headers, form).await;
        }
        headers.push(("x-forwarded-method", method.to_string()));
        headers.push(("x-forwarded-uri", uri.to_owned()));
        let at = format!("http://{}/auth", self.gateway);
        let mut answer = self.exchange(Method::GET, at, url, &host, headers, None).await;
        answer.served = answer.status == 200;
        answer
    }

    async fn exchange(
        &mut self,
        method: Method,
        at: String,
        url: &str,
        host: &str,
        headers: Vec<(&str, String)>,
        form: Option<String>,
    ) -> Answer {
        let mut request = self.client.request(method, at);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(form) = form {
            request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await.unwrap_or_default();
        let answer = Answer { url: url.to_owned(), status, headers, body, served: false };
        for line in answer.set_cookies() {
            self.keep(host, &line);
        }
        answer
    }

    fn keep(&mut self, host: &str, line: &str) {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("name=value");
        assert!(name.len() + value.len() < 4096, "a browser would drop {name}");
        let (mut owner, mut gone) = (host.to_owned(), false);
        for attribute in parts {
            match attribute.split_once('=') {
                Some(("Domain", domain)) => owner = format!(".{}", domain.trim_start_matches('.')),
                Some(("Max-Age", "0")) => gone = true,
                _ => {}
            }
        }
        assert!(!name.starts_with("__Host-") || owner == host, "__Host- with a domain");
        let jar = self.jar.entry(owner).or_default();
        if gone {
            jar.remove(name);
        } else {
            jar.insert(name.to_owned(), value.to_owned());
        }
    }
}
