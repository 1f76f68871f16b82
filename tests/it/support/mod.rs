//! Actors for the journeys: a gateway over real HTTP, a stand-in provider that can misbehave, and a browser with
//! a cookie jar that stands behind a proxy in miniature.

pub(crate) mod browser;
pub(crate) mod gateway;
pub(crate) mod idp;

pub(crate) use browser::Browser;
pub(crate) use gateway::{Gateway, Setup};
pub(crate) use idp::Idp;

/// The page that people come for in most journeys.
pub(crate) const APP: &str = "https://auth.example.test/app/page?a=1&b=%2Fx";
