//! Decisions read back from their lines, and explained: what was asked and with which roles is in the line, the
//! rules are the policy's of now.

use std::fmt;
use std::io::{self, BufRead};

use serde::{Deserialize, Serialize};

use super::MAX_VALUE;
use crate::policy::decision::{Caller, Reason, Subject};
use crate::policy::target::{Target, TargetError};
use crate::policy::{Explanation, Policy, Question, Upgrade};

/// A line of `event` `decision`, as far as it takes to explain it; what is not known here is ignored.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Recorded {
    event: String,
    /// The id that the answer carried.
    pub decision_id: String,
    /// When, in RFC 3339.
    pub time: String,
    /// How it ended; see `docs/audit.md`.
    pub outcome: String,
    /// Why not, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The rule that spoke then, and its place then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// See `rule`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_at: Option<String>,
    /// What enforcement would have said, for a service in shadow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// `true` when a service merely asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_asked: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preflight: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    websocket: Option<String>,
    /// Who asked, if anybody was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Their name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Their roles then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audiences: Option<Vec<String>>,
    /// How they proved who they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_method: Option<String>,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// Why a decision cannot be explained by the policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotExplained {
    /// The question was refused before the policy was asked, or was about no one address.
    #[error("the policy was not asked about one address: {0}")]
    NoTarget(String),
    /// The line has only the beginning of the path.
    #[error("the path was too long for the log; explain the address itself")]
    Cut,
    /// Written before lines had the roles in them.
    #[error("the line has no roles; it is of an older version")]
    NoRoles,
    /// Not a line that this program wrote.
    #[error("the line has no target in it: {0}")]
    Target(#[from] TargetError),
}

/// Finds the decision of this id among the lines of a log. What else is in it, and what a log collector put in
/// front of the lines, is passed over.
///
/// # Errors
/// When the log cannot be read.
pub fn find(mut log: impl BufRead, id: &str) -> io::Result<Option<Recorded>> {
    let mut line = Vec::new();
    while log.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        if text.contains(id)
            && let Some((_, object)) = text.split_once('{')
            && let Ok(found) = serde_json::from_str::<Recorded>(&format!("{{{object}"))
            && found.event == "decision"
            && found.decision_id == id
        {
            return Ok(Some(found));
        }
        line.clear();
    }
    Ok(None)
}

impl Recorded {
    /// Explains what `policy` says to the same request of the same caller.
    ///
    /// # Errors
    /// [`NotExplained`].
    pub fn explain(&self, policy: &Policy) -> Result<Explanation, NotExplained> {
        let (Some(method), Some(host), Some(path)) = (&self.method, &self.host, &self.path) else {
            return Err(NotExplained::NoTarget(
                self.reason.clone().unwrap_or_else(|| format!("it was {}", self.outcome)),
            ));
        };
        if path.len() > MAX_VALUE && path.ends_with('…') {
            return Err(NotExplained::Cut);
        }
        let scheme = self.scheme.as_deref().unwrap_or("https");
        let uri = if self.is_as_sent(path) { path.clone() } else { encode(path) };
        let target = Target::parse(method.as_bytes(), scheme.as_bytes(), host.as_bytes(), uri.as_bytes())?;
        let question = Question {
            target: &target,
            preflight: self.preflight == Some(true),
            upgrade: match self.websocket.as_deref() {
                None => Upgrade::No,
                Some("") => Upgrade::WebSocket(None),
                Some(origin) => Upgrade::WebSocket(Some(origin)),
            },
        };
        let permissions;
        let caller = match (self.outcome.as_str(), &self.user_id) {
            ("unauthorized", _) => Caller::Wrong,
            ("unavailable", _) => Caller::Unchecked,
            (_, None) => Caller::Anonymous,
            // Which hosts the token listed is not in the line; that this was none of them is.
            ("forbidden", Some(_)) if self.reason == Some(Reason::WrongHost.to_string()) => Caller::Elsewhere,
            (_, Some(_)) => {
                let roles = self.roles.as_deref().ok_or(NotExplained::NoRoles)?;
                permissions = policy.permissions(roles);
                Caller::Known(Subject {
                    roles,
                    permissions: &permissions,
                    audiences: self.audiences.as_deref(),
                })
            }
        };
        Ok(policy.explain(question, caller))
    }

    /// Whether the policy of now gives another answer than was given, or by another rule.
    #[must_use]
    pub fn differs_from(&self, now: &Explanation) -> bool {
        let then = match self.outcome.as_str() {
            "allowed" | "anonymous" => "allow",
            "challenged" => "login",
            "unauthorized" => "invalid",
            "forbidden" => "deny",
            "unavailable" => "unavailable",
            other => other,
        };
        now.decision != then || now.rule.as_ref().map(|rule| &rule.id) != self.rule.as_ref()
    }

    /// A path without one reading is in the line as it was sent; every other is decoded, and then has no escape
    /// left in it.
    fn is_as_sent(&self, path: &str) -> bool {
        let escape = |at: usize| {
            let digits = path.as_bytes().get(at + 1..at + 3);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        self.outcome == "unreadable" || path.match_indices('%').any(|(at, _)| escape(at))
    }
}

/// The path as a request would have it (RFC 3986 section 3.3).
fn encode(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

impl fmt::Display for Recorded {
    /// Who was answered what, when and from where, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.time, self.outcome)?;
        match (&self.user, &self.user_id) {
            (Some(user), Some(id)) if user != id => write!(f, ", {user} ({id})")?,
            (_, Some(id)) => write!(f, ", {id}")?,
            (_, None) => f.write_str(", nobody who was known")?,
        }
        if let Some(method) = &self.auth_method {
            write!(f, " by {method}")?;
        }
        if let Some(client) = &self.client {
            write!(f, " from {client}")?;
        }
        if self.only_asked == Some(true) {
            f.write_str(", asked by a service")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
