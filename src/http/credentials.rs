//! Which credential a request presents. Read strictly: what could be meant in two ways is no credential, and its
//! value is looked at no further.

use actix_web::http::header::HeaderValue;

use super::forwarded::Presence;

/// What is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// No `Authorization`: the session cookie speaks, if there is one.
    Cookie,
    /// A bearer token (RFC 6750 2.1).
    Bearer(&'a str),
    /// An `Authorization` that is none of ours, or is not well formed.
    Unusable,
}

/// The credential of a request: an `Authorization` header wins and is never followed by a fallback.
#[must_use]
pub fn presented(authorization: Presence<'_>) -> Presented<'_> {
    match authorization {
        Presence::Absent => Presented::Cookie,
        Presence::Repeated => Presented::Unusable,
        Presence::Once(value) => bearer(value).map_or(Presented::Unusable, Presented::Bearer),
    }
}

/// One blank and nothing else stands between scheme and token (RFC 9110 11.4, RFC 6750 2.1).
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && is_b64token(token)).then_some(token)
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    !body.is_empty()
        && body
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<String> {
        bearer(&HeaderValue::from_str(value).unwrap()).map(str::to_owned)
    }

    #[test]
    fn a_bearer_is_read_in_one_way_only() {
        for fine in ["Bearer a.b-c_d~e+f/g==", "bearer a.b-c_d~e+f/g==", "BEARER a.b-c_d~e+f/g=="] {
            assert_eq!(read(fine).as_deref(), Some("a.b-c_d~e+f/g=="));
        }
        for wrong in [
            "Bearer",
            "Bearer ",
            "Bearer  a",
            "Bearer\ta",
            "Bearer a a",
            "Bearer a ",
            "Bearer a,b",
            "Bearer =",
            "Bearer a=b",
            "Bearer \"a\"",
            "Token a",
            "a",
            "Basic YTpi",
            "Bearer: a",
            "BearerX a",
            "",
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
