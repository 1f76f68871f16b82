//! The signed identity assertion: a short-lived JWT that tells one service who is calling, so that it need not
//! believe bare headers.
//!
//! ES256, because every JWT library verifies it. Keys are made from the session keys and the date, so that every
//! gateway with the same session keys has the same ones and none has to be kept or passed on. Every 30 days
//! another key signs. The one before and the one after are published too (as a JWK set, RFC 7517), so that
//! neither caches of services nor clocks of gateways make a gap.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::Identity;
use super::seal::{KeyRing, derive};
use crate::clock::Timestamp;

/// How long an assertion is valid. Services check `exp`; five minutes is the most that is promised.
pub const LIFETIME: Duration = Duration::from_secs(5 * 60);
/// How long one is handed out again for the same session and service: a signature costs more than a check.
pub const REUSE: Duration = Duration::from_secs(60);
/// How long one key signs.
const TERM_SECS: i64 = 30 * 86_400;

/// A key could not be made, or nothing signed with it.
#[derive(Debug, thiserror::Error)]
#[error("the assertion cannot be signed")]
pub struct AssertionError;

struct SigningKey {
    kid: String,
    pair: EcdsaKeyPair,
    jwk: serde_json::Value,
}

impl SigningKey {
    /// The key of one term. The same for everybody who has the seed.
    fn of_term(seed: &[u8; 32], term: i64) -> Result<Self, AssertionError> {
        // A number beyond the curve's order is no key: once in four billion there has to be a second attempt.
        for attempt in 0..4 {
            let mut scalar = [0; 32];
            derive(seed, &format!("assertion {term} {attempt}"), &mut scalar).map_err(|_| AssertionError)?;
            let der = private_key_der(&scalar);
            if let Ok(pair) = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der) {
                return Self::new(pair);
            }
        }
        Err(AssertionError)
    }

    fn new(pair: EcdsaKeyPair) -> Result<Self, AssertionError> {
        // Uncompressed point: 0x04, X, Y (SEC 1, 2.3.3).
        let point = pair.public_key().as_ref().strip_prefix(&[4]).ok_or(AssertionError)?;
        let (x, y) = point.split_at_checked(32).ok_or(AssertionError)?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // RFC 7638: the thumbprint of the required members in lexical order.
        let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, thumbprint.as_bytes()));
        let jwk =
            json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid, "x": x, "y": y });
        Ok(Self { kid, pair, jwk })
    }
}

/// `ECPrivateKey` (RFC 5915) on P-256, without the public half.
fn private_key_der(scalar: &[u8; 32]) -> Vec<u8> {
    // SEQUENCE { INTEGER 1, OCTET STRING (32), [0] { OBJECT IDENTIFIER prime256v1 } }
    let mut der = vec![0x30, 49, 0x02, 1, 1, 0x04, 32];
    der.extend_from_slice(scalar);
    der.extend_from_slice(&[0xa0, 10, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
    der
}

/// The keys of one term.
struct Keys {
    term: i64,
    signing: SigningKey,
    jwks: String,
}

impl Keys {
    fn of_term(seeds: &[[u8; 32]], term: i64) -> Result<Self, AssertionError> {
        let signing = SigningKey::of_term(seeds.first().ok_or(AssertionError)?, term)?;
        let mut jwks = Vec::new();
        for seed in seeds {
            for term in [term, term.saturating_add(1), term.saturating_sub(1)] {
                jwks.push(SigningKey::of_term(seed, term)?.jwk);
            }
        }
        Ok(Self { term, signing, jwks: json!({ "keys": jwks }).to_string() })
    }
}

/// Signs assertions.
pub struct Assertions {
    issuer: String,
    seeds: Vec<[u8; 32]>,
    keys: ArcSwap<Keys>,
}

impl std::fmt::Debug for Assertions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Assertions({})", self.issuer)
    }
}

impl Assertions {
    /// With keys made from the ring's: the newest signs, and what any of them may have signed can be verified.
    ///
    /// # Errors
    /// [`AssertionError`] when no key can be made.
    pub fn new(issuer: String, ring: &KeyRing, now: Timestamp) -> Result<Self, AssertionError> {
        let seeds = ring.assertion_seeds().to_vec();
        let keys = Keys::of_term(&seeds, term(now))?;
        Ok(Self { issuer, seeds, keys: ArcSwap::from_pointee(keys) })
    }

    /// Goes on to the key of the day, when it is another one. Called every few minutes.
    ///
    /// # Errors
    /// When it cannot be made: the one before goes on.
    pub fn rotate_when_due(&self, now: Timestamp) -> Result<(), AssertionError> {
        let term = term(now);
        if self.keys.load().term != term {
            self.keys.store(Arc::new(Keys::of_term(&self.seeds, term)?));
        }
        Ok(())
    }

    /// The public keys, as a JWK set.
    #[must_use]
    pub fn jwks(&self) -> String {
        self.keys.load().jwks.clone()
    }

    /// An assertion for one service.
    ///
    /// # Errors
    /// [`AssertionError`] when signing fails.
    pub fn mint(&self, who: &Identity, service: &str, now: Timestamp) -> Result<String, AssertionError> {
        let keys = self.keys.load();
        let key = &keys.signing;
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": key.kid });
        let mut until = now.plus(LIFETIME);
        if let Some(end) = who.expires_at {
            until = until.min(end);
        }
        let mut claims = json!({
            "iss": self.issuer, "aud": service, "sub": who.user_id,
            "roles": who.roles, "permissions": who.permissions,
            "iat": now.secs(), "exp": until.secs(), "amr": [who.method.as_str()],
        });
        if let Some(claims) = claims.as_object_mut() {
            for (name, value) in [("email", &who.email), ("name", &who.name)] {
                if let Some(value) = value {
                    claims.insert(name.into(), json!(value));
                }
            }
        }
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = key.pair.sign(&SystemRandom::new(), token.as_bytes()).map_err(|_| AssertionError)?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(token)
    }
}

/// Which key's turn it is.
fn term(now: Timestamp) -> i64 {
    now.secs().div_euclid(TERM_SECS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Method;
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation};

    const DAY: Duration = Duration::from_secs(86_400);

    fn ada() -> Identity {
        Identity {
            method: Method::Session,
            user_id: "a-1".into(),
            provider: "google".into(),
            subject: "a-1".into(),
            email: Some("ada@example.com".into()),
            name: None,
            roles: vec!["user".into()],
            permissions: vec![],
            expires_at: None,
        }
    }

    fn verify(jwks: &str, token: &str, audience: &str) -> Option<serde_json::Value> {
        let set: JwkSet = serde_json::from_str(jwks).unwrap();
        let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
        let key = DecodingKey::from_jwk(set.find(&kid)?).unwrap();
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_audience(&[audience]);
        rules.set_issuer(&["https://auth.example.com"]);
        rules.validate_exp = false; // the test's clock is not the machine's
        jsonwebtoken::decode::<serde_json::Value>(token, &key, &rules).ok().map(|data| data.claims)
    }

    fn signer(seeds: &[u8], now: Timestamp) -> Assertions {
        let roots: Vec<String> = seeds.iter().map(|seed| URL_SAFE_NO_PAD.encode([*seed; 32])).collect();
        let ring = KeyRing::from_base64(&roots).unwrap();
        Assertions::new("https://auth.example.com".into(), &ring, now).unwrap()
    }

    #[test]
    fn services_can_verify_it_and_keys_rotate_without_a_gap() {
        let start = Timestamp::from_secs(1_700_000_000);
        let assertions = signer(&[1], start);
        let before = assertions.jwks();
        let token = assertions.mint(&ada(), "foo", start).unwrap();
        let claims = verify(&before, &token, "foo").unwrap();
        assert_eq!(claims["sub"], "a-1");
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
        assert!(verify(&before, &token, "bar").is_none());

        // A month later another key signs: who has the keys of before can verify it, and who has the new ones the old.
        let month = start.plus(DAY * 30);
        assertions.rotate_when_due(month).unwrap();
        let fresh = assertions.mint(&ada(), "foo", month).unwrap();
        let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid;
        assert_ne!(kid(&fresh), kid(&token));
        for jwks in [&before, &assertions.jwks()] {
            assert!(verify(jwks, &fresh, "foo").is_some());
            assert!(verify(jwks, &token, "foo").is_some());
        }
        assertions.rotate_when_due(month.plus(DAY * 30)).unwrap();
        assert!(verify(&assertions.jwks(), &token, "foo").is_none());
        assert!(verify(&assertions.jwks(), &fresh, "foo").is_some());
    }

    #[test]
    fn gateways_with_the_same_session_keys_have_the_same_ones() {
        let now = Timestamp::from_secs(1_700_000_000);
        let one = signer(&[1], now);
        assert_eq!(one.jwks(), signer(&[1], now.plus(DAY)).jwks());
        let token = one.mint(&ada(), "foo", now).unwrap();
        assert!(verify(&signer(&[2], now).jwks(), &token, "foo").is_none());
        // While session keys are changed: whichever of them a gateway has first, all can verify it.
        let (early, late) = (signer(&[1, 2], now), signer(&[2, 1], now));
        for (by, at) in [(&early, &late), (&late, &early), (&one, &late)] {
            assert!(verify(&at.jwks(), &by.mint(&ada(), "foo", now).unwrap(), "foo").is_some());
        }
    }

    #[test]
    fn it_never_outlives_the_session() {
        let now = Timestamp::from_secs(1_700_000_000);
        let assertions = signer(&[1], now);
        let mut who = ada();
        who.expires_at = Some(now.plus(Duration::from_secs(20)));
        let token = assertions.mint(&who, "foo", now).unwrap();
        let claims = verify(&assertions.jwks(), &token, "foo").unwrap();
        assert_eq!(claims["exp"].as_i64().unwrap(), now.secs() + 20);
    }
}
