//! `/policy`, `/explain`, `/activity`: what may only be looked at.

use super::{Answer, Call};
use crate::admin::Question;
use crate::store::activity::ActivityFilter;

/// `GET /policy`.
pub(super) async fn show(call: &Call<'_>) -> Answer {
    call.told(Ok(call.seat.admin.policy()))
}

/// `GET /explain`.
pub(super) async fn explain(call: &Call<'_>) -> Answer {
    let names = ["user", "token", "roles", "provider", "method", "url", "decision_id"];
    let query = call.query(&names)?;
    let text = |name: &str| query.get(name).map(str::to_owned);
    let roles = query.get("roles").unwrap_or_default().split(',').map(str::trim);
    let question = Question {
        user: text("user"),
        token: text("token"),
        roles: roles.filter(|role| !role.is_empty()).map(str::to_owned).collect(),
        provider: text("provider"),
        method: text("method"),
        url: text("url"),
        decision_id: text("decision_id"),
    };
    call.told(call.seat.admin.explain(&question).await)
}

/// `GET /activity`.
pub(super) async fn activity(call: &Call<'_>) -> Answer {
    let query = call.query(&["search", "event", "what", "decision_id"])?;
    let text = |name: &str| query.get(name).map(str::to_owned);
    let filter = ActivityFilter {
        event: text("event"),
        what: text("what"),
        search: text("search").unwrap_or_default(),
        decision_id: text("decision_id"),
    };
    call.told(call.seat.admin.activity(&filter, call.part(&query)?).await)
}
