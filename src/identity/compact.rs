//! A signed token as it is written (RFC 7515, compact): taken apart strictly, nothing repaired. What is read here
//! is only a claim until the signature is checked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::identity::claims::Claims;
use crate::identity::jwks::Key;

/// Longest token read, in bytes; 400 groups make about 20,000.
const MAX_TOKEN: usize = 256 * 1024;

/// A token taken apart. Nothing in it is to be believed yet.
pub struct Compact<'a> {
    signed: &'a str,
    signature: &'a str,
    /// The protected header; it has no `crit`.
    pub header: Claims,
    /// The claims.
    pub claims: Claims,
    /// `alg`, as the token names it.
    pub alg: String,
}

impl<'a> Compact<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// Why it is none, for the log; nothing of the token is repeated.
    pub fn read(token: &'a str) -> Result<Self, &'static str> {
        if token.len() > MAX_TOKEN {
            return Err("it is too long");
        }
        let (signed, signature) = token.rsplit_once('.').ok_or("it has not three parts")?;
        let (header, claims) = signed.split_once('.').ok_or("it has not three parts")?;
        if claims.contains('.') || signature.is_empty() {
            return Err("it has not three parts");
        }
        let header = object(header).ok_or("its header is not a base64url JSON object")?;
        let claims = object(claims).ok_or("its claims are not a base64url JSON object")?;
        // RFC 7515 4.1.11: no extension is understood here, and an empty or odd `crit` is an error as well.
        if header.contains_key("crit") {
            return Err("it has a critical header");
        }
        let alg = header.get("alg").and_then(Value::as_str).ok_or("it names no algorithm")?.to_owned();
        if header.get("kid").is_some_and(|kid| !kid.is_string()) {
            return Err("its kid is not a string");
        }
        Ok(Self { signed, signature, header, claims, alg })
    }

    /// The id of the key that it names.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    pub(in crate::identity) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }

    pub(in crate::identity) fn audiences(&self) -> Vec<&str> {
        audiences(&self.claims)
    }

    pub(in crate::identity) fn time(&self, claim: &str) -> Result<Option<Timestamp>, &'static str> {
        time(&self.claims, claim)
    }

    /// Checks the signature by `key`, which must be one for this token's algorithm.
    pub(in crate::identity) fn is_signed_by(&self, key: &Key) -> bool {
        if !key.fits(&self.alg) {
            return false;
        }
        let Ok(algorithm) = self.alg.parse() else { return false };
        let Ok(jwk) = serde_json::from_value::<Jwk>(key.jwk().clone()) else { return false };
        let Ok(key) = DecodingKey::from_jwk(&jwk) else { return false };
        jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), &key, algorithm).unwrap_or(false)
    }
}

/// `aud`, of one value or several (RFC 7519 4.1.3); anything else in it makes it empty.
pub(in crate::identity) fn audiences(claims: &Claims) -> Vec<&str> {
    match claims.get("aud") {
        Some(Value::String(audience)) => vec![audience],
        Some(Value::Array(all)) => all.iter().map(Value::as_str).collect::<Option<_>>().unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// A `NumericDate`: absent, or a number within the next and the last thousands of years.
pub(in crate::identity) fn time(claims: &Claims, claim: &str) -> Result<Option<Timestamp>, &'static str> {
    let Some(value) = claims.get(claim) else { return Ok(None) };
    let seconds = value.as_i64().or_else(|| {
        let seconds = value.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the range is checked, the fraction is cut on purpose"
        )]
        (0.0..=1e12).contains(&seconds).then_some(seconds as i64)
    });
    match seconds {
        Some(seconds @ 0..=1_000_000_000_000) => Ok(Some(Timestamp::from_secs(seconds))),
        _ => Err("a time in it is not a number of seconds"),
    }
}

fn object(part: &str) -> Option<Claims> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
