//! The integration tests, as one program: one file a journey.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests; clippy's own exception for them stops at helper functions"
)]

mod store_contract;
