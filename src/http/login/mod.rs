//! Signing in and out: start → (the provider) → callback → hand-over to another host when one was asked for.

pub mod backchannel;
pub mod callback;
pub mod handover;
pub mod logout;
pub mod pending;
pub mod refusal;
pub mod return_to;
pub mod session_cookie;
pub mod start;
