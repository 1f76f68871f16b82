//! How keys are called. All but those of API tokens have one hash tag, so that a cluster keeps them on one node and a
//! script may touch any of them.

use super::super::SessionId;
use super::super::token::TokenDigest;

/// What keys of API tokens begin with; other programs know it too.
pub(super) const TOKENS: &str = "tokens:";

/// The names under one prefix.
#[derive(Clone)]
pub(super) struct Names(String);

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self(format!("{{{prefix}}}:"))
    }

    /// What all of them begin with.
    pub(super) fn space(&self) -> &str {
        &self.0
    }

    pub(super) fn of(&self, name: &str) -> String {
        format!("{}{name}", self.0)
    }

    /// The name of the key that all records are signed with, or were last.
    pub(super) fn ring(&self) -> String {
        self.of("ring")
    }

    /// Written to show that writing works.
    pub(super) fn alive(&self) -> String {
        self.of("alive")
    }

    /// The channel on which changes are told.
    pub(super) fn changes(&self) -> String {
        self.of("changes")
    }

    pub(super) fn user(&self, id: &str) -> String {
        self.of(&format!("user:{id}"))
    }

    pub(super) fn session(&self, id: &SessionId) -> String {
        self.of(&format!("session:{}", id.as_str()))
    }
}

pub(super) fn token(digest: &TokenDigest) -> String {
    format!("{TOKENS}{digest}")
}
