//! API tokens as the hot path knows them. As with sessions: read once, then confirmed by their marks, and known ones
//! go on for the grace while the store is silent. Whether a token has ended is read from its record at every use, not
//! left to the store.

use std::sync::Arc;
use std::time::Duration;

use super::super::Result;
use super::super::token::{TokenDigest, TokenRecord, Used};
use super::flights::Turn;
use super::marks::Mark;
use super::seen::Seen;
use super::{ATTEMPTS, Confirm, Known, KnownUser};
use crate::clock::Timestamp;

/// Digests remembered as unknown, so that a client with a revoked token does not ask the store a thousand times a
/// second.
pub(super) const UNKNOWN: usize = 10_000;
/// For how long they are: nobody tells of a token that is new, and it works after this time everywhere.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);

/// What is known of a token.
#[derive(Clone, Debug)]
pub enum TokenStanding {
    /// There is one; ask [`Known::confirm_token`] before relying on it.
    There(Arc<KnownToken>),
    /// There is none: never was, was revoked, or has ended.
    Absent,
    /// The store could not be asked.
    Unchecked,
}

/// A token as last read from the store, as far as requests need it. A hundred thousand are kept.
#[derive(Debug)]
pub struct KnownToken {
    /// Its name in the store.
    pub digest: TokenDigest,
    /// See [`TokenRecord::stable_id`].
    pub id: Box<str>,
    /// What its maker calls it.
    pub name: Option<Box<str>>,
    /// Whom to ask about it.
    pub email: Option<Box<str>>,
    /// Where it is good, as written.
    pub hosts: Box<[String]>,
    /// What it may be, as written.
    pub roles: Box<[String]>,
    /// What it may ask of the gateway itself, as written.
    pub scopes: Box<[String]>,
    /// Whose it is, where somebody made it for themselves.
    pub owner: Option<Arc<KnownUser>>,
    /// See [`TokenRecord::vested`].
    pub vested: Box<[String]>,
    /// Requests a window, instead of `rate_limit.max`.
    pub limit: Option<u32>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    mark: Mark,
    /// Shared with the instances read before and after.
    seen: Arc<Seen>,
}

impl KnownToken {
    fn new(record: TokenRecord, owner: Option<Arc<KnownUser>>, mark: Mark, seen: Arc<Seen>) -> Self {
        if let Some(at) = record.last_used_at {
            seen.known(at);
        }
        Self {
            id: record.stable_id().into(),
            digest: record.digest,
            name: record.name.map(Into::into),
            email: record.email.map(Into::into),
            hosts: record.hosts.into(),
            roles: record.roles.into(),
            scopes: record.scopes.into(),
            owner,
            vested: record.vested.into(),
            limit: record.limit,
            expires_at: record.expires_at,
            mark,
            seen,
        }
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|ends| ends <= now)
    }
}

impl Known {
    /// What is known of the token of this digest; asks the store where nothing is, or what is known is out of date.
    /// Many who ask for the same one at once share one look. `previous` is its digest under the pepper before: a token
    /// found there is moved.
    pub async fn token(
        &self,
        digest: &TokenDigest,
        previous: Option<&TokenDigest>,
        now: Timestamp,
    ) -> TokenStanding {
        for _ in 0..ATTEMPTS {
            if self.grace_is_over(now) {
                return TokenStanding::Unchecked;
            }
            match self.tokens.get(digest) {
                Some(token) if token.is_over(now) => {
                    // From here on it is as unknown as any other, and takes as long.
                    self.tokens.remove(digest);
                }
                Some(token) if self.token_is_current(&token) => return TokenStanding::There(token),
                _ => {}
            }
            if let Some(at) = self.unknown.get(digest)
                && at <= now
                && now.since(at) < UNKNOWN_FOR
            {
                return TokenStanding::Absent;
            }
            let standing = match self.token_flights.join(digest) {
                Turn::Lead(flight) => {
                    let standing = self.look_up_token(digest, previous, now).await;
                    flight.land(standing.clone());
                    standing
                }
                Turn::Follow(landing) => match landing.wait().await {
                    Some(standing) => standing,
                    // Whoever led was cancelled.
                    None => continue,
                },
            };
            match standing {
                // Something changed while it was read.
                TokenStanding::There(token) if !self.token_is_current(&token) => {}
                told => return told,
            }
        }
        TokenStanding::Unchecked
    }

    /// Whether a token that is known still holds at `now`, and if so, that it was used. No lock and no call.
    pub fn confirm_token(&self, token: &KnownToken, now: Timestamp) -> Confirm {
        if !self.token_is_current(token) {
            return Confirm::Stale;
        }
        if token.is_over(now) || token.owner.as_ref().is_some_and(|owner| owner.disabled) {
            return Confirm::Ended;
        }
        if self.grace_is_over(now) {
            return Confirm::Unchecked;
        }
        self.behind.saw(&token.seen, now);
        Confirm::Holds
    }

    /// This token was revoked or changed, by this process or by what the store tells.
    pub fn token_changed(&self, digest: &TokenDigest) {
        self.note_change();
        self.marks.move_on(&digest.to_string());
        self.tokens.remove(digest);
        self.unknown.remove(digest);
    }

    fn token_is_current(&self, token: &KnownToken) -> bool {
        self.marks.hold(&token.mark) && token.owner.as_ref().is_none_or(|owner| self.marks.hold(&owner.mark))
    }

    async fn look_up_token(
        &self,
        digest: &TokenDigest,
        previous: Option<&TokenDigest>,
        now: Timestamp,
    ) -> TokenStanding {
        match self.read_token(digest, previous, now).await {
            Ok(Some(token)) => {
                self.tokens.insert(*digest, Arc::clone(&token));
                TokenStanding::There(token)
            }
            Ok(None) => {
                self.unknown.insert(*digest, now);
                TokenStanding::Absent
            }
            Err(error) => {
                tracing::warn!(token = digest.short(), %error, "a token could not be checked");
                TokenStanding::Unchecked
            }
        }
    }

    async fn read_token(
        &self,
        digest: &TokenDigest,
        previous: Option<&TokenDigest>,
        now: Timestamp,
    ) -> Result<Option<Arc<KnownToken>>> {
        let mark = self.marks.of(&digest.to_string());
        let mut record = self.store.token(digest, now).await?;
        if record.is_none()
            && let Some(previous) = previous
            && self.store.token(previous, now).await?.is_some()
        {
            // Whoever was faster has moved it as well: what counts is what is there now.
            self.store.redigest_token(previous, digest).await?;
            record = self.store.token(digest, now).await?;
        }
        // The store may keep what has ended: another tool, or a hand, can take its end away.
        let Some(record) = record.filter(|record| record.expires_at.is_none_or(|ends| ends > now)) else {
            return Ok(None);
        };
        let owner = match &record.owner {
            None => None,
            Some(id) => match self.user(id).await? {
                Some(owner) => Some(owner),
                // It was theirs, and nobody else's.
                None => return Ok(None),
            },
        };
        let seen = match self.tokens.peek(digest) {
            Some(before) => Arc::clone(&before.seen),
            None => Arc::new(Seen::new(Used::Token(*digest))),
        };
        Ok(Some(Arc::new(KnownToken::new(record, owner, mark, seen))))
    }
}
