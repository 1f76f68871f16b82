//! A verified caller, however they proved who they are: the identity, and what services are told of it.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use actix_web::http::header::HeaderValue;

use super::identity_headers::IdentityHeaders;
use crate::clock::Timestamp;
use crate::config::UserHeaderFormat;
use crate::identity::Identity;
use crate::identity::assertion::{Assertions, REUSE};
use crate::policy::decision::Subject;

/// Services that one caller holds a signed assertion for at a time.
const MAX_ASSERTIONS: usize = 32;

/// See the module.
pub struct Caller {
    /// Who it is, with roles and permissions.
    pub identity: Identity,
    /// The identity as response headers.
    pub headers: IdentityHeaders,
    /// For whom their credential is, where it says so.
    audiences: Option<Vec<String>>,
    assertions: Mutex<Vec<Minted>>,
}

struct Minted {
    service: Box<str>,
    at: Timestamp,
    value: HeaderValue,
}

impl Caller {
    /// With the headers made ready.
    #[must_use]
    pub fn new(identity: Identity, audiences: Option<Vec<String>>, format: UserHeaderFormat) -> Self {
        let headers = IdentityHeaders::of(&identity, format);
        Self { identity, headers, audiences, assertions: Mutex::default() }
    }

    /// What the policy needs to know of them.
    #[must_use]
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            roles: &self.identity.roles,
            permissions: &self.identity.permissions,
            audiences: self.audiences.as_deref(),
        }
    }

    /// By what name logs know them: as services do (`X-Auth-User`), never a name that they chose themselves.
    #[must_use]
    pub fn user(&self) -> Cow<'_, str> {
        self.identity.user()
    }

    /// What to call them.
    #[must_use]
    pub fn display_name(&self) -> &str {
        let who = &self.identity;
        who.email.as_deref().or(who.name.as_deref()).unwrap_or(&who.subject)
    }

    /// The signed assertion for one service, made at most once a minute. `None` when signing fails, which is
    /// logged: the header then goes out empty, and a service that demands it refuses.
    pub fn assertion(&self, service: &str, signer: &Assertions, now: Timestamp) -> Option<HeaderValue> {
        let mut minted = self.assertions.lock().unwrap_or_else(PoisonError::into_inner);
        minted.retain(|entry| now.since(entry.at) < REUSE && entry.at <= now);
        if let Some(entry) = minted.iter().find(|entry| &*entry.service == service) {
            return Some(entry.value.clone());
        }
        let value = match signer.mint(&self.identity, service, now) {
            Ok(token) => HeaderValue::from_str(&token).ok()?,
            Err(error) => {
                tracing::error!(%error, "no identity assertion");
                return None;
            }
        };
        if minted.len() >= MAX_ASSERTIONS {
            minted.remove(0);
        }
        minted.push(Minted { service: service.into(), at: now, value: value.clone() });
        Some(value)
    }
}

/// Why a credential could not be checked; for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unchecked {
    /// The store does not answer.
    Store,
    /// Keys or the word of the token's issuer could not be had.
    Issuer(String),
}

impl fmt::Display for Unchecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store => f.write_str("the store does not answer"),
            Self::Issuer(why) => f.write_str(why),
        }
    }
}
