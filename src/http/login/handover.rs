//! Taking a sign-in over to another host, where each host has a cookie of its own.
//!
//! ```text
//! own host    (signed in) → 302 https://app/rbac/continue?rd=URL
//! other host  sets a random number as its own cookie → 302 https://own/rbac/login?rd=URL&continue=HASH
//! own host    (signed in) → ticket for this session, that host, that HASH → 302 https://app/rbac/continue?ticket=T
//! other host  takes the ticket, once; the number's hash must fit → session cookie for this host → 302 URL
//! ```
//!
//! The number makes the ticket worthless in any other browser: neither can a thief use a ticket that he saw,
//! nor can he make somebody else's browser take his. The cookie that the other host gets is sealed for it
//! alone, so a service that sees it can use it nowhere else; behind all of them is one session.

use std::time::Duration;

use actix_session::Session;
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::pending::PendingLogins;
use super::return_to::ReturnTo;
use super::session_cookie;
use crate::http::callers::SignedIn;
use crate::http::cookie::{self, Keep};
use crate::http::identity_headers::percent_encode;
use crate::http::pages::Trouble;
use crate::http::params::Params;
use crate::http::state::State;
use crate::http::visit::{Then, Visit};
use crate::identity::ids;
use crate::identity::seal::Purpose;
use crate::identity::session::Payload;
use crate::store::known::Standing;

const PARAMS: [&str; 2] = ["rd", "ticket"];
/// How long a ticket lives: one redirect's time.
const LIFETIME: Duration = Duration::from_secs(30);

#[derive(Serialize, Deserialize)]
struct Handover {
    session: Payload,
    authority: String,
    browser: String,
    return_to: String,
}

/// The other host's address at which its part begins.
pub(super) fn begin_at(visit: &Visit<'_>, to: &ReturnTo) -> String {
    let base = &visit.state.config.server.base_path;
    format!("{}{base}/continue?rd={}", to.origin(), percent_encode(to.as_str()))
}

/// On the gateway's own host: sends the signed-in person over.
pub(super) async fn send(
    visit: &Visit<'_>,
    session: &Session,
    who: &SignedIn,
    to: &ReturnTo,
    browser: Option<&str>,
) -> HttpResponse {
    let Some(browser) = browser else {
        return visit.redirect(&begin_at(visit, to));
    };
    let ticket = match keep(visit, who, to, browser).await {
        Ok(ticket) => ticket,
        Err(error) => {
            tracing::error!(request_id = visit.id.as_str(), %error, "no hand-over");
            return visit.trouble(Trouble::StoreDown, Then::SignIn(to.as_str()));
        }
    };
    let mut pending = PendingLogins::load(session);
    pending.note_arrival(to.as_str(), visit.now);
    let _ = pending.save(session);
    let base = &visit.state.config.server.base_path;
    visit.redirect(&format!("{}{base}/continue?ticket={ticket}", to.origin()))
}

async fn keep(visit: &Visit<'_>, who: &SignedIn, to: &ReturnTo, browser: &str) -> anyhow::Result<String> {
    let ticket = ids::random::<32>()?;
    let handover = Handover {
        session: who.payload.clone(),
        authority: to.authority(),
        browser: browser.to_owned(),
        return_to: to.as_str().to_owned(),
    };
    let plain = postcard::to_stdvec(&handover)?;
    let sealed = visit.state.cookies.ring().seal(Purpose::Handover, &to.authority(), &plain)?;
    visit.state.store.put_handover(&sha256(&ticket), sealed.as_bytes(), visit.now.plus(LIFETIME)).await?;
    Ok(ticket)
}

/// `GET {base}/continue` on the other host.
pub async fn receive(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    let Ok(params) = Params::read(request.query_string(), &PARAMS) else {
        return visit.trouble(Trouble::BadRequest, Then::Home);
    };
    let Some(authority) = visit.elsewhere() else {
        return visit.trouble(Trouble::WrongHost, Then::Home);
    };
    match (params.get("ticket"), params.get("rd").and_then(|raw| state.login.check(raw))) {
        (Some(ticket), _) => arrive(&visit, &authority, ticket).await,
        (None, Some(to)) if to.authority() == authority => begin(&visit, &to),
        _ => visit.trouble(Trouble::BadRequest, Then::Home),
    }
}

/// Gives this browser a number on this host, and asks the own host for a ticket that fits it.
fn begin(visit: &Visit<'_>, to: &ReturnTo) -> HttpResponse {
    let name = browser_cookie(visit);
    // Parallel tabs share one number, or the second would make the first one's ticket worthless.
    let present = cookie::values(visit.request.headers(), name).find(|value| value.len() == 43);
    let number = match present.map(str::to_owned).map_or_else(ids::random::<32>, Ok) {
        Ok(number) => number,
        Err(_) => return visit.trouble(Trouble::Internal, Then::SignIn(to.as_str())),
    };
    let Some(login) = visit.state.login.page("/login") else {
        return visit.trouble(Trouble::SignInNotConfigured, Then::Home);
    };
    let hash = URL_SAFE_NO_PAD.encode(sha256(&number));
    visit
        .redirecting(&format!("{login}?rd={}&continue={hash}", percent_encode(to.as_str())))
        .append_header((header::SET_COOKIE, cookie::set(name, &number, None, Keep::Secs(600))))
        .finish()
}

async fn arrive(visit: &Visit<'_>, authority: &str, ticket: &str) -> HttpResponse {
    let state = visit.state;
    let start = format!("{}/", visit.scheme_and(authority));
    let start_over = Then::SignIn(&start);
    // Taken before anything is compared: a ticket is tried once, rightly or wrongly.
    let sealed = match state.store.take_handover(&sha256(ticket), visit.now).await {
        Ok(Some(sealed)) => sealed,
        Ok(None) => return visit.trouble(Trouble::AlreadyUsed, start_over),
        Err(error) => {
            tracing::error!(request_id = visit.id.as_str(), %error, "no hand-over");
            return visit.trouble(Trouble::StoreDown, start_over);
        }
    };
    let Some(handover) = open(visit, authority, &sealed) else {
        return visit.trouble(Trouble::WrongHost, start_over);
    };
    let name = browser_cookie(visit);
    let fits = |value: &str| {
        let hash = URL_SAFE_NO_PAD.encode(sha256(value));
        verify_slices_are_equal(hash.as_bytes(), handover.browser.as_bytes()).is_ok()
    };
    if !cookie::values(visit.request.headers(), name).any(fits) {
        return visit.trouble(Trouble::CookieNotStored, start_over);
    }
    match state.known.session(&handover.session.sid, visit.now).await {
        Standing::Live(_) => {}
        Standing::Ended => return visit.trouble(Trouble::LinkTooOld, start_over),
        Standing::Unchecked => return visit.trouble(Trouble::StoreDown, start_over),
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let (Some(to), Ok(value)) =
        (state.login.check(&handover.return_to), state.cookies.seal(&handover.session, host))
    else {
        return visit.trouble(Trouble::Internal, start_over);
    };
    visit
        .redirecting(to.as_str())
        .append_header((header::SET_COOKIE, session_cookie::set(visit, &value, &handover.session)))
        .append_header((header::SET_COOKIE, cookie::set(name, "", None, Keep::Gone)))
        .finish()
}

fn open(visit: &Visit<'_>, authority: &str, sealed: &[u8]) -> Option<Handover> {
    let sealed = std::str::from_utf8(sealed).ok()?;
    let plain = visit.state.cookies.ring().open(Purpose::Handover, authority, sealed)?;
    let handover: Handover = postcard::from_bytes(&plain).ok()?;
    (handover.authority == authority).then_some(handover)
}

fn browser_cookie(visit: &Visit<'_>) -> &'static str {
    if visit.state.login.wants_https() { "__Host-doorward-continue" } else { "doorward-continue" }
}

fn sha256(text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    out
}
