//! Doorward: a login gateway for microservices.
#![forbid(unsafe_code)]

pub mod clock;
pub mod config;
pub mod telemetry;
pub mod store;
pub mod identity;
pub mod policy;
pub mod cli;
