//! Who sent this request: from the session cookie to a known caller, remembered for the next request.
//!
//! The first request of a session opens the seal, asks the registry and works out roles and headers. Every
//! later one finds the result by the cookie's bytes and only confirms, with a few atomic loads, that it still
//! holds: the session was not ended, the user not changed, the policy not replaced, no limit passed.

use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use quick_cache::sync::Cache;

use super::caller::Caller;
use super::cookie;
use crate::clock::Timestamp;
use crate::config::UserHeaderFormat;
use crate::identity::session::{Payload, SessionCookies};
use crate::identity::{Identity, Method};
use crate::policy::{Facts, Policy};
use crate::store::known::{Confirm, Known, KnownSession, Standing};

/// Sessions remembered by their cookie. One takes about 2 KB with its headers.
const REMEMBERED: usize = 20_000;
/// A browser sends one. Others are looked at too, so that planted ones cannot hide the real one: as many as can be of
/// the length of a session's within the headers that proxies let through, and shorter ones are none.
const MAX_CANDIDATES: usize = 64;
/// A sealed session is never shorter: its seal alone is half of that.
const SHORTEST: usize = 80;

/// A signed-in caller, ready to be answered.
pub struct SignedIn {
    /// What the cookie says.
    pub payload: Payload,
    /// Who it is.
    pub caller: Caller,
    known: Arc<KnownSession>,
    audience: Box<str>,
    policy: Arc<Policy>,
}

/// What the session cookies of a request amount to.
pub enum Recognised {
    /// No session: none presented, or one that is forged, over or revoked. They all look alike.
    Nobody,
    /// There is one, and whether it still holds could not be found out.
    Unchecked,
    /// This caller.
    SignedIn(Arc<SignedIn>),
}

/// Recognises callers by their session cookie.
pub struct Callers {
    cookies: Arc<SessionCookies>,
    known: Arc<Known>,
    format: UserHeaderFormat,
    remembered: Cache<Box<str>, Arc<SignedIn>>,
}

impl Callers {
    /// With nobody remembered yet.
    #[must_use]
    pub fn new(cookies: Arc<SessionCookies>, known: Arc<Known>, format: UserHeaderFormat) -> Self {
        Self { cookies, known, format, remembered: Cache::new(REMEMBERED) }
    }

    /// The caller whose session cookie for `host` this request carries, with the roles that `policy` gives. Two
    /// different live sessions at once are nobody: one of them was planted, and there is no telling which.
    pub async fn recognise(
        &self,
        headers: &HeaderMap,
        host: &str,
        policy: &Arc<Policy>,
        now: Timestamp,
    ) -> Recognised {
        let (mut signed_in, mut unchecked) = (None::<Arc<SignedIn>>, false);
        let values = cookie::values(headers, self.cookies.name()).filter(|value| value.len() >= SHORTEST);
        for value in values.take(MAX_CANDIDATES) {
            match (self.one(value, host, policy, now).await, &signed_in) {
                (Recognised::SignedIn(new), Some(old)) if new.payload.sid != old.payload.sid => {
                    return Recognised::Nobody;
                }
                (Recognised::SignedIn(new), _) => signed_in = Some(new),
                (Recognised::Unchecked, _) => unchecked = true,
                (Recognised::Nobody, _) => {}
            }
        }
        // One that cannot be checked may be the true one, beside a planted one that can.
        match signed_in {
            _ if unchecked => Recognised::Unchecked,
            Some(who) => Recognised::SignedIn(who),
            None => Recognised::Nobody,
        }
    }

    /// The newest session of somebody that was used here lately: what their provider said is in it.
    #[must_use]
    pub fn last_seen(&self, user_id: &str) -> Option<Arc<SignedIn>> {
        let theirs = self.remembered.iter().map(|(_, who)| who).filter(|who| who.payload.user_id == user_id);
        theirs.max_by_key(|who| who.payload.signed_in_at)
    }

    async fn one(&self, value: &str, host: &str, policy: &Arc<Policy>, now: Timestamp) -> Recognised {
        if let Some(seen) = self.remembered.get(value)
            && *seen.audience == *self.cookies.audience(host)
            && Arc::ptr_eq(&seen.policy, policy)
        {
            // Whether its time is over is for `confirm` to say, which remembers that: a clock set back does not
            // bring it back.
            match self.known.confirm(&seen.known, seen.payload.idle(), now) {
                Confirm::Holds => return Recognised::SignedIn(seen),
                Confirm::Unchecked => return Recognised::Unchecked,
                Confirm::Ended => {
                    self.remembered.remove(value);
                    return Recognised::Nobody;
                }
                Confirm::Stale => {}
            }
        }
        match self.cookies.open(value, host, now) {
            // Boxed, so that the path that nearly every request takes does not carry this one's state.
            Some(payload) => Box::pin(self.look_up(value, host, payload, policy, now)).await,
            None => Recognised::Nobody,
        }
    }

    async fn look_up(
        &self,
        value: &str,
        host: &str,
        payload: Payload,
        policy: &Arc<Policy>,
        now: Timestamp,
    ) -> Recognised {
        let known = match self.known.session(&payload.sid, now).await {
            Standing::Live(known) => known,
            Standing::Ended => return Recognised::Nobody,
            Standing::Unchecked => return Recognised::Unchecked,
        };
        match self.known.confirm(&known, payload.idle(), now) {
            Confirm::Holds => {}
            Confirm::Ended => return Recognised::Nobody,
            // Changed again while it was looked up: the next request asks anew.
            Confirm::Stale | Confirm::Unchecked => return Recognised::Unchecked,
        }
        if known.user.id != payload.user_id {
            return Recognised::Nobody;
        }
        let identity = identity_of(&payload, &known, policy);
        let signed_in = Arc::new(SignedIn {
            caller: Caller::new(identity, None, self.format),
            audience: self.cookies.audience(host).into(),
            policy: Arc::clone(policy),
            known,
            payload,
        });
        self.remembered.insert(value.into(), Arc::clone(&signed_in));
        Recognised::SignedIn(signed_in)
    }
}

fn identity_of(payload: &Payload, known: &KnownSession, policy: &Policy) -> Identity {
    let roles = policy.roles(&Facts {
        provider: &payload.provider,
        email: payload.email.as_deref(),
        groups: &payload.groups,
        claimed: &payload.roles,
        granted: &known.user.granted,
    });
    Identity {
        method: Method::Session,
        user_id: payload.user_id.clone(),
        provider: payload.provider.clone(),
        subject: payload.subject.clone(),
        email: payload.email.clone(),
        name: payload.name.clone(),
        permissions: policy.permissions(&roles),
        roles,
        expires_at: Some(payload.expires_at),
    }
}
