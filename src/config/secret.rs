//! Secrets: read once from where they are kept, and held in a type that does not print.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD as PADDED};
use secrecy::{ExposeSecret, SecretString};

/// A secret's file larger than this is some other file.
const LIMIT: u64 = 64 * 1024;

/// The key printed in the documentation: everybody knows it, so it is refused.
pub(super) const EXAMPLE_KEY: &str = "RXhhbXBsZSBrZXksIHB1YmxpYzogbmV2ZXIgdXNlIGl0ISE=";

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The text of the file at `path`, less the line ends that editors and `echo` put after it.
///
/// # Errors
/// When it cannot be read, is empty, larger than 64 KiB or not UTF-8. The message shows neither its content nor the
/// path: a secret written where its file's path belongs is a slip that happens.
pub(super) fn read(path: &Path) -> Result<SecretString, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LIMIT + 1).read_to_string(&mut text))
        .map_err(|error| format!("cannot read the file it names: {error}"))?;
    let held = SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned());
    if text.len() as u64 > LIMIT {
        return Err("names a file larger than 64 KiB; name the one that holds the secret alone".to_owned());
    }
    if held.expose_secret().trim().is_empty() {
        return Err("names an empty file; put the secret into it".to_owned());
    }
    Ok(held)
}

/// The keys in a key file: one a line, newest first; blank lines and lines that start with `#` do not count.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A session key, checked and in one form: standard base64 with its padding.
///
/// # Errors
/// When it is no base64, shorter than 32 bytes, all one byte, or the documentation's example. The message does not
/// show it.
pub(super) fn session_key(written: &str) -> Result<SecretString, String> {
    const NEW: &str = "`doorward keys new` makes one";
    let bytes = LENIENT.decode(written).map_err(|_| format!("is not base64; {NEW}"))?;
    if bytes.len() < 32 {
        return Err(format!("has only {} bytes and needs 32; {NEW}", bytes.len()));
    }
    if bytes.windows(2).all(|pair| pair.first() == pair.last()) {
        return Err(format!("is the same byte over and over; {NEW}"));
    }
    let canonical = PADDED.encode(bytes);
    if canonical == EXAMPLE_KEY {
        return Err(format!("is the example of the documentation, which everybody knows; {NEW}"));
    }
    Ok(SecretString::from(canonical))
}
