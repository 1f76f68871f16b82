//! Who sent this bearer token: from the token to a known caller, remembered for the next request.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::caller::{Caller, Unchecked};
use crate::clock::Timestamp;
use crate::config::UserHeaderFormat;
use crate::identity::bearer::{Digest, Issuers, Verdict, Verified, digest_of};
use crate::identity::claims;
use crate::identity::user_id::UserIds;
use crate::identity::{Identity, Method};
use crate::policy::{Facts, Policy};
use crate::store::known::{Known, KnownUser};

/// Callers remembered by the digest of their token. One takes about 2 KB with its headers.
const REMEMBERED: usize = 20_000;
/// The roles of a token go into a header, and headers have limits. Where a policy names roles, only those go; where
/// none does, this many bytes of them or none at all: half of them would be a lie.
const MAX_ROLES: usize = 4096;

/// A caller by bearer token.
pub struct Bearer {
    /// Who it is.
    pub caller: Caller,
    verified: Arc<Verified>,
    person: Arc<KnownUser>,
    policy: Arc<Policy>,
}

/// What a bearer token amounts to.
pub enum Brought {
    /// This caller.
    Known(Arc<Bearer>),
    /// It is not valid, for this reason; for the log.
    Wrong(&'static str),
    /// Whether it is valid could not be found out.
    Unchecked(Unchecked),
}

/// Recognises callers by their bearer token.
pub struct Bearers {
    issuers: Issuers,
    known: Arc<Known>,
    ids: UserIds,
    format: UserHeaderFormat,
    remembered: Cache<Digest, Arc<Bearer>>,
}

impl Bearers {
    /// With nobody remembered yet.
    #[must_use]
    pub fn new(issuers: Issuers, known: Arc<Known>, ids: UserIds, format: UserHeaderFormat) -> Self {
        Self { issuers, known, ids, format, remembered: Cache::new(REMEMBERED) }
    }

    /// Whose tokens are believed.
    #[must_use]
    pub const fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    /// The caller whose token this is, with the roles that `policy` gives and an admin granted.
    pub async fn recognise(&self, token: &str, policy: &Arc<Policy>, now: Timestamp) -> Brought {
        let digest = digest_of(token);
        if let Some(seen) = self.remembered.get(&digest)
            && seen.verified.is_fresh(now)
            && Arc::ptr_eq(&seen.policy, policy)
            && self.known.still_holds(&seen.person, now)
        {
            return Brought::Known(seen);
        }
        // Boxed, so that the path that nearly every request takes does not carry this one's state.
        Box::pin(self.look_up(token, digest, policy, now)).await
    }

    async fn look_up(&self, token: &str, digest: Digest, policy: &Arc<Policy>, now: Timestamp) -> Brought {
        let verified = match self.issuers.check(token, &digest, now).await {
            Verdict::Valid(verified) => verified,
            Verdict::Wrong(why) => return Brought::Wrong(why),
            Verdict::Unchecked(why) => return Brought::Unchecked(Unchecked::Issuer(why)),
        };
        if let Some(claim) = &verified.groups_elsewhere
            && policy.uses_groups()
        {
            return Brought::Unchecked(Unchecked::Issuer(claims::elsewhere(claim)));
        }
        let Some(user_id) = self.ids.of(&verified.issuer, &verified.subject) else {
            return Brought::Wrong("its sub looks like the id of somebody of another issuer");
        };
        let Some(person) = self.known.person(&user_id, now).await else {
            return Brought::Unchecked(Unchecked::Store);
        };
        if person.disabled {
            return Brought::Wrong("the user is disabled");
        }
        let identity = identity_of(user_id, &verified, &person, policy);
        let bearer = Arc::new(Bearer {
            caller: Caller::new(identity, Some(verified.audiences.clone()), self.format),
            verified,
            person,
            policy: Arc::clone(policy),
        });
        self.remembered.insert(digest, Arc::clone(&bearer));
        Brought::Known(bearer)
    }
}

fn identity_of(user_id: String, verified: &Verified, person: &KnownUser, policy: &Policy) -> Identity {
    let claimed = fit_for_headers(&user_id, verified.roles.iter(), policy);
    let roles = policy.roles(&Facts {
        provider: &verified.issuer,
        email: verified.email.as_deref(),
        groups: &verified.groups,
        claimed: &claimed,
        granted: &person.granted,
    });
    Identity {
        method: Method::Jwt,
        user_id,
        provider: verified.issuer.clone(),
        subject: verified.subject.clone(),
        email: verified.email.clone(),
        name: verified.name.clone(),
        permissions: policy.permissions(&roles),
        roles,
        expires_at: verified.expires_at,
    }
}

/// Of a token's roles those that are sent on: see [`MAX_ROLES`].
pub(super) fn fit_for_headers<'a>(
    user_id: &str,
    roles: impl Iterator<Item = &'a String>,
    policy: &Policy,
) -> Vec<String> {
    let mut roles: Vec<String> = roles.filter(|role| policy.knows_role(role)).cloned().collect();
    if !policy.names_roles() && roles.iter().map(|role| role.len() + 1).sum::<usize>() > MAX_ROLES {
        tracing::warn!(
            user = user_id,
            roles = roles.len(),
            "the token's roles do not fit into a header and no policy names them: none are kept"
        );
        roles.clear();
    }
    roles
}
