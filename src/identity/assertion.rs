//! The signed identity assertion: a short-lived JWT that tells one service who is calling, so that it need not
//! believe bare headers.
//!
//! ES256, because every JWT library verifies it. Its keys are made from the session keys and the date and kept nowhere:
//! gateways that share session keys sign with one key and publish one set (RFC 7517), whichever of them a service asks.
//! Every 30 days there is another key. One is published from a day before it signs until a day after, so that
//! neither clocks that differ nor a set that was kept leave a gap.

use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::Identity;
use super::seal::derive;
use crate::clock::Timestamp;

/// How long an assertion is valid. Services check `exp`; five minutes is the most that is promised.
pub const LIFETIME: Duration = Duration::from_secs(5 * 60);
/// How long one is handed out again for the same session and service: a signature costs more than a check.
pub const REUSE: Duration = Duration::from_secs(60);
/// How long a key signs, in seconds.
const PERIOD: i64 = 30 * 86_400;
/// For how long before and after that it is published, in seconds.
const MARGIN: i64 = 86_400;

/// Making a key, or signing, failed.
#[derive(Debug, thiserror::Error)]
#[error("the assertion cannot be signed")]
pub struct AssertionError;

struct SigningKey {
    kid: String,
    pair: EcdsaKeyPair,
    jwk: serde_json::Value,
}

impl SigningKey {
    /// The key of a period, by one root.
    fn derive(root: &[u8; 32], period: i64) -> Result<Self, AssertionError> {
        // One number in 2^32 is no private key of the curve; then the next is taken.
        for attempt in 0..8 {
            let mut scalar = [0; 32];
            derive(root, &format!("assertion key {period} {attempt}"), &mut scalar)
                .map_err(|_| AssertionError)?;
            if let Ok(private) = PrivateKey::from_private_key(&ECDH_P256, &scalar) {
                return Self::new(
                    &scalar,
                    private.compute_public_key().map_err(|_| AssertionError)?.as_ref(),
                );
            }
        }
        Err(AssertionError)
    }

    fn new(private: &[u8], public: &[u8]) -> Result<Self, AssertionError> {
        let pair =
            EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, private, public)
                .map_err(|_| AssertionError)?;
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

struct Keys {
    periods: Vec<i64>,
    /// The first one signs.
    keys: Vec<SigningKey>,
    jwks: String,
}

impl Keys {
    /// For each period, those of all roots.
    fn new(roots: &[[u8; 32]], periods: Vec<i64>) -> Result<Self, AssertionError> {
        let keys = periods
            .iter()
            .flat_map(|period| roots.iter().map(|root| SigningKey::derive(root, *period)))
            .collect::<Result<Vec<_>, _>>()?;
        let jwks = json!({ "keys": keys.iter().map(|key| &key.jwk).collect::<Vec<_>>() }).to_string();
        Ok(Self { periods, keys, jwks })
    }
}

/// The period that signs, and a neighbour that is near.
fn periods(now: Timestamp) -> Vec<i64> {
    let at = |secs: i64| secs.div_euclid(PERIOD);
    let mut all = vec![at(now.secs())];
    for near in [at(now.secs() - MARGIN), at(now.secs() + MARGIN)] {
        if !all.contains(&near) {
            all.push(near);
        }
    }
    all
}

/// Signs assertions.
pub struct Assertions {
    issuer: String,
    roots: Vec<[u8; 32]>,
    keys: ArcSwap<Keys>,
}

impl std::fmt::Debug for Assertions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Assertions({})", self.issuer)
    }
}

impl Assertions {
    /// `roots` are the key ring's, newest first: the first one's keys sign, all are published.
    ///
    /// # Errors
    /// [`AssertionError`] when keys cannot be made.
    pub fn new(issuer: String, roots: &[[u8; 32]], now: Timestamp) -> Result<Self, AssertionError> {
        let keys = ArcSwap::from_pointee(Keys::new(roots, periods(now))?);
        Ok(Self { issuer, roots: roots.to_vec(), keys })
    }

    /// Takes up the keys of this time, when they are others. Called every few minutes.
    ///
    /// # Errors
    /// When they cannot be made: the old ones go on.
    pub fn rotate_when_due(&self, now: Timestamp) -> Result<(), AssertionError> {
        let due = periods(now);
        if self.keys.load().periods != due {
            self.keys.store(Keys::new(&self.roots, due)?.into());
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
        let key = keys.keys.first().ok_or(AssertionError)?;
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

    fn assertions(roots: &[[u8; 32]], now: Timestamp) -> Assertions {
        Assertions::new("https://auth.example.com".into(), roots, now).unwrap()
    }

    #[test]
    fn services_can_verify_it_and_keys_rotate_without_a_gap() {
        let start = Timestamp::from_secs(PERIOD * 660 + 10 * MARGIN);
        let signing = assertions(&[[1; 32]], start);
        let token = signing.mint(&ada(), "foo", start).unwrap();
        let claims = verify(&signing.jwks(), &token, "foo").unwrap();
        assert_eq!(claims["sub"], "a-1");
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
        assert!(verify(&signing.jwks(), &token, "bar").is_none());

        // A day before the next key signs it is known already; a day after, the one of before is gone.
        let turn = Timestamp::from_secs(PERIOD * 661);
        signing.rotate_when_due(turn.minus(DAY / 2)).unwrap();
        let known_before = signing.jwks();
        assert!(verify(&known_before, &token, "foo").is_some());
        signing.rotate_when_due(turn).unwrap();
        let fresh = signing.mint(&ada(), "foo", turn).unwrap();
        assert!(verify(&known_before, &fresh, "foo").is_some());
        assert!(verify(&signing.jwks(), &token, "foo").is_some());
        signing.rotate_when_due(turn.plus(DAY * 2)).unwrap();
        assert!(verify(&signing.jwks(), &token, "foo").is_none());
        assert!(verify(&signing.jwks(), &fresh, "foo").is_some());
    }

    #[test]
    fn gateways_with_the_same_session_keys_are_one_to_services() {
        let now = Timestamp::from_secs(PERIOD * 660 + 10 * MARGIN);
        let (one, other) = (assertions(&[[1; 32]], now), assertions(&[[1; 32]], now));
        assert_eq!(one.jwks(), other.jwks());
        let token = one.mint(&ada(), "foo", now).unwrap();
        assert!(verify(&other.jwks(), &token, "foo").is_some());
        // A new session key, in front on one gateway and still behind on the other.
        let (ahead, behind) = (assertions(&[[2; 32], [1; 32]], now), assertions(&[[1; 32], [2; 32]], now));
        for (signing, published) in [(&ahead, &behind), (&behind, &ahead), (&one, &ahead)] {
            let token = signing.mint(&ada(), "foo", now).unwrap();
            assert!(verify(&published.jwks(), &token, "foo").is_some());
        }
        let token = assertions(&[[3; 32]], now).mint(&ada(), "foo", now).unwrap();
        assert!(verify(&ahead.jwks(), &token, "foo").is_none());
    }

    #[test]
    fn it_never_outlives_the_session() {
        let now = Timestamp::from_secs(1_700_000_000);
        let mut who = ada();
        who.expires_at = Some(now.plus(Duration::from_secs(20)));
        let signing = assertions(&[[1; 32]], now);
        let token = signing.mint(&who, "foo", now).unwrap();
        let claims = verify(&signing.jwks(), &token, "foo").unwrap();
        assert_eq!(claims["exp"].as_i64().unwrap(), now.secs() + 20);
    }
}
