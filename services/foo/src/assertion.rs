//! Checking the identity assertion: the part of this sample to copy into a service of your own.
//!
//! Doorward tells a service who is asking twice. The plain headers (`X-Auth-User` and the others) are easy to
//! read, and mean something only because the proxy overwrites what a client sent: whoever can reach the service
//! past the proxy can write them as they like. `X-Auth-Assertion` is the same in a signed token, so it can be
//! believed however it came. Use both walls:
//!
//! 1. Make the service reachable only through the proxy (a network of its own, no published port).
//! 2. Verify the assertion, and take the identity from its claims rather than from the headers.
//!
//! Anything wrong means "I do not know who this is". This sample then still shows its page and says so; **a real
//! service must refuse** (401), except where it would serve anybody.
//!
//! What is checked, and against what:
//!
//! | check | against |
//! | --- | --- |
//! | one token, at most 8 KiB | repeated headers, work for nothing |
//! | `alg` is ES256, whatever the token says | `none`, and HMAC keyed with the public key |
//! | `kid` names a published P-256 key, once | keys that the token brings along (`jwk`, `jku`, `x5u` are never read) |
//! | no `crit` | extensions that would have to be understood (RFC 7515 section 4.1.11) |
//! | `iss` and `aud` are there and right | tokens by others, and tokens for other services |
//! | `exp` is there and to come, `nbf` past | old tokens, kept by somebody |
//!
//! The key set comes over the internal network. Where that network is not trusted, give an https address.

use std::{
    collections::HashMap,
    fmt,
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

/// Longest assertion looked at, in bytes.
const MAX_TOKEN: usize = 8 * 1024;
/// Longest key set read, in bytes.
const MAX_JWKS: usize = 64 * 1024;
/// How long a key server may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How far the clocks of two machines may be apart, in seconds.
const LEEWAY: u64 = 5;
/// Keys older than this are asked for again, so that one that was withdrawn is not believed for ever.
const REFRESH: Duration = Duration::from_secs(600);
/// When that does not work, known keys are believed until they are this old.
const STALE: Duration = Duration::from_secs(3600);

/// Who is asking, as Doorward signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// Who signed: Doorward.
    pub(crate) iss: String,
    /// For whom: this service, and nobody else (so it is no list).
    pub(crate) aud: String,
    /// Stable id of the caller; what to keep in a database.
    pub(crate) sub: String,
    /// E-mail; empty or absent when there is none.
    #[serde(default)]
    pub(crate) email: Option<String>,
    /// Full name.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Roles.
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    /// Permissions.
    #[serde(default)]
    pub(crate) permissions: Vec<String>,
    /// Issued at, seconds since 1970.
    pub(crate) iat: u64,
    /// Ends at, seconds since 1970.
    pub(crate) exp: u64,
}

/// Why an assertion is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// There is none: the caller is anonymous, or did not come through the proxy.
    Absent,
    /// It is wrong.
    Wrong(String),
    /// It could not be checked: the keys cannot be had. Try again later (503 in a real service), never let in.
    Unchecked(String),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("no assertion"),
            Self::Wrong(why) => write!(f, "wrong assertion: {why}"),
            Self::Unchecked(why) => write!(f, "assertion could not be checked: {why}"),
        }
    }
}

fn wrong(why: impl fmt::Display) -> Rejected {
    Rejected::Wrong(why.to_string().trim_end_matches('.').to_owned())
}

/// The keys last read, and when.
#[derive(Default)]
struct Keys {
    by_kid: HashMap<String, DecodingKey>,
    read_at: Option<Instant>,
}

/// Verifies assertions for one service. Make one and share it: it holds the keys.
pub(crate) struct Verifier {
    jwks_url: String,
    /// Unknown `kid`s make it ask for keys at most this often, so that nobody can make it hammer the gateway.
    cool_down: Duration,
    rules: Validation,
    http: reqwest::Client,
    keys: RwLock<Keys>,
    /// When keys were last asked for. Held while asking, so that one asks and the others wait for the answer.
    asking: Mutex<Option<Instant>>,
}

impl Verifier {
    /// Keys are fetched when first needed, so the service can start before the gateway.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub(crate) fn new(
        jwks_url: &str,
        issuer: &str,
        audience: &str,
        cool_down: Duration,
    ) -> Result<Self, reqwest::Error> {
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_issuer(&[issuer]);
        rules.set_audience(&[audience]);
        // Without this line the library takes a token that has no `iss` or no `aud` at all.
        rules.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        rules.validate_nbf = true;
        rules.leeway = LEEWAY;
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self {
            jwks_url: jwks_url.to_owned(),
            cool_down,
            rules,
            http,
            keys: RwLock::default(),
            asking: Mutex::new(None),
        })
    }

    /// Who the assertion says is asking. `tokens` are all values of the header.
    ///
    /// # Errors
    /// See [`Rejected`]; there is no error after which the caller may be believed.
    pub(crate) async fn verify(&self, tokens: &[&str]) -> Result<Claims, Rejected> {
        let token = match tokens {
            [] | [""] => return Err(Rejected::Absent),
            [token] if token.len() <= MAX_TOKEN => token,
            [_] => return Err(wrong("too long")),
            _ => return Err(wrong("more than one")),
        };
        let header = decode_header(token).map_err(wrong)?;
        if header.alg != Algorithm::ES256 {
            return Err(wrong("the algorithm is not ES256"));
        }
        if header.crit.is_some() {
            return Err(wrong("critical extensions are not understood"));
        }
        let kid = header.kid.ok_or_else(|| wrong("no kid"))?;
        let key = self.key(&kid).await?;
        decode::<Claims>(token, &key, &self.rules).map(|data| data.claims).map_err(wrong)
    }

    /// The key of this name, asking for the key set when it is unknown or the set is old.
    async fn key(&self, kid: &str) -> Result<DecodingKey, Rejected> {
        if let Some(key) = self.known(kid, REFRESH) {
            return Ok(key);
        }
        let mut asked = self.asking.lock().await;
        // Somebody else may have asked while this one waited.
        if let Some(key) = self.known(kid, REFRESH) {
            return Ok(key);
        }
        let mut failed = None;
        if asked.is_none_or(|at| at.elapsed() >= self.cool_down) {
            *asked = Some(Instant::now());
            match self.fetch().await {
                Ok(by_kid) => {
                    let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
                    *keys = Keys { by_kid, read_at: Some(Instant::now()) };
                }
                Err(why) => failed = Some(why),
            }
        }
        if let Some(key) = self.known(kid, STALE) {
            return Ok(key);
        }
        if let Some(why) = failed {
            return Err(Rejected::Unchecked(why));
        }
        let read_at = self.keys.read().unwrap_or_else(PoisonError::into_inner).read_at;
        if read_at >= *asked {
            return Err(wrong("signed by an unknown key"));
        }
        Err(Rejected::Unchecked("the keys could not be read a moment ago".to_owned()))
    }

    fn known(&self, kid: &str, within: Duration) -> Option<DecodingKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let fresh = keys.read_at.is_some_and(|at| at.elapsed() < within);
        fresh.then(|| keys.by_kid.get(kid).cloned()).flatten()
    }

    /// Reads the key set, never more than [`MAX_JWKS`] of it and never longer than [`TIMEOUT`].
    async fn fetch(&self) -> Result<HashMap<String, DecodingKey>, String> {
        let mut answer = self
            .http
            .get(&self.jwks_url)
            .send()
            .await
            .map_err(|_| "the key server does not answer".to_owned())?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(format!("the key server answered {}", answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) =
            answer.chunk().await.map_err(|_| "the key server stopped in the middle".to_owned())?
        {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_JWKS {
                return Err("the key set is too big".to_owned());
            }
        }
        usable(&body).ok_or_else(|| "the key set cannot be read".to_owned())
    }
}

/// The keys of a set (RFC 7517) that can have signed an assertion. Others are skipped, as the RFC asks; a name
/// that is there twice says nothing about which key it means, so neither is used.
fn usable(body: &[u8]) -> Option<HashMap<String, DecodingKey>> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(body).ok()?;
    let mut by_kid: HashMap<String, Option<DecodingKey>> = HashMap::new();
    for value in set.keys {
        let Some(kid) = value.get("kid").and_then(|kid| kid.as_str()).map(str::to_owned) else { continue };
        let key = serde_json::from_value::<Jwk>(value).ok().filter(signs_es256);
        let key = key.and_then(|jwk| DecodingKey::from_jwk(&jwk).ok());
        by_kid.entry(kid).and_modify(|twice| *twice = None).or_insert(key);
    }
    Some(by_kid.into_iter().filter_map(|(kid, key)| Some((kid, key?))).collect())
}

fn signs_es256(jwk: &Jwk) -> bool {
    let p256 =
        matches!(&jwk.algorithm, AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256);
    let alg = matches!(jwk.common.key_algorithm, None | Some(KeyAlgorithm::ES256));
    let usage = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    p256 && alg && usage
}

#[cfg(test)]
mod tests;
