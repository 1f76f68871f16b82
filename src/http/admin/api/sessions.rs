//! `/sessions`.

use serde::{Deserialize, Serialize};

use super::{Answer, Call};

/// What became of sessions.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ended {
    /// How many ended.
    pub ended: usize,
}

/// `GET /sessions`.
pub(super) async fn list(call: &Call<'_>) -> Answer {
    let query = call.query(&["search"])?;
    let search = query.get("search").unwrap_or_default();
    call.told(call.seat.admin.sessions(search, call.part(&query)?).await)
}

/// `DELETE /sessions?user=…`: signs somebody out everywhere.
pub(super) async fn end_of_user(call: &Call<'_>) -> Answer {
    let query = call.query(&["user"])?;
    let user = query.get("user").ok_or_else(|| call.wrong("user", "is missing: whose sessions end"))?;
    call.told(call.seat.admin.sign_out_everywhere(user).await.map(|ended| Ended { ended }))
}

/// `DELETE /sessions/{id}`.
pub(super) async fn end(call: &Call<'_>) -> Answer {
    call.told(call.seat.admin.end_session(&call.name()?).await.map(|()| Ended { ended: 1 }))
}
