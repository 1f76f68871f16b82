//! What is written down about decisions, sign-ins and sign-outs: one JSON line each, with a stable schema
//! (docs/audit.md), to standard output or a file.
//!
//! No query, cookie, token or code ever gets here: the types have no field for them. `serde_json` escapes
//! control bytes, and the two line separators that some viewers obey are escaped below, so one event is one
//! line whatever a name contains. [`recorded`] reads decisions back, to explain them.

mod file;
pub mod notes;
pub mod recorded;

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Serialize, Serializer};
use serde_json::Value;

pub use self::file::with_older;

use self::file::AuditFile;
use self::notes::{Kind, Notes};

use crate::clock::Timestamp;
use crate::config::AuditDecisions;
use crate::store::activity::Activity;
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
    /// Whose word that is: the id of a provider or issuer, or `token`.
    pub provider: Option<&'a str>,
    /// `sub` there.
    pub subject: Option<&'a str>,
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
    /// What happened: `sign_in`, `sign_in_refused`, `sign_out`, `sessions_ended`, `csrf_refused`,
    /// `admin_sign_in_refused`, `token_created`, `token_revoked`.
    pub action: &'static str,
    /// Why, for a refusal; which token.
    pub reason: Option<String>,
    /// The provider's id.
    pub provider: Option<&'a str>,
    /// `sub` there.
    pub subject: Option<&'a str>,
    /// Whose.
    pub user_id: Option<&'a str>,
    /// What to call them: their verified e-mail, else `sub`.
    pub user: Option<&'a str>,
    /// The first characters of the session's name.
    pub session: Option<&'a str>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The id that the page shows.
    pub request_id: &'a str,
}

/// A change by an administrator.
#[derive(Debug, Serialize)]
pub struct AdminEvent<'a> {
    /// What was done: `token_created`, `role_granted`.
    pub action: &'static str,
    /// Who did it: a user's id, `token/…`, or an administrator's name.
    pub actor: &'a str,
    /// What to call them, where that is something else: an e-mail, the name of a token.
    pub actor_name: Option<&'a str>,
    /// How they proved who they are: `password`, `session`, `token`, `shell`.
    pub auth_method: &'static str,
    /// To what: a user's id, the beginning of a token's digest or of a session's name.
    pub target: &'a str,
    /// What exactly, in words.
    pub details: Option<String>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The id that the answer carried.
    pub request_id: Option<&'a str>,
}

/// The policy's file changed.
#[derive(Debug, Serialize)]
pub struct PolicyEvent {
    /// `policy_loaded`, or `policy_refused`: then the one before it stays.
    pub action: &'static str,
    /// The version in force from now on.
    pub version: u64,
    /// What is wrong with it: how many faults, and the first.
    pub reason: Option<String>,
}

#[derive(Serialize)]
struct Line<'a, T> {
    time: String,
    event: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

enum Sink {
    Nowhere,
    Stdout,
    File(Mutex<AuditFile>),
}

/// Writes the lines.
pub struct Audit {
    decisions: AuditDecisions,
    sink: Sink,
    counter: AtomicU64,
    notes: Option<Arc<Notes>>,
}

impl Audit {
    /// To `file` (appended to, mode 0600), or to standard output.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(decisions: AuditDecisions, file: Option<&Path>) -> io::Result<Self> {
        let sink = match file {
            None => Sink::Stdout,
            Some(path) => Sink::File(Mutex::new(AuditFile::open(path)?)),
        };
        Ok(Self { decisions, sink, counter: AtomicU64::new(0), notes: None })
    }

    /// Writes no lines; they can still be noted.
    #[must_use]
    pub const fn silent() -> Self {
        Self {
            decisions: AuditDecisions::Denied,
            sink: Sink::Nowhere,
            counter: AtomicU64::new(0),
            notes: None,
        }
    }

    /// A file is rotated before it is larger than `max_size` bytes (`None`: never), and `keep` older ones stay.
    #[must_use]
    pub fn rotating(self, max_size: Option<u64>, keep: u32) -> Self {
        if let Sink::File(file) = &self.sink {
            file.lock().unwrap_or_else(PoisonError::into_inner).rotate_at(max_size, keep);
        }
        self
    }

    /// Events and refusals are noted there too.
    #[must_use]
    pub fn noting(self, notes: Arc<Notes>) -> Self {
        Self { notes: Some(notes), ..self }
    }

    /// Where events and refusals are noted.
    #[must_use]
    pub const fn notes(&self) -> Option<&Arc<Notes>> {
        self.notes.as_ref()
    }

    /// Opens the file anew: somebody may have moved it away.
    pub fn reopen(&self) {
        if let Sink::File(file) = &self.sink {
            file.lock().unwrap_or_else(PoisonError::into_inner).reopen();
        }
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
        let kind = is_refusal(decision.outcome).then_some(Kind::Refusal);
        self.write("decision", decision, kind, now);
    }

    /// Writes a sign-in or sign-out down.
    pub fn sign_in(&self, event: &SignInEvent<'_>, now: Timestamp) {
        let kind = if event.action.ends_with("_refused") { Kind::Refusal } else { Kind::Event };
        self.write("session", event, Some(kind), now);
    }

    /// Writes a change by an administrator down.
    pub fn admin(&self, event: &AdminEvent<'_>, now: Timestamp) {
        self.write("admin", event, Some(Kind::Event), now);
    }

    /// Writes down that the policy's file changed.
    pub fn policy(&self, event: &PolicyEvent, now: Timestamp) {
        self.write("policy", event, Some(Kind::Event), now);
    }

    fn write<T: Serialize>(&self, event: &'static str, body: &T, noted: Option<Kind>, now: Timestamp) {
        let Ok(mut value) = serde_json::to_value(Line { time: now.rfc3339(), event, body }) else { return };
        shorten(&mut value);
        let line = value.to_string().replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
        if let (Some(kind), Some(notes)) = (noted, &self.notes) {
            notes.push(kind, note_of(event, &value, &line, now));
        }
        let line = line + "\n";
        let written = match &self.sink {
            Sink::Nowhere => Ok(()),
            Sink::Stdout => io::stdout().lock().write_all(line.as_bytes()),
            Sink::File(file) => file.lock().unwrap_or_else(PoisonError::into_inner).write(line.as_bytes()),
        };
        if let Err(error) = written {
            tracing::error!(%error, "the audit line could not be written");
        }
    }
}

/// The line as the lists have it.
fn note_of(event: &str, value: &Value, line: &str, now: Timestamp) -> Activity {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    Activity {
        at: now,
        event: event.to_owned(),
        what: text("action").or_else(|| text("outcome")).unwrap_or_default(),
        who: text("actor").or_else(|| text("user_id")),
        decision_id: text("decision_id"),
        line: line.to_owned(),
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
fn shorten(value: &mut Value) {
    let Some(members) = value.as_object_mut() else { return };
    members.retain(|_, member| !member.is_null());
    for member in members.values_mut() {
        if let Value::String(text) = member
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
                user: None,
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

    #[tokio::test]
    async fn events_and_refusals_are_noted_and_nothing_else_is() {
        use crate::store::testing::Shared;
        let store = Arc::new(Shared::default());
        let notes = Arc::new(Notes::new(Arc::clone(&store) as _, Default::default()));
        let dir = tempfile::tempdir().unwrap();
        let audit = Audit::open(AuditDecisions::All, Some(&dir.path().join("audit.log"))).unwrap();
        let audit = audit.noting(Arc::clone(&notes));
        let now = Timestamp::from_secs(7);
        for (outcome, id) in [(Outcome::Allowed, "a"), (Outcome::Forbidden, "b"), (Outcome::Challenged, "c")]
        {
            audit.decision(&Decision { user_id: Some("u-1"), ..a_decision(id, outcome) }, now);
        }
        let event = AdminEvent {
            action: "token_created",
            actor: "root",
            actor_name: None,
            auth_method: "password",
            target: "0123abcd",
            details: Some("<img src=x onerror=alert(1)>\n".to_owned()),
            client: None,
            request_id: None,
        };
        audit.admin(&event, now);
        audit.policy(&PolicyEvent { action: "policy_refused", version: 3, reason: None }, now);
        notes.flush().await;
        let mut noted: Vec<_> = store
            .noted()
            .into_iter()
            .map(|line| (line.event, line.what, line.who, line.decision_id))
            .collect();
        noted.sort();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            noted,
            [
                ("admin".into(), "token_created".into(), some("root"), None),
                ("decision".into(), "forbidden".into(), some("u-1"), some("b")),
                ("policy".into(), "policy_refused".into(), None, None),
            ]
        );
        let written = std::fs::read_to_string(dir.path().join("audit.log")).unwrap();
        assert_eq!(written.lines().count(), 5);
        for line in store.noted() {
            assert!(written.lines().any(|other| other == line.line), "{}", line.line);
            assert_eq!(line.at, now);
        }
    }

    fn a_decision(id: &str, outcome: Outcome) -> Decision<'_> {
        Decision {
            decision_id: id,
            outcome,
            reason: None,
            rule: None,
            rule_at: None,
            service: None,
            shadow: None,
            method: None,
            scheme: None,
            host: None,
            path: None,
            only_asked: None,
            preflight: None,
            websocket: None,
            user_id: None,
            provider: None,
            subject: None,
            user: None,
            roles: None,
            audiences: None,
            token_name: None,
            auth_method: None,
            asked_by: None,
            client: None,
            request_id: None,
        }
    }

    #[test]
    fn refusals_are_always_written() {
        let audit = Audit::open(AuditDecisions::Sampled, None).unwrap();
        assert!(audit.wants(Outcome::Forbidden));
        assert_eq!((0..200).filter(|_| audit.wants(Outcome::Allowed)).count(), 2);
    }
}
