//! `GET {base}/login`: starts a sign-in at a provider.

use actix_session::Session;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::handover;
use super::pending::PendingLogins;
use super::refusal::provider_trouble;
use super::return_to::ReturnTo;
use crate::http::callers::Recognised;
use crate::http::identity_headers::percent_encode;
use crate::http::pages::{Choose, Href, Page, ProviderChoice, Trouble};
use crate::http::params::Params;
use crate::http::state::State;
use crate::http::visit::{Then, Visit};
use crate::identity::provider::Provider;
use crate::telemetry::metrics::LoginResult;

/// Where to return to, which provider, (on the way to another host) for which browser, and whether to ask for a proof
/// of the person's presence, however lately they gave one to the provider.
const PARAMS: [&str; 4] = ["rd", "idp", "continue", "again"];

/// See the module.
pub async fn start(request: HttpRequest, state: Data<State>, session: Session) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    let Ok(params) = Params::read(request.query_string(), &PARAMS) else {
        return visit.trouble(Trouble::BadRequest, Then::Home);
    };
    let Some(login_page) = state.login.page("/login").filter(|_| !state.providers.is_empty()) else {
        return visit.trouble(Trouble::SignInNotConfigured, Then::Home);
    };
    // Sign-ins start on the gateway's own host, where the pending login's cookie lives.
    if visit.elsewhere().is_some() {
        return visit.redirect(&format!("{login_page}?{}", request.query_string()));
    }
    let return_to = params.get("rd").and_then(|raw| state.login.check(raw));
    if return_to.is_none() && params.get("rd").is_some() {
        tracing::warn!(
            request_id = visit.id.as_str(),
            "the address asked for is not one that a sign-in may return to; list its host in login.return_hosts"
        );
    }
    let mut pending = PendingLogins::load(&session);
    if let Some(to) = &return_to
        && pending.is_bouncing(to.as_str(), visit.now)
    {
        pending.forget_bounces();
        let _ = pending.save(&session);
        return visit.trouble(Trouble::TooManyTries, Then::SignIn(to.as_str()));
    }
    // Signed in here already, and wanted on a host with a cookie of its own: hand over, ask nobody.
    if let Some(to) = &return_to
        && params.get("idp").is_none()
        && !state.login.shares_cookie(to.host())
    {
        match visit.who().await {
            Recognised::SignedIn(who) => {
                return handover::send(&visit, &session, &who, to, params.get("continue")).await;
            }
            Recognised::Unchecked => return visit.trouble(Trouble::StoreDown, Then::SignIn(to.as_str())),
            Recognised::Nobody => {}
        }
    }
    let again = params.get("again").is_some();
    let provider = match (params.get("idp"), state.providers.len()) {
        (Some(id), _) => state.providers.get(id),
        (None, 1) => state.providers.first(),
        (None, _) => return choose(&visit, &login_page, return_to.as_ref(), again),
    };
    match provider {
        Some(provider) => go(&visit, &session, pending, provider, return_to.as_ref(), again).await,
        None => visit.trouble(Trouble::NotFound, Then::Home),
    }
}

fn choose(visit: &Visit<'_>, login_page: &str, return_to: Option<&ReturnTo>, again: bool) -> HttpResponse {
    let mut rd = return_to.map(|to| format!("&rd={}", percent_encode(to.as_str()))).unwrap_or_default();
    rd.push_str(if again { "&again=1" } else { "" });
    let choice =
        |provider: &Provider| Href::new(format!("{login_page}?idp={}{rd}", percent_encode(provider.id())));
    let providers = visit.state.providers.iter().map(|provider| ProviderChoice {
        id: provider.id(),
        label: provider.label(),
        kind: provider.kind(),
        href: choice(provider),
    });
    let going_to = return_to.map(ReturnTo::authority);
    let page = Choose { going_to: going_to.as_deref(), providers: providers.collect(), note: None };
    visit.page(&Page::Choose(page), None)
}

async fn go(
    visit: &Visit<'_>,
    session: &Session,
    mut pending: PendingLogins,
    provider: &Provider,
    return_to: Option<&ReturnTo>,
    again: bool,
) -> HttpResponse {
    let back = return_to.map_or("", ReturnTo::as_str);
    let started = match provider.start(again, visit.now).await {
        Ok(started) => started,
        Err(error) => return provider_trouble(visit, provider, &error, back),
    };
    pending.start(started.pending, provider.id(), back, visit.now);
    if pending.save(session).is_err() {
        return visit.trouble(Trouble::Internal, Then::SignIn(back));
    }
    visit.state.metrics.login(provider.id(), LoginResult::Started);
    visit.redirect(started.url.as_str())
}
