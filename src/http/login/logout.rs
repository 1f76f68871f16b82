//! `GET` and `POST {base}/logout`: ends the session here, then at the provider.

use actix_session::Session;
use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use url::Url;

use super::pending::PendingLogins;
use super::session_cookie;
use crate::http::callers::{Recognised, SignedIn};
use crate::http::csrf;
use crate::http::pages::{Page, SignOut, SignedOut, Trouble};
use crate::http::params::Params;
use crate::http::state::State;
use crate::http::visit::{Then, Visit};
use crate::identity::seal::Purpose;

/// The page with one button; where nobody is signed in, the page that says so.
pub async fn ask(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    if let Some(home) = at_home(&visit) {
        return home;
    }
    match visit.who().await {
        Recognised::SignedIn(who) => {
            let there = provider_logout(&visit, &who, false).await;
            let page = SignOut { who: who.caller.display_name(), csrf: &csrf::token(&visit, &who) };
            visit.page(&Page::SignOut(page), there.as_ref().map(Url::as_str))
        }
        Recognised::Unchecked => visit.trouble(Trouble::StoreDown, Then::Home),
        Recognised::Nobody => {
            let page = SignedOut { where_to: None, provider_label: None, provider_ended: false };
            visit.page(&Page::SignedOut(page), None)
        }
    }
}

/// The button.
pub async fn end(request: HttpRequest, state: Data<State>, session: Session, body: Bytes) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    let Some(params) = csrf::form(&body, &["csrf", "rd"]) else {
        return visit.trouble(Trouble::BadRequest, Then::Home);
    };
    let who = match visit.who().await {
        Recognised::SignedIn(who) => who,
        Recognised::Unchecked => return visit.trouble(Trouble::StoreDown, Then::Home),
        Recognised::Nobody => return signed_out(&visit, &params, None),
    };
    if !csrf::allows(&visit, &who, &params) {
        return visit.trouble(Trouble::Forged, Then::Home);
    }
    let there = provider_logout(&visit, &who, true).await;
    match state.store.end_session(&who.payload.sid).await {
        Ok(_) => state.known.ended(&who.payload.sid),
        Err(error) => {
            tracing::error!(request_id = visit.id.as_str(), %error, "the session could not be ended");
            return visit.trouble(Trouble::StoreDown, Then::Home);
        }
    }
    visit.audit("sign_out", None, Some(&who));
    let mut pending = PendingLogins::load(&session);
    pending.forget_bounces();
    let _ = pending.save(&session);
    signed_out(&visit, &params, there)
}

/// Takes the cookie away and sends the browser on: to the provider's own logout, to an allowed address, or to
/// the page that says it is done.
fn signed_out(visit: &Visit<'_>, params: &Params, there: Option<Url>) -> HttpResponse {
    let wanted = params.get("rd").and_then(|raw| visit.state.login.check(raw));
    let to = there
        .map(String::from)
        .or_else(|| wanted.map(|to| to.as_str().to_owned()))
        .or_else(|| visit.state.login.page("/logout"))
        .unwrap_or_else(|| "/".to_owned());
    visit
        .redirecting(&to)
        .status(StatusCode::SEE_OTHER)
        .append_header((header::SET_COOKIE, session_cookie::gone(visit)))
        .finish()
}

/// RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0), with the ID token that was kept for it when the
/// browser is really sent there.
pub(in crate::http) async fn provider_logout(
    visit: &Visit<'_>,
    who: &SignedIn,
    with_hint: bool,
) -> Option<Url> {
    let provider = visit.state.providers.get(&who.payload.provider)?;
    let back = Url::parse(&visit.state.login.page("/logout")?).ok()?;
    let record = match with_hint {
        true => visit.state.store.session(&who.payload.sid, visit.now).await.ok().flatten(),
        false => None,
    };
    let hint = record.and_then(|record| record.logout_hint).and_then(|sealed| {
        let sealed = String::from_utf8(sealed).ok()?;
        let plain =
            visit.state.cookies.ring().open(Purpose::LogoutHint, who.payload.sid.as_str(), &sealed)?;
        String::from_utf8(plain).ok()
    });
    provider.logout_url(hint.as_deref(), &back, visit.now).await
}

/// On a host that has a hand-over cookie of its own, the sign-out is on the gateway's own host.
fn at_home(visit: &Visit<'_>) -> Option<HttpResponse> {
    visit.elsewhere()?;
    visit.state.login.page("/logout").map(|page| visit.redirect(&page))
}
