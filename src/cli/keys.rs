//! `doorward keys new`.

use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Prints a new session key.
pub(super) fn new() -> ExitCode {
    match session_key() {
        Ok(key) => super::put(&key, ExitCode::SUCCESS),
        Err(error) => super::fail(&error),
    }
}

/// 32 random bytes in base64, a line for `session.keys_file`.
fn session_key() -> anyhow::Result<String> {
    let mut key = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    Ok(STANDARD.encode(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_another_of_32_bytes() {
        let (one, two) = (session_key().unwrap(), session_key().unwrap());
        assert_ne!(one, two);
        assert_eq!(STANDARD.decode(one).unwrap().len(), 32);
    }
}
