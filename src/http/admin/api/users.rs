//! `/users`. A user is named by id (percent-encoded: some have a `/`) or e-mail.

use serde::{Deserialize, Serialize};

use super::{Answer, Call};
use crate::store::UserOrder;

/// What may be changed about a user.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    /// Whether they are refused everywhere.
    pub disabled: bool,
}

/// A role to be granted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Its name.
    pub role: String,
}

/// The roles of a user.
#[derive(Debug, Serialize, Deserialize)]
pub struct UserRoles {
    /// Granted by administrators.
    pub granted: Vec<String>,
    /// By the policy's assignments to their e-mail.
    pub assigned: Vec<String>,
}

/// `GET /users`.
pub(super) async fn list(call: &Call<'_>) -> Answer {
    let query = call.query(&["search", "sort"])?;
    let orders = [("email", UserOrder::Email), ("last_seen", UserOrder::LastSeen)];
    let order = call.one_of(&query, "sort", &orders)?;
    let search = query.get("search").unwrap_or_default();
    call.told(call.seat.admin.users(search, order, call.part(&query)?).await)
}

/// `GET /users/{id}`.
pub(super) async fn show(call: &Call<'_>) -> Answer {
    call.told(call.seat.admin.user(&call.name()?).await)
}

/// `PATCH /users/{id}`.
pub(super) async fn update(call: &Call<'_>) -> Answer {
    let UserChange { disabled } = call.body()?;
    let (admin, id) = (&call.seat.admin, call.name()?);
    call.told(if disabled { admin.disable(&id).await } else { admin.enable(&id).await })
}

/// `GET /users/{id}/roles`.
pub(super) async fn roles(call: &Call<'_>) -> Answer {
    let user = call.seat.admin.user(&call.name()?).await;
    call.told(user.map(|user| UserRoles { granted: user.user.roles, assigned: user.assigned }))
}

/// `POST /users/{id}/roles`.
pub(super) async fn grant(call: &Call<'_>) -> Answer {
    let Grant { role } = call.body()?;
    call.told(call.seat.admin.grant(&call.name()?, &role).await)
}

/// `DELETE /users/{id}/roles?role=…`.
pub(super) async fn ungrant(call: &Call<'_>) -> Answer {
    let query = call.query(&["role"])?;
    let role = query.get("role").ok_or_else(|| call.wrong("role", "is missing: which one is taken back"))?;
    call.told(call.seat.admin.ungrant(&call.name()?, role).await)
}
