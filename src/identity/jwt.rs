//! What a bearer JWT must be (RFC 7519, RFC 8725, RFC 9068) before an issuer's word in it counts. The reasons for
//! a refusal are for the log; who sent the token is told only that it is not valid.

use std::time::Duration;

use serde_json::Value;

use super::claims::{self, Claims};
use super::compact::{self, Compact};
use super::verified::{CHECKED_FOR, Verified};
use crate::clock::Timestamp;
use crate::config;

/// What one issuer's tokens are held against.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) id: String,
    pub(super) issuer: String,
    audiences: Vec<String>,
    roles_claims: Vec<String>,
    groups_claim: String,
    email_verified_claim: String,
    algorithms: Vec<String>,
    leeway: Duration,
}

impl Rules {
    pub(super) fn new(config: &config::Issuer) -> Self {
        Self {
            id: config.id.clone(),
            issuer: config.issuer.clone(),
            audiences: config.audiences.clone(),
            roles_claims: config.roles_claims.clone(),
            groups_claim: config.groups_claim.clone(),
            email_verified_claim: config.email_verified_claim.clone(),
            algorithms: config.algorithms.clone(),
            leeway: config.leeway,
        }
    }

    /// What a token says about itself and its person. Read before the signature is checked, so that rubbish has no
    /// keys asked for; nothing is believed until then.
    pub(super) fn read(&self, token: &Compact<'_>, now: Timestamp) -> Result<Verified, &'static str> {
        // The issuer's list alone decides (RFC 8725 3.1); `jwk`, `jku`, `x5c` and `x5u` are not even read.
        if !self.algorithms.contains(&token.alg) {
            return Err("its algorithm is not allowed (`algorithms`)");
        }
        match token.header.get("typ") {
            None => {}
            Some(Value::String(typ)) if is_access_token(typ) => {}
            Some(_) => return Err("its header says that it is another kind of token"),
        }
        let verified = self.believe(&token.claims, now)?;
        if verified.expires_at.is_none() {
            return Err("it has no exp");
        }
        Ok(verified)
    }

    /// The same for claims that the issuer itself told, signed or over its own connection.
    pub(super) fn believe(&self, claims: &Claims, now: Timestamp) -> Result<Verified, &'static str> {
        kind(claims)?;
        let expires_at = compact::time(claims, "exp")?;
        if expires_at.is_some_and(|ends| ends.plus(self.leeway) <= now) {
            return Err("it has expired");
        }
        let not_before = compact::time(claims, "nbf")?;
        if not_before.is_some_and(|begins| begins > now.plus(self.leeway)) {
            return Err("it is not valid yet");
        }
        if compact::time(claims, "iat")?.is_some_and(|issued| issued > now.plus(self.leeway)) {
            return Err("it was issued in the future");
        }
        let audiences = compact::audiences(claims);
        if !audiences.iter().any(|audience| self.audiences.iter().any(|own| own == audience)) {
            return Err("it is for another audience, or for none");
        }
        let subject = claims.get("sub").and_then(Value::as_str).and_then(claims::subject);
        let subject = subject.ok_or("it has no usable sub")?.to_owned();
        let mut roles: Vec<String> =
            self.roles_claims.iter().flat_map(|path| claims::roles_at(claims, path, &[])).collect();
        roles.sort_unstable();
        roles.dedup();
        let elsewhere = |path: &&String| claims::is_elsewhere(claims, path);
        let name = ["name", "preferred_username"]
            .iter()
            .find_map(|name| claims.get(*name)?.as_str())
            .and_then(claims::display_name);
        Ok(Verified {
            issuer: self.id.clone(),
            subject,
            email: claims::verified_email(claims, &self.email_verified_claim).ok().map(str::to_owned),
            name,
            roles,
            groups: claims::groups_at(claims, &self.groups_claim),
            roles_elsewhere: self.roles_claims.iter().find(elsewhere).cloned(),
            groups_elsewhere: Some(&self.groups_claim).filter(elsewhere).cloned(),
            audiences: audiences.into_iter().map(str::to_owned).collect(),
            expires_at,
            ends_at: expires_at.map(|ends| ends.plus(self.leeway)),
            checked_at: now,
            believed_for: CHECKED_FOR,
        })
    }
}

/// RFC 9068 2.1 and RFC 8725 3.11; most issuers write `JWT`, or nothing.
fn is_access_token(typ: &str) -> bool {
    ["JWT", "at+jwt", "application/at+jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known))
}

/// Issuers sign everything with the same keys. What tells the other kinds apart is in the claims.
fn kind(claims: &Claims) -> Result<(), &'static str> {
    // Keycloak: Bearer, ID, Refresh, Offline, Logout, DPoP.
    if claims.get("typ").is_some_and(|typ| typ != "Bearer") {
        return Err("its claim typ says that it is another kind of token");
    }
    // Cognito and Ory Hydra.
    if claims.get("token_use").is_some_and(|kind| kind != "access" && kind != "access_token") {
        return Err("its claim token_use says that it is another kind of token");
    }
    if ["nonce", "at_hash", "c_hash"].iter().any(|name| claims.contains_key(*name)) {
        return Err("it is an ID token");
    }
    if claims.contains_key("events") {
        return Err("it tells of an event (RFC 8417)");
    }
    // RFC 7800: who merely bears it has not shown that it is theirs.
    if claims.contains_key("cnf") {
        return Err("it is bound to a key, which nobody shows here");
    }
    Ok(())
}
