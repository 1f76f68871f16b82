//! Who is asking, as the gateway's headers say. Only as good as the wall around the service: see `assertion`.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, http::header::HeaderMap, web};
use serde_json::{Value, json};

use crate::assertion::{Claims, Rejected, Verifier};

/// The identity headers, in the order they are shown.
pub(crate) const HEADERS: &[&str] = &[
    "X-Auth-User",
    "X-User-Id",
    "X-Auth-Email",
    "X-Auth-Name",
    "X-Auth-Roles",
    "X-Auth-Permissions",
    "X-Auth-Method",
    "X-Auth-Assertion",
];

/// A caller.
pub(crate) struct Caller {
    pub(crate) user: String,
    pub(crate) user_id: String,
    pub(crate) email: String,
    /// Decoded.
    pub(crate) name: String,
    pub(crate) roles: Vec<String>,
    pub(crate) permissions: Vec<String>,
    pub(crate) method: String,
    pub(crate) assertion: Result<Claims, Rejected>,
}

impl Caller {
    /// Reads the headers and checks the assertion.
    pub(crate) async fn of(req: &HttpRequest, verifier: Option<&Verifier>) -> Self {
        let headers = req.headers();
        let one = |name: &str| values(headers, name).into_iter().next().unwrap_or_default();
        let list = |name: &str| -> Vec<String> {
            one(name).split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
        };
        let tokens = values(headers, "X-Auth-Assertion");
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let assertion = match verifier {
            Some(verifier) => verifier.verify(&tokens).await,
            None => {
                Err(Rejected::Unchecked("no key address is configured (--jwks-url, --issuer)".to_owned()))
            }
        };
        Self {
            user: one("X-Auth-User"),
            user_id: one("X-User-Id"),
            email: one("X-Auth-Email"),
            name: percent_decode(&one("X-Auth-Name")),
            roles: list("X-Auth-Roles"),
            permissions: list("X-Auth-Permissions"),
            method: one("X-Auth-Method"),
            assertion,
        }
    }

    /// `/api/whoami`.
    pub(crate) fn json(&self, req: &HttpRequest) -> Value {
        let assertion = match &self.assertion {
            Ok(claims) => json!({"verified": true, "claims": claims}),
            Err(why) => json!({"verified": false, "reason": why.to_string()}),
        };
        let headers: BTreeMap<&str, String> = HEADERS
            .iter()
            .filter(|name| req.headers().contains_key(**name))
            .map(|name| (*name, values(req.headers(), name).join(", ")))
            .collect();
        json!({
            "user": self.user, "user_id": self.user_id, "email": self.email, "name": self.name,
            "roles": self.roles, "permissions": self.permissions, "method": self.method,
            "assertion": assertion, "headers": headers,
            "path": req.uri().path(), "query": req.uri().query().unwrap_or_default(),
        })
    }
}

/// All values of a header, each as text whatever its bytes.
pub(crate) fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

/// `%C3%BC` → `ü`. What is not valid UTF-8 becomes `�`, a lone `%` stays; `+` is a plus.
fn percent_decode(text: &str) -> String {
    let escaped = text.replace('+', "%2B");
    match web::Query::<Vec<(String, String)>>::from_query(&format!("v={}", escaped.replace('&', "%26"))) {
        Ok(pairs) => pairs.into_inner().into_iter().next().map(|(_, v)| v).unwrap_or_default(),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_decoded() {
        let decode = super::percent_decode;
        assert_eq!(decode("J%C3%BCrgen%20%C3%91and%C3%BA%20%E6%9D%B1%E4%BA%AC"), "Jürgen Ñandú 東京");
        assert_eq!(decode("a+b&c=d%"), "a+b&c=d%");
        assert_eq!(decode("%FF<b>"), "\u{fffd}<b>");
        assert_eq!(decode(""), "");
    }
}
