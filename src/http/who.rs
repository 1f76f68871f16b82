//! Who asks, as far as it was found out.

use std::sync::Arc;

use super::bearers::{Bearer, Brought};
use super::caller::Caller;
use super::callers::{Recognised, SignedIn};
use super::credentials::{Presented, presented};
use super::forwarded::Presence;
use super::limits::Refused;
use super::state::State;
use crate::clock::Timestamp;
use crate::policy::{self, Policy};
use actix_web::http::header::HeaderMap;

/// See [`policy::decision::Caller`] for why these stay apart.
pub enum Who {
    /// No credential was presented.
    Anonymous,
    /// One was, and it is not valid, for this reason; for the log.
    Wrong(&'static str),
    /// One was, and whether it is valid could not be found out, for this reason; for the log.
    Unchecked(String),
    /// By session cookie.
    Session(Arc<SignedIn>),
    /// By bearer token.
    Bearer(Arc<Bearer>),
}

impl Who {
    /// An `Authorization` header wins and is never followed by a fallback; else the session cookie for `host`
    /// speaks.
    pub async fn identify(
        state: &State,
        authorization: Presence<'_>,
        headers: &HeaderMap,
        host: &str,
        policy: &Arc<Policy>,
        now: Timestamp,
    ) -> Self {
        match presented(authorization) {
            Presented::Unusable => Self::Wrong("the Authorization header is none that is accepted"),
            // Boxed: it may have to fetch keys, and all that state would be moved about in each request of a session.
            Presented::Bearer(token) => match Box::pin(state.bearers.recognise(token, policy, now)).await {
                Brought::Known(bearer) => Self::Bearer(bearer),
                Brought::Wrong(why) => Self::Wrong(why),
                Brought::Unchecked(why) => Self::Unchecked(why),
            },
            Presented::Cookie => match state.callers.recognise(headers, host, policy, now).await {
                Recognised::Nobody => Self::Anonymous,
                Recognised::Unchecked => Self::Unchecked("the store does not answer".to_owned()),
                Recognised::SignedIn(who) => Self::Session(who),
            },
        }
    }

    /// As the policy sees it.
    #[must_use]
    pub fn to_policy(&self) -> policy::decision::Caller<'_> {
        match self {
            Self::Anonymous => policy::decision::Caller::Anonymous,
            Self::Wrong(_) => policy::decision::Caller::Wrong,
            Self::Unchecked(_) => policy::decision::Caller::Unchecked,
            Self::Session(who) => policy::decision::Caller::Known(who.caller.subject()),
            Self::Bearer(who) => policy::decision::Caller::Known(who.caller.subject()),
        }
    }

    /// Counts one more request of theirs; `Some` when that is more than they may.
    pub async fn over_limit(&self, state: &State, now: Timestamp) -> Option<Refused> {
        match self {
            Self::Session(who) => state.limits.user(&who.caller.identity.user_id, now).await,
            Self::Bearer(who) => state.limits.user(&who.caller.identity.user_id, now).await,
            Self::Anonymous | Self::Wrong(_) | Self::Unchecked(_) => None,
        }
    }

    /// The verified caller, if it is one.
    #[must_use]
    pub fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Session(who) => Some(&who.caller),
            Self::Bearer(who) => Some(&who.caller),
            Self::Anonymous | Self::Wrong(_) | Self::Unchecked(_) => None,
        }
    }
}
