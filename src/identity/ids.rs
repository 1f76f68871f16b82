//! Random names: sessions, states, tickets, decisions.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::seal::KeyError;
use crate::store::SessionId;

/// `N` random bytes from the system's generator, base64url.
///
/// # Errors
/// [`KeyError::NoEntropy`] when there are none: nothing predictable is ever used in their place.
pub fn random<const N: usize>() -> Result<String, KeyError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| KeyError::NoEntropy)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A new session's name: 128 random bits.
///
/// # Errors
/// As [`random`].
pub fn session_id() -> Result<SessionId, KeyError> {
    SessionId::parse(&random::<16>()?).ok_or(KeyError::NoEntropy)
}

/// Decision ids: unique in this process, spread over 64 bits between processes, and cheap; they are names to
/// find a log line by, not secrets.
#[derive(Debug)]
pub struct DecisionIds {
    next: AtomicU64,
}

/// The odd constant of SplitMix64 (Steele, Lea, Flood 2014), which makes a counter visit every value once.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl DecisionIds {
    /// Starts at a random place.
    ///
    /// # Errors
    /// As [`random`].
    pub fn new() -> Result<Self, KeyError> {
        let mut seed = [0; 8];
        rand::fill(&mut seed).map_err(|_| KeyError::NoEntropy)?;
        Ok(Self { next: AtomicU64::new(u64::from_le_bytes(seed)) })
    }

    /// The next id: 16 hexadecimal digits.
    #[must_use]
    pub fn next(&self) -> DecisionId {
        let mut z = self.next.fetch_add(GOLDEN, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        let mut hex = [0; 16];
        for (at, digit) in hex.iter_mut().enumerate() {
            let nibble = (z >> (60 - 4 * at)) & 15;
            *digit = b"0123456789abcdef".get(nibble as usize).copied().unwrap_or(b'0');
        }
        DecisionId(hex)
    }
}

/// The name of one decision, as it stands in the log, on the page and in `X-Auth-Decision-Id`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecisionId([u8; 16]);

impl DecisionId {
    /// Its 16 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::fmt::Display for DecisionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_do_not_repeat() {
        let ids = DecisionIds::new().unwrap();
        let seen: HashSet<String> = (0..10_000).map(|_| ids.next().to_string()).collect();
        assert_eq!(seen.len(), 10_000);
        assert!(seen.iter().all(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit())));
        assert_ne!(session_id().unwrap(), session_id().unwrap());
        assert_eq!(random::<32>().unwrap().len(), 43);
    }
}
