//! Why: the rule with its place, what was missing, and the rules that nearly spoke.

use std::fmt;

use serde::Serialize;

use super::compile::{Policy, Rule};
use super::decision::{Caller, Decision, Reason};
use super::document::Access;
use super::found::Question;
use super::target::Target;
use super::trial::outcome;

/// More near misses than these help nobody.
const MAX_NEAR: usize = 10;

/// One decision, explained. `Display` is for people, `Serialize` for programs.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// What is answered: allow, login, deny, invalid, unavailable or unreadable.
    pub decision: &'static str,
    /// For a service in shadow: what enforcement would have answered.
    pub shadowed: Option<&'static str>,
    /// What was asked, in its canonical form and without the query.
    pub request: String,
    /// The service, if one receives it.
    pub service: Option<String>,
    /// The rule that speaks; `None` when that is the default.
    pub rule: Option<RuleRef>,
    /// What the rule asks for.
    pub needs: String,
    /// What the caller lacks; for an unreadable request, why it is.
    pub missing: Option<String>,
    /// Rules that nearly spoke.
    pub near: Vec<NearMiss>,
}

/// A rule and its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RuleRef {
    /// [`Rule::id`].
    pub id: String,
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: u32,
}

/// A rule that did not speak, and why not.
#[derive(Clone, Debug, Serialize)]
pub struct NearMiss {
    /// The rule.
    pub rule: RuleRef,
    /// Why it did not speak.
    pub why: String,
}

impl From<&Rule> for RuleRef {
    fn from(rule: &Rule) -> Self {
        Self { id: rule.id.clone(), file: rule.file.to_string(), line: rule.line }
    }
}

impl Policy {
    /// Explains what is answered to `caller`.
    pub fn explain<'q>(&self, question: impl Into<Question<'q>>, caller: Caller<'_>) -> Explanation {
        let question = question.into();
        let target = question.target;
        let found = self.find(question);
        let decision = found.decide(caller);
        let shadowed = found.decide_shadowed(caller);
        let rule = found.rule();
        Explanation {
            decision: outcome(&decision),
            shadowed: shadowed.as_ref().map(outcome),
            request: format!(
                "{} {}://{}{}",
                target.method(),
                target.scheme().as_str(),
                target.host(),
                target.path()
            ),
            service: found.service().map(str::to_owned),
            rule: rule.map(RuleRef::from),
            needs: match rule.map(|rule| &rule.access).or(self.default.as_ref()) {
                _ if decision == Decision::Unreadable => "a path with one reading".to_owned(),
                _ if found.preflight() => "nothing: it is a CORS preflight".to_owned(),
                Some(access) => access.to_string(),
                None => "a rule, and there is none (default: deny)".to_owned(),
            },
            missing: missing(shadowed.as_ref().unwrap_or(&decision), target),
            near: if decision == Decision::Unreadable { Vec::new() } else { self.near(target, rule) },
        }
    }

    fn near(&self, target: &Target, speaking: Option<&Rule>) -> Vec<NearMiss> {
        self.rules
            .iter()
            .filter(|rule| !speaking.is_some_and(|speaking| std::ptr::eq(*rule, speaking)))
            .filter_map(|rule| {
                Some(NearMiss { rule: rule.into(), why: why_not(rule, target, speaking.is_some())? })
            })
            .take(MAX_NEAR)
            .collect()
    }
}

fn why_not(rule: &Rule, target: &Target, somebody_speaks: bool) -> Option<String> {
    let host = rule.hosts.iter().any(|host| host.covers(target.host()));
    let path = rule.pattern.covers(target.path());
    let method = rule.methods.is_empty()
        || rule
            .methods
            .iter()
            .any(|listed| listed == target.method() || (target.method() == "HEAD" && listed == "GET"));
    match (host, path, method) {
        (true, true, true) => Some("covers this, too, but another rule is more specific".to_owned()),
        (true, true, false) => Some(format!("is for {} only", rule.methods.join(", "))),
        // Of use only where nothing of the host's own speaks: else every other host would be listed.
        (false, true, true) if !somebody_speaks => {
            let hosts = rule.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Some(format!("is for {hosts} only"))
        }
        (true, false, true) => near_path(rule, target.path()),
        _ => None,
    }
}

fn near_path(rule: &Rule, path: &str) -> Option<String> {
    let written = rule.pattern.to_string();
    let stem = written.trim_end_matches("/**");
    let (parent, _) = path.trim_end_matches('/').rsplit_once('/')?;
    if stem.len() > 1 && path.starts_with(stem) && rule.pattern.rest {
        Some(format!("covers {stem} and what is below it; it stops at the slash"))
    } else if !parent.is_empty() && rule.pattern.covers(parent) {
        Some(format!("is for {written} alone; {stem}/** would go on"))
    } else {
        None
    }
}

fn missing(decision: &Decision, target: &Target) -> Option<String> {
    match decision {
        Decision::Allow(_) => None,
        Decision::Challenge => Some("a sign-in".to_owned()),
        Decision::Invalid => Some("a valid credential".to_owned()),
        Decision::Unavailable => Some("an answer about the credential".to_owned()),
        Decision::Deny(Reason::NoRule) => Some("a rule that covers it".to_owned()),
        Decision::Deny(Reason::MissingRole(roles)) => Some(Access::Roles(roles.clone()).to_string()),
        Decision::Deny(Reason::MissingPermission(permission)) => Some(format!("the permission {permission}")),
        Decision::Deny(Reason::WrongHost) => Some("a token that lists this host".to_owned()),
        Decision::Deny(Reason::WrongAudience) => Some("a token that is meant for this service".to_owned()),
        Decision::Deny(Reason::WrongOrigin) => Some("an origin that the service lists".to_owned()),
        Decision::Unreadable => Some(match target.ambiguity() {
            Some(why) => format!("the path has {why}"),
            None => "without its ';', '?' or '#' another rule would speak".to_owned(),
        }),
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("nothing: it is public"),
            Self::Authenticated => f.write_str("a sign-in"),
            Self::Roles(any_of) => match any_of.as_slice() {
                [one] => write!(f, "the role {one}"),
                any_of => write!(f, "one of the roles {}", any_of.join(", ")),
            },
            Self::Permission(permission) => write!(f, "the permission {permission}"),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.decision, self.request)?;
        if let Some(shadowed) = self.shadowed {
            writeln!(f, "  in shadow; enforced it would be: {shadowed}")?;
        }
        match &self.rule {
            Some(rule) => writeln!(f, "  rule:    {} ({}:{})", rule.id, rule.file, rule.line)?,
            None if self.decision == "unreadable" => {}
            None => writeln!(f, "  rule:    none; the default speaks")?,
        }
        writeln!(f, "  needs:   {}", self.needs)?;
        if let Some(missing) = &self.missing {
            let label = if self.decision == "unreadable" { "because:" } else { "missing:" };
            writeln!(f, "  {label} {missing}")?;
        }
        for near in &self.near {
            writeln!(f, "  near:    {} ({}:{}) {}", near.rule.id, near.rule.file, near.rule.line, near.why)?;
        }
        Ok(())
    }
}
