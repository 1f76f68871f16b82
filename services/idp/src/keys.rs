//! Signing keys, the key set, and tokens made by hand.
//!
//! Tokens are put together here rather than by a JWT library, because a library refuses to make the wrong ones
//! that tests need. What is right about them is checked in the tests against a library.

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    error::Unspecified,
    hmac,
    rand::{self, SystemRandom},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// How a token is signed. All but the first few are wrong on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Alg {
    /// The normal one.
    #[default]
    RS256,
    /// A published RSA key of its own.
    PS256,
    /// A published P-256 key.
    ES256,
    /// A published Ed25519 key.
    EdDSA,
    /// Keyed with the client secret.
    HS256,
    /// Keyed with the public key as PEM text, the classic confusion.
    #[serde(rename = "HS256-pem")]
    HS256Pem,
    /// No signature.
    #[serde(rename = "none")]
    None,
    /// RS256 by a key that is not published, under a `kid` that is not either.
    #[serde(rename = "unknown-key")]
    UnknownKey,
    /// RS256 by a key that is not published, under the published `kid`.
    #[serde(rename = "unknown-key-same-kid")]
    UnknownKeySameKid,
}

/// The keys of the provider. RSA keys are ordered oldest first; the last one signs.
pub(crate) struct Keys {
    rsa: Vec<(String, RsaKeyPair)>,
    pss: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
    stranger: RsaKeyPair,
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `n` random bytes as base64url.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn random(n: usize) -> Result<String, Unspecified> {
    let mut bytes = vec![0; n];
    rand::fill(&mut bytes)?;
    Ok(b64(bytes))
}

fn new_rsa() -> Result<(String, RsaKeyPair), Unspecified> {
    Ok((format!("rs-{}", random(6)?), RsaKeyPair::generate(KeySize::Rsa2048)?))
}

impl Keys {
    /// Fresh keys of every kind.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn generate() -> Result<Self, Unspecified> {
        Ok(Self {
            rsa: vec![new_rsa()?],
            pss: RsaKeyPair::generate(KeySize::Rsa2048)?,
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?,
            ed: Ed25519KeyPair::generate()?,
            stranger: RsaKeyPair::generate(KeySize::Rsa2048)?,
        })
    }

    /// A new RSA key signs from now on; the old ones stay published unless `drop_old`.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn rotate(&mut self, drop_old: bool) -> Result<(), Unspecified> {
        if drop_old {
            self.rsa.clear();
        }
        self.rsa.push(new_rsa()?);
        Ok(())
    }

    fn current(&self) -> Result<&(String, RsaKeyPair), Unspecified> {
        self.rsa.last().ok_or(Unspecified)
    }

    /// The `kid`s of the RSA keys published, oldest first.
    pub(crate) fn kids(&self) -> Vec<&str> {
        self.rsa.iter().map(|(kid, _)| kid.as_str()).collect()
    }

    /// The published key set (RFC 7517). `duplicate_kid` puts a stranger's key under the current `kid` in front,
    /// `extra` adds that many keys of random numbers.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn jwks(&self, duplicate_kid: bool, extra: usize) -> Result<Value, Unspecified> {
        let mut keys = Vec::new();
        if duplicate_kid {
            keys.push(rsa_jwk(&self.current()?.0, "RS256", &self.stranger));
        }
        for n in 0..extra {
            keys.push(json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": format!("many-{n}"), "n": random(256)?, "e": "AQAB"}));
        }
        keys.extend(self.rsa.iter().map(|(kid, key)| rsa_jwk(kid, "RS256", key)));
        keys.push(rsa_jwk("ps", "PS256", &self.pss));
        // An uncompressed point: 0x04, then x and y of 32 bytes each (SEC 1, 2.3.3).
        let point = self.ec.public_key().as_ref();
        let (x, y) = (point.get(1..33).ok_or(Unspecified)?, point.get(33..65).ok_or(Unspecified)?);
        keys.push(json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "es", "x": b64(x), "y": b64(y)}));
        keys.push(json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "ed", "x": b64(self.ed.public_key())}));
        Ok(json!({ "keys": keys }))
    }

    /// A signed token. `header` is added last, member by member; a null removes. `kid`: `None` = the key's own,
    /// `Some(None)` = no `kid` at all.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn sign(
        &self,
        alg: Alg,
        typ: &str,
        kid: Option<&Option<String>>,
        header: &Map<String, Value>,
        claims: &Map<String, Value>,
        client_secret: &str,
    ) -> Result<String, Unspecified> {
        let (current_kid, current) = self.current()?;
        let (name, own_kid) = match alg {
            Alg::RS256 | Alg::UnknownKeySameKid => ("RS256", current_kid.as_str()),
            Alg::UnknownKey => ("RS256", "unknown"),
            Alg::PS256 => ("PS256", "ps"),
            Alg::ES256 => ("ES256", "es"),
            Alg::EdDSA => ("EdDSA", "ed"),
            Alg::HS256 | Alg::HS256Pem => ("HS256", current_kid.as_str()),
            Alg::None => ("none", current_kid.as_str()),
        };
        let mut head = Map::new();
        head.insert("alg".into(), name.into());
        head.insert("typ".into(), typ.into());
        match kid {
            None => drop(head.insert("kid".into(), own_kid.into())),
            Some(Some(told)) => drop(head.insert("kid".into(), told.as_str().into())),
            Some(None) => {}
        }
        overlay(&mut head, header);

        let message = format!(
            "{}.{}",
            b64(Value::Object(head).to_string()),
            b64(Value::Object(claims.clone()).to_string())
        );
        let bytes = message.as_bytes();
        let signature = match alg {
            Alg::RS256 => rsa_sign(current, &RSA_PKCS1_SHA256, bytes)?,
            Alg::UnknownKey | Alg::UnknownKeySameKid => rsa_sign(&self.stranger, &RSA_PKCS1_SHA256, bytes)?,
            Alg::PS256 => rsa_sign(&self.pss, &RSA_PSS_SHA256, bytes)?,
            Alg::ES256 => self.ec.sign(&SystemRandom::new(), bytes)?.as_ref().to_vec(),
            Alg::EdDSA => self.ed.sign(bytes).as_ref().to_vec(),
            Alg::HS256 => hmac_sign(client_secret.as_bytes(), bytes),
            Alg::HS256Pem => hmac_sign(pem(current)?.as_bytes(), bytes),
            Alg::None => Vec::new(),
        };
        Ok(format!("{message}.{}", b64(signature)))
    }
}

fn rsa_jwk(kid: &str, alg: &str, key: &RsaKeyPair) -> Value {
    let public = key.public_key();
    let (n, e) = (public.modulus(), public.exponent());
    json!({
        "kty": "RSA", "use": "sig", "alg": alg, "kid": kid,
        "n": b64(n.big_endian_without_leading_zero()), "e": b64(e.big_endian_without_leading_zero()),
    })
}

fn rsa_sign(
    key: &RsaKeyPair,
    padding: &'static dyn RsaEncoding,
    message: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(padding, &SystemRandom::new(), message, &mut signature)?;
    Ok(signature)
}

fn hmac_sign(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

fn pem(key: &RsaKeyPair) -> Result<String, Unspecified> {
    let der: PublicKeyX509Der<'_> = key.public_key().as_der()?;
    let text = STANDARD.encode(der.as_ref());
    let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
    for (i, c) in text.chars().enumerate() {
        pem.push(c);
        if i % 64 == 63 {
            pem.push('\n');
        }
    }
    if !pem.ends_with('\n') {
        pem.push('\n');
    }
    Ok(pem + "-----END PUBLIC KEY-----\n")
}

/// Puts the members of `over` into `base`; a null removes a member.
pub(crate) fn overlay(base: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (name, value) in over {
        match value {
            Value::Null => drop(base.remove(name)),
            value => drop(base.insert(name.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, jwk::JwkSet};

    fn claims() -> Map<String, Value> {
        json!({"sub": "1", "exp": 4_000_000_000_u64}).as_object().unwrap().clone()
    }

    fn verifies(keys: &Keys, token: &str, alg: Algorithm) -> bool {
        let set: JwkSet = serde_json::from_value(keys.jwks(false, 0).unwrap()).unwrap();
        let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
        let Some(jwk) = set.find(&kid) else { return false };
        let key = DecodingKey::from_jwk(jwk).unwrap();
        decode::<Value>(token, &key, &Validation::new(alg)).is_ok()
    }

    #[test]
    fn published_keys_verify_what_they_signed_and_strangers_do_not() {
        let keys = Keys::generate().unwrap();
        let sign = |alg| keys.sign(alg, "JWT", None, &Map::new(), &claims(), "secret").unwrap();
        for (alg, name) in [
            (Alg::RS256, Algorithm::RS256),
            (Alg::PS256, Algorithm::PS256),
            (Alg::ES256, Algorithm::ES256),
            (Alg::EdDSA, Algorithm::EdDSA),
        ] {
            assert!(verifies(&keys, &sign(alg), name), "{alg:?}");
        }
        assert!(!verifies(&keys, &sign(Alg::UnknownKey), Algorithm::RS256));
        assert!(!verifies(&keys, &sign(Alg::UnknownKeySameKid), Algorithm::RS256));
        assert!(sign(Alg::None).ends_with('.'));
        let hs = decode::<Value>(
            sign(Alg::HS256),
            &DecodingKey::from_secret(b"secret"),
            &Validation::new(Algorithm::HS256),
        );
        assert!(hs.is_ok());
        let public = pem(&keys.current().unwrap().1).unwrap();
        assert!(DecodingKey::from_rsa_pem(public.as_bytes()).is_ok());
        let hs = decode::<Value>(
            sign(Alg::HS256Pem),
            &DecodingKey::from_secret(public.as_bytes()),
            &Validation::new(Algorithm::HS256),
        );
        assert!(hs.is_ok());
    }

    #[test]
    fn rotation_keeps_or_drops_the_old_key() {
        let mut keys = Keys::generate().unwrap();
        let old = keys.sign(Alg::RS256, "JWT", None, &Map::new(), &claims(), "").unwrap();
        keys.rotate(false).unwrap();
        assert!(verifies(&keys, &old, Algorithm::RS256));
        keys.rotate(true).unwrap();
        assert!(!verifies(&keys, &old, Algorithm::RS256));
        assert_eq!(keys.kids().len(), 1);
    }

    #[test]
    fn kid_and_header_are_as_told() {
        let keys = Keys::generate().unwrap();
        let extra = json!({"crit": ["exp"], "typ": null}).as_object().unwrap().clone();
        let token = keys.sign(Alg::RS256, "JWT", Some(&None), &extra, &claims(), "").unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!((header.kid, header.typ, header.crit), (None, None, Some(vec!["exp".to_owned()])));
    }
}
