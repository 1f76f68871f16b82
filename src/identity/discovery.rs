//! What an OpenID provider says about itself (OpenID Connect Discovery 1.0), fetched when first needed, so that a
//! provider which is down does not stop the start. The document is believed only as far as the configuration
//! reaches: its issuer must be the configured one to the letter, and its endpoints must be where that issuer may
//! have some.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use crate::clock::Timestamp;
use crate::identity::outgoing::{Outgoing, OutgoingError};
use crate::identity::refresh::{Asker, Health, Kept};

/// Hosts beside their own that the large issuers have their endpoints on.
const KNOWN_HOSTS: &[(&str, &[&str])] = &[
    ("accounts.google.com", &["oauth2.googleapis.com", "www.googleapis.com", "openidconnect.googleapis.com"]),
    ("login.microsoftonline.com", &["graph.microsoft.com"]),
];

/// Pause after a first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The pause for people.
const PERSON_PAUSE: Duration = Duration::from_secs(1);

/// A provider's metadata, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Where browsers are sent. An issuer of bearer tokens alone (a Kubernetes API server) has none.
    pub authorization_endpoint: Option<Url>,
    /// Where codes are redeemed.
    pub token_endpoint: Option<Url>,
    /// Where the keys are.
    pub jwks_uri: Url,
    /// More claims of a person.
    pub userinfo_endpoint: Option<Url>,
    /// RP-initiated logout.
    pub end_session_endpoint: Option<Url>,
    /// Where it says what a token is (RFC 7662).
    pub introspection_endpoint: Option<Url>,
    /// The provider promises `iss` in every answer to the callback (RFC 9207).
    pub iss_in_answers: bool,
    /// The token endpoint takes the secret in the body and not in the `Authorization` header.
    pub secret_in_body: bool,
    /// The provider tells about ended sessions (OpenID Connect Back-Channel Logout 1.0).
    pub backchannel_logout: bool,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    introspection_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    backchannel_logout_supported: bool,
}

/// One issuer's metadata. A clone shares the copy.
#[derive(Clone, Debug)]
pub struct Discovery {
    kept: Arc<Kept<Metadata>>,
    source: Arc<Source>,
}

#[derive(Debug)]
struct Source {
    issuer: String,
    /// How the document names it.
    named: String,
    address: Url,
    endpoint_hosts: Vec<String>,
    outgoing: Outgoing,
}

impl Discovery {
    /// For `issuer`, exactly as configured, whose endpoints may also be on `endpoint_hosts` (`host` or
    /// `host:port`). Asks nothing yet.
    ///
    /// # Errors
    /// When the issuer is not an address that may be asked.
    pub fn new(issuer: &str, endpoint_hosts: &[String], outgoing: Outgoing) -> Result<Self, String> {
        Self::named(issuer, issuer, endpoint_hosts, outgoing)
    }

    /// The same for an issuer that its own document names otherwise: Microsoft's for all tenants.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn named(
        issuer: &str,
        named: &str,
        endpoint_hosts: &[String],
        outgoing: Outgoing,
    ) -> Result<Self, String> {
        // Discovery 4.1: a slash at the end of the issuer is cut off before the well-known path is added.
        let address =
            Url::parse(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))
                .map_err(|error| format!("issuer {issuer:?} is not a URL: {error}"))?;
        if !outgoing.allows(&address) {
            return Err(format!(
                "issuer {issuer:?} is not https (http is for loopback, or with `insecure_http: true`)"
            ));
        }
        let source = Source {
            issuer: issuer.to_owned(),
            named: named.to_owned(),
            address,
            endpoint_hosts: endpoint_hosts.to_vec(),
            outgoing,
        };
        Ok(Self { kept: Kept::new(), source: Arc::new(source) })
    }

    /// The issuer, as configured.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.source.issuer
    }

    /// The metadata: at once when there is a copy (a stale one is refreshed behind), else after asking.
    ///
    /// # Errors
    /// Why there is none; also within the pause after a failed attempt.
    pub async fn get(&self, now: Timestamp, asker: Asker) -> Result<Arc<Metadata>, OutgoingError> {
        let pause = match asker {
            Asker::Person => PERSON_PAUSE,
            Asker::Program => self.pause(),
        };
        match self.kept.copy(now) {
            Some(copy) if copy.fresh => return Ok(copy.value),
            Some(copy) => {
                self.kept.refresh_behind(now, self.pause(), Arc::clone(&self.source).fetch());
                return Ok(copy.value);
            }
            None => self.kept.refresh(now, pause, Arc::clone(&self.source).fetch()).await,
        }
        self.kept.copy(now).map(|copy| copy.value).ok_or_else(|| self.kept.cause())
    }

    /// Whether there is a copy to work with.
    #[must_use]
    pub fn health(&self) -> Health {
        self.kept.health()
    }

    fn pause(&self) -> Duration {
        let doublings = self.kept.failures().saturating_sub(1).min(8);
        FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
    }
}

impl Source {
    async fn fetch(self: Arc<Self>) -> Result<Metadata, OutgoingError> {
        let document: Document = self.outgoing.get_json(&self.address, None).await?;
        self.check(document).map_err(|fault| OutgoingError::BadAnswer(format!("{} {fault}", self.address)))
    }

    fn check(&self, document: Document) -> Result<Metadata, String> {
        if document.issuer != self.named {
            return Err(format!(
                "names the issuer {:?}, configured is {:?}; the two must be equal to the letter",
                document.issuer, self.named
            ));
        }
        let optional = |name, value: &Option<String>| match value.as_deref() {
            None | Some("") => Ok(None),
            Some(value) => self.endpoint(name, value).map(Some),
        };
        // Absent means client_secret_basic (Discovery 3).
        let methods = document.token_endpoint_auth_methods_supported.unwrap_or_default();
        let offers = |method: &str| methods.iter().any(|offered| offered == method);
        Ok(Metadata {
            authorization_endpoint: optional("authorization_endpoint", &document.authorization_endpoint)?,
            token_endpoint: optional("token_endpoint", &document.token_endpoint)?,
            jwks_uri: self.endpoint("jwks_uri", &document.jwks_uri)?,
            userinfo_endpoint: optional("userinfo_endpoint", &document.userinfo_endpoint)?,
            end_session_endpoint: optional("end_session_endpoint", &document.end_session_endpoint)?,
            introspection_endpoint: optional("introspection_endpoint", &document.introspection_endpoint)?,
            iss_in_answers: document.authorization_response_iss_parameter_supported,
            secret_in_body: offers("client_secret_post") && !offers("client_secret_basic"),
            backchannel_logout: document.backchannel_logout_supported,
        })
    }

    fn endpoint(&self, name: &str, value: &str) -> Result<Url, String> {
        let url = Url::parse(value).map_err(|_| format!("has {name} {value:?}, which is not a URL"))?;
        if !self.outgoing.allows(&url) {
            return Err(format!(
                "has {name} {value:?}, which is not https; if that is meant, set `insecure_http: true` for \
                 this issuer"
            ));
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(format!("has {name} {value:?} with user information or a fragment"));
        }
        if self.on_known_host(&url) {
            return Ok(url);
        }
        let host = url.host_str().unwrap_or_default();
        Err(format!(
            "has {name} on another host than the issuer; if {host:?} is right, add `endpoint_hosts: [{host}]` to \
             this issuer"
        ))
    }

    fn on_known_host(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let issuer_host = self.address.host_str().unwrap_or_default();
        let built_in =
            KNOWN_HOSTS.iter().find(|(issuer, _)| *issuer == issuer_host).map_or(&[][..], |(_, hosts)| hosts);
        let with_port = url.port_or_known_default().map(|port| format!("{host}:{port}"));
        host == issuer_host
            || built_in.contains(&host)
            || self.endpoint_hosts.iter().any(|listed| {
                listed.eq_ignore_ascii_case(host)
                    || with_port.as_deref().is_some_and(|with_port| listed.eq_ignore_ascii_case(with_port))
            })
    }
}

#[cfg(test)]
mod tests;
