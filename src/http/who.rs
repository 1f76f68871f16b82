//! Who asks, as far as it was found out.

use std::sync::Arc;

use super::bearers::{Bearer, Brought};
use super::caller::{Caller, Unchecked};
use super::callers::{Recognised, SignedIn};
use super::credentials::{Presented, presented};
use super::forwarded::Presence;
use super::limits::Refused;
use super::state::State;
use super::tokens::{Shown, Token};
use crate::clock::Timestamp;
use crate::identity::api_token;
use crate::identity::bearer::means_jwt;
use crate::policy::{self, Policy};
use actix_web::http::header::HeaderMap;

const NO_SUCH_TOKEN: &str = "there is no such token (any more)";

/// See [`policy::decision::Caller`] for why these stay apart.
pub enum Who {
    /// No credential was presented.
    Anonymous,
    /// One was, and it is not valid, for this reason; for the log.
    Wrong(&'static str),
    /// One was, and whether it is valid could not be found out.
    Unchecked(Unchecked),
    /// By session cookie.
    Session(Arc<SignedIn>),
    /// By bearer token of another issuer.
    Bearer(Arc<Bearer>),
    /// By API token.
    Token(Arc<Token>),
    /// Somebody else, as far as the store knows them: a service with the right to asks about them.
    Other(Box<Caller>),
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
            Presented::Bearer(token) => Self::by_bearer(state, token, policy, now).await,
            Presented::Basic(basic) => Self::shown(state.tokens.recognise(basic.token(), policy, now).await),
            Presented::Cookie => match state.callers.recognise(headers, host, policy, now).await {
                Recognised::Nobody => Self::Anonymous,
                Recognised::Unchecked => Self::Unchecked(Unchecked::Store),
                Recognised::SignedIn(who) => Self::Session(who),
            },
        }
    }

    /// A JWT is its issuer's. Anything else is an API token, ours or another tool's; one that the store does not know
    /// and that does not say to be ours may be one that its issuer can be asked about.
    async fn by_bearer(state: &State, token: &str, policy: &Arc<Policy>, now: Timestamp) -> Self {
        if !means_jwt(token) {
            match state.tokens.recognise(token, policy, now).await {
                Shown::Absent
                    if token.starts_with(api_token::PREFIX) || !state.bearers.issuers().can_ask() =>
                {
                    return Self::Wrong(NO_SUCH_TOKEN);
                }
                Shown::Absent => {}
                shown => return Self::shown(shown),
            }
        }
        match state.bearers.recognise(token, policy, now).await {
            Brought::Known(bearer) => Self::Bearer(bearer),
            Brought::Wrong(why) => Self::Wrong(why),
            Brought::Unchecked(why) => Self::Unchecked(why),
        }
    }

    fn shown(shown: Shown) -> Self {
        match shown {
            Shown::Known(token) => Self::Token(token),
            Shown::Absent => Self::Wrong(NO_SUCH_TOKEN),
            Shown::Wrong(why) => Self::Wrong(why),
            Shown::Unchecked => Self::Unchecked(Unchecked::Store),
        }
    }

    /// As the policy sees it. `host` is that of what is asked for (in its canonical spelling), where there is one:
    /// an API token is good on its hosts only.
    #[must_use]
    pub fn to_policy(&self, host: Option<&str>) -> policy::decision::Caller<'_> {
        match self {
            Self::Anonymous => policy::decision::Caller::Anonymous,
            Self::Wrong(_) => policy::decision::Caller::Wrong,
            Self::Unchecked(_) => policy::decision::Caller::Unchecked,
            Self::Session(who) => policy::decision::Caller::Known(who.caller.subject()),
            Self::Bearer(who) => policy::decision::Caller::Known(who.caller.subject()),
            Self::Token(who) if host.is_some_and(|host| !who.is_good_on(host)) => {
                policy::decision::Caller::Elsewhere
            }
            Self::Token(who) => policy::decision::Caller::Known(who.caller.subject()),
            Self::Other(who) => policy::decision::Caller::Known(who.subject()),
        }
    }

    /// Counts one more request of theirs; `Some` when that is more than they may.
    pub async fn over_limit(&self, state: &State, now: Timestamp) -> Option<Refused> {
        match self {
            Self::Session(who) => state.limits.user(&who.caller.identity.user_id, now).await,
            Self::Bearer(who) => state.limits.user(&who.caller.identity.user_id, now).await,
            Self::Token(who) => state.limits.token(&who.caller.identity.subject, who.limit(), now).await,
            Self::Anonymous | Self::Wrong(_) | Self::Unchecked(_) | Self::Other(_) => None,
        }
    }

    /// The verified caller, if it is one.
    #[must_use]
    pub fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Session(who) => Some(&who.caller),
            Self::Bearer(who) => Some(&who.caller),
            Self::Token(who) => Some(&who.caller),
            Self::Other(who) => Some(who),
            Self::Anonymous | Self::Wrong(_) | Self::Unchecked(_) => None,
        }
    }
}
