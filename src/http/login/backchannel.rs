//! `POST {base}/backchannel-logout`: a provider ends sessions (OpenID Connect Back-Channel Logout 1.0).

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::http::csrf;
use crate::http::state::State;
use crate::http::visit::Visit;
use crate::identity::provider::ProviderError;
use crate::store::Once;

/// Checks the logout token, uses it up, ends what it names. 200, or 400 with a JSON error (§2.8); 503 when
/// it could not be checked, so that a provider that retries gets its way.
pub async fn receive(request: HttpRequest, state: Data<State>, body: Bytes) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    let params = csrf::form(&body, &["logout_token"]);
    let Some(token) = params.as_ref().and_then(|params| params.get("logout_token")) else {
        return refuse(&visit, StatusCode::BAD_REQUEST, "one logout_token is needed");
    };
    let Some(provider) = state.providers.of_logout_token(token) else {
        return refuse(&visit, StatusCode::BAD_REQUEST, "the token is of no configured issuer");
    };
    let notice = match provider.verify_logout_token(token, visit.now).await {
        Ok(notice) => notice,
        Err(ProviderError::Unavailable(cause)) => {
            tracing::warn!(provider = provider.id(), %cause, "a logout token could not be checked");
            return refuse(&visit, StatusCode::SERVICE_UNAVAILABLE, "the token cannot be checked now");
        }
        Err(error) => {
            tracing::warn!(provider = provider.id(), cause = %error, "a logout token was refused");
            return refuse(&visit, StatusCode::BAD_REQUEST, "the token is not valid");
        }
    };
    let name = format!("{}\n{}", provider.id(), notice.jti);
    let name = URL_SAFE_NO_PAD.encode(digest(&SHA256, name.as_bytes()));
    let until = notice.expires_at.plus(Duration::from_secs(600));
    let ended = match state.store.claim_once(Once::LogoutToken, &name, until).await {
        Ok(true) => {
            state.store.end_sessions_at(provider.id(), notice.subject.as_deref(), notice.sid.as_deref()).await
        }
        Ok(false) => return refuse(&visit, StatusCode::BAD_REQUEST, "the token was used before"),
        Err(error) => Err(error),
    };
    match ended {
        Ok(ended) => {
            for session in &ended {
                state.known.ended(session);
            }
            visit.audit(
                "sessions_ended",
                Some(format!("{} ended {} by back-channel logout", provider.id(), ended.len())),
                None,
            );
            visit.respond(StatusCode::OK).finish()
        }
        Err(error) => {
            tracing::error!(%error, "back-channel logout could not end the sessions");
            refuse(&visit, StatusCode::SERVICE_UNAVAILABLE, "the sessions cannot be ended now")
        }
    }
}

fn refuse(visit: &Visit<'_>, status: StatusCode, why: &str) -> HttpResponse {
    visit.respond(status).json(json!({ "error": "invalid_request", "error_description": why }))
}
