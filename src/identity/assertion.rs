//! The signed identity assertion: a short-lived JWT that tells one service who is calling, so that it need not
//! believe bare headers.
//!
//! ES256, because every JWT library verifies it. Keys are made here and kept in `data_dir/keys`; the public
//! halves are served as a JWK set (RFC 7517). A new key is made every 30 days and the old one stays published
//! until no assertion of it can be valid any more.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Identity;
use super::keyfile::KeyFile;
use crate::clock::Timestamp;

/// How long an assertion is valid. Services check `exp`; five minutes is the most that is promised.
pub const LIFETIME: Duration = Duration::from_secs(5 * 60);
/// How long one is handed out again for the same session and service: a signature costs more than a check.
pub const REUSE: Duration = Duration::from_secs(60);
const ROTATE_AFTER: Duration = Duration::from_secs(30 * 86_400);
const PUBLISH_OLD_FOR: Duration = Duration::from_secs(86_400);

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum AssertionError {
    /// The key file could not be read or written.
    #[error("the assertion keys in {0}: {1}")]
    File(String, #[source] io::Error),
    /// It holds something else.
    #[error("the assertion keys in {0} cannot be read; remove the file to have new ones made")]
    Corrupt(String),
    /// Generating or signing failed.
    #[error("the assertion cannot be signed")]
    Crypto,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    created_at: i64,
    pkcs8: String,
}

struct SigningKey {
    kid: String,
    created_at: Timestamp,
    pkcs8: Vec<u8>,
    pair: EcdsaKeyPair,
    jwk: serde_json::Value,
}

impl SigningKey {
    fn from_pkcs8(pkcs8: Vec<u8>, created_at: Timestamp) -> Result<Self, AssertionError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8)
            .map_err(|_| AssertionError::Crypto)?;
        // Uncompressed point: 0x04, X, Y (SEC 1, 2.3.3).
        let point = pair.public_key().as_ref().strip_prefix(&[4]).ok_or(AssertionError::Crypto)?;
        let (x, y) = point.split_at_checked(32).ok_or(AssertionError::Crypto)?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // RFC 7638: the thumbprint of the required members in lexical order.
        let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, thumbprint.as_bytes()));
        let jwk =
            json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid, "x": x, "y": y });
        Ok(Self { kid, created_at, pkcs8, pair, jwk })
    }

    fn generate(now: Timestamp) -> Result<Self, AssertionError> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| AssertionError::Crypto)?;
        Self::from_pkcs8(pkcs8.as_ref().to_vec(), now)
    }
}

struct Keys {
    // Newest first; the first one signs.
    keys: Vec<Arc<SigningKey>>,
    jwks: String,
}

impl Keys {
    fn new(keys: Vec<Arc<SigningKey>>) -> Self {
        let jwks = json!({ "keys": keys.iter().map(|key| &key.jwk).collect::<Vec<_>>() }).to_string();
        Self { keys, jwks }
    }
}

/// Signs assertions.
pub struct Assertions {
    issuer: String,
    file: KeyFile,
    keys: ArcSwap<Keys>,
    rotation: Mutex<()>,
}

impl std::fmt::Debug for Assertions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Assertions({})", self.issuer)
    }
}

impl Assertions {
    /// Reads the keys, or makes the first one.
    ///
    /// # Errors
    /// [`AssertionError`]: the file cannot be read, written or understood.
    pub fn open(issuer: String, file: KeyFile, now: Timestamp) -> Result<Self, AssertionError> {
        let place = file.path().display().to_string();
        let stored = file.read().map_err(|error| AssertionError::File(place.clone(), error))?;
        let keys = match stored {
            None => Vec::new(),
            Some(text) => parse(&text).ok_or(AssertionError::Corrupt(place))?,
        };
        let this =
            Self { issuer, file, keys: ArcSwap::from_pointee(Keys::new(keys)), rotation: Mutex::new(()) };
        this.rotate_when_due(now)?;
        Ok(this)
    }

    /// Makes a new key when the newest is 30 days old, and stops publishing those that signed their last
    /// assertion a day ago. Called at start and every few minutes.
    ///
    /// # Errors
    /// When the new key cannot be made or kept: the old one goes on.
    pub fn rotate_when_due(&self, now: Timestamp) -> Result<(), AssertionError> {
        let _one_at_a_time = self.rotation.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let current = self.keys.load();
        let age = current.keys.first().map(|newest| now.since(newest.created_at));
        let due = age.is_none_or(|age| age >= ROTATE_AFTER);
        // What stays: the newest of before, and the one before that while an assertion of it may be valid.
        let stay = if due || age.is_some_and(|age| age >= PUBLISH_OLD_FOR) { 1 } else { 2 };
        if !due && current.keys.len() <= stay {
            return Ok(());
        }
        let fresh = if due { Some(Arc::new(SigningKey::generate(now)?)) } else { None };
        let keys: Vec<_> = fresh.into_iter().chain(current.keys.iter().take(stay).cloned()).collect();
        let stored: Vec<StoredKey> = keys
            .iter()
            .map(|key| StoredKey {
                created_at: key.created_at.secs(),
                pkcs8: URL_SAFE_NO_PAD.encode(&key.pkcs8),
            })
            .collect();
        let text = serde_json::to_string(&stored).map_err(|_| AssertionError::Crypto)?;
        self.file
            .write(&text)
            .map_err(|error| AssertionError::File(self.file.path().display().to_string(), error))?;
        self.keys.store(Keys::new(keys).into());
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
    /// [`AssertionError::Crypto`] when signing fails.
    pub fn mint(&self, who: &Identity, service: &str, now: Timestamp) -> Result<String, AssertionError> {
        let keys = self.keys.load();
        let key = keys.keys.first().ok_or(AssertionError::Crypto)?;
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
        let signature =
            key.pair.sign(&SystemRandom::new(), token.as_bytes()).map_err(|_| AssertionError::Crypto)?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(token)
    }
}

fn parse(text: &str) -> Option<Vec<Arc<SigningKey>>> {
    let stored: Vec<StoredKey> = serde_json::from_str(text).ok()?;
    stored
        .into_iter()
        .map(|key| {
            let pkcs8 = URL_SAFE_NO_PAD.decode(key.pkcs8).ok()?;
            SigningKey::from_pkcs8(pkcs8, Timestamp::from_secs(key.created_at)).ok().map(Arc::new)
        })
        .collect()
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

    #[test]
    fn services_can_verify_it_and_keys_rotate_without_a_gap() {
        let dir = tempfile::tempdir().unwrap();
        let start = Timestamp::from_secs(1_700_000_000);
        let open = |now| {
            let file = KeyFile::new(dir.path(), "assertion");
            Assertions::open("https://auth.example.com".into(), file, now).unwrap()
        };
        let assertions = open(start);
        let token = assertions.mint(&ada(), "foo", start).unwrap();
        let claims = verify(&assertions.jwks(), &token, "foo").unwrap();
        assert_eq!(claims["sub"], "a-1");
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
        assert!(verify(&assertions.jwks(), &token, "bar").is_none());

        // A restart keeps the key; a month later there are two, a day on only the new one.
        assert_eq!(open(start.plus(DAY)).jwks(), assertions.jwks());
        let month = start.plus(DAY * 30);
        assertions.rotate_when_due(month).unwrap();
        assert!(verify(&assertions.jwks(), &token, "foo").is_some());
        let fresh = assertions.mint(&ada(), "foo", month).unwrap();
        assertions.rotate_when_due(month.plus(DAY * 2)).unwrap();
        assert!(verify(&assertions.jwks(), &token, "foo").is_none());
        assert!(verify(&assertions.jwks(), &fresh, "foo").is_some());
        assert_eq!(open(month.plus(DAY * 3)).jwks(), assertions.jwks());
    }

    #[test]
    fn it_never_outlives_the_session() {
        let dir = tempfile::tempdir().unwrap();
        let now = Timestamp::from_secs(1_700_000_000);
        let assertions =
            Assertions::open("https://auth.example.com".into(), KeyFile::new(dir.path(), "assertion"), now)
                .unwrap();
        let mut who = ada();
        who.expires_at = Some(now.plus(Duration::from_secs(20)));
        let token = assertions.mint(&who, "foo", now).unwrap();
        let claims = verify(&assertions.jwks(), &token, "foo").unwrap();
        assert_eq!(claims["exp"].as_i64().unwrap(), now.secs() + 20);
    }
}
