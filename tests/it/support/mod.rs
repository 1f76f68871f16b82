//! Actors for the journeys: a gateway over real HTTP, a stand-in provider that can misbehave, and a browser with
//! a cookie jar that stands behind a proxy in miniature.

pub(crate) mod browser;
pub(crate) mod gateway;
pub(crate) mod idp;
pub(crate) mod redis;
pub(crate) mod world;

pub(crate) use browser::{Answer, Browser};
pub(crate) use gateway::{Gateway, Setup};
pub(crate) use idp::Idp;

use std::collections::BTreeMap;

/// Where sign-ins start.
pub(crate) const LOGIN: &str = "https://auth.example.test/rbac/login";
/// The account page.
pub(crate) const HOME: &str = "https://auth.example.test/rbac/";

/// An address's parameters.
pub(crate) fn query(address: &str) -> BTreeMap<String, String> {
    url::Url::parse(address).unwrap().query_pairs().into_owned().collect()
}

/// The page that people come for in most journeys.
pub(crate) const APP: &str = "https://auth.example.test/app/page?a=1&b=%2Fx";
