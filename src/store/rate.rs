//! Rate windows: how often something happened lately.

use std::time::Duration;

/// A limit over a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How often within a window.
    pub max: u32,
    /// The window; at least a millisecond.
    pub window: Duration,
}

/// The answer to "may I have so many?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// How many were given: at most as many as asked for, 0 when the limit is reached.
    pub granted: u32,
    /// How many are left after that.
    pub left: u32,
    /// When at least one more is to be had; zero when that is now.
    pub again_in: Duration,
}
