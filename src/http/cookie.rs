//! Cookies, read and written byte for byte.
//!
//! Names are compared raw: actix's own `cookie()` percent-decodes them, so that a sibling site could plant
//! `__%48ost-doorward` and have it read as ours. Neighbours that make no sense are skipped.

use actix_web::http::header::{self, HeaderMap, HeaderValue};

/// Every value that the request carries for a cookie of exactly this name, in order.
pub fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(header::COOKIE)
        .flat_map(pairs)
        .filter_map(move |pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// The `Cookie` header less our own cookies (raw names that start with one of `own`): what a service may see.
/// `None` when nothing is left.
#[must_use]
pub fn without(headers: &HeaderMap, own: &[&str]) -> Option<HeaderValue> {
    let mut rest = String::new();
    for pair in headers.get_all(header::COOKIE).flat_map(pairs) {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        if pair.is_empty() || own.iter().any(|own| name.starts_with(own)) {
            continue;
        }
        if !rest.is_empty() {
            rest.push_str("; ");
        }
        rest.push_str(pair);
    }
    if rest.is_empty() { None } else { HeaderValue::from_str(&rest).ok() }
}

/// The pairs of one `Cookie` line, trimmed of blanks and tabs only. A line that is not ASCII text has none.
fn pairs(line: &HeaderValue) -> impl Iterator<Item = &str> {
    // What `to_str` asks, but of many bytes at a time: this line is the longest of a request.
    let text = if line.as_bytes().is_ascii() { std::str::from_utf8(line.as_bytes()).ok() } else { None };
    text.unwrap_or_default().split(';').map(|pair| pair.trim_matches([' ', '\t']))
}

/// How long the browser keeps a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Until the browser is closed.
    Session,
    /// This many seconds.
    Secs(u64),
    /// Not at all: take it away.
    Gone,
}

/// A `Set-Cookie` value: always `HttpOnly`, `SameSite=Lax`, `Path=/`, and `Secure` whenever the name's prefix
/// asks for it.
#[must_use]
pub fn set(name: &str, value: &str, domain: Option<&str>, keep: Keep) -> String {
    let mut line = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax");
    if name.starts_with("__") {
        line.push_str("; Secure");
    }
    if let Some(domain) = domain {
        line.push_str("; Domain=");
        line.push_str(domain);
    }
    match keep {
        Keep::Session => {}
        Keep::Secs(secs) => line.push_str(&format!("; Max-Age={secs}")),
        Keep::Gone => line.push_str("; Max-Age=0"),
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for line in lines {
            map.append(header::COOKIE, HeaderValue::from_str(line).unwrap());
        }
        map
    }

    #[test]
    fn names_are_compared_raw_over_all_lines() {
        let map = headers(&["a=1; __%48ost-doorward=evil;;bad", "__Host-doorward=V ;\t__Host-doorward=W=x"]);
        assert_eq!(values(&map, "__Host-doorward").collect::<Vec<_>>(), ["V", "W=x"]);
        assert_eq!(values(&map, "missing").count(), 0);
    }

    #[test]
    fn services_see_the_rest() {
        let map = headers(&["a=1; __Host-doorward=V", "b=2; __Host-doorward-login=x"]);
        assert_eq!(without(&map, &["__Host-doorward"]).unwrap(), "a=1; b=2");
        assert_eq!(without(&headers(&["__Host-doorward=V"]), &["__Host-doorward"]), None);
    }

    #[test]
    fn attributes_are_the_strict_ones() {
        assert_eq!(
            set("__Host-doorward", "v", None, Keep::Secs(60)),
            "__Host-doorward=v; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60"
        );
        assert!(set("doorward", "", None, Keep::Gone).ends_with("SameSite=Lax; Max-Age=0"));
    }
}
