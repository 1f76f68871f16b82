//! What happened lately, for the admin pages: a bounded copy of what the audit log has whole.

use crate::clock::Timestamp;

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// When.
    pub at: Timestamp,
    /// What kind of event: `decision`, `session`, `admin`.
    pub event: String,
    /// How it ended or what was done: `forbidden`, `sign_in`, `token_created`.
    pub what: String,
    /// Who did it ([`super::UserRecord::id`], `token/…`, or an admin's name), where that is known.
    pub who: Option<String>,
    /// The id that the answer carried.
    pub decision_id: Option<String>,
    /// The audit line, as JSON.
    pub line: String,
}

/// Which activity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    /// Only this kind of event.
    pub event: Option<String>,
    /// Only what ended so or was done.
    pub what: Option<String>,
    /// Part of who it was, or of the line (ASCII letters in either case); empty is all.
    pub search: String,
    /// Only the one of this decision.
    pub decision_id: Option<String>,
}
