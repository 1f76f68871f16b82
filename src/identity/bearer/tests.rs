//! Tokens that hold, and every way in which others do not: recorded ones of a Keycloak 26.7, and forged ones.

mod forged;
mod forging;
mod opaque;
mod recorded;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::identity::testing::{Page, Site};

/// An issuer whose keys come from `site`, as the real one is not here.
fn issuers(site: &Site, config: &config::Issuer) -> Issuers {
    let outgoing = Outgoing::new().unwrap();
    let discovery = Discovery::new(site.origin(), &[], outgoing.clone()).unwrap();
    let issuer = Issuer {
        rules: Rules::new(config),
        keys: KeySet::new(discovery.clone(), outgoing.clone()),
        introspection: config
            .introspection
            .as_ref()
            .map(|config| Introspection::new(config, discovery.clone(), outgoing)),
        discovery,
    };
    Issuers { all: vec![issuer], checked: Cache::new(100) }
}

fn site_with(jwks: Value) -> Site {
    let site = Site::start();
    let at = |path: &str| format!("{}{path}", site.origin());
    let metadata = json!({"issuer": site.origin(), "jwks_uri": at("/jwks"),
        "introspection_endpoint": at("/introspect")});
    site.set("/.well-known/openid-configuration", Page::Json(metadata));
    site.set("/jwks", Page::Json(jwks));
    site
}

fn config(issuer: &str, audience: &str, algorithms: &[&str]) -> config::Issuer {
    config::Issuer {
        id: "kc".into(),
        issuer: issuer.into(),
        audiences: vec![audience.into()],
        roles_claims: vec!["realm_access.roles".into()],
        groups_claim: "groups".into(),
        email_verified_claim: "email_verified".into(),
        algorithms: algorithms.iter().map(|alg| (*alg).to_owned()).collect(),
        leeway: Duration::from_secs(30),
        introspection: None,
        endpoint_hosts: Vec::new(),
        insecure_http: false,
    }
}

async fn ask(issuers: &Issuers, token: &str, now: Timestamp) -> Verdict {
    issuers.check(token, &digest_of(token), now).await
}

/// Why a token was refused.
async fn refusal(issuers: &Issuers, token: &str, now: Timestamp) -> String {
    match ask(issuers, token, now).await {
        Verdict::Wrong(why) => why.to_owned(),
        other => panic!("{other:?}"),
    }
}
