//! SPEAKS HTTP, DECIDES NOTHING: every route of the gateway, in one table.

pub mod account;
pub mod admin;
pub mod bearers;
pub mod bodies;
pub mod caller;
pub mod callers;
pub mod cookie;
pub mod credentials;
pub mod csrf;
pub mod forward_auth;
pub mod forwarded;
pub mod health;
pub mod identity_headers;
pub mod limits;
pub mod login;
pub mod pages;
pub mod params;
mod record;
pub mod respond;
pub mod state;
pub mod static_files;
pub mod tokens;
pub mod visit;
pub mod who;
pub mod whois;

use actix_session::SessionMiddleware;
use actix_session::config::{CookieContentSecurity, PersistentSession};
use actix_session::storage::CookieSessionStore;
use actix_web::body::MessageBody;
use actix_web::cookie::{Key, SameSite, time};
use actix_web::dev::{HttpServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{Error, HttpRequest, HttpResponse, Resource, Route, guard};
use tracing::Instrument as _;

use self::login::{backchannel, callback, handover, logout, start};
use self::pages::Trouble;
use self::state::State;
use self::visit::{Then, Visit};
use crate::telemetry::request_span;

/// The routes of the main listener.
///
/// | route | for | guard |
/// | --- | --- | --- |
/// | `/auth`, `/auth/nginx`, `/auth/nginx/refusal`, `/auth/envoy/…` | proxies | peer in `server.trusted_proxies` |
/// | `/authenticate`, `/authorize`, `/access/v1/…`, `/.well-known/authzen-configuration` | services | peer in `server.trusted_proxies` |
/// | `{base}/login`, `/callback…`, `/continue` | browsers | state, ticket |
/// | `{base}/`, `/userinfo`, `/sessions/…`, `/tokens/…`, `/logout` | the signed-in person | session; forms: CSRF |
/// | `{base}/admin…` | administrators | [`admin::guard`]; forms: CSRF |
/// | `{base}/api/v1/…`, `/create_token`, `/delete_token` | administrators | [`admin::guard`] |
/// | `{base}/backchannel-logout` | providers | signed logout token |
/// | `{base}/.well-known/jwks.json`, `/assets/…`, `/healthz`, `/readyz` | everybody | none |
pub fn routes(config: &mut ServiceConfig, state: &Data<State>) {
    let base = state.config.server.base_path.clone();
    config
        .app_data(state.clone())
        .app_data(web::PayloadConfig::new(bodies::MAX_BODY))
        .route("/auth", web::route().to(forward_auth::forwarded))
        .route("/auth/nginx", web::route().to(forward_auth::nginx))
        .route("/auth/nginx/refusal", web::route().to(forward_auth::nginx_refusal))
        .route("/auth/envoy/{asked:.*}", web::route().to(forward_auth::envoy))
        .service(only(
            "GET, HEAD, POST",
            web::resource("/authenticate")
                .route(read().to(whois::authenticate))
                .route(web::post().to(whois::authenticate)),
        ))
        .service(only("POST", web::resource("/authorize").route(web::post().to(whois::authorize))))
        .service(only(
            "POST",
            web::resource("/access/v1/evaluation").route(web::post().to(whois::authzen::evaluation)),
        ))
        .service(only(
            "POST",
            web::resource("/access/v1/evaluations").route(web::post().to(whois::authzen::evaluations)),
        ))
        .service(only(
            "GET, HEAD",
            web::resource("/.well-known/authzen-configuration")
                .route(read().to(whois::authzen::configuration)),
        ))
        .service(only("GET, HEAD", web::resource("/healthz").route(read().to(health::healthz))))
        .service(only("GET, HEAD", web::resource("/readyz").route(read().to(health::readyz))))
        .service(only("GET, HEAD", web::resource("/").route(read().to(front_door))))
        .service(only("POST", web::resource("/create_token").route(web::post().to(admin::forms::create))))
        .service(only("POST", web::resource("/delete_token").route(web::post().to(admin::forms::delete))))
        .service(only("GET, HEAD", web::resource(&base).route(read().to(account::show))));
    if state.config.ops.listen.is_none() {
        config.service(only("GET, HEAD", web::resource("/metrics").route(read().to(health::metrics))));
    }
    config
        .service(
            web::scope(&base)
                .wrap(pages_session(state))
                .wrap(from_fn(only_plain_cookies))
                .wrap(from_fn(traced))
                .service(only("GET, HEAD", web::resource("/").route(read().to(account::show))))
                .service(only("GET, HEAD", web::resource("/userinfo").route(read().to(account::userinfo))))
                .service(only("POST", web::resource("/sessions/end").route(web::post().to(account::end_one))))
                .service(only(
                    "GET, HEAD, POST",
                    web::resource("/sessions/end-all")
                        .route(read().to(account::ask_end_all))
                        .route(web::post().to(account::end_all)),
                ))
                .service(only(
                    "GET, HEAD, POST",
                    web::resource("/tokens/new")
                        .route(read().to(account::tokens::ask_new))
                        .route(web::post().to(account::tokens::make)),
                ))
                .service(only(
                    "GET, HEAD, POST",
                    web::resource("/tokens/revoke")
                        .route(read().to(account::tokens::ask_revoke))
                        .route(web::post().to(account::tokens::revoke)),
                ))
                .configure(admin::pages::routes)
                .configure(admin::api::routes)
                .service(only("GET, HEAD", web::resource("/login").route(read().to(start::start))))
                // These use something up: a HEAD, which link checkers send, must not.
                .service(only("GET", web::resource("/callback").route(web::get().to(callback::first))))
                .service(only("GET", web::resource("/callback/{id}").route(web::get().to(callback::named))))
                .service(only("GET", web::resource("/continue").route(web::get().to(handover::receive))))
                .service(only(
                    "GET, HEAD, POST",
                    web::resource("/logout").route(read().to(logout::ask)).route(web::post().to(logout::end)),
                ))
                .service(only(
                    "POST",
                    web::resource("/backchannel-logout").route(web::post().to(backchannel::receive)),
                ))
                .service(only(
                    "GET, HEAD",
                    web::resource("/.well-known/jwks.json").route(read().to(static_files::jwks)),
                ))
                .service(only(
                    "GET, HEAD",
                    web::resource("/assets/{name}").route(read().to(static_files::asset)),
                )),
        )
        .default_service(web::route().to(nowhere));
}

/// GET, and HEAD wherever there is GET (RFC 9110 §9.1).
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// A resource that answers these methods; every other is 405, and is told which there are (RFC 9110 §15.5.6). What is
/// sent to it is read first: see [`bodies`].
fn only(methods: &'static str, resource: Resource) -> impl HttpServiceFactory {
    let wrong = move |request: HttpRequest, state: Data<State>| async move {
        let visit = Visit::new(&request, &state);
        let mut response = visit.trouble(Trouble::MethodNotAllowed, Then::Home);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
        response
    };
    resource.default_service(web::route().to(wrong)).wrap(from_fn(bodies::whole))
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
/// `__%48ost-doorward-login`, a finished login of its own; and that gives up all cookies for one that is not UTF-8.
/// Such neighbours never get that far.
async fn only_plain_cookies<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let odd = |line: &HeaderValue| !line.as_bytes().is_ascii() || line.as_bytes().contains(&b'%');
    if request.headers().get_all(header::COOKIE).any(odd) {
        let plain = cookie::plain(request.headers());
        let headers = request.headers_mut();
        headers.remove(header::COOKIE);
        if let Some(plain) = plain {
            headers.insert(header::COOKIE, plain);
        }
    }
    next.call(request).await
}

/// `GET /`: to the account page, or to the admin site where nobody can sign in but the administrator by password.
/// Whoever brings credentials is shown the site itself.
async fn front_door(request: HttpRequest, state: Data<State>) -> HttpResponse {
    if request.headers().contains_key(header::AUTHORIZATION) {
        return admin::pages::front(&request, &state).await;
    }
    let visit = Visit::new(&request, &state);
    match (state.login.page("/"), &state.config.admin.pass) {
        (Some(home), _) if !state.providers.is_empty() => visit.redirect(&home),
        (_, Some(_)) => visit.redirect(&format!("{}/admin", state.config.server.base_path)),
        (Some(home), None) => visit.redirect(&home),
        (None, None) => visit.trouble(Trouble::SignInNotConfigured, Then::Home),
    }
}

async fn nowhere(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    visit.trouble(Trouble::NotFound, Then::Home)
}
