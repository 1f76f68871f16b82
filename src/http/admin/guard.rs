//! Who may come in. Whoever passes gets a [`Seat`], without which no action can be called.
//!
//! - the administrator by **password** (Basic);
//! - whoever is **signed in** with the role `doorward-admin`, as of now; for a change the sign-in must be recent;
//! - for the REST API, an API **token** with the scope `admin`.
//!
//! Nothing else counts: no bearer JWT, whatever roles it names, and no identity header, which is what the gateway
//! *tells* services. An `Authorization` header is never followed by the cookie.
//!
//! A change needs a CSRF token, because browsers send cookies and Basic credentials by themselves. Bearers need none,
//! nor does a program that sends Basic and nothing by which browsers tell where a request came from. What says that it
//! came from another site is refused, whatever else it carries.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::password::{self, Basic};
use crate::admin::{Actor, Admin};
use crate::http::callers::{Recognised, SignedIn};
use crate::http::csrf;
use crate::http::identity_headers::percent_encode;
use crate::http::pages::Trouble;
use crate::http::visit::{Then, Visit};
use crate::identity::api_token::{self, SCOPE_ADMIN};
use crate::policy::ADMIN_ROLE;
use crate::policy::target::Host;
use crate::store::known::{Confirm, KnownToken, TokenStanding};

/// A change needs a sign-in within this time: a proof to the provider, not a session there that went on by itself.
pub const RECENT: Duration = Duration::from_secs(15 * 60);
/// Where a form's CSRF token may stand instead of in the form.
pub const CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// By which door somebody comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door<'a> {
    /// A page at this address below the base path, which whoever has to sign in first comes back to.
    Page(&'a str),
    /// The REST API.
    Rest,
}

/// Somebody who may act.
pub struct Seat<'a> {
    /// What they may do.
    pub admin: Admin<'a>,
    /// The token of their forms; `None` for bearers, who need none.
    pub csrf: Option<String>,
    /// Whether their sign-in is recent enough for a change.
    pub is_recent: bool,
}

/// How they proved who they are.
enum Proof {
    Password,
    Session(Arc<SignedIn>),
    Token(Arc<KnownToken>),
}

/// Somebody who may look.
///
/// # Errors
/// The answer to whoever may not.
pub async fn look<'a>(visit: &Visit<'a>, door: Door<'_>) -> Result<Seat<'a>, HttpResponse> {
    let proof = prove(visit, door).await?;
    Ok(seat(visit, &proof))
}

/// Somebody who is about to change something: like [`look`], and signs in again first where that was long ago.
///
/// # Errors
/// The answer to whoever may not.
pub async fn prepare<'a>(visit: &Visit<'a>, door: Door<'_>) -> Result<Seat<'a>, HttpResponse> {
    let seat = look(visit, door).await?;
    if seat.is_recent { Ok(seat) } else { Err(sign_in_again(visit, door)) }
}

/// Somebody who may change something, and means to. `csrf` is the token from their form; a header may bring it
/// instead.
///
/// # Errors
/// The answer to whoever may not.
pub async fn change<'a>(
    visit: &Visit<'a>,
    door: Door<'_>,
    csrf: Option<&str>,
) -> Result<Seat<'a>, HttpResponse> {
    let headers = visit.request.headers();
    // Before anything else is looked at: nobody learns by it whether they are an administrator.
    if is_own(visit) && csrf::is_foreign(headers, &own_origin(visit)) {
        visit.audit("csrf_refused", Some("an administrator's form from elsewhere".to_owned()), None);
        return Err(visit.trouble(Trouble::Forged, Then::Home));
    }
    let proof = prove(visit, door).await?;
    let seat = seat(visit, &proof);
    let meant = match (&proof, given(headers, csrf)) {
        (Proof::Token(_), _) => true,
        (_, Some(given)) => seat.csrf.as_deref().is_some_and(|token| csrf::same(given, token)),
        (Proof::Password, None) => csrf::is_program(headers),
        (Proof::Session(_), None) => false,
    };
    if !meant {
        let who = seat.admin.actor().audit_name();
        visit.audit("csrf_refused", Some(format!("a change by {who} without its token")), None);
        return Err(visit.trouble(Trouble::Forged, Then::Home));
    }
    if seat.is_recent { Ok(seat) } else { Err(sign_in_again(visit, door)) }
}

/// The form's token, or the header's; both, if they differ, are none.
fn given<'t>(headers: &'t HeaderMap, csrf: Option<&'t str>) -> Option<&'t str> {
    let mut lines = headers.get_all(CSRF_TOKEN);
    match (csrf, lines.next(), lines.next()) {
        (Some(form), None, _) => Some(form),
        (None, Some(line), None) => Some(line.to_str().unwrap_or_default()),
        (None, None, _) => None,
        _ => Some(""),
    }
}

fn seat<'a>(visit: &Visit<'a>, proof: &Proof) -> Seat<'a> {
    let state = visit.state;
    let (actor, csrf, is_recent) = match proof {
        Proof::Password => {
            let binding = password::binding(&state.config.admin, state.cookies.ring().csrf_key());
            (Actor::Password(state.config.admin.user.clone()), Some(URL_SAFE_NO_PAD.encode(binding)), true)
        }
        Proof::Session(who) => {
            let actor = Actor::User {
                id: who.payload.user_id.clone(),
                name: who.caller.display_name().to_owned(),
                session: who.payload.sid.clone(),
            };
            let recent = visit.now.since(who.payload.proved_at) <= RECENT;
            (actor, Some(csrf_of(visit, who)), recent)
        }
        Proof::Token(token) => {
            let name = token.name.as_deref().map(str::to_owned);
            (Actor::Token { id: token.id.to_string(), name }, None, true)
        }
    };
    let admin = state.desk.seat(actor, visit.now, Some(visit.client), Some(visit.id.as_str()));
    Seat { admin, csrf, is_recent }
}

/// Another token than that of the account's forms: one of them opens nothing here.
fn csrf_of(visit: &Visit<'_>, who: &SignedIn) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, visit.state.cookies.ring().csrf_key());
    let mut context = hmac::Context::with_key(&key);
    context.update(b"administrator by session\0");
    context.update(who.payload.sid.as_str().as_bytes());
    URL_SAFE_NO_PAD.encode(context.sign())
}

async fn prove(visit: &Visit<'_>, door: Door<'_>) -> Result<Proof, HttpResponse> {
    if !is_own(visit) {
        return Err(visit.trouble(Trouble::NotFound, Then::Home));
    }
    let mut lines = visit.request.headers().get_all(header::AUTHORIZATION);
    match (lines.next(), lines.next()) {
        (None, _) => by_session(visit, door).await,
        (Some(value), None) => match (Basic::read(value), bearer(value), door) {
            (Some(basic), ..) => by_password(visit, &basic).await,
            (None, Some(token), Door::Rest) => by_token(visit, token).await,
            _ => Err(challenge(visit, door)),
        },
        (Some(_), Some(_)) => Err(challenge(visit, door)),
    }
}

/// Administration is on the external URL's host, and on the gateway's own address for whoever reaches that: an IP
/// address, or a name without a dot, which no stranger's DNS can make (so that no page of theirs is "our" origin).
fn is_own(visit: &Visit<'_>) -> bool {
    let own = visit.state.login.own_authority();
    own.is_some() && visit.authority() == own || direct(visit).is_some()
}

/// The `Host` of a request that no proxy passed on, when it is the gateway's own address.
fn direct<'a>(visit: &Visit<'a>) -> Option<&'a str> {
    let headers = visit.request.headers();
    let mut hosts = headers.get_all(header::HOST);
    let (host, None) = (hosts.next()?, hosts.next()) else { return None };
    if headers.keys().any(|name| name.as_str().starts_with("x-forwarded-") || name == header::FORWARDED) {
        return None;
    }
    let (name, _) = Host::parse_with_port(host.as_bytes()).ok()?;
    let text = name.as_str();
    let is_address = text.starts_with('[') || text.parse::<std::net::Ipv4Addr>().is_ok();
    (is_address || !text.contains('.')).then(|| host.to_str().ok()).flatten()
}

/// The origin of our own pages, as this browser sees it.
fn own_origin(visit: &Visit<'_>) -> String {
    match direct(visit) {
        Some(host) if visit.authority() != visit.state.login.own_authority() => {
            // By a URL parser, as browsers spell it.
            let url = url::Url::parse(&format!("http://{host}/"));
            url.map(|url| url.origin().ascii_serialization()).unwrap_or_default()
        }
        _ => csrf::own_origin(visit),
    }
}

async fn by_session(visit: &Visit<'_>, door: Door<'_>) -> Result<Proof, HttpResponse> {
    match visit.who().await {
        Recognised::SignedIn(who) if who.caller.identity.roles.iter().any(|role| role == ADMIN_ROLE) => {
            Ok(Proof::Session(who))
        }
        Recognised::SignedIn(who) => {
            visit.audit("admin_sign_in_refused", Some(format!("without the role {ADMIN_ROLE}")), Some(&who));
            Err(visit.forbidden(&who, &[ADMIN_ROLE]))
        }
        Recognised::Unchecked => Err(visit.trouble(Trouble::StoreDown, Then::Home)),
        Recognised::Nobody => Err(sign_in_first(visit, door)),
    }
}

async fn by_password(visit: &Visit<'_>, basic: &Basic) -> Result<Proof, HttpResponse> {
    let (limits, now) = (&visit.state.limits, visit.now);
    let attempt = match limits.admin_allowed(&basic.user, visit.client, now).await {
        Ok(attempt) => attempt,
        Err(over) => return Err(visit.too_many(&over, Then::Home)),
    };
    if basic.is(&visit.state.config.admin) {
        return Ok(Proof::Password);
    }
    limits.admin_failure(attempt, now).await;
    visit.audit("admin_sign_in_refused", Some("a wrong name or password".to_owned()), None);
    Err(ask_for_password(visit))
}

async fn by_token(visit: &Visit<'_>, token: &str) -> Result<Proof, HttpResponse> {
    let state = visit.state;
    if token.starts_with(api_token::PREFIX) && !api_token::is_well_formed(token) {
        return Err(invalid_token(visit).await);
    }
    let digests = state.desk.peppers.digests(token, visit.now);
    let known = match state.known.token(&digests.current, digests.previous.as_ref(), visit.now).await {
        TokenStanding::There(known) => known,
        TokenStanding::Absent => return Err(invalid_token(visit).await),
        TokenStanding::Unchecked => return Err(visit.trouble(Trouble::StoreDown, Then::Home)),
    };
    match state.known.confirm_token(&known, visit.now) {
        Confirm::Holds => {}
        Confirm::Ended => return Err(invalid_token(visit).await),
        Confirm::Stale | Confirm::Unchecked => return Err(visit.trouble(Trouble::StoreDown, Then::Home)),
    }
    // Nobody gives themselves a scope; a record that says so was not written by us.
    let may = known.owner.is_none() && known.scopes.iter().any(|scope| scope == SCOPE_ADMIN);
    if may {
        return Ok(Proof::Token(known));
    }
    visit.audit(
        "admin_sign_in_refused",
        Some(format!("token/{} without the scope {SCOPE_ADMIN}", known.id)),
        None,
    );
    Err(visit
        .respond(StatusCode::FORBIDDEN)
        .insert_header((header::WWW_AUTHENTICATE, r#"Bearer error="insufficient_scope", scope="admin""#))
        .json(json!({
            "error": "forbidden", "message": "the token has not the scope `admin`",
            "request_id": visit.id.as_str(),
        })))
}

async fn invalid_token(visit: &Visit<'_>) -> HttpResponse {
    visit.audit("admin_sign_in_refused", Some("no valid API token".to_owned()), None);
    if let Some(over) = visit.state.limits.failed(visit.client, visit.now).await {
        return visit.too_many(&over, Then::Home);
    }
    visit
        .respond(StatusCode::UNAUTHORIZED)
        .insert_header((header::WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#))
        .json(
            json!({ "error": "invalid_token", "message": "invalid token", "request_id": visit.id.as_str() }),
        )
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Nobody is known: to sign in, or to the password where that is all there is.
fn sign_in_first(visit: &Visit<'_>, door: Door<'_>) -> HttpResponse {
    match door {
        Door::Page(path) if !visit.wants_json() => match login_for(visit, path) {
            Some(login) => visit.redirect(&login),
            None => ask_for_password(visit),
        },
        _ => challenge(visit, Door::Rest),
    }
}

/// The sign-in that comes back to one of our pages; `None` where nobody can sign in.
fn login_for(visit: &Visit<'_>, path: &str) -> Option<String> {
    let login = &visit.state.login;
    let (to, back) = (login.page("/login")?, login.page(path)?);
    (!visit.state.providers.is_empty()).then(|| format!("{to}?rd={}", percent_encode(&back)))
}

/// A sign-in that is too old for a change: once more, at the provider too.
fn sign_in_again(visit: &Visit<'_>, door: Door<'_>) -> HttpResponse {
    let page = if let Door::Page(path) = door { path } else { "/admin" };
    let login = login_for(visit, page).map(|login| format!("{login}&again=1"));
    match (door, login) {
        (Door::Page(_), Some(login)) if !visit.wants_json() => {
            let mut builder = visit.redirecting(&login);
            builder.status(StatusCode::SEE_OTHER);
            builder.finish()
        }
        (_, login) => visit.respond(StatusCode::FORBIDDEN).json(json!({
            "error": "sign_in_again",
            "message": "a change needs a sign-in within the last 15 minutes",
            "login_url": login, "request_id": visit.id.as_str(),
        })),
    }
}

/// 401 for a program; where no password is configured, none is asked for.
fn challenge(visit: &Visit<'_>, door: Door<'_>) -> HttpResponse {
    if let Door::Page(_) = door {
        return ask_for_password(visit);
    }
    let mut builder = visit.respond(StatusCode::UNAUTHORIZED);
    builder.append_header((header::WWW_AUTHENTICATE, "Bearer"));
    // A browser's script shows no password window for an answer without this.
    if visit.state.config.admin.pass.is_some() && !visit.request.headers().contains_key("sec-fetch-site") {
        builder.append_header((header::WWW_AUTHENTICATE, BASIC));
    }
    builder.json(json!({
        "error": "unauthorized",
        "message": "sign in as an administrator: by password (Basic), by session, or with an API token of the scope `admin`",
        "login_url": visit.state.login.page("/login").filter(|_| !visit.state.providers.is_empty()),
        "request_id": visit.id.as_str(),
    }))
}

const BASIC: &str = r#"Basic realm="Doorward administration", charset="UTF-8""#;

/// 401 with a page behind it, for which a browser asks for name and password. Where there is no password, nobody is
/// an administrator by it, and the page is not there.
#[must_use]
pub fn ask_for_password(visit: &Visit<'_>) -> HttpResponse {
    if visit.state.config.admin.pass.is_none() {
        return visit.trouble(Trouble::NotFound, Then::Home);
    }
    let mut response = visit.trouble(Trouble::PasswordNeeded, Then::Home);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(BASIC));
    response
}
