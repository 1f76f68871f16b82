//! The same questions in the words of the OpenID AuthZEN Authorization API 1.0. The subject is the caller itself, by
//! the credentials in the request; an API token with the scope `authorize` may ask about everybody else.
//!
//! Of somebody else the store knows the e-mail and what an admin granted. What their provider says of them (roles,
//! groups) is in their own session alone, so an answer about them can be "no" where their own request is let through,
//! and never the other way round.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Asking, MAX_CHECKS, Matter, read};
use crate::http::caller::Caller;
use crate::http::state::State;

use crate::http::caller::Unchecked;
use crate::http::who::Who;
use crate::identity::api_token::SCOPE_AUTHORIZE;
use crate::identity::{Identity, Method};
use crate::policy::Facts;
use crate::policy::target::{Host, Target};

/// One evaluation, or the defaults of many. Members that the specification may add are left alone (5.5).
#[derive(Deserialize)]
struct Evaluation {
    subject: Option<Entity>,
    action: Option<Action>,
    resource: Option<Entity>,
}

#[derive(Clone, Deserialize)]
struct Entity {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    #[serde(default)]
    properties: Map<String, Value>,
}

#[derive(Clone, Deserialize)]
struct Action {
    name: String,
}

#[derive(Deserialize)]
struct Batch {
    #[serde(flatten)]
    defaults: Evaluation,
    evaluations: Option<Vec<Evaluation>>,
    options: Option<Options>,
}

#[derive(Deserialize)]
struct Options {
    evaluations_semantic: Option<Semantic>,
}

/// When a batch ends early (7.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Semantic {
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

/// Why an evaluation is none: its status and what to write instead.
type Fault = (StatusCode, &'static str);

/// `POST /access/v1/evaluation`.
pub async fn evaluation(request: HttpRequest, state: Data<State>, body: Bytes) -> HttpResponse {
    let asking = match Asking::new(&request, &state) {
        Ok(asking) => asking,
        Err(refusal) => return *refusal,
    };
    let evaluation: Evaluation = match read(&body) {
        Ok(body) => body,
        Err(fault) => return asking.reply.bad_request(&fault),
    };
    asking.evaluate(evaluation).await
}

/// `POST /access/v1/evaluations`.
pub async fn evaluations(request: HttpRequest, state: Data<State>, body: Bytes) -> HttpResponse {
    let asking = match Asking::new(&request, &state) {
        Ok(asking) => asking,
        Err(refusal) => return *refusal,
    };
    let Batch { defaults, evaluations, options } = match read(&body) {
        Ok(body) => body,
        Err(fault) => return asking.reply.bad_request(&fault),
    };
    let evaluations = evaluations.unwrap_or_default();
    if evaluations.is_empty() {
        // 7.1: without a list it is a single evaluation.
        return asking.evaluate(defaults).await;
    }
    if evaluations.len() > MAX_CHECKS {
        return asking.reply.bad_request(&format!("`evaluations` has more than {MAX_CHECKS} entries"));
    }
    let items: Vec<Evaluation> = evaluations.into_iter().map(|item| item.or(&defaults)).collect();
    let first = items.first().and_then(|item| item.matter().ok());
    let who = match asking.somebody(first.as_ref()).await {
        Ok(who) => who,
        Err(refusal) => return refusal,
    };
    let semantic = options.and_then(|options| options.evaluations_semantic).unwrap_or(Semantic::ExecuteAll);
    let mut answers = Vec::new();
    for item in &items {
        let (allow, answer) = match asking.one(item, &who).await {
            Ok(answer) => answer,
            Err((status, message)) => {
                let error = json!({ "status": status.as_u16(), "message": message });
                (false, json!({ "decision": false, "context": { "error": error } }))
            }
        };
        answers.push(answer);
        match semantic {
            Semantic::DenyOnFirstDeny if !allow => break,
            Semantic::PermitOnFirstPermit if allow => break,
            _ => {}
        }
    }
    asking.reply.start(StatusCode::OK).json(json!({ "evaluations": answers }))
}

/// `GET /.well-known/authzen-configuration`: where this is, by the name that the service asked for.
pub async fn configuration(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let asking = match Asking::new(&request, &state) {
        Ok(asking) => asking,
        Err(refusal) => return *refusal,
    };
    let host = request.headers().get(header::HOST).map(|host| Host::parse_with_port(host.as_bytes()));
    let Some(Ok((host, port))) = host else {
        return asking.reply.bad_request("the header Host is missing or no host");
    };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let here = format!("http://{}{port}", host.as_str());
    asking.reply.start(StatusCode::OK).json(json!({
        "policy_decision_point": here,
        "access_evaluation_endpoint": format!("{here}/access/v1/evaluation"),
        "access_evaluations_endpoint": format!("{here}/access/v1/evaluations"),
    }))
}

impl Asking<'_> {
    async fn evaluate(&self, evaluation: Evaluation) -> HttpResponse {
        let who = match self.somebody(evaluation.matter().ok().as_ref()).await {
            Ok(who) => who,
            Err(refusal) => return refusal,
        };
        match self.one(&evaluation, &who).await {
            Ok((_, answer)) => self.reply.start(StatusCode::OK).json(answer),
            Err((StatusCode::SERVICE_UNAVAILABLE, _)) => {
                self.reply.unavailable(&Who::Unchecked(Unchecked::Store))
            }
            Err((StatusCode::FORBIDDEN, message)) => {
                let body = self.reply.error_body("forbidden", message);
                self.reply.start(StatusCode::FORBIDDEN).json(body)
            }
            Err((_, message)) => self.reply.bad_request(message),
        }
    }

    /// The caller; nobody has no subject to ask about.
    async fn somebody(&self, first: Option<&Matter>) -> Result<Who, HttpResponse> {
        let who = self.who(first).await?;
        if who.caller().is_none() { Err(self.reply.challenge(None, false)) } else { Ok(who) }
    }

    async fn one(&self, evaluation: &Evaluation, who: &Who) -> Result<(bool, Value), Fault> {
        let matter = evaluation.matter()?;
        let caller = who.caller().ok_or((StatusCode::FORBIDDEN, "nobody is signed in"))?;
        let subject = evaluation.subject()?;
        let answer = if subject == caller.identity.user_id || subject == caller.identity.subject {
            self.decide(&matter, who, None)
        } else if matches!(who, Who::Token(token) if token.has_scope(SCOPE_AUTHORIZE)) {
            let other = self.somebody_else(subject).await?;
            self.decide(&matter, &other, Some(&caller.identity.user_id))
        } else {
            let message = "forbidden: asking about others needs an API token with the scope `authorize`";
            return Err((StatusCode::FORBIDDEN, message));
        };
        let context =
            json!({ "reason": answer.reason, "rule": answer.rule, "decision_id": answer.decision_id });
        Ok((answer.allow, json!({ "decision": answer.allow, "context": context })))
    }

    /// Somebody by user id or e-mail. Nobody of that name, somebody disabled, and a name that two have are all wrong
    /// credentials: nothing that is not public is allowed to them.
    async fn somebody_else(&self, name: &str) -> Result<Who, Fault> {
        let away = (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer");
        let users = self.state.store.users_named(name).await.map_err(|error| {
            tracing::warn!(decision_id = self.reply.id.as_str(), %error, "a subject could not be looked up");
            away
        })?;
        let [user] = users.as_slice() else {
            let why =
                if users.is_empty() { "nobody has this id or e-mail" } else { "several have this e-mail" };
            return Ok(Who::Wrong(why));
        };
        if user.disabled {
            return Ok(Who::Wrong("the user is disabled"));
        }
        let roles = self.policy.roles(&Facts {
            provider: &user.provider,
            email: user.email.as_deref(),
            granted: &user.granted,
            ..Facts::default()
        });
        let identity = Identity {
            method: Method::Session,
            user_id: user.id.clone(),
            provider: user.provider.clone(),
            subject: user.subject.clone(),
            email: user.email.clone(),
            name: user.name.clone(),
            permissions: self.policy.permissions(&roles),
            roles,
            expires_at: None,
        };
        let format = self.state.config.forward_auth.user_header_format;
        Ok(Who::Other(Box::new(Caller::new(identity, None, format))))
    }
}

impl Evaluation {
    /// What an item of a batch leaves out is that of the whole (7.1.1).
    fn or(self, defaults: &Self) -> Self {
        Self {
            subject: self.subject.or_else(|| defaults.subject.clone()),
            action: self.action.or_else(|| defaults.action.clone()),
            resource: self.resource.or_else(|| defaults.resource.clone()),
        }
    }

    fn subject(&self) -> Result<&str, Fault> {
        let subject = self.subject.as_ref().ok_or((StatusCode::BAD_REQUEST, "`subject` is missing"))?;
        subject.id.as_deref().ok_or((StatusCode::BAD_REQUEST, "`subject.id` is missing"))
    }

    fn matter(&self) -> Result<Matter, Fault> {
        let bad = |message| (StatusCode::BAD_REQUEST, message);
        let action = self.action.as_ref().ok_or(bad("`action` is missing"))?;
        let resource = self.resource.as_ref().ok_or(bad("`resource` is missing"))?;
        let id = resource.id.as_deref();
        match resource.kind.as_str() {
            "permission" => {
                let id = id.ok_or(bad("`resource.id` is missing: the permission's name"))?;
                Ok(Matter::Permission(id.to_owned()))
            }
            "route" => {
                let uri = match resource.properties.get("uri") {
                    Some(uri) => uri.as_str(),
                    None => id,
                };
                let uri = uri.ok_or(bad("`resource.properties.uri` must be the absolute address"))?;
                Target::of_url(&action.name, uri)
                    .map(Matter::Route)
                    .map_err(|_| bad("`action.name` and `resource` are no method and absolute address"))
            }
            _ => Err(bad("`resource.type` must be `route` or `permission`")),
        }
    }
}
