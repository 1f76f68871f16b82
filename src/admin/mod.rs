//! WHAT AN ADMINISTRATOR MAY DO: each action is one function, which the pages, the REST API and the command line
//! share. Knows nothing of HTTP.
//!
//! Nothing is done by nobody: every action is a method of [`Admin`], which takes an [`Actor`] to make, and whoever
//! hands one out has checked it. Every change is written down, and takes effect in this process at once.

mod activity;
mod explain;
mod policy;
mod sessions;
mod tokens;
mod users;
pub mod view;

use std::net::IpAddr;
use std::sync::Arc;

use crate::audit::{AdminEvent, Audit};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::identity::api_token::{FieldFault, Peppers};
use crate::identity::handle::SessionHandles;
use crate::identity::seal::KeyError;
use crate::policy::live::LivePolicy;
use crate::store::known::Known;
use crate::store::page::{Page, Slice};
use crate::store::token::TokenDigest;
use crate::store::{SessionId, Store, StoreError};

pub use self::explain::{Caller, Explained, Question};
pub use self::policy::{FaultView, PolicyView};
pub use self::tokens::NewSecret;
pub use self::users::UserDetail;

/// Records of a list unless more or fewer are asked for, and at most.
pub const LIST: u32 = 50;
/// See [`LIST`].
pub const LONGEST_LIST: u32 = 500;

/// What actions need.
pub struct Desk {
    /// What is remembered.
    pub store: Arc<dyn Store>,
    /// What of that is known in this process; a command that ends at once knows nothing.
    pub known: Option<Arc<Known>>,
    /// Who may do what.
    pub policy: Arc<LivePolicy>,
    /// What is written down.
    pub audit: Arc<Audit>,
    /// Digests of tokens.
    pub peppers: Arc<Peppers>,
    /// What sessions are called.
    pub handles: SessionHandles,
    /// As it was loaded.
    pub config: Arc<Config>,
}

/// Who acts. Whoever makes one has checked that they may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The administrator by password, of this name.
    Password(String),
    /// Somebody who is signed in.
    User {
        /// See [`crate::store::UserRecord::id`].
        id: String,
        /// What to call them.
        name: String,
        /// Where they are signed in.
        session: SessionId,
    },
    /// Whoever holds this token.
    Token {
        /// Its name towards services, without `token/`.
        id: String,
        /// What its maker calls it.
        name: Option<String>,
    },
    /// Whoever may run programs on the machine, by their name there.
    Shell(String),
}

impl Actor {
    /// What to call them.
    #[must_use]
    pub fn display_name(&self) -> &str {
        match self {
            Self::Password(name) | Self::User { name, .. } | Self::Shell(name) => name,
            Self::Token { id, name } => name.as_ref().unwrap_or(id),
        }
    }

    /// Their name in the audit log.
    #[must_use]
    pub fn audit_name(&self) -> String {
        match self {
            Self::Password(name) | Self::Shell(name) => name.clone(),
            Self::User { id, .. } => id.clone(),
            Self::Token { id, .. } => format!("token/{id}"),
        }
    }

    /// How they proved who they are, in the audit log.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Password(_) => "password",
            Self::User { .. } => "session",
            Self::Token { .. } => "token",
            Self::Shell(_) => "shell",
        }
    }
}

/// Somebody at the desk, for one request.
pub struct Admin<'d> {
    desk: &'d Desk,
    actor: Actor,
    now: Timestamp,
    client: Option<IpAddr>,
    request_id: Option<String>,
}

/// Why an action was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing; which, in words.
    #[error("{0}")]
    NoSuch(String),
    /// What was asked for cannot be done, for each of these reasons.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Faults(Vec<FieldFault>),
    /// The store did not do it, or not for certain.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random numbers.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Refusal {
    fn no(what: &str, name: &str) -> Self {
        let name: String = name.chars().take(100).collect();
        Self::NoSuch(format!("there is no {what} {name:?}"))
    }

    fn field(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Faults(vec![FieldFault { field, problem: problem.into() }])
    }
}

/// What every action returns.
pub type Result<T, E = Refusal> = std::result::Result<T, E>;

impl Desk {
    /// Somebody who may act, for one request at `now`.
    #[must_use]
    pub fn seat(
        &self,
        actor: Actor,
        now: Timestamp,
        client: Option<IpAddr>,
        request_id: Option<&str>,
    ) -> Admin<'_> {
        Admin { desk: self, actor, now, client, request_id: request_id.map(str::to_owned) }
    }

    fn told(&self, tell: impl FnOnce(&Known)) {
        if let Some(known) = &self.known {
            tell(known);
        }
    }
}

impl Admin<'_> {
    /// Who it is.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// When they act.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Writes a change down.
    fn wrote(&self, action: &'static str, target: &str, details: impl Into<Option<String>>) {
        let (actor, name) = (self.actor.audit_name(), self.actor.display_name());
        let event = AdminEvent {
            action,
            actor: &actor,
            actor_name: (name != actor).then_some(name),
            auth_method: self.actor.method(),
            target,
            details: details.into(),
            client: self.client,
            request_id: self.request_id.as_deref(),
        };
        self.desk.audit.admin(&event, self.now);
    }
}

/// A part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Records before it.
    pub offset: u64,
    /// Records in it; more than [`LONGEST_LIST`] are not given.
    pub limit: u32,
}

impl Default for Part {
    fn default() -> Self {
        Self { offset: 0, limit: LIST }
    }
}

impl Part {
    fn slice(self) -> Slice {
        Slice { offset: self.offset, limit: self.limit.clamp(1, LONGEST_LIST) }
    }

    fn of<R, V>(self, page: Page<R>, view: impl FnMut(R) -> V) -> view::List<V> {
        let Slice { offset, limit } = self.slice();
        view::List { items: page.items.into_iter().map(view).collect(), total: page.total, offset, limit }
    }
}

/// The digest that somebody wrote.
fn digest(text: &str) -> Option<TokenDigest> {
    TokenDigest::parse(&text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
