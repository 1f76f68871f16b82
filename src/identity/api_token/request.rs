//! What a token may be made with. Forms, REST, the command line and people's own pages all come through here.

use std::fmt;
use std::time::Duration;

use super::hosts::host_pattern;
use super::peppers::Peppers;
use super::{KeyError, Plain};
use crate::clock::Timestamp;
use crate::config;
use crate::identity::claims::is_email;
use crate::store::token::TokenRecord;

/// The scope that lets a token call the admin REST.
pub const SCOPE_ADMIN: &str = "admin";
/// The scope that lets a token ask what others may.
pub const SCOPE_AUTHORIZE: &str = "authorize";
const SCOPES: [&str; 2] = [SCOPE_ADMIN, SCOPE_AUTHORIZE];

/// Bounds of one token: a list, a cache and a header hold it.
const MAX_NAME: usize = 100;
const MAX_COMMENT: usize = 500;
const MAX_HOSTS: usize = 100;
const MAX_ROLES: usize = 100;
const MAX_ROLE_BYTES: usize = 4096;
/// A hundred years: whoever writes more means "for ever", which is written otherwise.
const MAX_TTL_SECONDS: i64 = 100 * 365 * 86_400;
const MAX_LIMIT: i64 = 1_000_000;

/// A token as somebody asks for it; nothing in it was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// What to call it.
    pub name: Option<String>,
    /// Whom to ask about it.
    pub email: Option<String>,
    /// Anything.
    pub comment: Option<String>,
    /// Where it is to be good: host names, `*.parent`, `*`; none is nowhere.
    pub hosts: Vec<String>,
    /// What it is to be.
    pub roles: Vec<String>,
    /// `admin`, `authorize`.
    pub scopes: Vec<String>,
    /// How long it lives, in seconds: 0 is for ever, `None` is `tokens.default_ttl_seconds`.
    pub ttl_seconds: Option<i64>,
    /// Requests a window instead of `rate_limit.max`; 0 is no limit.
    pub limit: Option<i64>,
}

/// Somebody who makes a token for themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// See [`crate::store::UserRecord::id`].
    pub user_id: String,
    /// Their verified e-mail.
    pub email: Option<String>,
    /// All their roles as of now; the token has none beside them.
    pub roles: Vec<String>,
    /// Those of their roles that are no admin's grant. See [`TokenRecord::vested`].
    pub vested: Vec<String>,
}

impl Owner {
    /// What the names of their tokens begin with. Services take a token's name for that of a user, so nobody may
    /// choose it freely: a token of somebody's own that is called `admin` would be `admin` there.
    #[must_use]
    pub fn name_prefix(&self) -> String {
        format!("{}/", self.email.as_deref().unwrap_or(&self.user_id))
    }
}

/// What is wrong with one field of [`Asked`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The field's name, as in forms and JSON.
    pub field: &'static str,
    /// What is wrong, and what to write instead: words behind the field's name.
    pub problem: String,
}

impl fmt::Display for FieldFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

/// A token that may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    name: Option<String>,
    email: Option<String>,
    comment: Option<String>,
    hosts: Vec<String>,
    roles: Vec<String>,
    scopes: Vec<String>,
    ttl: Option<Duration>,
    limit: Option<u32>,
    owner: Option<String>,
    vested: Vec<String>,
}

impl NewToken {
    /// Checks all of it. `owner` is who makes it for themselves; `None` is an admin. `is_role` says which roles there
    /// may be ([`crate::policy::is_role`] at least).
    ///
    /// # Errors
    /// Every fault, each naming its field.
    pub fn new(
        asked: &Asked,
        owner: Option<&Owner>,
        rules: &config::Tokens,
        is_role: impl Fn(&str) -> bool,
    ) -> Result<Self, Vec<FieldFault>> {
        let mut faults = Faults::default();
        let name = faults.line("name", asked.name.as_deref(), MAX_NAME);
        let email = faults.line("email", asked.email.as_deref(), 254);
        if email.as_deref().is_some_and(|email| !is_email(email)) {
            faults.add("email", "is no e-mail address");
        }
        let comment = faults.line("comment", asked.comment.as_deref(), MAX_COMMENT);
        let mut new = Self {
            name,
            email,
            comment,
            hosts: faults.hosts(&asked.hosts),
            roles: faults.roles(&asked.roles, is_role),
            scopes: faults.scopes(&asked.scopes),
            ttl: faults.ttl(asked.ttl_seconds, rules),
            limit: faults.limit(asked.limit),
            owner: None,
            vested: Vec::new(),
        };
        if let Some(owner) = owner {
            new.belongs_to(owner, &mut faults);
        }
        if faults.0.is_empty() { Ok(new) } else { Err(faults.0) }
    }

    /// Nobody makes themselves more than they are, and services can tell whose it is.
    fn belongs_to(&mut self, owner: &Owner, faults: &mut Faults) {
        for role in self.roles.iter().filter(|role| !owner.roles.contains(role)) {
            faults.add("roles", format!("{role:?} is none of yours"));
        }
        if !self.scopes.is_empty() {
            faults.add("scopes", "are for an admin to give");
        }
        if self.limit.is_some() {
            faults.add("limit", "is for an admin to give");
        }
        match &self.name {
            None => faults.add("name", "is missing; write what it is for, like `backup`"),
            Some(name) if name.contains(['/', '@']) => faults.add("name", "may not contain `/` or `@`"),
            Some(name) => self.name = Some(owner.name_prefix() + name),
        }
        self.email.clone_from(&owner.email);
        self.vested = self.roles.iter().filter(|role| owner.vested.contains(role)).cloned().collect();
        self.owner = Some(owner.user_id.clone());
    }

    /// Makes it: the text, which is never to be had again, and the record to be kept.
    ///
    /// # Errors
    /// [`KeyError::NoEntropy`] when the system gives no random numbers.
    pub fn mint(self, peppers: &Peppers, now: Timestamp) -> Result<(Plain, TokenRecord), KeyError> {
        let plain = Plain::new()?;
        let digest = peppers.digest(plain.expose());
        let record = TokenRecord {
            id: Some(digest.id()),
            digest,
            name: self.name,
            email: self.email,
            comment: self.comment,
            hosts: self.hosts,
            roles: self.roles,
            scopes: self.scopes,
            owner: self.owner,
            vested: self.vested,
            limit: self.limit,
            created_at: Some(now),
            expires_at: self.ttl.map(|ttl| now.plus(ttl)),
            last_used_at: None,
            replaced_at: None,
        };
        Ok((plain, record))
    }
}

#[derive(Default)]
struct Faults(Vec<FieldFault>);

impl Faults {
    fn add(&mut self, field: &'static str, problem: impl Into<String>) {
        self.0.push(FieldFault { field, problem: problem.into() });
    }

    /// One line of text, trimmed; nothing where nothing is written.
    fn line(&mut self, field: &'static str, text: Option<&str>, limit: usize) -> Option<String> {
        let text = text.map(str::trim).filter(|text| !text.is_empty())?;
        if text.chars().count() > limit || text.chars().any(char::is_control) {
            self.add(field, format!("must be one line of at most {limit} characters"));
        }
        Some(text.to_owned())
    }

    fn hosts(&mut self, asked: &[String]) -> Vec<String> {
        let mut hosts = Vec::new();
        for text in written(asked) {
            match host_pattern(text) {
                Some(host) if hosts.contains(&host) => {}
                Some(host) => hosts.push(host),
                None => {
                    let like = "write one like `app.example.com` (no port), `*.example.com` or `*`";
                    self.add("hosts", format!("{:?} is no host; {like}", short(text)));
                }
            }
        }
        self.few("hosts", &hosts, MAX_HOSTS);
        hosts
    }

    fn roles(&mut self, asked: &[String], is_role: impl Fn(&str) -> bool) -> Vec<String> {
        let roles = sorted(asked);
        for role in roles.iter().filter(|role| !is_role(role)) {
            self.add("roles", format!("{:?} is no role", short(role)));
        }
        self.few("roles", &roles, MAX_ROLES);
        if roles.iter().map(|role| role.len() + 1).sum::<usize>() > MAX_ROLE_BYTES {
            self.add("roles", format!("do not fit into a header: {MAX_ROLE_BYTES} bytes at most"));
        }
        roles
    }

    fn scopes(&mut self, asked: &[String]) -> Vec<String> {
        let scopes = sorted(asked);
        for scope in scopes.iter().filter(|scope| !SCOPES.contains(&scope.as_str())) {
            self.add("scopes", format!("{:?} is none of `admin`, `authorize`", short(scope)));
        }
        scopes
    }

    fn few(&mut self, field: &'static str, list: &[String], most: usize) {
        if list.len() > most {
            self.add(field, format!("are too many: {most} at most"));
        }
    }

    fn ttl(&mut self, asked: Option<i64>, rules: &config::Tokens) -> Option<Duration> {
        let Some(seconds) = asked else { return rules.default_ttl };
        let ttl = u64::try_from(seconds).ok().filter(|_| seconds <= MAX_TTL_SECONDS).map(Duration::from_secs);
        let Some(ttl) = ttl else {
            self.add("ttl_seconds", "must be seconds, at most a hundred years of them, or 0 for no end");
            return None;
        };
        match rules.max_ttl {
            Some(max) if ttl.is_zero() || ttl > max => {
                self.add("ttl_seconds", format!("must be 1 to {}", max.as_secs()));
                None
            }
            _ => (!ttl.is_zero()).then_some(ttl),
        }
    }

    fn limit(&mut self, asked: Option<i64>) -> Option<u32> {
        let limit = u32::try_from(asked?).ok().filter(|limit| i64::from(*limit) <= MAX_LIMIT);
        if limit.is_none() {
            self.add("limit", format!("must be 0 (no limit) to {MAX_LIMIT} requests"));
        }
        limit
    }
}

fn written(asked: &[String]) -> impl Iterator<Item = &str> {
    asked.iter().map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn sorted(asked: &[String]) -> Vec<String> {
    let mut list: Vec<String> = written(asked).map(str::to_owned).collect();
    list.sort_unstable();
    list.dedup();
    list
}

/// A wrong word is repeated as far as it helps to find it.
fn short(text: &str) -> String {
    text.chars().take(60).collect()
}
