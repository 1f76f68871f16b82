//! What must hold for every input, whoever makes it up: one function a parser, each of a few bytes, true when the
//! parser took them. Called by the cargo-fuzz targets beside this folder, and in `make test` by `tests/it/fuzz.rs`
//! with kept and with mutated inputs.

mod bearer;
mod jwt;
mod policy;
mod return_address;
mod target;

pub use bearer::bearer;
pub use jwt::jwt;
pub use policy::policy;
pub use return_address::return_address;
pub use target::target;
