//! Who holds this API token: from its text to a known caller, remembered for the next request.

use std::collections::BTreeSet;
use std::sync::Arc;

use quick_cache::sync::Cache;

use super::bearers::fit_for_headers;
use super::caller::Caller;
use crate::clock::Timestamp;
use crate::config::UserHeaderFormat;
use crate::identity::api_token::{self, Hosts, Peppers};
use crate::identity::claims::{display_name, is_email};
use crate::identity::{Identity, Method};
use crate::policy::{Facts, Policy};
use crate::store::known::{Confirm, Known, KnownToken, TokenStanding};
use crate::store::token::TokenDigest;

/// Callers remembered by the digest of their token. One takes about 2 KB with its headers.
const REMEMBERED: usize = 20_000;
/// The provider's part of a token's user id; no provider or issuer may be called so.
pub const PROVIDER: &str = "token";

/// A caller by API token.
pub struct Token {
    /// Who it is.
    pub caller: Caller,
    hosts: Hosts,
    known: Arc<KnownToken>,
    policy: Arc<Policy>,
}

impl Token {
    /// Whether it is good on this host (in its canonical spelling).
    #[must_use]
    pub fn is_good_on(&self, host: &str) -> bool {
        self.hosts.cover(host)
    }

    /// Whether it has this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.known.scopes.iter().any(|has| has == scope)
    }

    /// Its own limit of requests a window; `None`: that of all tokens, 0: none.
    #[must_use]
    pub fn limit(&self) -> Option<u32> {
        self.known.limit
    }
}

/// What a token amounts to.
pub enum Shown {
    /// This caller.
    Known(Arc<Token>),
    /// There is no such token (any more).
    Absent,
    /// It is not valid, for this reason; for the log.
    Wrong(&'static str),
    /// The store could not be asked.
    Unchecked,
}

/// Recognises callers by their API token.
pub struct Tokens {
    peppers: Arc<Peppers>,
    known: Arc<Known>,
    format: UserHeaderFormat,
    remembered: Cache<TokenDigest, Arc<Token>>,
}

impl Tokens {
    /// With nobody remembered yet.
    #[must_use]
    pub fn new(peppers: Arc<Peppers>, known: Arc<Known>, format: UserHeaderFormat) -> Self {
        Self { peppers, known, format, remembered: Cache::new(REMEMBERED) }
    }

    /// By what tokens are digested.
    #[must_use]
    pub fn peppers(&self) -> &Peppers {
        &self.peppers
    }

    /// The caller whose token this is, with what `policy` makes of its roles. One that says to be ours and cannot be is
    /// not looked up; one of another form may be another tool's.
    pub async fn recognise(&self, token: &str, policy: &Arc<Policy>, now: Timestamp) -> Shown {
        if token.starts_with(api_token::PREFIX) && !api_token::is_well_formed(token) {
            return Shown::Wrong("it is no API token: its form or its checksum is wrong");
        }
        let digests = self.peppers.digests(token, now);
        if let Some(seen) = self.remembered.get(&digests.current)
            && Arc::ptr_eq(&seen.policy, policy)
        {
            match self.known.confirm_token(&seen.known, now) {
                Confirm::Holds => return Shown::Known(seen),
                Confirm::Unchecked => return Shown::Unchecked,
                // From here on it is looked up as one that nobody knows, and takes as long.
                Confirm::Ended | Confirm::Stale => {
                    self.remembered.remove(&digests.current);
                }
            }
        }
        // Boxed, so that the path that nearly every request takes does not carry this one's state.
        Box::pin(self.look_up(digests, policy, now)).await
    }

    async fn look_up(&self, digests: api_token::Digests, policy: &Arc<Policy>, now: Timestamp) -> Shown {
        let known = match self.known.token(&digests.current, digests.previous.as_ref(), now).await {
            TokenStanding::There(known) => known,
            TokenStanding::Absent => return Shown::Absent,
            TokenStanding::Unchecked => return Shown::Unchecked,
        };
        match self.known.confirm_token(&known, now) {
            Confirm::Holds => {}
            Confirm::Ended => return Shown::Wrong("whose token it is is disabled"),
            // Changed again while it was looked up: the next request asks anew.
            Confirm::Stale | Confirm::Unchecked => return Shown::Unchecked,
        }
        let token = Arc::new(Token {
            caller: Caller::new(identity_of(&known, policy), None, self.format),
            hosts: Hosts::new(&known.hosts),
            policy: Arc::clone(policy),
            known,
        });
        self.remembered.insert(digests.current, Arc::clone(&token));
        Shown::Known(token)
    }
}

/// A token has the roles that it was given. One that somebody made for themselves keeps of those what they have still:
/// what an admin granted them counts while it is granted.
fn identity_of(known: &KnownToken, policy: &Policy) -> Identity {
    let held: BTreeSet<&String> = match &known.owner {
        None => known.roles.iter().collect(),
        Some(owner) => {
            let has = |role: &&String| known.vested.contains(role) || owner.granted.contains(role);
            known.roles.iter().filter(has).collect()
        }
    };
    let user_id = format!("{PROVIDER}/{}", known.id);
    let claimed = fit_for_headers(&user_id, held.into_iter(), policy);
    // No e-mail: what the policy gives to people by theirs, it gives to no token that names one.
    let roles = policy.roles(&Facts { claimed: &claimed, ..Facts::default() });
    Identity {
        method: Method::Token,
        provider: PROVIDER.to_owned(),
        subject: known.id.to_string(),
        user_id,
        email: known.email.as_deref().filter(|email| is_email(email)).map(str::to_owned),
        name: known.name.as_deref().and_then(display_name),
        permissions: policy.permissions(&roles),
        roles,
        expires_at: known.expires_at,
    }
}
