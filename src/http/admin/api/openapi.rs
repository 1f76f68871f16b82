//! The OpenAPI 3.1 description. Written by hand; `tests/it/admin_api.rs` and the tests below hold it against the
//! routes and against what is answered.

use serde_json::{Value, json};

use super::{Answer, Call};

const WRITTEN: &str = include_str!("openapi.json");

/// The description, for a gateway with this base path.
#[must_use]
pub fn description(base_path: &str) -> Value {
    // Compiled in, and parsed by a test.
    let mut description: Value = serde_json::from_str(WRITTEN).unwrap_or_default();
    if let Some(version) = description.pointer_mut("/info/version") {
        *version = json!(env!("CARGO_PKG_VERSION"));
    }
    if let Some(url) = description.pointer_mut("/servers/0/url") {
        *url = json!(format!("{base_path}/api/v1"));
    }
    description
}

/// `GET /openapi.json`.
pub(super) async fn show(call: &Call<'_>) -> Answer {
    call.told(Ok(description(&call.visit.state.config.server.base_path)))
}
