//! The journal of systemd, where it is what standard error leads to: it reads a line's priority from its beginning
//! (sd-daemon(3)), so that `journalctl -p warning` finds what it should. Elsewhere lines go without.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use tracing::Level;

/// Whether standard error is the journal's stream. `JOURNAL_STREAM` alone does not say so: it is inherited by
/// programs whose output goes elsewhere.
pub(super) fn is_standard_error() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else { return false };
    fs::metadata("/proc/self/fd/2").is_ok_and(|own| stream == format!("{}:{}", own.dev(), own.ino()))
}

/// What a line of this level begins with.
pub(super) fn mark(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}
