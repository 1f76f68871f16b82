//! What is written down about decisions, sign-ins and sign-outs: one JSON line each, with a stable schema
//! (docs/audit.md), to standard output or a file.
//!
//! No query, cookie, token or code ever gets here: the types have no field for them. `serde_json` escapes
//! control bytes, and the two line separators that some viewers obey are escaped below, so one event is one
//! line whatever a name contains. [`recorded`] reads decisions back, to explain them.

pub mod recorded;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Serialize, Serializer};

use crate::clock::Timestamp;
use crate::config::AuditDecisions;
use crate::telemetry::metrics::Outcome;

/// Longest value that is written; what is longer is cut and marked.
const MAX_VALUE: usize = 512;
/// `sampled` writes one allowed decision in this many.
const SAMPLE: u64 = 100;

/// Whether somebody was turned away for good: refusals are always written down.
#[must_use]
pub const fn is_refusal(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Allowed | Outcome::Anonymous | Outcome::Challenged)
}

/// One decision. [`recorded::Recorded`] reads it back.
#[derive(Debug, Serialize)]
pub struct Decision<'a> {
    /// The id that the answer carried.
    pub decision_id: &'a str,
    /// How it ended.
    #[serde(serialize_with = "outcome")]
    pub outcome: Outcome,
    /// Why, in words.
    pub reason: Option<String>,
    /// The rule that spoke.
    pub rule: Option<&'a str>,
    /// Where that rule is written.
    pub rule_at: Option<String>,
    /// The service it belongs to.
    pub service: Option<&'a str>,
    /// What enforcement would have said, where the service is in shadow mode.
    #[serde(serialize_with = "optional_outcome")]
    pub shadow: Option<Outcome>,
    /// The request's method.
    pub method: Option<&'a str>,
    /// `http` or `https`.
    pub scheme: Option<&'a str>,
    /// Canonical host.
    pub host: Option<&'a str>,
    /// Canonical path, never the query.
    pub path: Option<&'a str>,
    /// Whether a service merely asked, and no request was let through or refused; `None` for "no".
    pub only_asked: Option<bool>,
    /// Whether it was let through as a CORS preflight; `None` for "no".
    pub preflight: Option<bool>,
    /// Of a request that opens a WebSocket: its origin, empty when it had none.
    pub websocket: Option<&'a str>,
    /// Who asked.
    pub user_id: Option<&'a str>,
    /// The name by which services know them.
    pub user: Option<&'a str>,
    /// The roles that the decision rests on: all of them, never cut.
    pub roles: Option<&'a [String]>,
    /// For whom their bearer token is.
    pub audiences: Option<&'a [String]>,
    /// What their API token is called.
    pub token_name: Option<&'a str>,
    /// How they proved it.
    pub auth_method: Option<&'a str>,
    /// Whose credential it was, where a service asked about somebody else.
    pub asked_by: Option<&'a str>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The proxy's request id, if it sent one.
    pub request_id: Option<&'a str>,
}

/// A sign-in, its refusal, or the end of a session.
#[derive(Debug, Serialize)]
pub struct SignInEvent<'a> {
    /// What happened: `sign_in`, `sign_in_refused`, `sign_out`, `sessions_ended`, `csrf_refused`.
    pub action: &'static str,
    /// Why, for a refusal.
    pub reason: Option<String>,
    /// The provider's id.
    pub provider: Option<&'a str>,
    /// `sub` there.
    pub subject: Option<&'a str>,
    /// Whose.
    pub user_id: Option<&'a str>,
    /// The first characters of the session's name.
    pub session: Option<&'a str>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The id that the page shows.
    pub request_id: &'a str,
}

#[derive(Serialize)]
struct Line<'a, T> {
    time: String,
    event: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

enum Sink {
    Stdout,
    File(Mutex<File>),
}

/// Writes the lines.
pub struct Audit {
    decisions: AuditDecisions,
    sink: Sink,
    counter: AtomicU64,
}

impl Audit {
    /// To `file` (appended to, mode 0600), or to standard output.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(decisions: AuditDecisions, file: Option<&Path>) -> io::Result<Self> {
        let sink = match file {
            None => Sink::Stdout,
            Some(path) => {
                let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
                Sink::File(Mutex::new(file))
            }
        };
        Ok(Self { decisions, sink, counter: AtomicU64::new(0) })
    }

    /// Whether a decision that ended so is written down; asked first, so that nothing is built in vain.
    pub fn wants(&self, outcome: Outcome) -> bool {
        is_refusal(outcome)
            || match self.decisions {
                AuditDecisions::All => true,
                AuditDecisions::Denied => false,
                AuditDecisions::Sampled => {
                    self.counter.fetch_add(1, Ordering::Relaxed).is_multiple_of(SAMPLE)
                }
            }
    }

    /// Writes a decision down.
    pub fn decision(&self, decision: &Decision<'_>, now: Timestamp) {
        self.write("decision", decision, now);
    }

    /// Writes a sign-in or sign-out down.
    pub fn sign_in(&self, event: &SignInEvent<'_>, now: Timestamp) {
        self.write("session", event, now);
    }

    fn write<T: Serialize>(&self, event: &'static str, body: &T, now: Timestamp) {
        let Ok(mut value) = serde_json::to_value(Line { time: now.rfc3339(), event, body }) else { return };
        shorten(&mut value);
        let line = value.to_string().replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029") + "\n";
        let written = match &self.sink {
            Sink::Stdout => io::stdout().lock().write_all(line.as_bytes()),
            Sink::File(file) => {
                file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())
            }
        };
        if let Err(error) = written {
            tracing::error!(%error, "the audit line could not be written");
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
fn outcome<S: Serializer>(outcome: &Outcome, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(outcome.as_str())
}

#[expect(clippy::ref_option, reason = "serde hands fields over by reference")]
fn optional_outcome<S: Serializer>(outcome: &Option<Outcome>, to: S) -> Result<S::Ok, S::Error> {
    outcome.map(Outcome::as_str).serialize(to)
}

/// Leaves out what is unknown and cuts what is too long.
fn shorten(value: &mut serde_json::Value) {
    let Some(members) = value.as_object_mut() else { return };
    members.retain(|_, member| !member.is_null());
    for member in members.values_mut() {
        if let serde_json::Value::String(text) = member
            && text.len() > MAX_VALUE
        {
            let cut = text.floor_char_boundary(MAX_VALUE);
            text.truncate(cut);
            text.push('…');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_is_one_short_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        let audit = Audit::open(AuditDecisions::Denied, Some(&path)).unwrap();
        let evil = "a\nb\r\x1b[2J\0\u{2028}\"}".to_owned() + "x".repeat(10_000).as_str();
        audit.sign_in(
            &SignInEvent {
                action: "sign_in_refused",
                reason: Some(evil),
                provider: Some("google"),
                subject: None,
                user_id: None,
                session: None,
                client: None,
                request_id: "r",
            },
            Timestamp::from_secs(0),
        );
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(text.len() < 1000 && text.replace('…', "").is_ascii());
        assert!(!text.contains(['\x1b', '\u{2028}']) && text.trim_end().chars().all(|c| !c.is_control()));
        assert!(text.starts_with(r#"{"#) && text.contains(r#""time":"1970-01-01T00:00:00Z""#));
    }

    #[test]
    fn refusals_are_always_written() {
        let audit = Audit::open(AuditDecisions::Sampled, None).unwrap();
        assert!(audit.wants(Outcome::Forbidden));
        assert_eq!((0..200).filter(|_| audit.wants(Outcome::Allowed)).count(), 2);
    }
}
