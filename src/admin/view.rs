//! What administrators see: the same in JSON, in tables and on pages. There is no secret in any of it, nor a
//! session's own name.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::identity::handle::SessionHandles;
use crate::store::activity::Activity;
use crate::store::token::TokenRecord;
use crate::store::{SessionRecord, UserRecord};

/// A part of a list, and how long the whole is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List<T> {
    /// The records.
    pub items: Vec<T>,
    /// How many there are in all parts together.
    pub total: u64,
    /// How many are before these.
    pub offset: u64,
    /// How many were asked for.
    pub limit: u32,
}

/// An API token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenView {
    /// Names it in addresses and commands; opens nothing.
    pub digest: String,
    /// Names it towards services (`token/…` in `X-User-Id`) and in the log.
    pub id: String,
    /// What its maker calls it.
    pub name: Option<String>,
    /// Whom to ask about it.
    pub email: Option<String>,
    /// Anything.
    pub comment: Option<String>,
    /// Where it is good; empty is nowhere.
    pub hosts: Vec<String>,
    /// What it may be.
    pub roles: Vec<String>,
    /// What it may ask of the gateway itself.
    pub scopes: Vec<String>,
    /// The user who made it for themselves.
    pub owner: Option<String>,
    /// Requests a window, where it is not `rate_limit.max`; 0 is no limit.
    pub limit: Option<u32>,
    /// When it was made, where that is known.
    #[serde(with = "rfc3339::option")]
    pub created_at: Option<Timestamp>,
    /// When it ends; never if `null`.
    #[serde(with = "rfc3339::option")]
    pub expires_at: Option<Timestamp>,
    /// Last use, to the minute.
    #[serde(with = "rfc3339::option")]
    pub last_used_at: Option<Timestamp>,
    /// When a rotation put another in its place, beside which it goes on until its end.
    #[serde(with = "rfc3339::option", default)]
    pub replaced_at: Option<Timestamp>,
}

impl From<TokenRecord> for TokenView {
    fn from(token: TokenRecord) -> Self {
        Self {
            digest: token.digest.to_string(),
            id: token.stable_id(),
            name: token.name,
            email: token.email,
            comment: token.comment,
            hosts: token.hosts,
            roles: token.roles,
            scopes: token.scopes,
            owner: token.owner,
            limit: token.limit,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            replaced_at: token.replaced_at,
        }
    }
}

/// A person who has signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserView {
    /// Stable, as services see it in `X-User-Id`.
    pub id: String,
    /// The provider that vouches for them.
    pub provider: String,
    /// `sub` there.
    pub subject: String,
    /// Verified e-mail of the last sign-in.
    pub email: Option<String>,
    /// Name of the last sign-in.
    pub name: Option<String>,
    /// Roles granted by administrators.
    pub roles: Vec<String>,
    /// Refused everywhere if so.
    pub disabled: bool,
    /// First sign-in.
    #[serde(with = "rfc3339")]
    pub first_seen: Timestamp,
    /// Last sign-in.
    #[serde(with = "rfc3339")]
    pub last_seen: Timestamp,
}

impl From<UserRecord> for UserView {
    fn from(user: UserRecord) -> Self {
        Self {
            id: user.id,
            provider: user.provider,
            subject: user.subject,
            email: user.email,
            name: user.name,
            roles: user.granted,
            disabled: user.disabled,
            first_seen: user.first_seen,
            last_seen: user.last_seen,
        }
    }
}

/// A sign-in of a person in a browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Names it in addresses and commands; not its own name, which nobody is shown.
    pub id: String,
    /// Names it in the log.
    pub log_id: String,
    /// Whose it is.
    pub user_id: String,
    /// Their e-mail.
    pub email: Option<String>,
    /// Their name.
    pub name: Option<String>,
    /// The provider that vouched.
    pub provider: String,
    /// When it began.
    #[serde(with = "rfc3339")]
    pub created_at: Timestamp,
    /// Last request, to the minute.
    #[serde(with = "rfc3339")]
    pub last_seen_at: Timestamp,
    /// When it ends at the latest.
    #[serde(with = "rfc3339")]
    pub expires_at: Timestamp,
    /// The client's address at the sign-in.
    pub address: Option<String>,
    /// The browser, in its own words.
    pub agent: Option<String>,
    /// Whether it is the one that asks.
    pub current: bool,
}

impl SessionView {
    pub(super) fn new(session: SessionRecord, user: Option<&UserRecord>, handles: &SessionHandles) -> Self {
        Self {
            id: handles.of(&session.id),
            log_id: session.id.short().to_owned(),
            user_id: session.user_id,
            email: user.and_then(|user| user.email.clone()),
            name: user.and_then(|user| user.name.clone()),
            provider: session.provider,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
            address: session.address,
            agent: session.agent,
            current: false,
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityView {
    /// When.
    #[serde(with = "rfc3339")]
    pub at: Timestamp,
    /// What kind of event: `decision`, `session`, `admin`.
    pub event: String,
    /// How it ended, or what was done.
    pub what: String,
    /// Who did it, where that is known.
    pub who: Option<String>,
    /// The id that the answer carried.
    pub decision_id: Option<String>,
    /// The audit line.
    pub line: serde_json::Value,
}

impl From<Activity> for ActivityView {
    fn from(activity: Activity) -> Self {
        Self {
            at: activity.at,
            event: activity.event,
            what: activity.what,
            who: activity.who,
            decision_id: activity.decision_id,
            // Whatever is no JSON is told as it is.
            line: serde_json::from_str(&activity.line).unwrap_or(serde_json::Value::String(activity.line)),
        }
    }
}

/// Times as RFC 3339, as everywhere in JSON.
mod rfc3339 {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::clock::Timestamp;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&at.rfc3339())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(from)?;
        Timestamp::parse_rfc3339(&text).ok_or_else(|| D::Error::custom("no time in RFC 3339"))
    }

    pub(super) mod option {
        use serde::de::Error as _;
        use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

        use crate::clock::Timestamp;

        #[expect(clippy::ref_option, reason = "serde hands fields over by reference")]
        pub(in super::super) fn serialize<S: Serializer>(
            at: &Option<Timestamp>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            at.map(Timestamp::rfc3339).serialize(to)
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
            Timestamp::parse_rfc3339(&text).map(Some).ok_or_else(|| D::Error::custom("no time in RFC 3339"))
        }
    }
}
