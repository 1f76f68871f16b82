//! What is remembered between requests: users, the session registry, what was used once, hand-overs.
//!
//! One trait, held to one contract suite (`tests/it/store_contract.rs`) for every implementation. The hot
//! path never asks a store directly: it asks `known::Known`, which keeps what it needs in the process
//! and is told by [`Store::changes`] when that is no longer true.

pub mod activity;
pub mod known;
pub mod page;
pub mod rate;
mod record_keys;
pub mod redis;
pub mod sqlite;
#[cfg(test)]
pub(crate) mod testing;
pub mod token;
pub mod windows;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use self::activity::{Activity, ActivityFilter};
use self::page::{Page, Slice};
use self::rate::{Limit, Taken};
use self::token::{Rotated, TokenDigest, TokenFilter, TokenOrder, TokenRecord, Used};
use crate::clock::Timestamp;
use crate::config::StoreUrl;

pub use self::record_keys::RecordKeys;

/// Opens the store that `store.url` names; relative paths are in `data_dir`. `keys` sign records where others can
/// write to the store; a file of our own needs none.
///
/// # Errors
/// [`StoreError`] when it cannot be opened, or holds what this version does not understand. A Redis that is away for
/// now is no error.
pub async fn open(url: &StoreUrl, data_dir: &Path, keys: &RecordKeys) -> Result<Arc<dyn Store>> {
    match url {
        StoreUrl::Sqlite(path) => Ok(Arc::new(sqlite::SqliteStore::open(&data_dir.join(path)).await?)),
        StoreUrl::Redis(url) => Ok(Arc::new(redis::RedisStore::open((**url).clone(), keys.clone()).await?)),
    }
}

/// Why the store could not answer. Always the third outcome: neither "absent" nor "refused", and closed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It did not answer, or not in time.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// It answered something that this version does not understand.
    #[error("the store holds a record that cannot be read: {0}")]
    Corrupt(String),
}

/// What every store call returns.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The random name of a session: 128 bits, base64url without padding (22 characters).
///
/// It is no credential (the cookie is sealed), but it names one: `Debug` and logs show its first six
/// characters only.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionId(String);

impl SessionId {
    /// From its 22 characters; `None` when it is not of that form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let good =
            text.len() == 22 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        good.then(|| Self(text.to_owned()))
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first six characters: enough to tell sessions apart in a log, too little to be one.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..6).unwrap_or_default()
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}…)", self.short())
    }
}

/// A person, made at the first sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// Stable id, as services see it in `X-User-Id`.
    pub id: String,
    /// The configured provider's id.
    pub provider: String,
    /// `sub` at that provider.
    pub subject: String,
    /// Verified e-mail of the last sign-in.
    pub email: Option<String>,
    /// Display name of the last sign-in.
    pub name: Option<String>,
    /// Roles granted by an admin, sorted; live, and beside what the provider claims.
    pub granted: Vec<String>,
    /// A disabled user is refused from the next request on.
    pub disabled: bool,
    /// First sign-in.
    pub first_seen: Timestamp,
    /// Last sign-in.
    pub last_seen: Timestamp,
}

/// What a sign-in tells the store about the person.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// See [`UserRecord::id`].
    pub user_id: String,
    /// The configured provider's id.
    pub provider: String,
    /// `sub` at that provider.
    pub subject: String,
    /// Verified e-mail.
    pub email: Option<String>,
    /// Display name.
    pub name: Option<String>,
}

/// One sign-in of one person in one browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its name.
    pub id: SessionId,
    /// Whose it is ([`UserRecord::id`]).
    pub user_id: String,
    /// The provider that vouched.
    pub provider: String,
    /// `sub` there.
    pub subject: String,
    /// The provider's own session (`sid`), which back-channel logout may name.
    pub provider_sid: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// Last request seen; written behind, so up to a minute old.
    pub last_seen_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// The client's address at sign-in.
    pub address: Option<String>,
    /// The browser's `User-Agent` at sign-in, at most 256 bytes.
    pub agent: Option<String>,
    /// The ID token for the provider's logout, sealed; opaque to the store.
    pub logout_hint: Option<Vec<u8>>,
}

/// Kinds of things that may be used once; a namespace each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Once {
    /// A pending login, by its state.
    LoginState,
    /// A back-channel logout token, by issuer and `jti`.
    LogoutToken,
}

impl Once {
    /// The name that the store keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoginState => "login-state",
            Self::LogoutToken => "logout-token",
        }
    }
}

/// In which order users are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserOrder {
    /// By e-mail, those without one last.
    Email,
    /// Last sign-in first.
    LastSeen,
}

/// What is no longer as the process knew it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This session ended.
    Session(SessionId),
    /// This user's roles, standing or sessions changed.
    User(String),
    /// This token was revoked or renamed.
    Token(TokenDigest),
    /// The channel was interrupted: anything may have changed.
    Everything,
    /// The store has stopped telling: from now on nothing known is confirmed.
    Silent,
    /// The store tells again (always follows [`Change::Silent`], with [`Change::Everything`] before it).
    Telling,
}

/// What is remembered. Implementations keep blocking work off the event loop and put a deadline on every
/// call; where two steps must be one, they are one there.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Answers when the store can read and write.
    async fn ping(&self) -> Result<()>;

    /// Makes the user at the first sign-in, else refreshes e-mail, name and last seen. Returns the record as
    /// it then is (its `disabled` is for the caller to honour).
    async fn sign_in(&self, who: &SignIn, now: Timestamp) -> Result<UserRecord>;
    /// One user by id.
    async fn user(&self, id: &str) -> Result<Option<UserRecord>>;
    /// Users whose id or e-mail is exactly this.
    async fn users_named(&self, id_or_email: &str) -> Result<Vec<UserRecord>>;
    /// Users whose e-mail, name or id contains `search` (all when empty; ASCII letters in either case; nothing is
    /// a wildcard).
    async fn users(&self, search: &str, order: UserOrder, slice: Slice) -> Result<Page<UserRecord>>;
    /// Grants a role; false when there is no such user.
    async fn grant(&self, user_id: &str, role: &str) -> Result<bool>;
    /// Takes a granted role back; false when there is no such user.
    async fn ungrant(&self, user_id: &str, role: &str) -> Result<bool>;
    /// Disables or enables a user; false when there is no such user. Disabling ends every session.
    async fn set_disabled(&self, user_id: &str, disabled: bool) -> Result<bool>;

    /// Writes a new session down. One whose user is disabled (or unknown) by then is over before it began:
    /// no error, and no session.
    async fn open_session(&self, session: &SessionRecord) -> Result<()>;
    /// A live session; `None` when it ended, expired before `now`, or never was.
    async fn session(&self, id: &SessionId, now: Timestamp) -> Result<Option<SessionRecord>>;
    /// Live sessions of one user, newest first.
    async fn sessions_of(&self, user_id: &str, now: Timestamp) -> Result<Vec<SessionRecord>>;
    /// All live sessions, newest first, whose user id, user's e-mail, provider or address contains `search`.
    async fn sessions(&self, search: &str, slice: Slice, now: Timestamp) -> Result<Page<SessionRecord>>;
    /// Moves `last_seen_at` of sessions and `last_used_at` of tokens forward (never back), many in one go.
    async fn touch(&self, seen: &[(Used, Timestamp)]) -> Result<()>;
    /// Ends one session; false when there is none of that name (any more).
    async fn end_session(&self, id: &SessionId) -> Result<bool>;
    /// Ends all sessions of a user; returns which.
    async fn end_sessions_of(&self, user_id: &str) -> Result<Vec<SessionId>>;
    /// Ends the sessions that a provider names: by its `sid` when given (which must then be `subject`'s, if that
    /// is given too), else all of `subject`; none when neither is given. Returns which.
    async fn end_sessions_at(
        &self,
        provider: &str,
        subject: Option<&str>,
        provider_sid: Option<&str>,
    ) -> Result<Vec<SessionId>>;

    /// True for the first caller with this name, false for every later one until it is swept, which is not
    /// before `until`. Atomic.
    async fn claim_once(&self, kind: Once, name: &str, until: Timestamp) -> Result<bool>;

    /// Keeps a sealed hand-over under the digest of its ticket until `until`.
    async fn put_handover(&self, digest: &[u8; 32], sealed: &[u8], until: Timestamp) -> Result<()>;
    /// Takes it, once. Atomic.
    async fn take_handover(&self, digest: &[u8; 32], now: Timestamp) -> Result<Option<Vec<u8>>>;

    /// Writes a new token down; one of that digest that is there already is replaced.
    async fn put_token(&self, token: &TokenRecord) -> Result<()>;
    /// A token; `None` when it was revoked, has ended before `now`, or never was.
    async fn token(&self, digest: &TokenDigest, now: Timestamp) -> Result<Option<TokenRecord>>;
    /// Tokens that have not ended.
    async fn tokens(
        &self,
        filter: &TokenFilter,
        order: TokenOrder,
        slice: Slice,
        now: Timestamp,
    ) -> Result<Page<TokenRecord>>;
    /// Revokes a token; false when there is none of that digest (any more).
    async fn revoke_token(&self, digest: &TokenDigest) -> Result<bool>;
    /// Puts a new token in the place of an old one, which is revoked, or goes on until `old_until` (not beyond its own
    /// end). Atomic: of several who replace the same token one does, and the others change nothing.
    async fn rotate_token(
        &self,
        old: &TokenDigest,
        new: &TokenRecord,
        old_until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Rotated>;
    /// Gives a token the digest of another pepper, keeping the rest (one without an id gets [`TokenDigest::id`] of the
    /// old digest, so that services go on knowing it); false when there is none of that digest. One
    /// that has the new digest already stays as it is.
    async fn redigest_token(&self, old: &TokenDigest, new: &TokenDigest) -> Result<bool>;

    /// Takes up to `want` of what `limit` allows of this bucket within its sliding window; a `want` of 0 only looks.
    /// Atomic; shared between all that use the store (the embedded store: all in the process). A window that was never
    /// full is forgotten when it ran out.
    async fn take(&self, bucket: &str, limit: Limit, want: u32, now: Timestamp) -> Result<Taken>;

    /// Notes what happened, for lists; the oldest of each [`activity::Share`] are forgotten beyond what is kept of it.
    async fn note(&self, activity: &[Activity]) -> Result<()>;
    /// What happened lately, newest first.
    async fn activity(&self, filter: &ActivityFilter, slice: Slice) -> Result<Page<Activity>>;

    /// Forgets what has run out. Called every few minutes.
    async fn sweep(&self, now: Timestamp) -> Result<()>;

    /// What changes from now on, by whomever: this process, another replica, or the command line on the same
    /// machine. Every change is told within a second. May be called once; a second receiver is closed. A session
    /// that was opened and a user who is new are not told: nobody knew them.
    fn changes(&self) -> mpsc::Receiver<Change>;
}
