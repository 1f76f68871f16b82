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
mod account_tokens;
mod admin_api;
mod admin_cli;
mod admin_site;
mod api_tokens;
mod architecture;
mod audit;
mod bearer_jwt;
mod check;
mod claims;
mod config_errors;
mod cookies;
mod docs;
mod explain;
mod forward_auth;
mod fuzz;
mod github;
mod handover;
mod headers;
mod hosts;
mod http_framing;
mod id_token;
mod introspection;
mod login;
mod logout;
mod many_people;
mod memory;
mod no_secrets;
mod outages;
mod paths;
mod policy_live;
mod provider_outages;
mod provider_tls;
mod providers;
mod rate_limits;
mod redirects;
mod redis;
mod route_coverage;
mod service_manager;
mod session_limits;
mod sign_in;
mod store_contract;
mod support;
mod whois;
