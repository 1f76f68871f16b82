//! Bearer tokens of other issuers: whose they are, whether they hold, and what they say. Absent, wrong and
//! could-not-check stay three outcomes.
//!
//! A token that holds is remembered by its digest, never by itself, and for a short while only: then its
//! signature is checked again by the keys that the issuer has by then.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::compact::Compact;
use super::discovery::Discovery;
use super::introspection::Introspection;
use super::jwks::{KeySet, Lookup};
use super::jwt::Rules;
use super::outgoing::Outgoing;
use super::refresh::{Asker, Health};
pub use super::verified::{Digest, Verdict, Verified, digest_of};
use crate::clock::Timestamp;
use crate::config;

/// Longest token looked at, in bytes: request headers beyond 16 KiB pass hardly any proxy.
pub const MAX_TOKEN: usize = 16 * 1024;
/// Tokens remembered. One takes about 1 KB.
const REMEMBERED: usize = 20_000;

const STRANGER: &str = "it is of no issuer that is configured";
const NAMESAKE: &str =
    "it is of no issuer that is configured: one has the same path, and another scheme, host or port";

#[derive(Debug)]
struct Issuer {
    rules: Rules,
    discovery: Discovery,
    keys: KeySet,
    introspection: Option<Introspection>,
}

/// Whose tokens are believed.
#[derive(Debug)]
pub struct Issuers {
    all: Vec<Issuer>,
    checked: Cache<Digest, Arc<Verified>>,
}

/// Whether a token is one that only its issuer's keys can tell about. Whoever means a JWT is answered about a JWT: nobody
/// is asked what a broken one might be.
#[must_use]
pub fn means_jwt(token: &str) -> bool {
    token.starts_with("ey") || token.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl Issuers {
    /// Builds all; asks nobody.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub fn new(configured: &[config::Issuer]) -> Result<Self, String> {
        let mut all = Vec::new();
        if !configured.is_empty() {
            let outgoing = Outgoing::new()?;
            for config in configured {
                let outgoing = outgoing.allowing_http(config.insecure_http);
                let discovery = Discovery::new(&config.issuer, &config.endpoint_hosts, outgoing.clone())
                    .map_err(|fault| format!("issuer {}: {fault}", config.id))?;
                all.push(Issuer {
                    rules: Rules::new(config),
                    keys: KeySet::new(discovery.clone(), outgoing.clone()),
                    introspection: config
                        .introspection
                        .as_ref()
                        .map(|config| Introspection::new(config, discovery.clone(), outgoing)),
                    discovery,
                });
            }
        }
        Ok(Self { all, checked: Cache::new(REMEMBERED) })
    }

    /// Whether no token of anybody is believed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether anybody can be asked about a token that is no JWT.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        self.all.iter().any(|issuer| issuer.introspection.is_some())
    }

    /// Id and health of each.
    pub fn health(&self) -> impl Iterator<Item = (&str, Health)> {
        self.all.iter().map(|issuer| {
            let health = match (issuer.discovery.health(), issuer.keys.health()) {
                (Health::Ready, failing @ Health::Failing { .. }) => failing,
                (discovery, _) => discovery,
            };
            (issuer.rules.id.as_str(), health)
        })
    }

    /// Fetches what is needed and not there yet; may be called often.
    pub async fn warm(&self, now: Timestamp) {
        for issuer in &self.all {
            if let Err(cause) = issuer.discovery.get(now, Asker::Program).await {
                tracing::debug!(issuer = issuer.rules.id, %cause, "the issuer's metadata is not there yet");
                continue;
            }
            issuer.keys.warm(now).await;
        }
    }

    /// Checks a token; `digest` is [`digest_of`] it.
    pub async fn check(&self, token: &str, digest: &Digest, now: Timestamp) -> Verdict {
        if let Some(known) = self.checked.get(digest) {
            if known.is_fresh(now) {
                return Verdict::Valid(known);
            }
            self.checked.remove(digest);
        }
        if token.len() > MAX_TOKEN {
            return Verdict::Wrong("it is too long");
        }
        if !means_jwt(token) {
            return self.check_opaque(token, digest, now).await;
        }
        let verdict = self.check_jwt(token, now).await;
        if let Verdict::Valid(verified) = &verdict {
            self.checked.insert(*digest, Arc::clone(verified));
        }
        verdict
    }

    async fn check_jwt(&self, token: &str, now: Timestamp) -> Verdict {
        let token = match Compact::read(token) {
            Ok(token) => token,
            Err(why) => return Verdict::Wrong(why),
        };
        let iss = token.text("iss");
        let Some(issuer) = self.all.iter().find(|known| iss == Some(known.rules.issuer.as_str())) else {
            return Verdict::Wrong(match iss.is_some_and(|iss| self.is_namesake(iss)) {
                true => NAMESAKE,
                false => STRANGER,
            });
        };
        let verified = match issuer.rules.read(&token, now) {
            Ok(verified) => verified,
            Err(why) => return Verdict::Wrong(why),
        };
        match issuer.keys.find(token.kid(), &token.alg, now).await {
            Lookup::Found(key) if !key.may_sign_for(&issuer.rules.issuer) => {
                Verdict::Wrong("its key is for tokens of another issuer")
            }
            Lookup::Found(key) if token.is_signed_by(&key) => Verdict::of(Arc::new(verified)),
            Lookup::Found(_) => Verdict::Wrong("its signature is wrong"),
            Lookup::Unknown => Verdict::Wrong("its issuer publishes no such key"),
            Lookup::Unavailable(error) => Verdict::Unchecked(error.to_string()),
        }
    }

    /// Whether it is a configured issuer but for scheme, host and port. Keycloak calls itself by whatever name it was
    /// asked by, unless `KC_HOSTNAME` is set.
    fn is_namesake(&self, iss: &str) -> bool {
        fn path(url: &str) -> Option<&str> {
            let (_, path) = url.split_once("://")?.1.split_once('/')?;
            (!path.is_empty()).then_some(path)
        }
        path(iss).is_some_and(|theirs| self.all.iter().any(|known| path(&known.rules.issuer) == Some(theirs)))
    }

    /// Such a token does not say whose it is: every issuer that can be asked is, in order. One that cannot answer
    /// leaves it open, unless another knows the token.
    async fn check_opaque(&self, token: &str, digest: &Digest, now: Timestamp) -> Verdict {
        let mut verdict = Verdict::Wrong("it is neither a JWT nor a token of anybody who can be asked");
        for issuer in &self.all {
            let Some(introspection) = &issuer.introspection else { continue };
            match (introspection.ask(token, digest, &issuer.rules, now).await, &verdict) {
                (valid @ Verdict::Valid(_), _) => return valid,
                (Verdict::Wrong(_), Verdict::Unchecked(_)) => {}
                (other, _) => verdict = other,
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests;
