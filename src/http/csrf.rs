//! Forms that change something come from our own pages only.
//!
//! A sibling site is "same site" to browsers, so `SameSite` does not help against it. What counts is the exact
//! origin, or a token bound to the session that only our pages contain.

use actix_web::http::header::{self, HeaderMap};
use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::callers::SignedIn;
use super::params::Params;
use super::visit::Visit;

/// The token of this session's forms.
#[must_use]
pub fn token(visit: &Visit<'_>, who: &SignedIn) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, visit.state.cookies.ring().csrf_key());
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, who.payload.sid.as_str().as_bytes()))
}

/// A form's fields; `None` when one is there twice.
#[must_use]
pub fn form(body: &[u8], names: &[&'static str]) -> Option<Params> {
    Params::read(std::str::from_utf8(body).ok()?, names).ok()
}

/// Whether this form may act: nothing says that it came from elsewhere, and it carries the session's token. A
/// program (no `Origin`, `Referer` or `Sec-Fetch-Site`, which browsers send with every form) needs no token:
/// it was given the cookie on purpose.
#[must_use]
pub fn allows(visit: &Visit<'_>, who: &SignedIn, params: &Params) -> bool {
    let headers = visit.request.headers();
    let allowed = !is_foreign(headers, &own_origin(visit))
        && match params.get("csrf") {
            Some(given) => same(given, &token(visit, who)),
            None => is_program(headers),
        };
    if !allowed {
        visit.audit("csrf_refused", None, Some(who));
    }
    allowed
}

/// Whether a token is the one that was expected.
#[must_use]
pub fn same(given: &str, expected: &str) -> bool {
    constant_time::verify_slices_are_equal(given.as_bytes(), expected.as_bytes()).is_ok()
}

/// Whether nothing is there that browsers send with every form.
#[must_use]
pub fn is_program(headers: &HeaderMap) -> bool {
    !["origin", "referer", "sec-fetch-site"].iter().any(|name| headers.contains_key(*name))
}

/// The origin of our own pages; empty without an external URL, which no browser's is.
#[must_use]
pub fn own_origin(visit: &Visit<'_>) -> String {
    let own = visit.state.login.page("").and_then(|page| url::Url::parse(&page).ok());
    own.map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

/// Whether something says that a request came from another origin than our `own`.
///
/// Our pages are sent with `Referrer-Policy: no-referrer`, and under it browsers say `Origin: null` even where a form
/// goes to the page's own origin (Fetch, "serializing a request origin"). Then `Sec-Fetch-Site`, which no page can
/// set, must say where it came from.
#[must_use]
pub fn is_foreign(headers: &HeaderMap, own: &str) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").map(|site| site.as_bytes());
    let vouched_for =
        headers.contains_key("sec-fetch-site") && sites.clone().all(|site| site == b"same-origin");
    let foreign_origin = headers.get_all(header::ORIGIN).map(|origin| origin.as_bytes()).any(|origin| {
        let hidden = origin == b"null" && vouched_for;
        !hidden && origin != own.as_bytes()
    });
    let foreign_fetch = sites.any(|site| !matches!(site, b"same-origin" | b"none"));
    foreign_origin || foreign_fetch
}
