//! A decision written down: counted, traced, and in the audit log.

use std::net::IpAddr;
use std::time::Instant;

use tracing::Span;

use super::caller::Caller;
use super::limits::Refused;
use super::state::State;
use super::who::Who;
use crate::audit;
use crate::clock::Timestamp;
use crate::identity::ids::DecisionId;
use crate::policy::decision::Decision;
use crate::policy::target::{Host, Target};
use crate::policy::{Found, Upgrade};
use crate::telemetry::metrics::Outcome;

/// What a decision was about.
pub(super) struct About<'a> {
    /// Its name.
    pub(super) id: &'a DecisionId,
    /// What was asked for, if that is one address.
    pub(super) target: Option<&'a Target>,
    /// Its host, or the whole host that was asked about.
    pub(super) host: Option<&'a Host>,
    pub(super) upgrade: Upgrade<'a>,
    /// A service wants to know; no request waits for the answer.
    pub(super) only_asked: bool,
    /// Who asked about somebody else ([`Who::Other`]).
    pub(super) asked_by: Option<&'a str>,
    /// The client's address.
    pub(super) client: IpAddr,
    /// The proxy's request id, if it sent one.
    pub(super) request_id: Option<&'a str>,
    pub(super) began: Instant,
    pub(super) now: Timestamp,
}

/// Writes one decision down, or that a limit came before it.
pub(super) fn write_down(
    state: &State,
    about: &About<'_>,
    found: Option<&Found<'_>>,
    who: &Who,
    decision: &Decision,
    over: Option<&Refused>,
) {
    let outcome = if over.is_some() { Outcome::RateLimited } else { outcome_of(decision, who) };
    let (rule, caller) = (found.and_then(Found::rule), who.caller());
    let (method, path) = (about.target.map(Target::method), about.target.map(Target::path));
    let host = about.host.map(Host::as_str);
    let shadow = found.and_then(|found| found.decide_shadowed(who.to_policy(host)));
    state.metrics.decision(outcome, about.began.elapsed());
    if let Some(rule) = found.and_then(Found::rule) {
        rule.has_spoken();
    }
    if matches!(shadow, Some(Decision::Deny(_))) && matches!(decision, Decision::Allow(_)) {
        state.metrics.shadow_refusal();
    }
    Span::current().record("decision_id", about.id.as_str()).record("outcome", outcome.as_str());
    let user = caller.map(Caller::user);
    if let Decision::Deny(reason) = decision
        && !about.only_asked
        && over.is_none()
    {
        tracing::info!(
            decision_id = about.id.as_str(),
            user = user.as_deref(),
            method,
            host,
            path,
            rule = rule.map(|rule| rule.id.as_str()),
            rule_at = rule.map(|rule| format!("{}:{}", rule.file, rule.line)),
            "forbidden: {reason}"
        );
    }
    if let (Some(shadow), Some(rule)) = (&shadow, rule) {
        state.metrics.shadowed(&rule.id, outcome_of(shadow, who));
        if let Decision::Deny(reason) = shadow
            && !about.only_asked
        {
            tracing::info!(
                decision_id = about.id.as_str(),
                user = user.as_deref(),
                method,
                host,
                path,
                rule = rule.id,
                "in shadow, would be forbidden: {reason}"
            );
        }
    }
    if !state.audit.wants(outcome) && shadow.is_none() {
        return;
    }
    let line = audit::Decision {
        decision_id: about.id.as_str(),
        outcome,
        reason: over.map(Refused::reason).or_else(|| reason_of(decision, who)),
        rule: rule.map(|rule| rule.id.as_str()),
        rule_at: rule.map(|rule| format!("{}:{}", rule.file, rule.line)),
        service: found.and_then(Found::service),
        shadow: shadow.as_ref().map(|decision| outcome_of(decision, who)),
        method,
        scheme: about.target.map(|target| target.scheme().as_str()),
        host,
        path,
        only_asked: about.only_asked.then_some(true),
        preflight: found.is_some_and(Found::preflight).then_some(true),
        websocket: match about.upgrade {
            Upgrade::No => None,
            Upgrade::WebSocket(origin) => Some(origin.unwrap_or_default()),
        },
        user_id: caller.map(|who| who.identity.user_id.as_str()),
        provider: caller.map(|who| who.identity.provider.as_str()),
        subject: caller.map(|who| who.identity.subject.as_str()),
        user: user.as_deref(),
        roles: caller.map(|who| who.identity.roles.as_slice()),
        audiences: caller.and_then(|who| who.subject().audiences),
        token_name: match who {
            Who::Token(who) => who.caller.identity.name.as_deref(),
            _ => None,
        },
        auth_method: match who {
            Who::Other(_) => None,
            _ => caller.map(|who| who.identity.method.as_str()),
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
