//! The names by which administrators see sessions: enough to end one, and not the session's own name.
//!
//! A session's name is one random AES block, so its handle is that block encrypted: a keyed permutation (NIST SP
//! 800-38A, ECB on a single block that never repeats). Nothing has to be kept to find the session again, and
//! whoever reads a list learns no session's name from it. With another newest key handles change, and old ones
//! name nothing.

use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::seal::{KeyError, KeyRing};
use crate::store::SessionId;

/// Makes and reads them.
pub struct SessionHandles {
    to: EncryptingKey,
    from: DecryptingKey,
}

impl SessionHandles {
    /// By the newest key of the ring.
    ///
    /// # Errors
    /// [`KeyError::NoEntropy`] when the cipher cannot be made ready.
    pub fn new(ring: &KeyRing) -> Result<Self, KeyError> {
        let key = || UnboundCipherKey::new(&AES_256, ring.handles_key());
        let made = || Ok::<_, aws_lc_rs::error::Unspecified>((key()?, key()?));
        let (one, other) = made().map_err(|_| KeyError::NoEntropy)?;
        let to = EncryptingKey::ecb(one).map_err(|_| KeyError::NoEntropy)?;
        let from = DecryptingKey::ecb(other).map_err(|_| KeyError::NoEntropy)?;
        Ok(Self { to, from })
    }

    /// The handle of a session: 22 characters. Empty for a name that is not one block, which no session has.
    #[must_use]
    pub fn of(&self, session: &SessionId) -> String {
        let through = |block: &mut [u8]| self.to.encrypt(block).is_ok();
        swapped(session.as_str(), through).unwrap_or_default()
    }

    /// The session that a handle names, whether it lives or not; `None` when it is no handle.
    #[must_use]
    pub fn session(&self, handle: &str) -> Option<SessionId> {
        let through = |block: &mut [u8]| self.from.decrypt(block, DecryptionContext::None).is_ok();
        SessionId::parse(&swapped(handle, through)?)
    }
}

fn swapped(name: &str, through: impl Fn(&mut [u8]) -> bool) -> Option<String> {
    let mut block: [u8; 16] = URL_SAFE_NO_PAD.decode(name).ok()?.try_into().ok()?;
    through(&mut block).then(|| URL_SAFE_NO_PAD.encode(block))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ids;

    #[test]
    fn a_handle_leads_back_by_the_same_key_only() {
        let ring = || KeyRing::from_base64(&[KeyRing::new_root().unwrap()]).unwrap();
        let (ours, theirs) = (SessionHandles::new(&ring()).unwrap(), SessionHandles::new(&ring()).unwrap());
        let session = ids::session_id().unwrap();
        let handle = ours.of(&session);
        assert_eq!(handle.len(), 22);
        assert_ne!(handle, session.as_str());
        assert_eq!(ours.of(&session), handle);
        assert_eq!(ours.session(&handle), Some(session.clone()));
        assert_ne!(theirs.session(&handle), Some(session));
        for wrong in ["", "x", "../../etc/passwd______", &format!("{handle}A"), "AAAAAAAAAAAAAAAAAAAAA="] {
            assert_eq!(ours.session(wrong), None, "{wrong}");
        }
    }
}
