//! The signed-in person's own pages: who I am, where I am signed in, sign out there; my API tokens.

pub mod tokens;

use std::sync::Arc;

use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::callers::{Recognised, SignedIn};
use super::csrf;
use super::identity_headers::{USER, percent_encode};
use super::login::logout::provider_logout;
use super::login::session_cookie;
use super::pages::{Account, OwnTokens, Page, Session, SignOutEverywhere, Trouble};
use super::params::Params;
use super::state::State;
use super::visit::{Then, Visit};
use crate::identity::provider::Provider;
use crate::store::{SessionId, SessionRecord};

/// `GET {base}/`: the account page, or JSON.
pub async fn show(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    if visit.elsewhere().is_some()
        && let Some(home) = state.login.page("/")
    {
        return visit.redirect(&home);
    }
    let who = match signed_in(&visit).await {
        Ok(who) => who,
        Err(answer) => return answer,
    };
    let sessions = match state.store.sessions_of(&who.payload.user_id, visit.now).await {
        Ok(sessions) => sessions,
        Err(error) => {
            tracing::error!(request_id = visit.id.as_str(), %error, "the account page needs the store");
            return visit.trouble(Trouble::StoreDown, Then::Home);
        }
    };
    let own = match tokens::own(&visit, &who).await {
        Ok(own) => own,
        Err(error) => {
            tracing::error!(request_id = visit.id.as_str(), %error, "the account page needs the store");
            return visit.trouble(Trouble::StoreDown, Then::Home);
        }
    };
    let user = user_header(&who);
    let mut response = if visit.wants_json() {
        let mut body = userinfo_json(&who);
        if let Some(members) = body.as_object_mut() {
            let list: Vec<Value> = sessions.iter().map(|session| session_json(session, &who)).collect();
            members.insert("user".into(), json!(user));
            members.insert("sessions".into(), json!(list));
        }
        visit.respond(StatusCode::OK).json(body)
    } else {
        let there = provider_logout(&visit, &who, false).await;
        let csrf = csrf::token(&visit, &who);
        let page =
            Page::Account(view(&visit, &who, &sessions, tokens::view(&visit, &who, &own.items), &csrf));
        visit.page(&page, there.as_ref().map(url::Url::as_str))
    };
    if let Ok(value) = header::HeaderValue::from_str(&user) {
        response.headers_mut().insert(USER, value);
    }
    response
}

/// `GET {base}/userinfo`: the session as JSON, 401 without one.
pub async fn userinfo(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    match visit.who().await {
        Recognised::SignedIn(who) => visit.respond(StatusCode::OK).json(userinfo_json(&who)),
        Recognised::Nobody => unauthorized(&visit),
        Recognised::Unchecked => visit
            .respond(StatusCode::SERVICE_UNAVAILABLE)
            .insert_header((header::RETRY_AFTER, "2"))
            .json(json!({ "error": "unavailable", "message": "the session cannot be checked right now" })),
    }
}

/// `POST {base}/sessions/end`: signs one of the person's own sessions out.
pub async fn end_one(request: HttpRequest, state: Data<State>, body: Bytes) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    let (who, params) = match form_of(&visit, &body, &["csrf", "id"]).await {
        Ok(form) => form,
        Err(answer) => return answer,
    };
    let Some(id) = params.get("id").and_then(SessionId::parse) else {
        return visit.trouble(Trouble::BadRequest, Then::Home);
    };
    // Only one's own: whose a session is, the registry says.
    let ended = match state.store.session(&id, visit.now).await {
        Ok(Some(session)) if session.user_id == who.payload.user_id => state.store.end_session(&id).await,
        Ok(_) => Ok(false),
        Err(error) => Err(error),
    };
    match ended {
        Ok(true) => state.known.ended(&id),
        Ok(false) => {}
        Err(error) => {
            tracing::error!(request_id = visit.id.as_str(), %error, "a session could not be ended");
            return visit.trouble(Trouble::StoreDown, Then::Home);
        }
    }
    visit.audit("sign_out", Some(format!("session {}", id.short())), Some(&who));
    back_home(&visit, id == who.payload.sid)
}

/// `GET {base}/sessions/end-all`: says what will happen, and to whom.
pub async fn ask_end_all(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    let who = match signed_in(&visit).await {
        Ok(who) => who,
        Err(answer) => return answer,
    };
    match state.store.sessions_of(&who.payload.user_id, visit.now).await {
        Ok(sessions) => {
            let csrf = csrf::token(&visit, &who);
            let page =
                SignOutEverywhere { who: who.caller.display_name(), count: sessions.len(), csrf: &csrf };
            visit.page(&Page::SignOutEverywhere(page), None)
        }
        Err(error) => {
            tracing::error!(request_id = visit.id.as_str(), %error, "the sessions cannot be listed");
            visit.trouble(Trouble::StoreDown, Then::Home)
        }
    }
}

/// `POST {base}/sessions/end-all`: signs the person out everywhere.
pub async fn end_all(request: HttpRequest, state: Data<State>, body: Bytes) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    let (who, _) = match form_of(&visit, &body, &["csrf"]).await {
        Ok(form) => form,
        Err(answer) => return answer,
    };
    match state.store.end_sessions_of(&who.payload.user_id).await {
        Ok(ended) => {
            for session in &ended {
                state.known.ended(session);
            }
            visit.audit("sessions_ended", Some(format!("all {} of their own", ended.len())), Some(&who));
            back_home(&visit, true)
        }
        Err(error) => {
            tracing::error!(request_id = visit.id.as_str(), %error, "sessions could not be ended");
            visit.trouble(Trouble::StoreDown, Then::Home)
        }
    }
}

/// Hands a page its person: without one it cannot be written.
async fn signed_in(visit: &Visit<'_>) -> Result<Arc<SignedIn>, HttpResponse> {
    match visit.who().await {
        Recognised::SignedIn(who) => Ok(who),
        Recognised::Unchecked => Err(visit.trouble(Trouble::StoreDown, Then::Home)),
        Recognised::Nobody => Err(sign_in_first(visit)),
    }
}

/// Hands an action its person and its form, when the form is theirs.
async fn form_of(
    visit: &Visit<'_>,
    body: &[u8],
    names: &[&'static str],
) -> Result<(Arc<SignedIn>, Params), HttpResponse> {
    let params = csrf::form(body, names).ok_or_else(|| visit.trouble(Trouble::BadRequest, Then::Home))?;
    let who = signed_in(visit).await?;
    if csrf::allows(visit, &who, &params) {
        Ok((who, params))
    } else {
        Err(visit.trouble(Trouble::Forged, Then::Home))
    }
}

fn back_home(visit: &Visit<'_>, signed_out: bool) -> HttpResponse {
    let page = visit.state.login.page(if signed_out { "/logout" } else { "/" });
    let mut builder = visit.redirecting(page.as_deref().unwrap_or("/"));
    builder.status(StatusCode::SEE_OTHER);
    if signed_out {
        builder.append_header((header::SET_COOKIE, session_cookie::gone(visit)));
    }
    builder.finish()
}

fn sign_in_first(visit: &Visit<'_>) -> HttpResponse {
    if visit.wants_json() {
        return unauthorized(visit);
    }
    match (visit.state.login.page("/login"), visit.state.login.page("/")) {
        (Some(login), Some(home)) if !visit.state.providers.is_empty() => {
            visit.redirect(&format!("{login}?rd={}", percent_encode(&home)))
        }
        _ => visit.trouble(Trouble::SignInNotConfigured, Then::Home),
    }
}

fn unauthorized(visit: &Visit<'_>) -> HttpResponse {
    visit.respond(StatusCode::UNAUTHORIZED).insert_header((header::WWW_AUTHENTICATE, "Bearer")).json(json!({
        "error": "unauthorized", "message": "nobody is signed in here",
        "login_url": visit.state.login.page("/login"),
    }))
}

fn user_header(who: &SignedIn) -> String {
    let user = who.payload.email.as_deref().unwrap_or(&who.payload.subject);
    if user.is_ascii() { user.to_owned() } else { percent_encode(user) }
}

fn userinfo_json(who: &SignedIn) -> Value {
    json!({
        "user_id": who.caller.identity.user_id, "subject": who.caller.identity.subject, "provider": who.caller.identity.provider,
        "email": who.caller.identity.email, "name": who.caller.identity.name,
        "roles": who.caller.identity.roles, "permissions": who.caller.identity.permissions,
        "method": who.caller.identity.method.as_str(),
        "signed_in_at": who.payload.signed_in_at.rfc3339(), "expires_at": who.payload.expires_at.rfc3339(),
    })
}

fn session_json(session: &SessionRecord, who: &SignedIn) -> Value {
    json!({
        "id": session.id.as_str(), "current": session.id == who.payload.sid, "provider": session.provider,
        "created_at": session.created_at.rfc3339(), "last_seen_at": session.last_seen_at.rfc3339(),
        "expires_at": session.expires_at.rfc3339(), "address": session.address, "agent": session.agent,
    })
}

fn view<'a>(
    visit: &'a Visit<'_>,
    who: &'a SignedIn,
    sessions: &'a [SessionRecord],
    own: Option<OwnTokens<'a>>,
    csrf: &'a str,
) -> Account<'a> {
    let label = |id: &'a str| visit.state.providers.get(id).map_or(id, Provider::label);
    let session = |session: &'a SessionRecord| Session {
        id: session.id.as_str(),
        agent: session.agent.as_deref(),
        address: session.address.as_deref(),
        first_seen: session.created_at,
        last_seen: session.last_seen_at,
        current: session.id == who.payload.sid,
        provider: label(&session.provider),
    };
    Account {
        name: who.caller.identity.name.as_deref(),
        email: who.caller.identity.email.as_deref(),
        user_id: &who.caller.identity.user_id,
        provider_label: label(&who.caller.identity.provider),
        roles: &who.caller.identity.roles,
        signed_in_at: who.payload.signed_in_at,
        expires_at: who.payload.expires_at,
        idle: who.payload.idle(),
        now: visit.now,
        sessions: sessions.iter().map(session).collect(),
        own,
        csrf,
        note: None,
    }
}
