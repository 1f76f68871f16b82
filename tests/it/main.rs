//! The integration tests: one binary, a file a subject.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should say where, at once"
)]

mod architecture;
mod config_errors;
mod docs;
mod id_token;
mod login;
mod provider_outages;
mod redirects;
mod sign_in;
mod store_contract;
mod support;
