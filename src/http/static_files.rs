//! What anybody may fetch: the stylesheet and its like, and the public keys of the identity assertion.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use super::pages::{Asset, Trouble};
use super::state::State;
use super::visit::{Then, Visit};

/// `GET {base}/assets/{name}`. Names carry a hash of the content, so browsers may keep them for good. Pages
/// on other hosts of ours use them too.
pub async fn asset(request: HttpRequest, state: Data<State>, name: Path<String>) -> HttpResponse {
    let Some(asset) = state.pages.asset(&name) else {
        return Visit::new(&request, &state).trouble(Trouble::NotFound, Then::Home);
    };
    let seen = request.headers().get(header::IF_NONE_MATCH).map(HeaderValue::as_bytes);
    let status = if seen == Some(asset.etag.as_bytes()) { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut builder = HttpResponse::build(status);
    builder
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((header::ETAG, asset.etag))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, Asset::CSP))
        .insert_header(("Cross-Origin-Resource-Policy", "cross-origin"))
        .content_type(asset.content_type);
    if status == StatusCode::OK { builder.body(asset.bytes.to_vec()) } else { builder.finish() }
}

/// `GET {base}/.well-known/jwks.json` (RFC 7517 §5). Services may keep it for five minutes; they ask again for
/// a `kid` that they do not know.
pub async fn jwks(state: Data<State>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .content_type("application/jwk-set+json")
        .body(state.assertions.jwks())
}
