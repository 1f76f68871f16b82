//! For whoever watches: alive, ready, and counted.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;
use serde_json::{Value, json};

use super::state::State;
use crate::identity::provider::Health;
use crate::telemetry::metrics;

/// `GET /healthz`: 200 `ok` when the process serves and its store answers.
pub async fn healthz(state: Data<State>) -> HttpResponse {
    let mut response = match state.store.ping().await {
        Ok(()) => HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok"),
        Err(error) => {
            tracing::warn!(%error, "not healthy");
            HttpResponse::ServiceUnavailable()
                .content_type("text/plain; charset=utf-8")
                .body("the store does not answer")
        }
    };
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

/// `GET /readyz`: one line a dependency. 503 when the store does not answer, or on the way out. A provider
/// that is away or a policy file that was refused is told, and costs no readiness: known sessions go on, and
/// the policy of before still decides.
pub async fn readyz(state: Data<State>) -> HttpResponse {
    let store = state.store.ping().await;
    let mut lines = vec![match &store {
        Ok(()) => json!({ "name": "store", "status": "ok" }),
        Err(_) => json!({ "name": "store", "status": "failing" }),
    }];
    let others =
        state.providers.iter().map(|provider| (format!("provider {}", provider.id()), provider.health()));
    let issuers = state.bearers.issuers().health().map(|(id, health)| (format!("issuer {id}"), health));
    lines.extend(others.chain(issuers).map(|(name, health)| {
        let (status, since) = match health {
            Health::Ready => ("ok", None),
            Health::NotYetAsked => ("not asked yet", None),
            Health::Failing { since, .. } => ("failing", Some(since.rfc3339())),
        };
        line(json!({ "name": name, "status": status, "since": since }))
    }));
    let faults = state.policy.last_fault().map(|faults| faults.len());
    lines.push(line(json!({
        "name": "policy", "version": state.policy.version(),
        "status": if faults.is_some() { "the file was refused; the one before is in force" } else { "ok" },
        "faults": faults,
    })));
    let leaving = state.is_leaving();
    let ready = store.is_ok() && !leaving;
    let body = json!({ "ready": ready, "leaving": leaving, "checks": lines });
    let mut builder = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    builder.insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

/// `GET /metrics`: OpenMetrics text for Prometheus.
pub async fn metrics(state: Data<State>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type(metrics::CONTENT_TYPE)
        .body(state.metrics.render())
}

fn line(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}
