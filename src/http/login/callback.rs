//! `GET {base}/callback`: the provider sends the browser back.
//!
//! In this order, and no other: the parameters are there once each; the state is one that this browser
//! started, at this provider, not too long ago; it is used up; only then is the provider asked anything.

use actix_session::Session;
use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::pending::{self, Found, PendingLogin, PendingLogins};
use super::refusal::provider_trouble;
use super::return_to::ReturnTo;
use super::{handover, session_cookie};
use crate::http::pages::Trouble;
use crate::http::params::Params;
use crate::http::state::State;
use crate::http::visit::{Then, Visit};
use crate::identity::ids;
use crate::identity::provider::{CallbackAnswer, Person, Provider, ProviderError};
use crate::identity::seal::Purpose;
use crate::identity::session::{Payload, SealError};
use crate::store::{Once, SessionRecord, SignIn, UserRecord};
use crate::telemetry::metrics::LoginResult;

const PARAMS: [&str; 4] = ["code", "state", "iss", "error"];
/// Keycloak's codes are about 110 bytes, Entra's about 1,500.
const MAX_CODE: usize = 4096;

/// The first provider's callback.
pub async fn first(request: HttpRequest, state: Data<State>, session: Session) -> HttpResponse {
    let provider = state.providers.first();
    answer(&Visit::new(&request, &state), &session, provider).await
}

/// Every other provider's, at its own address, so that no answer can be taken for another's (RFC 9700 §4.4).
pub async fn named(
    request: HttpRequest,
    state: Data<State>,
    session: Session,
    id: Path<String>,
) -> HttpResponse {
    let provider = state.providers.get(&id);
    answer(&Visit::new(&request, &state), &session, provider).await
}

async fn answer(visit: &Visit<'_>, session: &Session, provider: Option<&Provider>) -> HttpResponse {
    let Some(provider) = provider else {
        return visit.trouble(Trouble::NotFound, Then::Home);
    };
    let Ok(params) = Params::read(visit.request.query_string(), &PARAMS) else {
        return visit.trouble(Trouble::BadRequest, Then::SignIn(""));
    };
    let (code, error) = (params.get("code"), params.get("error"));
    let Some(answered) = params.get("state") else {
        return visit.trouble(Trouble::BadRequest, Then::SignIn(""));
    };
    if code.is_some() == error.is_some() || code.is_some_and(|code| code.len() > MAX_CODE) {
        return visit.trouble(Trouble::BadRequest, Then::SignIn(""));
    }
    let mut pending = PendingLogins::load(session);
    let none_started = pending.is_empty();
    let login = match pending.take(answered, visit.now) {
        Found::Open(login) => login,
        Found::Done(return_to) => return again(visit, Trouble::AlreadyUsed, &return_to).await,
        Found::TooOld => return again(visit, Trouble::LinkTooOld, "").await,
        Found::Unknown if none_started => return again(visit, Trouble::CookieNotStored, "").await,
        Found::Unknown => return again(visit, Trouble::LinkTooOld, "").await,
    };
    if login.provider != provider.id() {
        visit.audit("sign_in_refused", Some(format!("{}: begun at another", provider.id())), None);
        return visit.trouble(Trouble::SignInRefused, Then::SignIn(&login.return_to));
    }
    let answer = code.map(|code| CallbackAnswer { code, iss: params.get("iss") });
    let response = redeem(visit, &mut pending, provider, &login, answer).await;
    // Used up, whatever came of it. Written once: a list that was empty in between would take the cookie away.
    if pending.save(session).is_err() {
        return visit.trouble(Trouble::Internal, Then::SignIn(&login.return_to));
    }
    response
}

/// From here on the state is used up, for every copy of this browser's cookie.
async fn redeem(
    visit: &Visit<'_>,
    pending: &mut PendingLogins,
    provider: &Provider,
    login: &PendingLogin,
    answer: Option<CallbackAnswer<'_>>,
) -> HttpResponse {
    let name = URL_SAFE_NO_PAD.encode(digest(&SHA256, login.auth.state.as_bytes()));
    match visit.state.store.claim_once(Once::LoginState, &name, visit.now.plus(pending::LIFETIME)).await {
        Ok(true) => {}
        Ok(false) => return again(visit, Trouble::AlreadyUsed, &login.return_to).await,
        Err(error) => return store_down(visit, &error),
    }
    let Some(answer) = answer else {
        return refused_there(visit, provider, login);
    };
    match provider.finish(&answer, &login.auth, visit.now).await {
        Ok(person) => sign_in(visit, pending, provider, login, person).await,
        Err(error) => provider_trouble(visit, provider, &error, &login.return_to),
    }
}

/// A callback that leads nowhere any more: who is signed in goes on to where they wanted to be.
async fn again(visit: &Visit<'_>, trouble: Trouble, return_to: &str) -> HttpResponse {
    if visit.signed_in().await.is_some() {
        let target = visit.state.login.check(return_to);
        return visit.redirect(&destination(visit, target.as_ref()));
    }
    visit.trouble(trouble, Then::SignIn(return_to))
}

fn refused_there(visit: &Visit<'_>, provider: &Provider, login: &PendingLogin) -> HttpResponse {
    // The provider's own words (`error_description`) are anybody's to write: they are not shown.
    visit.state.metrics.login(provider.id(), LoginResult::Denied);
    visit.audit("sign_in_refused", Some(format!("{}: the provider said no", provider.id())), None);
    visit.trouble_with(Trouble::ProviderSaidNo, Then::SignIn(&login.return_to), Some(provider.label()))
}

fn store_down(visit: &Visit<'_>, error: &crate::store::StoreError) -> HttpResponse {
    tracing::error!(request_id = visit.id.as_str(), %error, "signing in needs the store");
    visit.state.metrics.store_error();
    visit.trouble(Trouble::StoreDown, Then::SignIn(""))
}

async fn sign_in(
    visit: &Visit<'_>,
    pending: &mut PendingLogins,
    provider: &Provider,
    login: &PendingLogin,
    person: Person,
) -> HttpResponse {
    let (state, now) = (visit.state, visit.now);
    let Some(user_id) = state.user_id(provider.id(), &person.subject) else {
        tracing::warn!(provider = provider.id(), "a subject that looks like another issuer's is refused");
        let reason = format!("{}: a subject that looks like another issuer's", provider.id());
        visit.audit("sign_in_refused", Some(reason), None);
        return visit.trouble(Trouble::SignInRefused, Then::SignIn(&login.return_to));
    };
    if let Some(claim) = &person.groups_elsewhere
        && state.policy.load().uses_groups()
    {
        let error = ProviderError::ClaimElsewhere(claim.clone());
        return provider_trouble(visit, provider, &error, &login.return_to);
    }
    let who = SignIn {
        user_id,
        provider: provider.id().to_owned(),
        subject: person.subject.clone(),
        email: person.email.clone(),
        name: person.name.clone(),
    };
    let user = match state.store.sign_in(&who, now).await {
        Ok(user) => user,
        Err(error) => return store_down(visit, &error),
    };
    if user.disabled {
        visit.audit("sign_in_refused", Some(format!("{} is disabled", user.id)), None);
        return visit.trouble(Trouble::Disabled, Then::SignIn(&login.return_to));
    }
    let (payload, value) = match make_session(visit, &user, &person) {
        Ok(made) => made,
        Err(error) => {
            tracing::error!(request_id = visit.id.as_str(), %error, user = user.id, "no session cookie");
            visit.audit("sign_in_refused", Some(format!("{}: {error}", user.id)), None);
            return visit.trouble(Trouble::TooManyRoles, Then::SignIn(&login.return_to));
        }
    };
    let record = record_of(visit, &payload, &person);
    if let Err(error) = state.store.open_session(&record).await {
        return store_down(visit, &error);
    }
    state.known.session_opened(&record, &user);
    // A browser has one session: whatever was in it before, own or planted, ends now.
    if let Some(before) = visit.signed_in().await {
        match state.store.end_session(&before.payload.sid).await {
            Ok(_) => state.known.ended(&before.payload.sid),
            Err(error) => tracing::warn!(%error, "the session before this one could not be ended"),
        }
    }
    pending.finish(login, now);
    state.metrics.login(provider.id(), LoginResult::Completed);
    state.audit.sign_in(
        &crate::audit::SignInEvent {
            action: "sign_in",
            reason: None,
            provider: Some(provider.id()),
            subject: Some(&payload.subject),
            user_id: Some(&payload.user_id),
            user: Some(payload.email.as_deref().unwrap_or(&payload.subject)),
            session: Some(payload.sid.short()),
            client: Some(visit.client),
            request_id: visit.id.as_str(),
        },
        now,
    );
    let target = state.login.check(&login.return_to);
    visit
        .redirecting(&destination(visit, target.as_ref()))
        .append_header((header::SET_COOKIE, session_cookie::set(visit, &value, &payload)))
        .finish()
}

/// Straight there when the cookie goes along, by way of a hand-over when that host needs its own, and to the
/// account page when nowhere was asked for.
fn destination(visit: &Visit<'_>, target: Option<&ReturnTo>) -> String {
    match target {
        Some(to) if visit.state.login.shares_cookie(to.host()) => to.as_str().to_owned(),
        Some(to) => handover::begin_at(visit, to),
        None => visit.state.login.page("/").unwrap_or_else(|| "/".to_owned()),
    }
}

fn make_session(
    visit: &Visit<'_>,
    user: &UserRecord,
    person: &Person,
) -> Result<(Payload, String), SealError> {
    let state = visit.state;
    let policy = state.policy.load();
    let config = &state.config.session;
    let mut payload = Payload {
        sid: ids::session_id()?,
        user_id: user.id.clone(),
        provider: user.provider.clone(),
        subject: user.subject.clone(),
        email: person.email.clone(),
        name: person.name.as_deref().map(|name| cut(name, 256).to_owned()),
        roles: person.roles.iter().filter(|role| policy.knows_role(role)).cloned().collect(),
        groups: person.groups.iter().filter(|group| policy.knows_group(group)).cloned().collect(),
        signed_in_at: visit.now,
        expires_at: visit.now.plus(config.lifetime),
        idle_secs: config.idle.map(|idle| u32::try_from(idle.as_secs()).unwrap_or(u32::MAX)),
        proved_at: person.proved_at.unwrap_or(visit.now),
    };
    let host = state.login.own_host().unwrap_or_default();
    match state.cookies.seal(&payload, host) {
        Err(SealError::TooBig(_)) if !policy.names_roles() => {
            // No policy decides on roles or groups, so all stay out rather than half of them go in.
            tracing::warn!(
                user = user.id,
                roles = payload.roles.len(),
                groups = payload.groups.len(),
                "the provider's roles and groups do not fit into the session cookie and no policy names them: none are kept"
            );
            payload.groups.clear();
            payload.roles.clear();
            let value = state.cookies.seal(&payload, host)?;
            Ok((payload, value))
        }
        sealed => sealed.map(|value| (payload, value)),
    }
}

fn record_of(visit: &Visit<'_>, payload: &Payload, person: &Person) -> SessionRecord {
    use secrecy::ExposeSecret as _;
    let agent = visit.request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let hint = person.id_token.as_ref().and_then(|token| {
        let token = token.expose_secret();
        let sealed =
            visit.state.cookies.ring().seal(Purpose::LogoutHint, payload.sid.as_str(), token.as_bytes());
        sealed.ok().filter(|_| token.len() <= 8192).map(String::into_bytes)
    });
    SessionRecord {
        id: payload.sid.clone(),
        user_id: payload.user_id.clone(),
        provider: payload.provider.clone(),
        subject: payload.subject.clone(),
        provider_sid: person.provider_sid.clone(),
        created_at: visit.now,
        last_seen_at: visit.now,
        expires_at: payload.expires_at,
        address: Some(visit.client.to_string()),
        agent: agent.map(|agent| cut(agent, 256).to_owned()),
        logout_hint: hint,
    }
}

fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}
