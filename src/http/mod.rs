//! SPEAKS HTTP, DECIDES NOTHING: every route of the gateway, in one table.

pub mod account;
pub mod bearers;
pub mod caller;
pub mod callers;
pub mod cookie;
pub mod credentials;
pub mod csrf;
pub mod forward_auth;
pub mod forwarded;
pub mod health;
pub mod identity_headers;
pub mod login;
pub mod pages;
pub mod params;
mod record;
pub mod respond;
pub mod state;
pub mod static_files;
pub mod visit;
pub mod who;
pub mod whois;

use actix_session::SessionMiddleware;
use actix_session::config::{CookieContentSecurity, PersistentSession};
use actix_session::storage::CookieSessionStore;
use actix_web::body::MessageBody;
use actix_web::cookie::{Key, SameSite, time};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{Error, HttpRequest, HttpResponse};
use tracing::Instrument as _;

use self::login::{backchannel, callback, handover, logout, start};
use self::pages::Trouble;
use self::state::State;
use self::visit::{Then, Visit};
use crate::telemetry::request_span;

/// Forms of ours are small; whatever is larger is refused before it is read.
const MAX_FORM: usize = 64 * 1024;

/// The routes of the main listener.
///
/// | route | for | guard |
/// | --- | --- | --- |
/// | `/auth`, `/auth/nginx` | proxies | peer in `server.trusted_proxies` |
/// | `/authenticate`, `/authorize`, `/access/v1/…`, `/.well-known/authzen-configuration` | services | peer in `server.trusted_proxies` |
/// | `{base}/login`, `/callback…`, `/continue` | browsers | state, ticket |
/// | `{base}/`, `/userinfo`, `/sessions/…`, `/logout` | the signed-in person | session; forms: CSRF |
/// | `{base}/backchannel-logout` | providers | signed logout token |
/// | `{base}/.well-known/jwks.json`, `/assets/…`, `/healthz`, `/readyz` | everybody | none |
pub fn routes(config: &mut ServiceConfig, state: &Data<State>) {
    let base = state.config.server.base_path.clone();
    config
        .app_data(state.clone())
        .app_data(web::PayloadConfig::new(MAX_FORM))
        .route("/auth", web::route().to(forward_auth::forwarded))
        .route("/auth/nginx", web::route().to(forward_auth::nginx))
        .service(
            web::resource("/authenticate")
                .route(web::get().to(whois::authenticate))
                .route(web::post().to(whois::authenticate)),
        )
        .route("/authorize", web::post().to(whois::authorize))
        .route("/access/v1/evaluation", web::post().to(whois::authzen::evaluation))
        .route("/access/v1/evaluations", web::post().to(whois::authzen::evaluations))
        .route("/.well-known/authzen-configuration", web::get().to(whois::authzen::configuration))
        .route("/healthz", web::get().to(health::healthz))
        .route("/readyz", web::get().to(health::readyz))
        .route("/", web::get().to(front_door))
        .route(&base, web::get().to(account::show));
    if state.config.ops.listen.is_none() {
        config.route("/metrics", web::get().to(health::metrics));
    }
    config
        .service(
            web::scope(&base)
                .wrap(pages_session(state))
                .wrap(from_fn(only_plain_cookie_names))
                .wrap(from_fn(traced))
                .route("/", web::get().to(account::show))
                .route("/userinfo", web::get().to(account::userinfo))
                .service(web::resource("/sessions/end").route(web::post().to(account::end_one)))
                .service(
                    web::resource("/sessions/end-all")
                        .route(web::get().to(account::ask_end_all))
                        .route(web::post().to(account::end_all)),
                )
                .service(web::resource("/login").route(web::get().to(start::start)))
                .service(web::resource("/callback").route(web::get().to(callback::first)))
                .service(web::resource("/callback/{id}").route(web::get().to(callback::named)))
                .service(web::resource("/continue").route(web::get().to(handover::receive)))
                .service(
                    web::resource("/logout")
                        .route(web::get().to(logout::ask))
                        .route(web::post().to(logout::end)),
                )
                .service(web::resource("/backchannel-logout").route(web::post().to(backchannel::receive)))
                .route("/.well-known/jwks.json", web::get().to(static_files::jwks))
                .route("/assets/{name}", web::get().to(static_files::asset)),
        )
        .default_service(web::route().to(nowhere));
}

/// The encrypted cookie of the gateway's own pages: pending logins. Its own lifetime is a courtesy to browsers;
/// the limits that count are inside.
fn pages_session(state: &State) -> SessionMiddleware<CookieSessionStore> {
    let https = state.login.wants_https();
    let name = if https { "__Host-doorward-login" } else { "doorward-login" };
    SessionMiddleware::builder(CookieSessionStore::default(), Key::from(state.cookies.ring().pages_key()))
        .cookie_name(name.to_owned())
        .cookie_secure(https)
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        .cookie_path("/".to_owned())
        .cookie_content_security(CookieContentSecurity::Private)
        .session_lifecycle(PersistentSession::default().session_ttl(time::Duration::minutes(15)))
        .build()
}

/// One span a page, named by its route and never by its address, which has codes and states in it.
async fn traced<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let parent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let route = request.match_pattern();
    let span = request_span(route.as_deref().unwrap_or("no route"), parent);
    let response = next.call(request).instrument(span.clone()).await?;
    span.record("status", response.status().as_u16());
    Ok(response)
}

/// actix-session reads its cookie through a parser that percent-decodes names, so a sibling site could plant
/// `__%48ost-doorward-login`, a finished login of its own. Such names never get that far.
async fn only_plain_cookie_names<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let suspicious = request.headers().get_all(header::COOKIE).any(|line| line.as_bytes().contains(&b'%'));
    if suspicious {
        let lines: Vec<String> = request
            .headers()
            .get_all(header::COOKIE)
            .map(|line| {
                let pairs = line.to_str().unwrap_or_default().split(';').map(str::trim);
                let plain = pairs.filter(|pair| !pair.split('=').next().unwrap_or_default().contains('%'));
                plain.collect::<Vec<_>>().join("; ")
            })
            .collect();
        request.headers_mut().remove(header::COOKIE);
        for line in lines {
            if let Ok(line) = HeaderValue::from_str(&line) {
                request.headers_mut().append(header::COOKIE, line);
            }
        }
    }
    next.call(request).await
}

async fn front_door(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    match state.login.page("/") {
        Some(home) => visit.redirect(&home),
        None => visit.trouble(Trouble::SignInNotConfigured, Then::Home),
    }
}

async fn nowhere(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    visit.trouble(Trouble::NotFound, Then::Home)
}
