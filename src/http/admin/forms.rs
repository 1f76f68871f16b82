//! `POST /create_token` and `POST /delete_token`, by the names that operators' scripts have: a form or JSON in, JSON
//! or a page out.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use super::guard::{self, Door};
use super::{api, pages};
use crate::http::csrf;
use crate::http::pages::Trouble;
use crate::http::state::State;
use crate::http::visit::{Then, Visit};
use crate::identity::api_token::Asked;

const FIELDS: [&str; 11] = [
    "csrf",
    "hosts",
    "email",
    "comment",
    "ttl_seconds",
    "name",
    "roles",
    "scopes",
    "limit",
    "token",
    "digest",
];

/// The fields of a form or the members of a JSON object.
enum Fields {
    Form(crate::http::params::Params),
    Json(Map<String, Value>),
}

impl Fields {
    /// `None` when they cannot be read.
    fn read(visit: &Visit<'_>, bytes: &[u8]) -> Option<Self> {
        if api::is_json(visit) {
            serde_json::from_slice(bytes).ok().map(Self::Json)
        } else {
            csrf::form(bytes, &FIELDS).map(Self::Form)
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        match self {
            Self::Form(params) => params.get(name).map(str::to_owned),
            Self::Json(members) => match members.get(name)? {
                Value::String(text) => Some(text.clone()),
                Value::Null => None,
                other => Some(other.to_string()),
            },
        }
    }

    /// Comma separated, a line each, or a JSON array.
    fn list(&self, name: &str) -> Vec<String> {
        if let Self::Json(members) = self
            && let Some(Value::Array(items)) = members.get(name)
        {
            let text = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            return items.iter().map(text).collect();
        }
        let text = self.text(name).unwrap_or_default();
        text.split([',', '\n', '\r', ' ']).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// What is no number is none that could be meant: it is refused as one.
    fn number(&self, name: &str) -> Option<i64> {
        self.text(name).map(|text| text.trim().parse().unwrap_or(i64::MIN))
    }
}

/// By which door a form comes: whoever reads HTML is a person.
fn door(visit: &Visit<'_>) -> Door<'static> {
    if visit.wants_json() { Door::Rest } else { Door::Page("/admin/tokens") }
}

/// `POST /create_token`.
pub async fn create(request: HttpRequest, state: Data<State>, bytes: Bytes) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    let Some(fields) = Fields::read(&visit, &bytes) else {
        return visit.trouble(Trouble::BadRequest, Then::Home);
    };
    let seat = match guard::change(&visit, door(&visit), fields.text("csrf").as_deref()).await {
        Ok(seat) => seat,
        Err(refused) => return refused,
    };
    let asked = Asked {
        name: fields.text("name"),
        email: fields.text("email"),
        comment: fields.text("comment"),
        hosts: fields.list("hosts"),
        roles: fields.list("roles"),
        scopes: fields.list("scopes"),
        ttl_seconds: fields.number("ttl_seconds"),
        limit: fields.number("limit"),
    };
    let made = seat.admin.create_token(&asked).await;
    if visit.wants_json() {
        return api::made(&visit, made).unwrap_or_else(|refused| refused);
    }
    pages::made(&visit, seat, made)
}

/// `POST /delete_token`: the token itself, or its digest.
pub async fn delete(request: HttpRequest, state: Data<State>, bytes: Bytes) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    let Some(fields) = Fields::read(&visit, &bytes) else {
        return visit.trouble(Trouble::BadRequest, Then::Home);
    };
    let seat = match guard::change(&visit, door(&visit), fields.text("csrf").as_deref()).await {
        Ok(seat) => seat,
        Err(refused) => return refused,
    };
    let Some(token) = fields.text("token").or_else(|| fields.text("digest")) else {
        return visit.trouble(Trouble::BadRequest, Then::Home);
    };
    let done = seat.admin.revoke_token(&token).await;
    match done {
        done if !visit.wants_json() => pages::revoked(&visit, seat, done),
        Ok(token) => visit.respond(StatusCode::OK).json(json!({ "deleted": true, "digest": token.digest })),
        Err(refusal) => api::refused(&visit, &refusal),
    }
}
