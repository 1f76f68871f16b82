//! What a bearer token said, once it was found to hold.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

use super::claims;
use crate::clock::Timestamp;

/// How long a checked signature counts: a key that its issuer withdraws works this long (and as long as the
/// gateway's copy of the key set, an hour) at most.
pub(super) const CHECKED_FOR: Duration = Duration::from_secs(300);

/// SHA-256 of a token.
pub type Digest = [u8; 32];

/// What a token that holds says.
#[derive(Debug)]
pub struct Verified {
    /// The issuer, by its configured id.
    pub issuer: String,
    /// `sub` there: 1 to 255 bytes.
    pub subject: String,
    /// Only one that the issuer says is verified.
    pub email: Option<String>,
    /// A name for people.
    pub name: Option<String>,
    /// Of the configured claims; sorted, without duplicates.
    pub roles: Vec<String>,
    /// Of the configured claim; sorted.
    pub groups: Vec<String>,
    /// The claim of the groups, where the issuer keeps them elsewhere ([`claims::is_elsewhere`]): then `groups` says
    /// nothing, and who decides by groups cannot decide.
    pub groups_elsewhere: Option<String>,
    /// The same for roles: such a token could not be checked.
    pub(super) roles_elsewhere: Option<String>,
    /// For whom it is.
    pub audiences: Vec<String>,
    /// `exp`; an issuer that was asked need not say.
    pub expires_at: Option<Timestamp>,
    /// `exp` with the leeway.
    pub(super) ends_at: Option<Timestamp>,
    pub(super) checked_at: Timestamp,
    /// How long that counts.
    pub(super) believed_for: Duration,
}

impl Verified {
    /// Whether it has expired.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.ends_at.is_some_and(|ends| ends <= now)
    }

    /// Whether its signature was checked, or its issuer asked, lately, and it has not expired.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.checked_at <= now && now.since(self.checked_at) < self.believed_for && !self.is_over(now)
    }
}

/// What became of a token.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It holds.
    Valid(Arc<Verified>),
    /// It does not, for this reason; for the log.
    Wrong(&'static str),
    /// Keys or the issuer's word could not be had, for this reason; for the log.
    Unchecked(String),
}

impl Verdict {
    /// Of a token that holds: without all of its roles nothing can be decided by it.
    pub(super) fn of(verified: Arc<Verified>) -> Self {
        match &verified.roles_elsewhere {
            Some(claim) => Self::Unchecked(claims::elsewhere(claim)),
            None => Self::Valid(verified),
        }
    }
}

/// The name by which a token is remembered.
#[must_use]
pub fn digest_of(token: &str) -> Digest {
    let mut out = [0; 32];
    let digest = digest(&SHA256, token.as_bytes());
    for (to, from) in out.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    out
}
