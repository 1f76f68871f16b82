//! THE HOT PATH, whole: a proxy asks, the policy decides.
//!
//! ```text
//! now → question → rule → who asks → decision → not too often → written down → answered
//! ```
//!
//! Nothing here waits for anything in the common case: sessions and roles are known in the process.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use tracing::Instrument as _;

use super::forwarded::{self, Asked, BadQuestion, Dialect, Presence, Question};
use super::limits::Refused;
use super::record::{About, write_down};
use super::respond::Reply;
use super::state::State;
use super::who::Who;
use crate::audit;
use crate::clock::Timestamp;
use crate::policy::decision::{Decision, Permit};
use crate::policy::target::{Host, Scheme, Target};
use crate::policy::{self, Found, Policy};
use crate::telemetry::metrics::Outcome;
use crate::telemetry::request_span;

/// `/auth`: Traefik's `forwardAuth` and Caddy's `forward_auth`.
pub async fn forwarded(request: HttpRequest, state: Data<State>) -> HttpResponse {
    traced(&request, &state, Dialect::Forwarded).await
}

/// `/auth/nginx`: nginx's `auth_request`.
pub async fn nginx(request: HttpRequest, state: Data<State>) -> HttpResponse {
    traced(&request, &state, Dialect::Original).await
}

async fn traced(request: &HttpRequest, state: &State, dialect: Dialect) -> HttpResponse {
    let parent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    answer(request, state, dialect).instrument(request_span("decision", parent)).await
}

async fn answer(request: &HttpRequest, state: &State, dialect: Dialect) -> HttpResponse {
    let now = state.clock.now();
    let mut reply = Reply::new(state, dialect, state.ids.next(), now);
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
    let asked = match forwarded::read(request.headers(), dialect, peer, &state.config.server.trusted_proxies)
    {
        Ok(asked) => asked,
        Err(bad) => return refuse(&reply, peer, &bad),
    };
    reply.request_id = asked.request_id.cloned();
    let policy = state.policy.load();
    let target = match &asked.question {
        Question::Route(target) => target,
        Question::WholeHost(host) => {
            let whole = policy.whole_host(host);
            let who = identify(state, &asked, host, &policy, whole.ignores_authorization(), now).await;
            let on = Some(host.as_str());
            let who =
                if whole.is_public() && !whole.is_meant(who.to_policy(on)) { Who::Anonymous } else { who };
            let decision = whole.decide(who.to_policy(on));
            let over = over_limit(state, asked.client, &who, &decision, whole.is_public(), now).await;
            return conclude(&reply, &asked, None, None, &who, decision, over);
        }
    };
    // A browser would not send the session over plain http, and a login must not lead there.
    if target.scheme() == Scheme::Http && state.login.wants_https() {
        return refuse(&reply, asked.client, &BadQuestion::PlainHttp);
    }
    let found = policy.find(policy::Question { target, preflight: asked.preflight, upgrade: asked.upgrade });
    let who = identify(state, &asked, target.host(), &policy, found.ignores_authorization(), now).await;
    // Nobody is turned away from what is public, and a token for others tells this service nothing.
    let on = Some(target.host().as_str());
    let who = if found.is_public() && !found.is_meant(who.to_policy(on)) { Who::Anonymous } else { who };
    let decision = found.decide(who.to_policy(on));
    let over = over_limit(state, asked.client, &who, &decision, found.is_public(), now).await;
    conclude(&reply, &asked, Some(target), Some(&found), &who, decision, over)
}

/// Whether this request is one too many. A wrong credential counts against the client, and only after it was found
/// to be wrong; a good one against whose it is, except on what is open to everybody.
async fn over_limit(
    state: &State,
    client: IpAddr,
    who: &Who,
    decision: &Decision,
    public: bool,
    now: Timestamp,
) -> Option<Refused> {
    match decision {
        Decision::Invalid => state.limits.failed(client, now).await,
        _ if public => None,
        _ => who.over_limit(state, now).await,
    }
}

/// Who asks, by the credential that the service's rules let speak.
async fn identify(
    state: &State,
    asked: &Asked<'_>,
    host: &Host,
    policy: &Arc<Policy>,
    ignore_authorization: bool,
    now: Timestamp,
) -> Who {
    let authorization = if ignore_authorization { Presence::Absent } else { asked.authorization };
    Who::identify(state, authorization, asked.headers, host.as_str(), policy, now).await
}

fn conclude(
    reply: &Reply<'_>,
    asked: &Asked<'_>,
    target: Option<&Target>,
    found: Option<&Found<'_>>,
    who: &Who,
    decision: Decision,
    over: Option<Refused>,
) -> HttpResponse {
    let about = About {
        id: &reply.id,
        target,
        host: Some(match &asked.question {
            Question::Route(target) => target.host(),
            Question::WholeHost(host) => host,
        }),
        upgrade: asked.upgrade,
        only_asked: false,
        asked_by: None,
        client: asked.client,
        request_id: reply.request_id.as_ref().and_then(|id| id.to_str().ok()),
        began: reply.began,
        now: reply.now,
    };
    write_down(reply.state, &about, found, who, &decision, over.as_ref());
    if let Some(over) = over {
        return reply.too_many(target, &over, asked.page);
    }
    match decision {
        Decision::Allow(permit) => allow(reply, asked, target, found, who, &permit),
        Decision::Challenge => reply.challenge(target, asked.navigation),
        Decision::Invalid => reply.invalid_credential(),
        Decision::Deny(reason) => reply.forbidden(target, &reason, who.caller(), asked.page),
        Decision::Unreadable => reply.bad_request("the path can be read in more than one way"),
        Decision::Unavailable => reply.unavailable(who),
    }
}

fn allow(
    reply: &Reply<'_>,
    asked: &Asked<'_>,
    target: Option<&Target>,
    found: Option<&Found<'_>>,
    who: &Who,
    permit: &Permit,
) -> HttpResponse {
    let service = found.and_then(Found::service).or_else(|| target.map(|target| target.host().as_str()));
    let assertion = who
        .caller()
        .zip(service)
        .and_then(|(who, service)| who.assertion(service, &reply.state.assertions, reply.now));
    reply.allowed(permit, who.caller(), assertion, asked.headers)
}

fn refuse(reply: &Reply<'_>, client: IpAddr, bad: &BadQuestion) -> HttpResponse {
    let outcome = match bad {
        BadQuestion::Untrusted => Outcome::Untrusted,
        _ => Outcome::BadRequest,
    };
    reply.state.metrics.decision(outcome, reply.began.elapsed());
    if reply.state.audit.wants(outcome) {
        let line = audit::Decision {
            decision_id: reply.id.as_str(),
            outcome,
            reason: Some(bad.to_string()),
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
            client: Some(client),
            request_id: None,
        };
        reply.state.audit.decision(&line, reply.now);
    }
    match bad {
        BadQuestion::Untrusted => reply.untrusted(),
        _ => reply.bad_request(&bad.to_string()),
    }
}
