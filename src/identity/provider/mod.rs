//! Who vouches for people: starting a sign-in, finishing it, ending it. The set of protocols is closed, so this is
//! an enum and a `match`.
//!
//! One sign-in: [`Provider::start`] makes the address to send the browser to and what must be remembered of it
//! ([`PendingAuth`], which the caller seals into a cookie and compares `state` with); [`Provider::finish`] turns
//! the answer into a [`Person`] or says why not.

mod error;
mod github;
mod google;
mod id_token;
mod issuer;
mod logout;
mod oidc;
mod person;

use std::fmt;
use std::time::Duration;

use openidconnect::{CsrfToken, Nonce, PkceCodeChallenge};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::clock::Timestamp;
use crate::config::{self, ProviderKind};
use crate::identity::outgoing::Outgoing;
pub use crate::identity::refresh::Health;
pub use error::ProviderError;
use github::Github;
pub use logout::LogoutNotice;
use oidc::Oidc;

/// A whole sign-in's talk with the provider (code, keys, user info) ends within this time.
const FINISH_WITHIN: Duration = Duration::from_secs(9);

/// All that are configured, in order.
#[derive(Debug, Default)]
pub struct Providers(Vec<Provider>);

/// One of them.
#[derive(Debug)]
pub enum Provider {
    /// OpenID Connect, Google's kind of it included.
    Oidc(Box<Oidc>),
    /// GitHub, which speaks OAuth 2.0 only.
    Github(Box<Github>),
}

/// A sign-in that has begun.
#[derive(Debug)]
pub struct Started {
    /// Where to send the browser.
    pub url: Url,
    /// What to remember of it.
    pub pending: PendingAuth,
}

/// What must be remembered of a sign-in until its callback; each value has 256 random bits and is secret from
/// everybody but the browser that began.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingAuth {
    /// Must come back with the answer; the caller compares it before anything else.
    pub state: String,
    /// Must be in the ID token; unused with GitHub.
    pub nonce: String,
    /// PKCE (RFC 7636): proves to the token endpoint that the answer came to who asked.
    pub verifier: String,
    /// Since when the person must have proved who they are, in seconds: the provider was asked for a proof then,
    /// however lately they gave it one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_since: Option<i64>,
}

impl fmt::Debug for PendingAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PendingAuth(…)")
    }
}

impl PendingAuth {
    /// New random values, and the challenge that belongs to the verifier.
    fn new() -> (Self, PkceCodeChallenge) {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let pending = Self {
            state: CsrfToken::new_random_len(32).into_secret(),
            nonce: Nonce::new_random_len(32).secret().clone(),
            verifier: verifier.into_secret(),
            proof_since: None,
        };
        (pending, challenge)
    }
}

/// What the provider's answer to the callback says, after the caller compared its `state`.
#[derive(Clone, Copy)]
pub struct CallbackAnswer<'a> {
    /// The code to redeem.
    pub code: &'a str,
    /// Who answers (RFC 9207).
    pub iss: Option<&'a str>,
}

/// Somebody that a provider vouches for, every value checked.
#[derive(Clone, Debug)]
pub struct Person {
    /// `sub` there: 1 to 255 bytes, and in front of it the tenant where each is an issuer of its own.
    pub subject: String,
    /// A verified e-mail. Only with `email_optional` there may be none.
    pub email: Option<String>,
    /// A name for people, at most 256 characters.
    pub name: Option<String>,
    /// Of the configured claim; sorted.
    pub roles: Vec<String>,
    /// Of the configured claim; sorted.
    pub groups: Vec<String>,
    /// The claim of the groups, where the provider keeps them elsewhere: then `groups` says nothing, and who decides by
    /// groups must let nobody in.
    pub groups_elsewhere: Option<String>,
    /// `auth_time`: when they proved to the provider who they are. It may have been long ago, and not every provider
    /// tells.
    pub proved_at: Option<Timestamp>,
    /// `sid`: the session there, which a back-channel logout may name.
    pub provider_sid: Option<String>,
    /// The ID token itself, the hint for a logout there.
    pub id_token: Option<SecretString>,
}

impl Providers {
    /// Builds all; asks nobody. `callback` says where a provider's answers come to, by its id and its place in
    /// the list.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub fn new(
        configured: &[config::Provider],
        callback: impl Fn(&str, usize) -> Url,
    ) -> Result<Self, String> {
        if configured.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let outgoing = Outgoing::new()?;
        let build = |(index, provider): (usize, &config::Provider)| {
            let callback = callback(&provider.id, index);
            let outgoing = outgoing.allowing_http(provider.insecure_http);
            if provider.insecure_http {
                tracing::warn!(
                    provider = provider.id,
                    "plain http is allowed to this provider (insecure_http)"
                );
            }
            let built = match provider.kind {
                ProviderKind::Google | ProviderKind::Oidc => {
                    Oidc::new(provider, callback, outgoing).map(|oidc| Provider::Oidc(Box::new(oidc)))
                }
                ProviderKind::Github => {
                    Github::new(provider, callback, outgoing).map(|github| Provider::Github(Box::new(github)))
                }
            };
            built.map_err(|fault| format!("provider {}: {fault}", provider.id))
        };
        configured.iter().enumerate().map(build).collect::<Result<_, _>>().map(Self)
    }

    /// The first, whose subjects are the user ids.
    #[must_use]
    pub fn first(&self) -> Option<&Provider> {
        self.0.first()
    }

    /// By its id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Provider> {
        self.0.iter().find(|provider| provider.id() == id)
    }

    /// The one whose logout token this may be, by what the token says of itself; nothing is checked yet.
    #[must_use]
    pub fn of_logout_token(&self, token: &str) -> Option<&Provider> {
        self.0.iter().find(|provider| match provider {
            Provider::Oidc(oidc) => oidc.is_addressed_by(token),
            Provider::Github(_) => false,
        })
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.0.iter()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody can sign in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Provider {
    /// Its short name.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Oidc(oidc) => oidc.id(),
            Self::Github(github) => github.id(),
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Oidc(oidc) => oidc.label(),
            Self::Github(github) => github.label(),
        }
    }

    /// Its protocol.
    #[must_use]
    pub fn kind(&self) -> ProviderKind {
        match self {
            Self::Oidc(oidc) => oidc.kind(),
            Self::Github(_) => ProviderKind::Github,
        }
    }

    /// Begins a sign-in. With `again`, the person is to prove who they are, however lately they did so there; an
    /// OpenID provider's answer must then not tell of an earlier time. Google lets them choose the account and knows
    /// no more than that, GitHub nothing like it.
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`] or [`ProviderError::BadAnswer`] when the provider's metadata cannot be had.
    #[tracing::instrument(skip_all, fields(provider = self.id()))]
    pub async fn start(&self, again: bool, now: Timestamp) -> Result<Started, ProviderError> {
        match self {
            Self::Oidc(oidc) => oidc.start(again, now).await,
            Self::Github(github) => Ok(github.start()),
        }
    }

    /// Finishes a sign-in. The caller has compared `state` and consumed `pending`, so that a code is redeemed at
    /// most once.
    ///
    /// # Errors
    /// [`ProviderError`]; without a token request when the answer's `iss` is wrong.
    #[tracing::instrument(skip_all, fields(provider = self.id()))]
    pub async fn finish(
        &self,
        answer: &CallbackAnswer<'_>,
        pending: &PendingAuth,
        now: Timestamp,
    ) -> Result<Person, ProviderError> {
        let finish = async {
            match self {
                Self::Oidc(oidc) => oidc.finish(answer, pending, now).await,
                Self::Github(github) => github.finish(answer, pending, now).await,
            }
        };
        match tokio::time::timeout(FINISH_WITHIN, finish).await {
            Ok(outcome) => outcome,
            Err(_) => Err(ProviderError::Unavailable(format!("no end within {} s", FINISH_WITHIN.as_secs()))),
        }
    }

    /// Where to send a browser to end the session there too (OpenID Connect RP-Initiated Logout 1.0), coming back
    /// to `back_to`. `None` when the provider has no such address or it cannot be had.
    pub async fn logout_url(
        &self,
        id_token_hint: Option<&str>,
        back_to: &Url,
        now: Timestamp,
    ) -> Option<Url> {
        match self {
            Self::Oidc(oidc) => oidc.logout_url(id_token_hint, back_to, now).await,
            Self::Github(_) => None,
        }
    }

    /// Checks a back-channel logout token. The caller refuses a `jti` that it has seen.
    ///
    /// # Errors
    /// [`ProviderError::InvalidLogoutToken`], or [`ProviderError::Unavailable`] when it could not be checked.
    pub async fn verify_logout_token(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<LogoutNotice, ProviderError> {
        match self {
            Self::Oidc(oidc) => oidc.verify_logout_token(token, now).await,
            Self::Github(_) => {
                Err(ProviderError::InvalidLogoutToken("this provider has no back-channel logout".into()))
            }
        }
    }

    /// Whether people can sign in, as far as is known without asking.
    #[must_use]
    pub fn health(&self) -> Health {
        match self {
            Self::Oidc(oidc) => oidc.health(),
            Self::Github(github) => github.health(),
        }
    }

    /// Fetches what is needed and not there yet; keeps its own pause after failures, so it may be called often.
    pub async fn warm(&self, now: Timestamp) {
        match self {
            Self::Oidc(oidc) => oidc.warm(now).await,
            Self::Github(_) => {}
        }
    }
}

/// Text of a peer's for a log line: escaped, at most 100 characters.
fn quoted(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests;
