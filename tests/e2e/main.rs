//! The whole, as people run it: the real Traefik with the demo's configuration, the real programs, a real browser.
//!
//! `make test` sees to what this needs (Traefik in `.cache/`, the workspace's programs, Chromium and its driver); a
//! test that misses one fails and says which.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should say where, at once"
)]

mod admin;
mod bodies;
mod browser;
mod doctor;
mod paths;
mod people;
mod sessions;
mod sign_in;
mod spoofing;
mod support;
