//! `/tokens`.

use actix_web::http::{StatusCode, header};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::{Answer, Call, refused};
use crate::admin::view::TokenView;
use crate::admin::{self, NewSecret};
use crate::clock::Timestamp;
use crate::http::visit::Visit;
use crate::identity::api_token::Asked;
use crate::store::token::{TokenFilter, TokenOrder};

/// A token that is asked for.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewToken {
    /// What to call it.
    pub name: Option<String>,
    /// Whom to ask about it.
    pub email: Option<String>,
    /// Anything.
    pub comment: Option<String>,
    /// Where it is to be good.
    pub hosts: Vec<String>,
    /// What it is to be.
    pub roles: Vec<String>,
    /// What it is to ask of the gateway itself.
    pub scopes: Vec<String>,
    /// How long it lives; 0 is for ever, and missing is what the configuration says.
    pub ttl_seconds: Option<i64>,
    /// Requests a window instead of `rate_limit.max`; 0 is no limit.
    pub limit: Option<i64>,
}

impl From<NewToken> for Asked {
    fn from(new: NewToken) -> Self {
        Self {
            name: new.name,
            email: new.email,
            comment: new.comment,
            hosts: new.hosts,
            roles: new.roles,
            scopes: new.scopes,
            ttl_seconds: new.ttl_seconds,
            limit: new.limit,
        }
    }
}

/// How a token is replaced.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rotation {
    /// How long the old text goes on; 0 is not at all.
    pub keep_old_seconds: u32,
}

/// A token that was made, with its text, which is never to be had again.
#[derive(Debug, Serialize, Deserialize)]
pub struct MadeToken {
    /// The token itself.
    pub token: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub view: TokenView,
}

impl From<NewSecret> for MadeToken {
    fn from(made: NewSecret) -> Self {
        Self { token: made.secret.expose_secret().to_owned(), view: made.token }
    }
}

/// `GET /tokens`.
pub(super) async fn list(call: &Call<'_>) -> Answer {
    let query = call.query(&["search", "owner", "sort", "ends_before"])?;
    let ends_before = query.get("ends_before").map(|text| {
        Timestamp::parse_rfc3339(text)
            .ok_or_else(|| call.wrong("ends_before", "is no time like 2027-01-31T12:00:00Z"))
    });
    let filter = TokenFilter {
        search: query.get("search").unwrap_or_default().to_owned(),
        owner: query.get("owner").map(str::to_owned),
        ends_before: ends_before.transpose()?,
    };
    let orders = [("newest", TokenOrder::Newest), ("name", TokenOrder::Name), ("ends", TokenOrder::Ends)];
    let order = call.one_of(&query, "sort", &orders)?;
    call.told(call.seat.admin.tokens(&filter, order, call.part(&query)?).await)
}

/// `POST /tokens`.
pub(super) async fn create(call: &Call<'_>) -> Answer {
    let new: NewToken = call.body()?;
    made(call.visit, call.seat.admin.create_token(&new.into()).await)
}

/// 201, and the token, once.
pub(in crate::http::admin) fn made(visit: &Visit<'_>, made: admin::Result<NewSecret>) -> Answer {
    let made = made.map_err(|refusal| refused(visit, &refusal))?;
    let location = format!("{}/api/v1/tokens/{}", visit.state.config.server.base_path, made.token.digest);
    let mut builder = visit.respond(StatusCode::CREATED);
    Ok(builder.insert_header((header::LOCATION, location)).json(MadeToken::from(made)))
}

/// `GET /tokens/{digest}`.
pub(super) async fn show(call: &Call<'_>) -> Answer {
    call.told(call.seat.admin.token(&call.name()?).await)
}

/// `DELETE /tokens/{digest}`.
pub(super) async fn revoke(call: &Call<'_>) -> Answer {
    call.told(call.seat.admin.revoke_token(&call.name()?).await)
}

/// `POST /tokens/{digest}/rotate`.
pub(super) async fn rotate(call: &Call<'_>) -> Answer {
    let how: Rotation = if call.bytes.is_empty() { Rotation::default() } else { call.body()? };
    made(call.visit, call.seat.admin.rotate_token(&call.name()?, how.keep_old_seconds).await)
}
