//! What the benchmarks share: a gateway with people signed in, the request that Traefik would send about them, the
//! steps of a check one by one, and servers to compare with.

pub mod baseline;
pub mod gateway;
pub mod paced;
pub mod requests;
pub mod sessions;
pub mod steps;
pub mod tokens;
