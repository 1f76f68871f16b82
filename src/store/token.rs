//! API tokens as the store keeps them: never the token, only its digest.

use std::fmt;

use super::SessionId;
use crate::clock::Timestamp;

/// `SHA-256(token + pepper)`: the only name of a token that is kept. It opens nothing by itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// From the digest's bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// From 64 lower-case hexadecimal digits; `None` for anything else.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
        if !rest.is_empty() || pairs.len() != 32 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(bytes))
    }

    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 16 hexadecimal digits: the [`TokenRecord::id`] of a token that is kept under this digest first.
    #[must_use]
    pub fn id(&self) -> String {
        let mut hex = self.to_string();
        hex.truncate(16);
        hex
    }

    /// The first eight hexadecimal digits: enough to tell tokens apart in a list or a log.
    #[must_use]
    pub fn short(&self) -> String {
        let mut hex = self.to_string();
        hex.truncate(8);
        hex
    }
}

impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenDigest({}…)", self.short())
    }
}

/// An API token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its name in the store; another when the pepper changes.
    pub digest: TokenDigest,
    /// Its name towards services and in the log, which stays: see [`Self::stable_id`]. Tokens that other tools wrote
    /// have none.
    pub id: Option<String>,
    /// What its maker calls it; `X-Auth-User` where there is one.
    pub name: Option<String>,
    /// Whom to ask about it.
    pub email: Option<String>,
    /// Anything.
    pub comment: Option<String>,
    /// Where it is good: host names, `*.parent` for every host below, `*` for all; empty is nowhere.
    pub hosts: Vec<String>,
    /// What it may be, sorted.
    pub roles: Vec<String>,
    /// What it may ask of the gateway itself (`admin`, `authorize`), sorted.
    pub scopes: Vec<String>,
    /// The user ([`super::UserRecord::id`]) who made it for themselves. It never has more than they have: while they
    /// are disabled it is refused. `None`: an admin made it.
    pub owner: Option<String>,
    /// Of an owned token's roles, those that were the owner's by the provider's word or the policy's when it was
    /// made; the others count only while an admin's grant of them lasts. Sorted.
    pub vested: Vec<String>,
    /// Requests a window, instead of `rate_limit.max`; 0 is no limit.
    pub limit: Option<u32>,
    /// When it was made; tokens that other tools wrote do not say.
    pub created_at: Option<Timestamp>,
    /// When it ends; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// Last use; written behind, so up to a minute old.
    pub last_used_at: Option<Timestamp>,
    /// When another took its place, which happens once: until its end it goes on beside that one.
    pub replaced_at: Option<Timestamp>,
}

impl TokenRecord {
    /// The name behind `token/` in `X-User-Id`: 16 hexadecimal digits, those that its digest began with when it was
    /// made. Anything else in the record (another tool's) does not count.
    #[must_use]
    pub fn stable_id(&self) -> String {
        let good =
            |id: &&String| id.len() == 16 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        self.id.as_ref().filter(good).cloned().unwrap_or_else(|| self.digest.id())
    }

    /// This one after another took its place at `now`: it goes on until `until`, not beyond its own end.
    #[must_use]
    pub fn replaced(self, until: Timestamp, now: Timestamp) -> Self {
        let end = self.expires_at.map_or(until, |end| end.min(until));
        Self { expires_at: Some(end), replaced_at: Some(now), ..self }
    }
}

/// In which order tokens are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenOrder {
    /// Newest first; those that do not say last.
    Newest,
    /// By name in ASCII lower case, those without one last.
    Name,
    /// Those that end first first, those that never end last.
    Ends,
}

/// What became of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// It is done.
    Done,
    /// Somebody else was faster: another has its place already. Nothing was changed.
    Before,
    /// There is no such token (any more). Nothing was changed.
    Absent,
}

/// Which tokens are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenFilter {
    /// Part of a name, e-mail, comment, host, digest or id (ASCII letters in either case); empty is all.
    pub search: String,
    /// Only those of this user.
    pub owner: Option<String>,
    /// Only those that end before this.
    pub ends_before: Option<Timestamp>,
}

/// What was seen lately and is written behind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Used {
    /// A session.
    Session(SessionId),
    /// A token.
    Token(TokenDigest),
}
