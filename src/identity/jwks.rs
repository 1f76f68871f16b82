//! Public keys of an issuer (RFC 7517), read key by key: what cannot verify a signature here is left out, and one
//! odd key spoils no other. Nothing a token says decides which key set is asked; its `kid` only looks up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::config::TENANT;
use crate::identity::discovery::Discovery;
use crate::identity::outgoing::{Outgoing, OutgoingError};
use crate::identity::refresh::{Asker, Health, Kept};

/// Pause between attempts, so that a flood of made-up `kid`s costs the issuer two requests a minute.
const PAUSE: Duration = Duration::from_secs(30);
/// The pause when a token came straight from the issuer's own token endpoint: nobody can flood that way.
const PERSON_PAUSE: Duration = Duration::from_secs(1);
/// Keys kept of one set; issuers have two to ten.
const MAX_KEYS: usize = 100;
/// RFC 7518 3.3: RSA keys under 2048 bits must not be used; over 8192 they only cost time.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A key that can verify signatures.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    kid: Option<String>,
    family: Family,
    alg: Option<String>,
    issuer: Option<String>,
    jwk: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

/// What a look-up found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The one key.
    Found(Arc<Key>),
    /// The issuer has no such key, or had none at the last permitted look.
    Unknown,
    /// The keys could not be had: the token could not be checked.
    Unavailable(OutgoingError),
}

impl Key {
    /// The key as a JWK: its `kid` and its numbers. `use` and `alg` were weighed here already, and libraries differ
    /// in which values of them they can read.
    #[must_use]
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// Whether a signature by `alg` can be of this key.
    #[must_use]
    pub fn fits(&self, alg: &str) -> bool {
        let family = match alg {
            "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => Family::Rsa,
            "ES256" => Family::P256,
            "ES384" => Family::P384,
            "ES512" => Family::P521,
            "EdDSA" => Family::Ed25519,
            _ => return false,
        };
        // RFC 9864 names the same thing `Ed25519`.
        let same = |own: &str| own == alg || (own == "Ed25519" && alg == "EdDSA");
        self.family == family && self.alg.as_deref().is_none_or(same)
    }

    /// Whether the key set lets it sign for `issuer`. Microsoft publishes the keys of all tenants and those of private
    /// accounts in one set and says at each whose tokens it signs: of one issuer, or, by [`TENANT`], of any tenant.
    /// Without that check a key of the one kind could vouch for accounts of the other. Other issuers say nothing.
    #[must_use]
    pub fn may_sign_for(&self, issuer: &str) -> bool {
        let Some(own) = self.issuer.as_deref() else { return true };
        let of_a_tenant = own.split_once(TENANT).and_then(|(before, after)| {
            issuer.strip_prefix(before)?.strip_suffix(after).filter(|tenant| !tenant.contains('/'))
        });
        own == issuer || of_a_tenant.is_some_and(|tenant| !tenant.is_empty())
    }

    /// Reads one member of a key set.
    fn read(value: &Value) -> Result<Self, &'static str> {
        let jwk = value.as_object().ok_or("it is not an object")?;
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let octets = |name: &str| text(name).and_then(decode).ok_or("a number in it is not base64url");
        if text("use").is_some_and(|purpose| purpose != "sig")
            || jwk.get("use").is_some_and(|v| !v.is_string())
        {
            return Err(NOT_FOR_SIGNATURES);
        }
        if let Some(operations) = jwk.get("key_ops") {
            let verifies = operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"));
            if !verifies {
                return Err(NOT_FOR_SIGNATURES);
            }
        }
        let (family, members): (Family, &[&str]) = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => {
                let modulus = octets("n")?;
                octets("e")?;
                let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
                if !RSA_BYTES.contains(&(modulus.len() - zeros)) {
                    return Err("its size is not between 2048 and 8192 bits");
                }
                (Family::Rsa, &["kty", "kid", "n", "e"])
            }
            (Some("EC"), Some(curve)) => {
                let (family, size) = match curve {
                    "P-256" => (Family::P256, 32),
                    "P-384" => (Family::P384, 48),
                    "P-521" => (Family::P521, 66),
                    _ => return Err("its curve is not known here"),
                };
                if octets("x")?.len() != size || octets("y")?.len() != size {
                    return Err("its point does not fit its curve");
                }
                (family, &["kty", "kid", "crv", "x", "y"])
            }
            (Some("OKP"), Some("Ed25519")) => {
                if octets("x")?.len() != 32 {
                    return Err("its point does not fit its curve");
                }
                (Family::Ed25519, &["kty", "kid", "crv", "x"])
            }
            (Some("oct"), _) => return Err("it is symmetric, and a public key set cannot hold a secret"),
            _ => return Err("its type is not known here"),
        };
        if jwk.contains_key("d") {
            return Err("it is a private key, and published: anybody can sign with it");
        }
        let own = |name: &str| match jwk.get(name) {
            None => Ok(None),
            Some(Value::String(value)) => Ok(Some(value.clone())),
            Some(_) => Err("a name in it is not a string"),
        };
        let public: Map<String, Value> =
            members.iter().filter_map(|name| Some(((*name).to_owned(), jwk.get(*name)?.clone()))).collect();
        let issuer = text("issuer").map(str::to_owned);
        let key = Self { kid: own("kid")?, family, alg: own("alg")?, issuer, jwk: Value::Object(public) };
        let usable =
            ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
                .iter()
                .any(|alg| key.fits(alg));
        if usable { Ok(key) } else { Err(NOT_FOR_SIGNATURES) }
    }
}

const NOT_FOR_SIGNATURES: &str = "it is not for signatures";

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// The usable keys of one load.
#[derive(Debug)]
struct Keys(Vec<Arc<Key>>);

impl Keys {
    /// Reads a key set; says once which keys were left out and why.
    fn read(document: &Document, issuer: &str) -> Self {
        let mut times: HashMap<&str, usize> = HashMap::new();
        for kid in document.keys.iter().filter_map(kid_of) {
            *times.entry(kid).or_default() += 1;
        }
        let mut keys = Vec::new();
        for value in document.keys.iter().take(MAX_KEYS) {
            let kid = kid_of(value);
            let repeated = kid.is_some_and(|kid| times.get(kid).is_some_and(|times| *times > 1));
            let outcome = if repeated { Err("its kid occurs more than once") } else { Key::read(value) };
            match outcome {
                Ok(key) => keys.push(Arc::new(key)),
                // Half of all issuers publish a key for encryption beside the others.
                Err(reason) if reason == NOT_FOR_SIGNATURES => {
                    tracing::debug!(issuer, kid = %shown(kid), reason, "key not used");
                }
                Err(reason) => tracing::warn!(issuer, kid = %shown(kid), reason, "key not used"),
            }
        }
        if document.keys.len() > MAX_KEYS {
            tracing::warn!(
                issuer,
                keys = document.keys.len(),
                kept = MAX_KEYS,
                "key set too long, the rest is not used"
            );
        }
        Self(keys)
    }

    fn find(&self, kid: Option<&str>, alg: &str) -> Option<Arc<Key>> {
        let mut fitting =
            self.0.iter().filter(|key| key.fits(alg) && (kid.is_none() || key.kid.as_deref() == kid));
        match (fitting.next(), fitting.next()) {
            // Without a kid only a lone key is meant (OpenID Connect Core 10.1).
            (Some(key), None) => Some(Arc::clone(key)),
            _ => None,
        }
    }
}

fn kid_of(value: &Value) -> Option<&str> {
    value.get("kid").and_then(Value::as_str)
}

/// A kid for a log line: escaped and short, for it is anybody's text.
fn shown(kid: Option<&str>) -> String {
    kid.map_or_else(|| "none".to_owned(), |kid| kid.chars().take(64).flat_map(char::escape_default).collect())
}

fn decode(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()
}

/// The keys of one issuer, at the address its metadata names. A clone shares them.
#[derive(Clone, Debug)]
pub struct KeySet {
    kept: Arc<Kept<Keys>>,
    discovery: Discovery,
    outgoing: Outgoing,
}

impl KeySet {
    /// Asks nothing yet.
    #[must_use]
    pub fn new(discovery: Discovery, outgoing: Outgoing) -> Self {
        Self { kept: Kept::new(), discovery, outgoing }
    }

    /// The key of a token that anybody may have sent. An unknown `kid` has the set asked for again, at most once
    /// in 30 s however many tokens come; in between it is unknown.
    pub async fn find(&self, kid: Option<&str>, alg: &str, now: Timestamp) -> Lookup {
        self.look_up(kid, alg, now, Asker::Program).await
    }

    /// The key of a token that came from the issuer's own token endpoint while a person waits.
    pub async fn find_for_person(&self, kid: Option<&str>, alg: &str, now: Timestamp) -> Lookup {
        self.look_up(kid, alg, now, Asker::Person).await
    }

    async fn look_up(&self, kid: Option<&str>, alg: &str, now: Timestamp, asker: Asker) -> Lookup {
        let pause = match asker {
            Asker::Person => PERSON_PAUSE,
            Asker::Program => PAUSE,
        };
        if let Some(copy) = self.kept.copy(now) {
            let found = copy.value.find(kid, alg);
            match found {
                Some(key) if copy.fresh => return Lookup::Found(key),
                // Last time it failed: no caller should wait for the same again while there is a key.
                Some(key) if self.kept.failures() > 0 => {
                    self.kept.refresh_behind(now, PAUSE, self.fetch(now, asker));
                    return Lookup::Found(key);
                }
                _ => {}
            }
        }
        self.kept.refresh(now, pause, self.fetch(now, asker)).await;
        match self.kept.copy(now) {
            Some(copy) => match copy.value.find(kid, alg) {
                Some(key) => Lookup::Found(key),
                // The new set, where the key may be, could not be had.
                None if self.kept.failures() > 0 => Lookup::Unavailable(self.kept.cause()),
                None => Lookup::Unknown,
            },
            None => Lookup::Unavailable(self.kept.cause()),
        }
    }

    /// Loads the keys when there are none.
    pub async fn warm(&self, now: Timestamp) {
        if self.kept.copy(now).is_none() {
            self.kept.refresh(now, PAUSE, self.fetch(now, Asker::Program)).await;
        }
    }

    /// How many keys can verify a signature by one of these algorithms.
    ///
    /// # Errors
    /// Why there is no key set.
    pub async fn usable(&self, algorithms: &[String], now: Timestamp) -> Result<usize, OutgoingError> {
        self.warm(now).await;
        let copy = self.kept.copy(now).ok_or_else(|| self.kept.cause())?;
        let fits = |key: &&Arc<Key>| algorithms.iter().any(|alg| key.fits(alg));
        Ok(copy.value.0.iter().filter(fits).count())
    }

    /// Whether there are keys to work with.
    #[must_use]
    pub fn health(&self) -> Health {
        self.kept.health()
    }

    fn fetch(
        &self,
        now: Timestamp,
        asker: Asker,
    ) -> impl Future<Output = Result<Keys, OutgoingError>> + Send + 'static {
        let (discovery, outgoing) = (self.discovery.clone(), self.outgoing.clone());
        async move {
            let metadata = discovery.get(now, asker).await?;
            let document: Document = outgoing.get_json(&metadata.jwks_uri, None).await?;
            Ok(Keys::read(&document, discovery.issuer()))
        }
    }
}

#[cfg(test)]
mod tests;
