//! The integration tests, as one program: one file a journey.

mod store_contract;
