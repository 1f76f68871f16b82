//! Doorward: a login gateway for microservices.
#![forbid(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod config;
pub mod identity;
pub mod policy;
pub mod store;
pub mod telemetry;
