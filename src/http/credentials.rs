//! Which credential a request presents. Read strictly: what could be meant in two ways is no credential, and its
//! value is looked at no further.

use std::fmt;

use actix_web::http::header::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::forwarded::Presence;

/// Longest `Basic` credential looked at, in base64.
const MAX_BASIC: usize = 4096;
/// What git hosts let stand for "the token is the user name".
const NO_PASSWORD: [&str; 2] = ["", "x-oauth-basic"];

/// What is presented. `Debug` shows the kind alone.
pub enum Presented<'a> {
    /// No `Authorization`: the session cookie speaks, if there is one.
    Cookie,
    /// A bearer token (RFC 6750 2.1).
    Bearer(&'a str),
    /// An API token by RFC 7617, for programs that know no other way (git, docker, curl): as the password behind any
    /// user name, or as the user name with no password, or with `x-oauth-basic`.
    Basic(Basic),
    /// An `Authorization` that is none of ours, or is not well formed.
    Unusable,
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cookie => "Cookie",
            Self::Bearer(_) => "Bearer(…)",
            Self::Basic(_) => "Basic(…)",
            Self::Unusable => "Unusable",
        })
    }
}

/// The credential of a request: an `Authorization` header wins and is never followed by a fallback.
#[must_use]
pub fn presented(authorization: Presence<'_>) -> Presented<'_> {
    match authorization {
        Presence::Absent => Presented::Cookie,
        Presence::Repeated => Presented::Unusable,
        Presence::Once(value) => match bearer(value) {
            Some(token) => Presented::Bearer(token),
            None => basic(value).map_or(Presented::Unusable, Presented::Basic),
        },
    }
}

/// The token in a `Basic` credential.
pub struct Basic(SecretString);

impl Basic {
    /// Its text.
    #[must_use]
    pub fn token(&self) -> &str {
        self.0.expose_secret()
    }
}

/// RFC 7617 2: `user-id ":" password` in base64, UTF-8, without control bytes; the first colon counts.
fn basic(value: &HeaderValue) -> Option<Basic> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > MAX_BASIC {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    if text.chars().any(char::is_control) {
        return None;
    }
    let (user, password) = text.split_once(':')?;
    let token = if NO_PASSWORD.contains(&password) { user } else { password };
    (!token.is_empty()).then(|| Basic(SecretString::from(token)))
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

    #[test]
    fn basic_carries_a_token_as_the_password_or_as_the_user() {
        let read = |credential: &str, prefix: &str| {
            let value = format!("{prefix}{}", STANDARD.encode(credential));
            basic(&HeaderValue::from_str(&value).unwrap()).map(|basic| basic.token().to_owned())
        };
        for fine in ["x:dw_t", ":dw_t", "dw_t:", "dw_t:x-oauth-basic", "dw_other:dw_t"] {
            assert_eq!(read(fine, "Basic ").as_deref(), Some("dw_t"), "{fine}");
        }
        assert_eq!(read("x:a:b", "bAsIc ").as_deref(), Some("a:b"), "the first colon counts");
        for wrong in ["", ":", ":x-oauth-basic", "dw_t", "x:dw_t\n", "x:\u{7f}"] {
            assert_eq!(read(wrong, "Basic "), None, "{wrong:?}");
        }
        assert_eq!(read("x:dw_t", "Basic  "), None);
        let long = format!("x:{}", "a".repeat(4096));
        assert_eq!(read(&long, "Basic "), None);
        for wrong in ["Basic eDpkd190", "Basic eDpkd19=0", "Basic *", "Basic", "Basic "] {
            // The first of these lacks a letter of its padding's place: it decodes to another text, not to none.
            let read = basic(&HeaderValue::from_str(wrong).unwrap());
            assert!(read.is_none_or(|basic| basic.token() == "dw_t"), "{wrong}");
        }
    }
}
