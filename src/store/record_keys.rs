//! Keys that sign records in a store that others can write to.

use std::fmt;

use aws_lc_rs::hmac;

/// The first key signs, all verify, so that keys can be changed while records live on. `Debug` shows none of them.
#[derive(Clone)]
pub struct RecordKeys(Vec<hmac::Key>);

/// How a signature was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    /// By the key that signs now.
    Now,
    /// By one of those before it: to be signed anew before that key goes.
    Before,
}

impl RecordKeys {
    /// From derived keys of 256 bits, the one that signs first. They must be used for nothing else.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = [u8; 32]>) -> Self {
        Self(keys.into_iter().map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key)).collect())
    }

    /// HMAC-SHA-256 of the parts, which cannot be shifted into each other. `None` without a key.
    pub(super) fn sign(&self, parts: &[Option<&[u8]>]) -> Option<Vec<u8>> {
        Some(hmac::sign(self.0.first()?, &joined(parts)).as_ref().to_vec())
    }

    /// Whether one of the keys signed exactly these parts.
    pub(super) fn verify(&self, parts: &[Option<&[u8]>], mac: &[u8]) -> Option<Signed> {
        let joined = joined(parts);
        let at = self.0.iter().position(|key| hmac::verify(key, &joined, mac).is_ok())?;
        Some(if at == 0 { Signed::Now } else { Signed::Before })
    }

    /// A name for every key, the one that signs first; it tells nothing about them.
    pub(super) fn names(&self) -> Vec<String> {
        let name = |key| {
            let tag = hmac::sign(key, b"the name of this key");
            tag.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
        };
        self.0.iter().map(name).collect()
    }
}

impl fmt::Debug for RecordKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordKeys({})", self.0.len())
    }
}

/// Every part with its length before it; one that is missing differs from an empty one.
fn joined(parts: &[Option<&[u8]>]) -> Vec<u8> {
    let mut all = Vec::with_capacity(parts.iter().flatten().map(|part| part.len() + 9).sum::<usize>() + 16);
    for part in parts {
        match part {
            None => all.push(0),
            Some(part) => {
                all.push(1);
                all.extend_from_slice(&(part.len() as u64).to_be_bytes());
                all.extend_from_slice(part);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cannot_be_shifted_and_keys_can_be_changed() {
        let keys = RecordKeys::new([[1; 32]]);
        let mac = keys.sign(&[Some(b"ab"), Some(b"c")]).unwrap();
        assert_eq!(keys.verify(&[Some(b"ab"), Some(b"c")], &mac), Some(Signed::Now));
        for other in [&[Some(&b"a"[..]), Some(b"bc")][..], &[Some(b"abc")], &[Some(b"ab"), Some(b"c"), None]]
        {
            assert_eq!(keys.verify(other, &mac), None);
        }
        assert_ne!(keys.sign(&[None]), keys.sign(&[Some(b"")]));
        let rotated = RecordKeys::new([[2; 32], [1; 32]]);
        assert_eq!(rotated.verify(&[Some(b"ab"), Some(b"c")], &mac), Some(Signed::Before));
        assert_eq!(RecordKeys::new([[2; 32]]).verify(&[Some(b"ab"), Some(b"c")], &mac), None);
        assert_eq!(rotated.names().last(), keys.names().first());
        assert_eq!(RecordKeys::new([]).sign(&[None]), None);
    }
}
