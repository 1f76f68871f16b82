//! Sealing: authenticated encryption of what browsers keep for us, by a ring of keys.
//!
//! The first key of the ring seals, every key opens, so rotation signs nobody out. Each purpose has its own
//! key (HKDF-SHA-256 from the root key), and the purpose, the audience (the host a cookie is for) and the key's
//! id are authenticated with the value: a value sealed for one use or one host opens nowhere else.
//!
//! Form: base64url without padding of `version (1) | key id (4) | nonce (12) | AES-256-GCM ciphertext and tag`.
//! Nonces are random; NIST SP 800-38D allows 2^32 of them for one key, which is 136 years at one a second.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const VERSION: u8 = 1;
const KEY_ID_LEN: usize = 4;
const HEAD_LEN: usize = 1 + KEY_ID_LEN + NONCE_LEN;

/// The least that a root key must have: 256 bits.
pub const MIN_KEY_BYTES: usize = 32;

/// What a sealed value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The sign-in session.
    Session,
    /// A sign-in on its way to another host.
    Handover,
    /// The ID token kept for the provider's logout.
    LogoutHint,
}

const PURPOSES: [Purpose; 3] = [Purpose::Session, Purpose::Handover, Purpose::LogoutHint];

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Handover => "handover",
            Self::LogoutHint => "logout-hint",
        }
    }
}

/// Why a key ring cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// There is none.
    #[error("there is no session key")]
    None,
    /// Under 256 bits, or not base64.
    #[error("session key {0} is not base64 of at least 32 bytes; `doorward keys new` makes one")]
    Weak(usize),
    /// The system's random generator failed.
    #[error("the system gives no random numbers")]
    NoEntropy,
}

struct Key {
    id: [u8; KEY_ID_LEN],
    by_purpose: Vec<(Purpose, LessSafeKey)>,
}

/// Keys, newest first.
pub struct KeyRing {
    keys: Vec<Key>,
    pages: [u8; 64],
    csrf: [u8; 32],
    handles: [u8; 32],
    records: Vec<[u8; 32]>,
    assertions: Vec<[u8; 32]>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", self.keys.len())
    }
}

impl KeyRing {
    /// From base64 lines (standard or URL-safe, padded or not), newest first.
    ///
    /// # Errors
    /// [`KeyError::None`] for an empty list, [`KeyError::Weak`] for a key that is too short.
    pub fn from_base64<S: AsRef<str>>(lines: &[S]) -> Result<Self, KeyError> {
        let mut roots = Vec::with_capacity(lines.len());
        for (at, line) in lines.iter().enumerate() {
            let text = line.as_ref().trim().trim_end_matches('=').replace('+', "-").replace('/', "_");
            let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError::Weak(at + 1))?;
            if bytes.len() < MIN_KEY_BYTES {
                return Err(KeyError::Weak(at + 1));
            }
            roots.push(bytes);
        }
        let newest = roots.first().ok_or(KeyError::None)?;
        let (mut pages, mut csrf, mut handles) = ([0; 64], [0; 32], [0; 32]);
        derive(newest, "pages", &mut pages)?;
        derive(newest, "csrf", &mut csrf)?;
        derive(newest, "session-handles", &mut handles)?;
        let keys = roots.iter().map(|root| Key::derive(root)).collect::<Result<_, _>>()?;
        let of_each = |purpose: &str| -> Result<Vec<[u8; 32]>, KeyError> {
            let one = |root: &Vec<u8>| {
                let mut key = [0; 32];
                derive(root, purpose, &mut key).map(|()| key)
            };
            roots.iter().map(one).collect()
        };
        let (records, assertions) = (of_each("store-records")?, of_each("assertions")?);
        Ok(Self { keys, pages, csrf, handles, records, assertions })
    }

    /// A new random root key, as a line for the key file.
    ///
    /// # Errors
    /// [`KeyError::NoEntropy`] when the system gives no random numbers.
    pub fn new_root() -> Result<String, KeyError> {
        let mut bytes = [0; MIN_KEY_BYTES];
        rand::fill(&mut bytes).map_err(|_| KeyError::NoEntropy)?;
        Ok(base64::engine::general_purpose::STANDARD.encode(bytes))
    }

    /// The key of the gateway's own pages (pending logins), made from the newest root key.
    #[must_use]
    pub const fn pages_key(&self) -> &[u8; 64] {
        &self.pages
    }

    /// The key of CSRF tokens, made from the newest root key.
    #[must_use]
    pub const fn csrf_key(&self) -> &[u8; 32] {
        &self.csrf
    }

    /// The key of the names by which administrators see sessions, made from the newest root key.
    #[must_use]
    pub const fn handles_key(&self) -> &[u8; 32] {
        &self.handles
    }

    /// The keys that sign records in a shared store, one made from each root key, newest first.
    #[must_use]
    pub fn record_keys(&self) -> &[[u8; 32]] {
        &self.records
    }

    /// What the keys of identity assertions are made from, one made from each root key, newest first.
    #[must_use]
    pub fn assertion_seeds(&self) -> &[[u8; 32]] {
        &self.assertions
    }

    /// Seals `plain` for one purpose and one audience.
    ///
    /// # Errors
    /// [`KeyError::NoEntropy`] when no nonce can be drawn.
    pub fn seal(&self, purpose: Purpose, audience: &str, plain: &[u8]) -> Result<String, KeyError> {
        let key = self.keys.first().ok_or(KeyError::None)?;
        let cipher = key.cipher(purpose).ok_or(KeyError::None)?;
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| KeyError::NoEntropy)?;
        let mut body = plain.to_vec();
        cipher
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad(purpose, audience, key.id)),
                &mut body,
            )
            .map_err(|_| KeyError::NoEntropy)?;
        let mut sealed = Vec::with_capacity(HEAD_LEN + body.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&key.id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens what [`Self::seal`] made for the same purpose and audience. `None` for everything else, with no
    /// word about why: an attacker learns nothing from the difference.
    #[must_use]
    pub fn open(&self, purpose: Purpose, audience: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (head, body) = bytes.split_at_checked(HEAD_LEN)?;
        let (version, rest) = head.split_first()?;
        let (id, nonce) = rest.split_at_checked(KEY_ID_LEN)?;
        if *version != VERSION {
            return None;
        }
        let nonce: [u8; NONCE_LEN] = nonce.try_into().ok()?;
        // Two keys may share an id by chance (1 in 4 billion): try each that has it.
        self.keys.iter().filter(|key| key.id == id).find_map(|key| {
            let mut body = body.to_vec();
            let plain = key
                .cipher(purpose)?
                .open_in_place(
                    Nonce::assume_unique_for_key(nonce),
                    Aad::from(aad(purpose, audience, key.id)),
                    &mut body,
                )
                .ok()?;
            Some(plain.to_vec())
        })
    }
}

impl Key {
    fn derive(root: &[u8]) -> Result<Self, KeyError> {
        let mut id = [0; KEY_ID_LEN];
        derive(root, "key-id", &mut id)?;
        let by_purpose = PURPOSES
            .into_iter()
            .map(|purpose| {
                let mut bytes = [0; 32];
                derive(root, purpose.label(), &mut bytes)?;
                let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| KeyError::NoEntropy)?;
                Ok((purpose, LessSafeKey::new(key)))
            })
            .collect::<Result<_, KeyError>>()?;
        Ok(Self { id, by_purpose })
    }

    fn cipher(&self, purpose: Purpose) -> Option<&LessSafeKey> {
        self.by_purpose.iter().find(|(which, _)| *which == purpose).map(|(_, key)| key)
    }
}

fn aad(purpose: Purpose, audience: &str, key_id: [u8; KEY_ID_LEN]) -> Vec<u8> {
    let mut aad = Vec::with_capacity(1 + KEY_ID_LEN + 16 + audience.len());
    aad.push(VERSION);
    aad.extend_from_slice(&key_id);
    aad.extend_from_slice(purpose.label().as_bytes());
    aad.push(0);
    aad.extend_from_slice(audience.as_bytes());
    aad
}

/// HKDF-SHA-256 (RFC 5869) with the purpose as `info`.
pub(super) fn derive(root: &[u8], info: &str, out: &mut [u8]) -> Result<(), KeyError> {
    struct Len(usize);
    impl hkdf::KeyType for Len {
        fn len(&self) -> usize {
            self.0
        }
    }
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"doorward v1").extract(root);
    let info = [info.as_bytes()];
    prk.expand(&info, Len(out.len())).and_then(|okm| okm.fill(out)).map_err(|_| KeyError::NoEntropy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(seeds: &[u8]) -> KeyRing {
        let lines: Vec<String> =
            seeds.iter().map(|seed| base64::engine::general_purpose::STANDARD.encode([*seed; 32])).collect();
        KeyRing::from_base64(&lines).unwrap()
    }

    #[test]
    fn a_value_opens_only_for_its_purpose_and_audience() {
        let ring = ring(&[1]);
        let sealed = ring.seal(Purpose::Session, "app.example.test", b"hello").unwrap();
        assert_eq!(ring.open(Purpose::Session, "app.example.test", &sealed).unwrap(), b"hello");
        assert_eq!(ring.open(Purpose::Handover, "app.example.test", &sealed), None);
        assert_eq!(ring.open(Purpose::Session, "api.example.test", &sealed), None);
    }

    #[test]
    fn every_changed_character_and_every_cut_is_refused() {
        let ring = ring(&[1]);
        let sealed = ring.seal(Purpose::Session, "h", b"payload").unwrap();
        for at in 0..sealed.len() {
            for new in ["A", "B", "_", "%", "="] {
                let mut other = sealed.clone();
                other.replace_range(at..=at, new);
                if other != sealed {
                    assert_eq!(ring.open(Purpose::Session, "h", &other), None, "{at} {new}");
                }
            }
            assert_eq!(ring.open(Purpose::Session, "h", &sealed[..at]), None);
        }
        assert_eq!(ring.open(Purpose::Session, "h", &format!("{sealed}A")), None);
        assert_eq!(ring.open(Purpose::Session, "h", &format!("{sealed}=")), None);
    }

    #[test]
    fn rotation_signs_nobody_out_until_the_old_key_goes() {
        let sealed = ring(&[1]).seal(Purpose::Session, "h", b"x").unwrap();
        assert!(ring(&[2, 1]).open(Purpose::Session, "h", &sealed).is_some());
        assert!(ring(&[2]).open(Purpose::Session, "h", &sealed).is_none());
        let new = ring(&[2, 1]).seal(Purpose::Session, "h", b"x").unwrap();
        assert!(ring(&[1]).open(Purpose::Session, "h", &new).is_none());
    }

    #[test]
    fn weak_keys_are_refused() {
        assert_eq!(KeyRing::from_base64::<&str>(&[]).unwrap_err(), KeyError::None);
        assert_eq!(KeyRing::from_base64(&["c2hvcnQ="]).unwrap_err(), KeyError::Weak(1));
        assert_eq!(KeyRing::from_base64(&["***"]).unwrap_err(), KeyError::Weak(1));
        let fresh = KeyRing::new_root().unwrap();
        assert!(KeyRing::from_base64(&[fresh]).is_ok());
    }
}
