//! API tokens: their text, the digest by which they are kept, what one may be made with, and where one is good.
//!
//! A token is `dw_`, 27 random characters of base62 (160 bits), and the CRC-32 of those in six more, as GitHub's are:
//! a scanner for leaked secrets knows it by its look, and a slip of the pen costs no look-up. The text is shown once,
//! when it is made; what is kept is [`Peppers::digest`] of it.

mod hosts;
mod peppers;
mod request;

use std::fmt;

use aws_lc_rs::rand;
use secrecy::{ExposeSecret, SecretString};

use super::seal::KeyError;

pub use self::hosts::{Hosts, host_pattern};
pub use self::peppers::{Digests, PepperError, Peppers};
pub use self::request::{Asked, FieldFault, NewToken, Owner, SCOPE_ADMIN, SCOPE_AUTHORIZE};

/// What every token begins with.
pub const PREFIX: &str = "dw_";
const RANDOM: usize = 27;
const CHECK: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A token as its holder has it.
pub struct Plain(SecretString);

impl Plain {
    /// A new one.
    ///
    /// # Errors
    /// [`KeyError::NoEntropy`] when the system gives no random numbers.
    pub fn new() -> Result<Self, KeyError> {
        let mut random = String::with_capacity(RANDOM);
        while random.len() < RANDOM {
            let mut bytes = [0; 64];
            rand::fill(&mut bytes).map_err(|_| KeyError::NoEntropy)?;
            // 248 is the largest multiple of 62 in a byte: no letter is likelier than another.
            let fair = bytes.iter().filter(|byte| **byte < 248);
            random.extend(fair.take(RANDOM - random.len()).map(|byte| letter(u32::from(*byte))));
        }
        let check = checksum(&random);
        Ok(Self(SecretString::from(format!("{PREFIX}{random}{check}"))))
    }

    /// A text that is a token by its look: see [`is_well_formed`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_well_formed(text).then(|| Self(SecretString::from(text)))
    }

    /// The whole text: to be shown once, or digested.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plain({PREFIX}…)")
    }
}

/// Whether a text has the prefix, the length, the letters and the checksum of a token. Most of what is no token fails
/// here, before anything is looked up; that it passes proves nothing.
#[must_use]
pub fn is_well_formed(text: &str) -> bool {
    let Some((random, check)) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_at_checked(RANDOM))
    else {
        return false;
    };
    check.len() == CHECK
        && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && checksum(random) == check
}

fn letter(number: u32) -> char {
    char::from(ALPHABET.get(number as usize % ALPHABET.len()).copied().unwrap_or(b'0'))
}

/// CRC-32 (ISO-HDLC, as in zip and PNG) in base62, most significant digit first.
fn checksum(text: &str) -> String {
    let crc = text.bytes().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    });
    let mut left = !crc;
    let mut digits = ['0'; CHECK];
    for digit in digits.iter_mut().rev() {
        *digit = letter(left % 62);
        left /= 62;
    }
    digits.iter().collect()
}

#[cfg(test)]
mod tests;
