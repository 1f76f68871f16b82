//! `{base}/api/v1/`: the actions as JSON, as the OpenAPI description ([`openapi`]) tells. What goes wrong is
//! `{"error","message","field"?,"request_id"}`.

pub mod openapi;
mod policy;
mod sessions;
mod tokens;
mod users;

use std::str::FromStr;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Route};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::guard::{self, CSRF_TOKEN, Door, Seat};
use crate::admin::{self, LIST, Part, Refusal};
use crate::http::pages::Trouble;
use crate::http::params::Params;
use crate::http::state::State;
use crate::http::visit::{Then, Visit};
use crate::http::{only, read};

pub use self::sessions::Ended;
pub(super) use self::tokens::made;
pub use self::tokens::{MadeToken, NewToken, Rotation};
pub use self::users::{Grant, UserChange, UserRoles};

/// The routes, below the gateway's base path.
pub(in crate::http) fn routes(config: &mut ServiceConfig) {
    const READ: &str = "GET, HEAD";
    config
        .service(only(READ, web::resource("/api/v1/openapi.json").route(looks(openapi::show))))
        .service(only(
            "GET, HEAD, POST",
            web::resource("/api/v1/tokens")
                .route(looks(tokens::list))
                .route(changes(web::post(), tokens::create)),
        ))
        .service(only(
            "GET, HEAD, DELETE",
            web::resource("/api/v1/tokens/{digest}")
                .route(looks(tokens::show))
                .route(changes(web::delete(), tokens::revoke)),
        ))
        .service(only(
            "POST",
            web::resource("/api/v1/tokens/{digest}/rotate").route(changes(web::post(), tokens::rotate)),
        ))
        .service(only(READ, web::resource("/api/v1/users").route(looks(users::list))))
        .service(only(
            "GET, HEAD, PATCH",
            web::resource("/api/v1/users/{id}")
                .route(looks(users::show))
                .route(changes(web::patch(), users::update)),
        ))
        .service(only(
            "GET, HEAD, POST, DELETE",
            web::resource("/api/v1/users/{id}/roles")
                .route(looks(users::roles))
                .route(changes(web::post(), users::grant))
                .route(changes(web::delete(), users::ungrant)),
        ))
        .service(only(
            "GET, HEAD, DELETE",
            web::resource("/api/v1/sessions")
                .route(looks(sessions::list))
                .route(changes(web::delete(), sessions::end_of_user)),
        ))
        .service(only(
            "DELETE",
            web::resource("/api/v1/sessions/{id}").route(changes(web::delete(), sessions::end)),
        ))
        .service(only(READ, web::resource("/api/v1/policy").route(looks(policy::show))))
        .service(only(READ, web::resource("/api/v1/explain").route(looks(policy::explain))))
        .service(only(READ, web::resource("/api/v1/activity").route(looks(policy::activity))));
}

/// An answer; the error is one, too.
type Answer<T = HttpResponse> = Result<T, HttpResponse>;

/// What a handler works with: an administrator, and what they sent.
struct Call<'a> {
    visit: &'a Visit<'a>,
    seat: Seat<'a>,
    bytes: Bytes,
}

/// A handler that changes nothing.
fn looks<F>(handler: F) -> Route
where
    F: AsyncFn(&Call<'_>) -> Answer + Copy + 'static,
{
    read().to(move |request: HttpRequest, state: Data<State>| async move {
        let visit = Visit::new(&request, &state);
        let answer = match guard::look(&visit, Door::Rest).await {
            Ok(seat) => handler(&Call { visit: &visit, seat, bytes: Bytes::new() }).await,
            Err(refused) => Err(refused),
        };
        answer.unwrap_or_else(|instead| instead)
    })
}

/// A handler that changes something.
fn changes<F>(route: Route, handler: F) -> Route
where
    F: AsyncFn(&Call<'_>) -> Answer + Copy + 'static,
{
    route.to(move |request: HttpRequest, state: Data<State>, bytes: Bytes| async move {
        let visit = Visit::new(&request, &state);
        let answer = match guard::change(&visit, Door::Rest, None).await {
            Ok(seat) => handler(&Call { visit: &visit, seat, bytes }).await,
            Err(refused) => Err(refused),
        };
        answer.unwrap_or_else(|instead| instead)
    })
}

impl Call<'_> {
    /// The one parameter of the path, decoded.
    fn name(&self) -> Answer<String> {
        self.visit.request.match_info().load().map_err(|_| {
            error(self.visit, StatusCode::BAD_REQUEST, "bad_request", "the path is not UTF-8", None)
        })
    }

    /// The query, by these names and those of [`Self::part`].
    fn query(&self, names: &[&'static str]) -> Answer<Params> {
        let names: Vec<&'static str> = names.iter().copied().chain(["offset", "limit"]).collect();
        Params::read(self.visit.request.query_string(), &names).map_err(|fault| {
            error(self.visit, StatusCode::BAD_REQUEST, "bad_request", &fault.to_string(), None)
        })
    }

    /// Which part of a list is asked for.
    fn part(&self, query: &Params) -> Answer<Part> {
        Ok(Part { offset: self.number(query, "offset", 0)?, limit: self.number(query, "limit", LIST)? })
    }

    fn number<N: FromStr>(&self, query: &Params, name: &'static str, otherwise: N) -> Answer<N> {
        match query.get(name) {
            None => Ok(otherwise),
            Some(text) => text.parse().map_err(|_| self.wrong(name, "is no whole number")),
        }
    }

    /// A word out of a few; the first is meant where none is written.
    fn one_of<T: Copy>(&self, query: &Params, name: &'static str, words: &[(&str, T)]) -> Answer<T> {
        let found = match query.get(name) {
            None => words.first(),
            Some(text) => words.iter().find(|(word, _)| *word == text),
        };
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(name, &format!("is none of {}", words.join(", ")))
        })
    }

    /// A parameter that is missing or cannot be read.
    fn wrong(&self, field: &'static str, problem: &str) -> HttpResponse {
        let message = format!("{field}: {problem}");
        error(self.visit, StatusCode::BAD_REQUEST, "bad_request", &message, Some(field))
    }

    /// The JSON body. Another type is refused before it is read: forms of other sites can send some types and not this
    /// one (OWASP, Cross-Site Request Forgery Prevention).
    fn body<T: DeserializeOwned>(&self) -> Answer<T> {
        if !is_json(self.visit) {
            let message = "the body must be JSON, with `Content-Type: application/json`";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(error(self.visit, status, "unsupported_media_type", message, None));
        }
        let wrong = |why: &str| error(self.visit, StatusCode::BAD_REQUEST, "bad_request", why, None);
        // A list would be taken for an object's members in their order.
        if self.bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(wrong("the body must be a JSON object"));
        }
        serde_json::from_slice(&self.bytes).map_err(|fault| wrong(&fault.to_string()))
    }

    /// What an action came to: 200, with the token for changes by whoever looks with a browser.
    fn told<T: Serialize>(&self, done: admin::Result<T>) -> Answer {
        let body = done.map_err(|refusal| refused(self.visit, &refusal))?;
        let mut builder = self.visit.respond(StatusCode::OK);
        if let Some(token) = &self.seat.csrf {
            builder.insert_header((CSRF_TOKEN, token.as_str()));
        }
        Ok(builder.json(body))
    }
}

/// Why an action was not done, as an answer.
pub(super) fn refused(visit: &Visit<'_>, refusal: &Refusal) -> HttpResponse {
    match refusal {
        Refusal::NoSuch(message) => error(visit, StatusCode::NOT_FOUND, "not_found", message, None),
        Refusal::Faults(faults) => {
            let field = faults.first().map(|fault| fault.field);
            error(visit, StatusCode::UNPROCESSABLE_ENTITY, "invalid", &refusal.to_string(), field)
        }
        Refusal::Store(fault) => {
            tracing::error!(request_id = visit.id.as_str(), %fault, "an administrator's action needs the store");
            visit.state.metrics.store_error();
            visit.trouble(Trouble::StoreDown, Then::Home)
        }
        Refusal::Key(fault) => {
            tracing::error!(request_id = visit.id.as_str(), %fault, "an administrator's action failed");
            visit.trouble(Trouble::Internal, Then::Home)
        }
    }
}

fn error(
    visit: &Visit<'_>,
    status: StatusCode,
    error: &str,
    message: &str,
    field: Option<&str>,
) -> HttpResponse {
    let mut body = json!({ "error": error, "message": message, "request_id": visit.id.as_str() });
    if let (Some(field), Some(members)) = (field, body.as_object_mut()) {
        members.insert("field".to_owned(), json!(field));
    }
    visit.respond(status).json(body)
}

/// Whether the body says to be JSON.
pub(super) fn is_json(visit: &Visit<'_>) -> bool {
    let mut types = visit.request.headers().get_all(header::CONTENT_TYPE);
    match (types.next(), types.next()) {
        (Some(kind), None) => {
            let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
            kind.trim().eq_ignore_ascii_case("application/json")
        }
        _ => false,
    }
}
