//! What happened lately, for the admin pages: a bounded copy of what the audit log has whole. Each [`Share`] is bounded
//! by itself: whoever can cause many lines of one pushes out none of another.

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

/// What shares the place that there is for lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Changes by administrators, and of the policy.
    Changes,
    /// Sign-ins, and what people do with their sessions and tokens.
    People,
    /// Somebody was turned away: anybody can cause as many as they like.
    Refusals,
}

impl Share {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Changes, Self::People, Self::Refusals];

    /// Lines of it that are kept, the newest.
    #[must_use]
    pub const fn kept(self) -> u32 {
        match self {
            Self::Changes | Self::People => 15_000,
            Self::Refusals => 20_000,
        }
    }
}

impl Activity {
    /// Which share it counts to.
    #[must_use]
    pub fn share(&self) -> Share {
        match self.event.as_str() {
            "decision" => Share::Refusals,
            "session" if self.what.ends_with("_refused") => Share::Refusals,
            "session" => Share::People,
            _ => Share::Changes,
        }
    }
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
