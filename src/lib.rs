//! Doorward: a login gateway for microservices. A reverse proxy asks it about every request; it answers "let
//! it through, and this is who it is", "send them to sign in", or "no".
//!
//! # Layout
//!
//! Modules in the order in which data flows; each imports only those above it
//! (`tests/it/architecture.rs` holds that).
//!
//! | module | what it is |
//! | --- | --- |
//! | [`clock`] | time as an argument |
//! | [`config`] | the configuration, checked whole |
//! | [`telemetry`] | logs, metrics, traces |
//! | [`store`] | what is remembered: users, sessions, what was used once |
//! | [`identity`] | WHO IS ASKING? sessions, providers, the signed assertion |
//! | [`policy`] | MAY THEY? pure: the target, the rules, the decision |
//! | [`audit`] | what is written down |
//! | [`admin`] | what an administrator may do, for pages, REST and the command line alike |
//! | [`http`] | speaks HTTP, decides nothing; [`http::forward_auth`] is the hot path, whole |
//! | [`server`] | the only place that names adapters; the command line and the tests come in here |
//! | [`cli`] | the command line: parse, dispatch, exit status |
//!
//! The life of a request is told in `docs/architecture.md`.
#![forbid(unsafe_code)]

pub mod admin;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod http;
pub mod identity;
pub mod policy;
pub mod server;
pub mod store;
pub mod telemetry;
