//! Keys of an issuer and of a stranger, and tokens by them with whatever in them.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

pub(super) const ISSUER: &str = "https://kc.example.com/realms/main";
pub(super) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
pub(super) const SECS: i64 = 1_800_000_000;

/// An RSA and an EC key, published as `k1` and `k2`, and an RSA key of nobody.
pub(super) struct Keys {
    pub(super) k1: KeyPair,
    pub(super) k2: EcdsaKeyPair,
    pub(super) stranger: KeyPair,
}

impl Keys {
    pub(super) fn new() -> Self {
        let rsa = || KeyPair::generate(KeySize::Rsa2048).unwrap();
        Self {
            k1: rsa(),
            k2: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            stranger: rsa(),
        }
    }

    pub(super) fn jwks(&self) -> Value {
        let point = self.k2.public_key().as_ref();
        json!({ "keys": [
            rsa_jwk(&self.k1, "k1"),
            { "kty": "EC", "crv": "P-256", "kid": "k2", "use": "sig", "x": encode(&point[1..33]), "y": encode(&point[33..65]) },
        ]})
    }

    pub(super) fn issuers(&self, site: &Site) -> Issuers {
        issuers(site, &config(ISSUER, "gw-api", &["RS256", "ES256"]))
    }
}

pub(super) fn rsa_jwk(key: &KeyPair, kid: &str) -> Value {
    let public = key.public_key();
    json!({ "kty": "RSA", "kid": kid, "use": "sig",
        "n": encode(public.modulus().big_endian_without_leading_zero()),
        "e": encode(public.exponent().big_endian_without_leading_zero()) })
}

/// `RSAPublicKey` of RFC 8017 A.1.1, of a key whose numbers need two bytes of length, or one.
pub(super) fn pkcs1(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let length = |many: usize| match u8::try_from(many) {
        Ok(short @ 0..=127) => vec![short],
        _ => vec![0x82, u8::try_from(many >> 8).unwrap(), u8::try_from(many & 255).unwrap()],
    };
    let integer = |number: &[u8]| {
        // A leading zero keeps it positive.
        let zero: &[u8] = if number[0] > 127 { &[0] } else { &[] };
        [&[2][..], &length(zero.len() + number.len()), zero, number].concat()
    };
    let inside = [integer(modulus), integer(exponent)].concat();
    [&[0x30][..], &length(inside.len()), &inside].concat()
}

pub(super) fn der_of(key: &KeyPair) -> Vec<u8> {
    let der: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    der.as_ref().to_vec()
}

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn parts(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encode(header.to_string()), encode(claims.to_string()))
}

pub(super) fn rs256(key: &KeyPair, header: &Value, claims: &Value) -> String {
    let signed = parts(header, claims);
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", encode(signature))
}

pub(super) fn es256(key: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
    let signed = parts(header, claims);
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", encode(signature))
}

pub(super) fn header() -> Value {
    json!({ "alg": "RS256", "kid": "k1", "typ": "JWT" })
}

pub(super) fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": "gw-api", "sub": "svc-1", "exp": SECS + 300, "iat": SECS,
        "realm_access": { "roles": ["reader"] } })
}

/// With members put in; `null` takes one out.
pub(super) fn with(base: Value, more: Value) -> Value {
    let mut all = base.as_object().unwrap().clone();
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => drop(all.remove(name)),
            value => drop(all.insert(name.clone(), value.clone())),
        }
    }
    Value::Object(all)
}
