//! Services ask: who is this, and may they? The same code decides as for a proxy.
//!
//! The answer is about the credentials in the service's own request: it passes on the `Authorization` header or
//! the cookies that it was sent. A session cookie is bound to its host, which is that of `X-Forwarded-Host`,
//! else that of the first route asked about, else the gateway's own. An API token is good on the hosts that it lists:
//! that of a route asked about, else that of `X-Forwarded-Host`.

pub mod authzen;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};

use super::forwarded::{self, Dialect, Presence};
use super::record::{About, reason_of, write_down};
use super::respond::Reply;
use super::state::State;
use super::visit::REQUEST_ID;
use super::who::Who;
use crate::identity::Identity;
use crate::policy::decision::{Caller, Decision, Reason};
use crate::policy::target::{Host, Target};
use crate::policy::{Policy, Upgrade};

/// Questions in one request.
const MAX_CHECKS: usize = 100;

/// `GET` or `POST /authenticate`: who is this?
pub async fn authenticate(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let asking = match Asking::new(&request, &state) {
        Ok(asking) => asking,
        Err(refusal) => return *refusal,
    };
    match asking.who(None).await {
        Ok(who) => match who.caller() {
            Some(caller) if matches!(who.to_policy(asking.named.as_deref()), Caller::Elsewhere) => {
                asking.reply.forbidden(None, &Reason::WrongHost, Some(caller), false)
            }
            Some(caller) => asking.reply.start(StatusCode::OK).json(identity_json(&caller.identity)),
            None => asking.reply.challenge(None, false),
        },
        Err(refusal) => refusal,
    }
}

fn identity_json(who: &Identity) -> Value {
    json!({
        "active": true, "subject": who.subject, "user_id": who.user_id, "issuer": who.provider,
        "email": who.email, "name": who.name, "roles": who.roles, "permissions": who.permissions,
        "method": who.method.as_str(), "expires_at": who.expires_at.map(|at| at.rfc3339()),
    })
}

/// The body of `/authorize`: one check, or a list of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    checks: Option<Vec<Check>>,
    method: Option<String>,
    host: Option<String>,
    path: Option<String>,
    permission: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    method: Option<String>,
    host: Option<String>,
    path: Option<String>,
    permission: Option<String>,
}

/// `POST /authorize`: may they?
pub async fn authorize(request: HttpRequest, state: Data<State>, body: Bytes) -> HttpResponse {
    let asking = match Asking::new(&request, &state) {
        Ok(asking) => asking,
        Err(refusal) => return *refusal,
    };
    let body: Body = match read(&body) {
        Ok(body) => body,
        Err(fault) => return asking.reply.bad_request(&fault),
    };
    let (single, matters) = match asking.matters(body) {
        Ok(read) => read,
        Err(fault) => return asking.reply.bad_request(&fault),
    };
    let who = match asking.who(matters.first()).await {
        Ok(who) => who,
        Err(refusal) => return refusal,
    };
    let mut answers: Vec<Value> = matters
        .iter()
        .map(|matter| {
            let answer = asking.decide(matter, &who, None);
            json!({
                "allow": answer.allow, "reason": answer.reason, "rule": answer.rule,
                "decision_id": answer.decision_id,
            })
        })
        .collect();
    let body = if single { answers.pop().unwrap_or_default() } else { Value::Array(answers) };
    asking.reply.start(StatusCode::OK).json(body)
}

/// JSON, or why not.
fn read<'b, T: Deserialize<'b>>(body: &'b Bytes) -> Result<T, String> {
    // The parser's words may quote the body; its place is enough to find the fault.
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            format!("the body has a member that is unknown or not as it must be (column {})", error.column())
        }
        _ => "the body is no JSON".to_owned(),
    })
}

/// One thing to be decided.
enum Matter {
    Route(Target),
    Permission(String),
}

/// What was decided about it.
struct Answer {
    allow: bool,
    reason: String,
    rule: Option<String>,
    decision_id: String,
}

/// One request of a service.
struct Asking<'a> {
    state: &'a State,
    headers: &'a HeaderMap,
    client: IpAddr,
    /// The host that the service was asked on, where it says so.
    named: Option<String>,
    policy: Arc<Policy>,
    reply: Reply<'a>,
}

impl<'a> Asking<'a> {
    /// Only who may ask as a proxy may ask here: the answers tell about people.
    fn new(request: &'a HttpRequest, state: &'a State) -> Result<Self, Box<HttpResponse>> {
        let mut reply = Reply::new(state, Dialect::Forwarded, state.ids.next(), state.clock.now());
        let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
        let trusted = &state.config.server.trusted_proxies;
        if !forwarded::is_trusted(peer, trusted) {
            return Err(Box::new(reply.untrusted()));
        }
        let headers = request.headers();
        // AuthZEN 1.0, 10.1.4: who sends a request identifier finds it in the answer.
        reply.request_id = forwarded::request_id(only(headers, &REQUEST_ID)).cloned();
        let named = named_host(headers).map_err(|fault| Box::new(reply.bad_request(fault)))?;
        let client = forwarded::client(headers, peer, trusted);
        Ok(Self { state, headers, client, named, policy: Arc::clone(&state.policy.load()), reply })
    }

    /// Whose credentials these are. Wrong ones, and ones that could not be checked, are answered as everywhere.
    async fn who(&self, first: Option<&Matter>) -> Result<Who, HttpResponse> {
        let host = self.host(first);
        let authorization = only(self.headers, &header::AUTHORIZATION);
        let now = self.reply.now;
        let who = Who::identify(self.state, authorization, self.headers, &host, &self.policy, now).await;
        match who {
            Who::Wrong(why) => {
                tracing::debug!(decision_id = self.reply.id.as_str(), why, "a credential is not valid");
                match self.state.limits.failed(self.client, now).await {
                    Some(over) => Err(self.reply.too_many(None, &over, false)),
                    None => Err(self.reply.invalid_credential()),
                }
            }
            Who::Unchecked(ref why) => {
                let id = self.reply.id.as_str();
                tracing::warn!(decision_id = id, %why, "a credential could not be checked");
                Err(self.reply.unavailable(&who))
            }
            who => Ok(who),
        }
    }

    fn host(&self, first: Option<&Matter>) -> String {
        match (&self.named, first) {
            (Some(host), _) => host.clone(),
            (None, Some(Matter::Route(target))) => target.host().as_str().to_owned(),
            (None, _) => self.state.login.own_host().unwrap_or_default().to_owned(),
        }
    }

    /// The checks of a body, and whether it was one alone.
    fn matters(&self, body: Body) -> Result<(bool, Vec<Matter>), String> {
        let Body { checks, method, host, path, permission } = body;
        let single = Check { method, host, path, permission };
        match checks {
            None => Ok((true, vec![self.matter(single)?])),
            Some(_) if !single.is_empty() => Err("`checks` stands alone".to_owned()),
            Some(checks) if checks.is_empty() || checks.len() > MAX_CHECKS => {
                Err(format!("`checks` must have 1 to {MAX_CHECKS} entries"))
            }
            Some(checks) => {
                let matters = checks
                    .into_iter()
                    .enumerate()
                    .map(|(n, check)| self.matter(check).map_err(|fault| format!("checks[{n}]: {fault}")));
                Ok((false, matters.collect::<Result<_, _>>()?))
            }
        }
    }

    fn matter(&self, check: Check) -> Result<Matter, String> {
        match check {
            Check { permission: Some(permission), method: None, host: None, path: None } => {
                Ok(Matter::Permission(permission))
            }
            Check { permission: None, method, host: Some(host), path: Some(path) } => {
                let scheme = if self.state.login.wants_https() { "https" } else { "http" };
                let method = method.as_deref().unwrap_or("GET");
                Target::parse(method.as_bytes(), scheme.as_bytes(), host.as_bytes(), path.as_bytes())
                    .map(Matter::Route)
                    .map_err(|error| error.to_string())
            }
            _ => Err("write `method`, `host` and `path`, or `permission` alone".to_owned()),
        }
    }

    /// Decides, as for a proxy, and writes it down. An API token is good on the hosts that it lists: a route's own,
    /// else the one that the service was asked on.
    fn decide(&self, matter: &Matter, who: &Who, asked_by: Option<&str>) -> Answer {
        let found = match matter {
            Matter::Route(target) => Some(self.policy.find(target)),
            Matter::Permission(_) => None,
        };
        let target = match matter {
            Matter::Route(target) => Some(target),
            Matter::Permission(_) => None,
        };
        let host = target.map(|target| target.host().as_str()).or(self.named.as_deref());
        let decision = match matter {
            Matter::Permission(permission) => self.policy.decide_permission(permission, who.to_policy(host)),
            Matter::Route(target) => self.policy.find(target).decide(who.to_policy(host)),
        };
        let id = self.state.ids.next();
        let about = About {
            id: &id,
            target,
            host: target.map(Target::host),
            upgrade: Upgrade::No,
            only_asked: true,
            asked_by,
            client: self.client,
            request_id: self.reply.request_id.as_ref().and_then(|id| id.to_str().ok()),
            began: self.reply.began,
            now: self.reply.now,
        };
        write_down(self.state, &about, found.as_ref(), who, &decision, None);
        Answer {
            allow: matches!(decision, Decision::Allow(_)),
            reason: match &decision {
                Decision::Allow(_) => "allowed".to_owned(),
                Decision::Challenge => "nobody is signed in".to_owned(),
                refusal => reason_of(refusal, who).unwrap_or_default(),
            },
            rule: found.and_then(|found| found.rule()).map(|rule| rule.id.clone()),
            decision_id: id.as_str().to_owned(),
        }
    }
}

impl Check {
    fn is_empty(&self) -> bool {
        self.method.is_none() && self.host.is_none() && self.path.is_none() && self.permission.is_none()
    }
}

fn named_host(headers: &HeaderMap) -> Result<Option<String>, &'static str> {
    match only(headers, &header::HeaderName::from_static("x-forwarded-host")) {
        Presence::Repeated => Err("the header X-Forwarded-Host is there more than once"),
        Presence::Once(value) => match Host::parse_with_port(value.as_bytes()) {
            Ok((host, _)) => Ok(Some(host.as_str().to_owned())),
            Err(_) => Err("the header X-Forwarded-Host is no host"),
        },
        Presence::Absent => Ok(None),
    }
}

/// A header that may be there once.
fn only<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> Presence<'h> {
    let mut lines = headers.get_all(name);
    match (lines.next(), lines.next()) {
        (None, _) => Presence::Absent,
        (Some(value), None) => Presence::Once(value),
        (Some(_), Some(_)) => Presence::Repeated,
    }
}
