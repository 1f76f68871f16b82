//! People's own API tokens: in a list, being made, shown once, and about to be revoked.

use minijinja::{Value, context};

use super::words::{LONGEST, SHOWN, ago, clip, moment, until};
use crate::clock::Timestamp;
use crate::identity::api_token::FieldFault;

/// Tokens of one person that have not ended, all of them on one page. Who needs more has a robot, and asks an admin.
pub const MOST_TOKENS: u32 = 8;
/// Hosts and roles of one token in a list.
const FEW: usize = 2;
const CHIP: usize = 32;

/// The tokens of somebody, on their account page.
#[derive(Debug)]
pub struct OwnTokens<'a> {
    /// Newest first.
    pub tokens: Vec<OwnToken<'a>>,
    /// Whether they may make more.
    pub may_make: bool,
    /// The time of the request.
    pub now: Timestamp,
}

/// One of them.
#[derive(Debug)]
pub struct OwnToken<'a> {
    /// What links and forms send to name it.
    pub digest: String,
    /// What they call it.
    pub name: &'a str,
    /// Where it is good.
    pub hosts: &'a [String],
    /// What it may be.
    pub roles: &'a [String],
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used: Option<Timestamp>,
}

/// The form for a new one.
#[derive(Debug)]
pub struct NewTokenForm<'a> {
    /// As it was sent.
    pub name: &'a str,
    /// As they were sent, one a line.
    pub hosts: String,
    /// All that there are to choose from.
    pub roles: &'a [String],
    /// Those that were chosen.
    pub chosen: &'a [String],
    /// How long it may live.
    pub ends: Vec<Choice>,
    /// What was wrong with what was sent.
    pub faults: &'a [FieldFault],
    /// For the form.
    pub csrf: &'a str,
}

/// One of several.
#[derive(Debug)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub label: String,
    /// Whether it is the one.
    pub chosen: bool,
}

/// A new token, this once.
#[derive(Debug)]
pub struct TokenMade<'a> {
    /// What they call it.
    pub name: &'a str,
    /// The token.
    pub token: &'a str,
    /// A line to try it with.
    pub curl: Option<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// The time of the request.
    pub now: Timestamp,
}

/// Confirm revoking a token.
#[derive(Debug)]
pub struct RevokeToken<'a> {
    /// Which.
    pub token: OwnToken<'a>,
    /// For the form.
    pub csrf: &'a str,
    /// The time of the request.
    pub now: Timestamp,
}

impl OwnTokens<'_> {
    pub(super) fn value(&self) -> Value {
        let tokens: Vec<_> =
            self.tokens.iter().take(MOST_TOKENS as usize).map(|token| token.value(self.now)).collect();
        context! { tokens, may_make => self.may_make }
    }
}

impl OwnToken<'_> {
    fn value(&self, now: Timestamp) -> Value {
        let few =
            |list: &[String]| -> Vec<String> { list.iter().take(FEW).map(|word| clip(word, CHIP)).collect() };
        context! {
            digest => self.digest.as_str(),
            name => clip(self.name, CHIP),
            hosts => few(self.hosts),
            more_hosts => self.hosts.len().saturating_sub(FEW),
            roles => few(self.roles),
            more_roles => self.roles.len().saturating_sub(FEW),
            ends => self.expires_at.map(|at| moment(at, until(now, at))),
            used => self.last_used.map(|at| moment(at, ago(now, at))),
        }
    }
}

impl NewTokenForm<'_> {
    pub(super) fn value(&self) -> Value {
        let roles: Vec<_> = self
            .roles
            .iter()
            .take(SHOWN)
            .map(|role| context! { name => clip(role, 128), chosen => self.chosen.contains(role) })
            .collect();
        // Those that have no box, and those that are none of theirs: so that they see what they wrote.
        let boxed = self.roles.get(..SHOWN).unwrap_or(self.roles);
        let others: Vec<&str> =
            self.chosen.iter().filter(|role| !boxed.contains(role)).map(String::as_str).collect();
        let fault = |field: &str| {
            self.faults.iter().find(|fault| fault.field == field).map(|fault| clip(&fault.problem, 200))
        };
        let ends: Vec<_> = self
            .ends
            .iter()
            .map(|choice| context! { value => choice.value.as_str(), label => choice.label.as_str(), chosen => choice.chosen })
            .collect();
        context! {
            name => clip(self.name, LONGEST),
            hosts => clip(&self.hosts, 2000),
            roles,
            more_roles => self.roles.len().saturating_sub(SHOWN),
            others => clip(&others.join(" "), 1000),
            ends,
            faults => !self.faults.is_empty(),
            wrong => context! {
                name => fault("name"), hosts => fault("hosts"), roles => fault("roles"), ends => fault("ttl_seconds"),
            },
            csrf => self.csrf,
        }
    }
}

impl TokenMade<'_> {
    pub(super) fn value(&self) -> Value {
        context! {
            name => clip(self.name, LONGEST),
            token => self.token,
            curl => self.curl.as_deref(),
            ends => self.expires_at.map(|at| moment(at, until(self.now, at))),
        }
    }
}

impl RevokeToken<'_> {
    pub(super) fn value(&self) -> Value {
        context! { token => self.token.value(self.now), csrf => self.csrf }
    }
}
