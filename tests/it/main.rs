//! The integration tests: one binary, one module a journey.

mod config_errors;
