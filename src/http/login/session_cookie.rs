//! The `Set-Cookie` lines of the session: one that sets it, one that takes it away, with the same name, path and
//! domain.

use crate::http::cookie::{self, Keep};
use crate::http::visit::Visit;
use crate::identity::session::{Payload, Scope};

/// Sets it, for as long as the session may last.
#[must_use]
pub fn set(visit: &Visit<'_>, value: &str, payload: &Payload) -> String {
    line(visit, value, Keep::Secs(payload.expires_at.since(visit.now).as_secs()))
}

/// Takes it away.
#[must_use]
pub fn gone(visit: &Visit<'_>) -> String {
    line(visit, "", Keep::Gone)
}

fn line(visit: &Visit<'_>, value: &str, keep: Keep) -> String {
    let cookies = &visit.state.cookies;
    let domain = match cookies.scope() {
        Scope::Host => None,
        Scope::Domain(domain) => Some(domain.as_str()),
    };
    cookie::set(cookies.name(), value, domain, keep)
}
