//! A decision written down: counted, traced, and in the audit log.

use std::net::IpAddr;
use std::time::Instant;

use tracing::Span;

use super::state::State;
use super::who::Who;
use crate::audit;
use crate::clock::Timestamp;
use crate::identity::ids::DecisionId;
use crate::policy::Found;
use crate::policy::decision::Decision;
use crate::telemetry::metrics::Outcome;

/// What a decision was about.
pub(super) struct About<'a> {
    /// Its name.
    pub(super) id: &'a DecisionId,
    pub(super) method: Option<&'a str>,
    pub(super) host: Option<&'a str>,
    /// Never with the query.
    pub(super) path: Option<&'a str>,
    /// Who asked about somebody else ([`Who::Other`]).
    pub(super) asked_by: Option<&'a str>,
    /// The client's address.
    pub(super) client: IpAddr,
    /// The proxy's request id, if it sent one.
    pub(super) request_id: Option<&'a str>,
    pub(super) began: Instant,
    pub(super) now: Timestamp,
}

/// Writes one decision down.
pub(super) fn write_down(
    state: &State,
    about: &About<'_>,
    found: Option<&Found<'_>>,
    who: &Who,
    decision: &Decision,
) {
    let outcome = outcome_of(decision, who);
    let shadow = found.and_then(|found| found.decide_shadowed(who.to_policy(about.host)));
    state.metrics.decision(outcome, about.began.elapsed());
    Span::current().record("decision_id", about.id.as_str()).record("outcome", outcome.as_str());
    if !state.audit.wants(outcome) && shadow.is_none() {
        return;
    }
    let rule = found.and_then(Found::rule);
    let line = audit::Decision {
        decision_id: about.id.as_str(),
        outcome,
        reason: reason_of(decision, who),
        rule: rule.map(|rule| rule.id.as_str()),
        rule_at: rule.map(|rule| format!("{}:{}", rule.file, rule.line)),
        service: found.and_then(Found::service),
        shadow: shadow.as_ref().map(|decision| outcome_of(decision, who)),
        method: about.method,
        host: about.host,
        path: about.path,
        user_id: who.caller().map(|who| who.identity.user_id.as_str()),
        token_name: match who {
            Who::Token(who) => who.caller.identity.name.as_deref(),
            _ => None,
        },
        auth_method: match who {
            Who::Other(_) => None,
            who => who.caller().map(|who| who.identity.method.as_str()),
        },
        asked_by: about.asked_by,
        client: Some(about.client),
        request_id: about.request_id,
    };
    state.audit.decision(&line, about.now);
}

fn outcome_of(decision: &Decision, who: &Who) -> Outcome {
    match decision {
        Decision::Allow(_) if who.caller().is_some() => Outcome::Allowed,
        Decision::Allow(_) => Outcome::Anonymous,
        Decision::Challenge => Outcome::Challenged,
        Decision::Invalid => Outcome::Unauthorized,
        Decision::Deny(_) => Outcome::Forbidden,
        Decision::Unreadable => Outcome::Unreadable,
        Decision::Unavailable => Outcome::Unavailable,
    }
}

/// Why not, in words for the log.
pub(super) fn reason_of(decision: &Decision, who: &Who) -> Option<String> {
    match decision {
        Decision::Deny(reason) => Some(reason.to_string()),
        Decision::Unreadable => Some("the path can be read in more than one way".into()),
        Decision::Invalid => Some(match who {
            Who::Wrong(why) => format!("the credential presented is not valid: {why}"),
            _ => "the credential presented is not valid".into(),
        }),
        Decision::Unavailable => Some(match who {
            Who::Unchecked(why) => format!("the credential could not be checked: {why}"),
            _ => "the credential could not be checked".into(),
        }),
        Decision::Allow(_) | Decision::Challenge => None,
    }
}
