//! The integration tests: one binary, a file a subject.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should say where, at once"
)]

mod account;
mod architecture;
mod bearer_jwt;
mod config_errors;
mod docs;
mod explain;
mod github;
mod handover;
mod id_token;
mod login;
mod logout;
mod many_people;
mod provider_outages;
mod redirects;
mod session_limits;
mod sign_in;
mod store_contract;
mod support;
mod whois;
