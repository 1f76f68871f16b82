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
        .filter_map(move |pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        .filter_map(|value| std::str::from_utf8(value).ok())
}

/// The `Cookie` header less our own cookies (raw names that start with one of `own`): what a service may see.
/// `None` when nothing is left.
#[must_use]
pub fn without(headers: &HeaderMap, own: &[&str]) -> Option<HeaderValue> {
    only(headers, |pair| !own.iter().any(|own| name(pair).starts_with(own.as_bytes())))
}

/// The `Cookie` header less what actix's parser would stumble over: a name with a `%` is decoded, and one byte that
/// is not UTF-8 hides all other cookies. `None` when nothing is left.
#[must_use]
pub fn plain(headers: &HeaderMap) -> Option<HeaderValue> {
    only(headers, |pair| pair.is_ascii() && !name(pair).contains(&b'%'))
}

fn only(headers: &HeaderMap, keep: impl Fn(&[u8]) -> bool) -> Option<HeaderValue> {
    let kept = headers.get_all(header::COOKIE).flat_map(pairs).filter(|pair| !pair.is_empty() && keep(pair));
    let line = kept.collect::<Vec<_>>().join(b"; ".as_slice());
    if line.is_empty() { None } else { HeaderValue::from_bytes(&line).ok() }
}

fn name(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').next().unwrap_or(pair)
}

/// The pairs of one `Cookie` line, trimmed of blanks and tabs, which is all the white space that a header can have.
/// Scripts of a page may have set cookies that are not ASCII, or not even UTF-8: each spoils itself alone.
fn pairs(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    // Text is split many bytes at a time, and this line is the longest of a request.
    let (text, rest) = match std::str::from_utf8(line.as_bytes()) {
        Ok(text) => (text, [].as_slice()),
        Err(_) => ("", line.as_bytes()),
    };
    text.split(';').map(str::as_bytes).chain(rest.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii)
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
    fn a_neighbour_that_is_no_text_spoils_itself_alone() {
        for neighbour in
            [b"who=J\xc3\xbcrgen".as_slice(), b"who=J\xfcrgen", b"\xff=1", b"x=\xff__Host-doorward=W"]
        {
            let mut map = HeaderMap::new();
            let line = [neighbour, b"; __Host-doorward=V; a=1"].concat();
            map.append(header::COOKIE, HeaderValue::from_bytes(&line).unwrap());
            assert_eq!(values(&map, "__Host-doorward").collect::<Vec<_>>(), ["V"], "{neighbour:?}");
            let rest = without(&map, &["__Host-doorward"]).unwrap();
            assert_eq!(rest.as_bytes(), [neighbour, b"; a=1"].concat());
            assert_eq!(plain(&map).unwrap(), "__Host-doorward=V; a=1");
        }
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
