//! The sign-in session as the browser keeps it: one sealed cookie, with its limits inside.
//!
//! The cookie says who signed in and until when; the session registry (the store) says whether that still
//! holds. Both are checked on every request, so a copied cookie dies with its session.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::seal::{KeyError, KeyRing, Purpose};
use crate::clock::Timestamp;
use crate::config;
use crate::store::SessionId;

/// Browsers drop a cookie whose name and value are over 4096 bytes together (RFC 6265bis §5.6).
pub const MAX_COOKIE_BYTES: usize = 4096;

/// What the session cookie holds. Its fields are in this order in the sealed bytes: add at the end only, with
/// a new version of the seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// The session's name in the registry.
    pub sid: SessionId,
    /// The person's stable id.
    pub user_id: String,
    /// The provider that vouched, by its configured id.
    pub provider: String,
    /// `sub` there.
    pub subject: String,
    /// Verified e-mail.
    pub email: Option<String>,
    /// Display name, at most 256 bytes.
    pub name: Option<String>,
    /// Roles that the provider claimed, as far as the policy knows them.
    pub roles: Vec<String>,
    /// Groups that the provider claimed, as far as the policy knows them.
    pub groups: Vec<String>,
    /// When the sign-in happened.
    pub signed_in_at: Timestamp,
    /// Absolute limit.
    pub expires_at: Timestamp,
    /// Limit without any request, in seconds.
    pub idle_secs: Option<u32>,
    /// When the person proved to the provider who they are: what it tells, else the sign-in itself.
    pub proved_at: Timestamp,
}

impl Payload {
    /// The idle limit.
    #[must_use]
    pub fn idle(&self) -> Option<Duration> {
        self.idle_secs.map(|secs| Duration::from_secs(u64::from(secs)))
    }
}

/// Why no cookie was made.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The values do not fit into a cookie.
    #[error("the session does not fit into a cookie: {0} bytes where browsers keep {MAX_COOKIE_BYTES}")]
    TooBig(usize),
    /// No random numbers.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The payload could not be written.
    #[error("the session cannot be encoded")]
    Encode,
}

/// For whom a cookie is: the authenticated audience of its seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Each host has its own cookie.
    Host,
    /// One cookie for this domain and every host in it.
    Domain(String),
}

/// Seals and opens session cookies.
#[derive(Debug)]
pub struct SessionCookies {
    ring: KeyRing,
    name: &'static str,
    scope: Scope,
}

impl SessionCookies {
    /// For this gateway: the name says how far the browser guards it (RFC 6265bis §4.1.3).
    #[must_use]
    pub fn new(ring: KeyRing, config: &config::Config) -> Self {
        let https = config.server.external_url.as_ref().is_none_or(|url| url.scheme() == "https");
        let (name, scope) = match (&config.session.cookie_domain, https) {
            (None, true) => ("__Host-doorward", Scope::Host),
            (None, false) => ("doorward", Scope::Host),
            (Some(domain), true) => ("__Secure-doorward", Scope::Domain(domain.clone())),
            (Some(domain), false) => ("doorward", Scope::Domain(domain.clone())),
        };
        Self { ring, name, scope }
    }

    /// The cookie's exact name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Which hosts share it.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The ring, for what else is sealed.
    #[must_use]
    pub const fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// The cookie value for one host.
    ///
    /// # Errors
    /// [`SealError::TooBig`] when a browser would drop it: the sign-in is refused rather than cut.
    pub fn seal(&self, payload: &Payload, host: &str) -> Result<String, SealError> {
        let bytes = postcard::to_stdvec(payload).map_err(|_| SealError::Encode)?;
        let value = self.ring.seal(Purpose::Session, self.audience(host), &bytes)?;
        // 256 bytes are left for the attributes that some browsers count too.
        let size = self.name.len() + 1 + value.len();
        if size > MAX_COOKIE_BYTES - 256 {
            return Err(SealError::TooBig(size));
        }
        Ok(value)
    }

    /// What the cookie says, when its seal holds for this host and its absolute limit is not over. Whether the
    /// session still lives is for the registry to say.
    #[must_use]
    pub fn open(&self, value: &str, host: &str, now: Timestamp) -> Option<Payload> {
        if value.len() > MAX_COOKIE_BYTES {
            return None;
        }
        let bytes = self.ring.open(Purpose::Session, self.audience(host), value)?;
        let payload: Payload = postcard::from_bytes(&bytes).ok()?;
        // A sign-in in the future means that the clock was set back: closed rather than longer.
        let begun = payload.signed_in_at <= now.plus(Duration::from_secs(60));
        (begun && now < payload.expires_at).then_some(payload)
    }

    /// The audience that a cookie sent to `host` is sealed for.
    #[must_use]
    pub fn audience<'a>(&'a self, host: &'a str) -> &'a str {
        match &self.scope {
            Scope::Host => host,
            Scope::Domain(domain) => domain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ids;

    fn cookies() -> SessionCookies {
        SessionCookies {
            ring: KeyRing::from_base64(&[KeyRing::new_root().unwrap()]).unwrap(),
            name: "__Host-doorward",
            scope: Scope::Host,
        }
    }

    fn payload(now: Timestamp) -> Payload {
        Payload {
            sid: ids::session_id().unwrap(),
            user_id: "a-1".into(),
            provider: "google".into(),
            subject: "a-1".into(),
            email: Some("ada@example.com".into()),
            name: Some("Jürgen Ñandú 東京".into()),
            roles: vec!["user".into()],
            groups: vec![],
            signed_in_at: now,
            expires_at: now.plus(Duration::from_secs(60)),
            idle_secs: Some(30),
            proved_at: now,
        }
    }

    #[test]
    fn limits_are_inside_and_hosts_are_apart() {
        let (cookies, now) = (cookies(), Timestamp::from_secs(1_000_000));
        let payload = payload(now);
        let value = cookies.seal(&payload, "app.example.test").unwrap();
        assert_eq!(cookies.open(&value, "app.example.test", now), Some(payload));
        assert_eq!(cookies.open(&value, "api.example.test", now), None);
        assert_eq!(cookies.open(&value, "app.example.test", now.plus(Duration::from_secs(60))), None);
        assert_eq!(cookies.open(&value, "app.example.test", now.minus(Duration::from_secs(3600))), None);
    }

    #[test]
    fn what_a_browser_would_drop_is_never_made() {
        let (cookies, now) = (cookies(), Timestamp::from_secs(1_000_000));
        let mut big = payload(now);
        big.roles = (0..500).map(|n| format!("role-{n:055}")).collect();
        assert!(matches!(cookies.seal(&big, "h"), Err(SealError::TooBig(size)) if size > MAX_COOKIE_BYTES));
        assert_eq!(cookies.open(&"A".repeat(100_000), "h", now), None);
    }
}
