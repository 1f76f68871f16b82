//! The identity as services see it: seven headers that are all there on every 200, empty where unknown, so
//! that the proxy overwrites whatever a client sent.

use std::fmt::Write as _;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Bytes;
use serde_json::json;

use crate::config::UserHeaderFormat;
use crate::identity::{Identity, Method};

/// The e-mail, else the subject (see [`Identity::user`]); of an API token its name, else the e-mail, else its user id.
pub const USER: HeaderName = HeaderName::from_static("x-auth-user");
/// The stable id.
pub const USER_ID: HeaderName = HeaderName::from_static("x-user-id");
/// The verified e-mail; of an API token that of whom to ask about it.
pub const EMAIL: HeaderName = HeaderName::from_static("x-auth-email");
/// The display name, percent-encoded UTF-8.
pub const NAME: HeaderName = HeaderName::from_static("x-auth-name");
/// Roles, comma separated, sorted.
pub const ROLES: HeaderName = HeaderName::from_static("x-auth-roles");
/// Permissions, comma separated, sorted.
pub const PERMISSIONS: HeaderName = HeaderName::from_static("x-auth-permissions");
/// How it was proved.
pub const METHOD: HeaderName = HeaderName::from_static("x-auth-method");
/// The signed assertion; beside these seven, as it differs by service.
pub const ASSERTION: HeaderName = HeaderName::from_static("x-auth-assertion");

static NAMES: [HeaderName; 7] = [USER, USER_ID, EMAIL, NAME, ROLES, PERMISSIONS, METHOD];

/// The values of the seven, ready to be sent.
#[derive(Clone, Debug)]
pub struct IdentityHeaders([HeaderValue; 7]);

impl IdentityHeaders {
    /// Of a verified caller.
    #[must_use]
    pub fn of(who: &Identity, format: UserHeaderFormat) -> Self {
        let email = who.email.as_deref().unwrap_or_default();
        let user = match format {
            UserHeaderFormat::Plain => fit(&match who.method {
                Method::Token => who.name.as_deref().or(who.email.as_deref()).unwrap_or(&who.user_id).into(),
                Method::Session | Method::Jwt => who.user(),
            }),
            UserHeaderFormat::Json => fit(&user_json(who)),
        };
        Self::side_by_side(&[
            user,
            fit(&who.user_id),
            fit(email),
            percent_encode(who.name.as_deref().unwrap_or_default()),
            fit(&who.roles.join(",")),
            fit(&who.permissions.join(",")),
            who.method.as_str().to_owned(),
        ])
    }

    /// Of nobody: all empty, and the method says so.
    #[must_use]
    pub fn anonymous() -> Self {
        let empty = || HeaderValue::from_static("");
        let method = HeaderValue::from_static("anonymous");
        Self([empty(), empty(), empty(), empty(), empty(), empty(), method])
    }

    /// All in one piece of memory: among thousands of callers, one that is answered is seldom in the processor's
    /// cache, and seven places to fetch cost more than the rest of an answer.
    fn side_by_side(texts: &[String; 7]) -> Self {
        let all = Bytes::from(texts.concat());
        let mut from = 0;
        Self(texts.each_ref().map(|text| {
            let piece = all.slice(from..from + text.len());
            from += text.len();
            HeaderValue::from_maybe_shared(piece).unwrap_or_else(|_| HeaderValue::from_static(""))
        }))
    }

    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        NAMES.iter().cloned().zip(self.0.iter().cloned())
    }
}

/// Values were cleaned when they were learnt; one that is still unfit for a header goes out empty, never cut.
fn fit(text: &str) -> String {
    if !text.is_ascii() {
        percent_encode(text)
    } else if HeaderValue::from_str(text).is_ok() {
        text.to_owned()
    } else {
        String::new()
    }
}

/// RFC 3986 percent-encoding of everything but unreserved characters.
#[must_use]
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// JSON in ASCII: what is not goes as `\uXXXX`, as header values are bytes to many readers.
fn user_json(who: &Identity) -> String {
    let json = json!({
        "user_id": who.user_id, "subject": who.subject, "provider": who.provider,
        "email": who.email, "name": who.name, "roles": who.roles, "permissions": who.permissions,
        "method": who.method.as_str(), "expires_at": who.expires_at.map(|at| at.rfc3339()),
    })
    .to_string();
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jurgen() -> Identity {
        Identity {
            method: Method::Session,
            user_id: "j-1".into(),
            provider: "google".into(),
            subject: "j-1".into(),
            email: Some("jurgen@example.com".into()),
            name: Some("Jürgen Ñandú 東京".into()),
            roles: vec!["a".into(), "b".into()],
            permissions: vec![],
            expires_at: None,
        }
    }

    #[test]
    fn names_survive_whole() {
        let headers = IdentityHeaders::of(&jurgen(), UserHeaderFormat::Plain);
        let find = |name| headers.iter().find(|(found, _)| *found == name).unwrap().1;
        assert_eq!(find(NAME), "J%C3%BCrgen%20%C3%91and%C3%BA%20%E6%9D%B1%E4%BA%AC");
        assert_eq!(find(USER), "jurgen@example.com");
        assert_eq!(find(ROLES), "a,b");
        assert_eq!(find(PERMISSIONS), "");
    }

    #[test]
    fn json_is_ascii_and_reads_back() {
        let headers = IdentityHeaders::of(&jurgen(), UserHeaderFormat::Json);
        let (_, user) = headers.iter().find(|(name, _)| *name == USER).unwrap();
        let back: serde_json::Value = serde_json::from_str(user.to_str().unwrap()).unwrap();
        assert_eq!(back["name"], "Jürgen Ñandú 東京");
    }

    #[test]
    fn nobody_is_seven_empty_headers() {
        let headers = IdentityHeaders::anonymous();
        assert_eq!(headers.iter().count(), 7);
        assert!(headers.iter().all(|(name, value)| value.is_empty() || name == METHOD));
    }
}
