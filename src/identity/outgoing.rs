//! The one HTTP client for everything the gateway asks of others. What comes back is input to be checked: no
//! redirect is followed, a whole exchange ends at a deadline however slowly it drips, and a body stops at a cap
//! while it is still arriving.
//!
//! `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` work as everywhere; `SSL_CERT_FILE` names a private authority.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openidconnect::http;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use thiserror::Error;
use url::{Host, Url};

/// A TCP and TLS connection stands within this time, or the provider counts as down.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A whole exchange, from connecting to the last byte: a person waits for it, so it stays under the ten seconds
/// after which people press "reload".
pub const DEADLINE: Duration = Duration::from_secs(8);

/// Largest body read, in bytes. Key sets and discovery documents of the large providers are under 20 KB.
pub const MAX_BODY: usize = 1024 * 1024;

/// Why there is no usable answer. Texts name an address without its query and never quote a body.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OutgoingError {
    /// Nobody answered, too late, or with a server error: asking again later may help.
    #[error("{0}")]
    Unavailable(String),
    /// An answer came and is no good: asking again will bring the same.
    #[error("{0}")]
    BadAnswer(String),
}

/// What an exchange is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Document,
    Anything,
}

/// The client. A clone shares the connections.
#[derive(Clone, Debug)]
pub struct Outgoing {
    client: reqwest::Client,
    deadline: Duration,
    insecure_http: bool,
}

impl Outgoing {
    /// Sets up TLS with the system's authorities.
    ///
    /// # Errors
    /// When the system has no certificate store that can be read; the text is for the operator.
    pub fn new() -> Result<Self, String> {
        Self::from_builder(reqwest::Client::builder())
    }

    /// One that connects to `address` for each of these hosts, whatever their names lead to, and through no proxy of
    /// the environment. A port in the URL wins over the address's.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn connecting(hosts: &[&str], address: SocketAddr) -> Result<Self, String> {
        let builder = reqwest::Client::builder().no_proxy();
        Self::from_builder(hosts.iter().fold(builder, |builder, host| builder.resolve(host, address)))
    }

    /// The same client without the environment's proxy.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn direct() -> Result<Self, String> {
        Self::from_builder(reqwest::Client::builder().no_proxy())
    }

    fn from_builder(builder: reqwest::ClientBuilder) -> Result<Self, String> {
        let client = builder
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("doorward/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("cannot set up outgoing connections: {}", chain(&error)))?;
        Ok(Self { client, deadline: DEADLINE, insecure_http: false })
    }

    /// The same client, for a provider that may be asked over plain http beyond loopback (`insecure_http`).
    #[must_use]
    pub fn allowing_http(&self, insecure_http: bool) -> Self {
        Self { insecure_http, ..self.clone() }
    }

    /// The same client with another deadline for whole exchanges.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// Whether `url` may be asked at all: https, or http to loopback or by `insecure_http`.
    #[must_use]
    pub fn allows(&self, url: &Url) -> bool {
        match url.scheme() {
            "https" => true,
            "http" => self.insecure_http || is_loopback(url),
            _ => false,
        }
    }

    /// Gets a JSON document, with a bearer token when there is one.
    ///
    /// # Errors
    /// [`OutgoingError`]; any status other than 200 is one.
    pub async fn get_json<T: DeserializeOwned>(
        &self,
        url: &Url,
        bearer: Option<&SecretString>,
    ) -> Result<T, OutgoingError> {
        let mut request =
            http::Request::builder().uri(url.as_str()).header(http::header::ACCEPT, "application/json");
        if let Some(token) = bearer {
            let mut value = http::HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
                .map_err(|_| {
                    OutgoingError::BadAnswer("the access token does not fit into a header".into())
                })?;
            value.set_sensitive(true);
            request = request.header(http::header::AUTHORIZATION, value);
        }
        let request =
            request.body(Vec::new()).map_err(|_| bad(url, "is not an address that can be asked"))?;
        let response = self.call(request).await?;
        if response.status() != http::StatusCode::OK {
            return Err(bad(url, &format!("answered {}", response.status().as_u16())));
        }
        // The parser's own message may quote the body: its position is enough to find the fault.
        serde_json::from_slice(response.body()).map_err(|error| {
            bad(url, &format!("sent no usable JSON (line {}, column {})", error.line(), error.column()))
        })
    }

    /// Posts a form with a client's id and secret (RFC 6749 2.3.1) and gets a JSON document.
    ///
    /// # Errors
    /// [`OutgoingError`]; any status other than 200 is one.
    pub async fn post_form<T: DeserializeOwned>(
        &self,
        url: &Url,
        form: &[(&str, &str)],
        client_id: &str,
        client_secret: &SecretString,
    ) -> Result<T, OutgoingError> {
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(client_id), encoded(client_secret.expose_secret()));
        let mut basic = http::HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
            .map_err(|_| bad(url, "cannot be sent the client's secret"))?;
        basic.set_sensitive(true);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = http::Request::post(url.as_str())
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(http::header::AUTHORIZATION, basic)
            .body(body.into_bytes())
            .map_err(|_| bad(url, "is not an address that can be asked"))?;
        let response = self.call(request).await?;
        if response.status() != http::StatusCode::OK {
            return Err(bad(url, &format!("answered {}", response.status().as_u16())));
        }
        serde_json::from_slice(response.body()).map_err(|error| {
            bad(url, &format!("sent no usable JSON (line {}, column {})", error.line(), error.column()))
        })
    }

    /// One exchange. Usable as `openidconnect::AsyncHttpClient` by a closure around it. A 4xx is an answer like a
    /// 200, for token endpoints say there what is wrong.
    ///
    /// # Errors
    /// [`OutgoingError::Unavailable`] without an answer, for 429 and for 5xx; [`OutgoingError::BadAnswer`] for a
    /// redirect, for a body over [`MAX_BODY`] and for an address that may not be asked.
    pub async fn call(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, OutgoingError> {
        self.within_deadline(request, Wanted::Document).await
    }

    /// One exchange of which every answer is of interest: redirects, which are not followed, and server errors too. A
    /// body over [`MAX_BODY`] is cut there.
    ///
    /// # Errors
    /// [`OutgoingError::Unavailable`] without an answer; [`OutgoingError::BadAnswer`] for an address that may not be
    /// asked.
    pub async fn look(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, OutgoingError> {
        self.within_deadline(request, Wanted::Anything).await
    }

    async fn within_deadline(
        &self,
        request: http::Request<Vec<u8>>,
        wanted: Wanted,
    ) -> Result<http::Response<Vec<u8>>, OutgoingError> {
        let request = reqwest::Request::try_from(request).map_err(|error| {
            OutgoingError::BadAnswer(format!("cannot be asked: {}", chain(&error.without_url())))
        })?;
        let url = request.url().clone();
        if !self.allows(&url) {
            return Err(bad(&url, "is not https (`insecure_http: true` allows that for one provider)"));
        }
        match tokio::time::timeout(self.deadline, self.exchange(request, &url, wanted)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                Err(unavailable(&url, &format!("did not finish within {} s", self.deadline.as_secs_f32())))
            }
        }
    }

    async fn exchange(
        &self,
        request: reqwest::Request,
        url: &Url,
        wanted: Wanted,
    ) -> Result<http::Response<Vec<u8>>, OutgoingError> {
        let strict = wanted == Wanted::Document;
        let lost =
            |error: reqwest::Error| unavailable(url, &format!("failed: {}", chain(&error.without_url())));
        let mut response = self.client.execute(request).await.map_err(lost)?;
        let status = response.status();
        if strict && status.is_redirection() {
            return Err(bad(url, &format!("answered {} (redirects are not followed)", status.as_u16())));
        }
        if strict && (status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS) {
            return Err(unavailable(url, &format!("answered {}", status.as_u16())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            let room = MAX_BODY.saturating_sub(body.len());
            if chunk.len() > room && !strict {
                body.extend(chunk.iter().take(room));
                break;
            }
            if chunk.len() > room {
                return Err(bad(url, &format!("sent more than {MAX_BODY} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = http::Response::new(body);
        *answer.status_mut() = status;
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }
}

/// Whether the host can only be this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn unavailable(url: &Url, what: &str) -> OutgoingError {
    OutgoingError::Unavailable(format!("{} {what}", without_query(url)))
}

fn bad(url: &Url, what: &str) -> OutgoingError {
    OutgoingError::BadAnswer(format!("{} {what}", without_query(url)))
}

/// An address for a log line.
fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Fails only for addresses that cannot carry them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// An error with its causes, which is where "connection refused" stands.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;
