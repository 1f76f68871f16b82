//! The checks of an ID token: those of the `openidconnect` crate, set up strictly, and what it leaves to its user
//! (times beside `exp`, `azp`, hashes, what kind of token it is).

use std::collections::HashSet;
use std::time::{Duration, UNIX_EPOCH};

use openidconnect::core::{
    CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AccessToken, AccessTokenHash, AuthorizationCode, AuthorizationCodeHash, IssuerUrl, Nonce,
};
use serde_json::Value;

use super::oidc::Oidc;
use super::{PendingAuth, ProviderError, quoted};
use crate::clock::Timestamp;
use crate::identity::compact::Compact;
use crate::identity::jwks::Key;

/// How far a provider's clock may be off at both ends of a token's life.
pub(super) const LEEWAY: Duration = Duration::from_secs(30);
/// A token issued further ahead than this was not issued by a clock that can be relied on.
pub(super) const IAT_AHEAD: Duration = Duration::from_secs(300);
/// An ID token comes fresh from the token endpoint; an older one is from another sign-in.
const IAT_BEHIND: Duration = Duration::from_secs(3600);

/// What an ID token must fit to.
pub(super) struct Expected<'a> {
    pub(super) pending: &'a PendingAuth,
    /// To the letter.
    pub(super) issuer: &'a str,
    pub(super) access_token: &'a AccessToken,
    pub(super) code: &'a str,
    pub(super) now: Timestamp,
}

impl Expected<'_> {
    /// Everything that OpenID Connect Core 3.1.3.7 asks of an ID token.
    pub(super) fn check(
        &self,
        oidc: &Oidc,
        id_token: &CoreIdToken,
        token: &Compact<'_>,
        key: &Key,
    ) -> Result<(), ProviderError> {
        self.with_crate(oidc, id_token, key)?;
        self.beyond_crate(oidc, token).map_err(|fault| ProviderError::InvalidIdToken(fault.to_owned()))
    }

    /// Signature, `iss`, `aud`, `exp`, `iat`, `nonce`, `at_hash`, `c_hash`.
    fn with_crate(&self, oidc: &Oidc, id_token: &CoreIdToken, key: &Key) -> Result<(), ProviderError> {
        let invalid = |text: String| ProviderError::InvalidIdToken(text);
        let jwk: CoreJsonWebKey = serde_json::from_value(key.jwk().clone())
            .map_err(|error| invalid(format!("the key for it cannot be read: {error}")))?;
        let algorithms: HashSet<CoreJwsSigningAlgorithm> = oidc
            .algorithms
            .iter()
            .filter_map(|name| serde_json::from_value(Value::String(name.clone())).ok())
            .collect();
        let now = self.now;
        let verifier = CoreIdTokenVerifier::new_public_client(
            oidc.client_id(),
            IssuerUrl::new(self.issuer.to_owned()).map_err(|error| invalid(error.to_string()))?,
            CoreJsonWebKeySet::new(vec![jwk.clone()]),
        )
        .set_allowed_algs(algorithms)
        // Further audiences are judged by `azp` below.
        .set_other_audience_verifier_fn(|_| true)
        .set_time_fn(move || {
            let millis = u64::try_from(now.minus(LEEWAY).millis()).unwrap_or(0);
            (UNIX_EPOCH + Duration::from_millis(millis)).into()
        })
        .set_issue_time_verifier_fn(move |issued| {
            let issued = Timestamp::from_secs(issued.timestamp());
            if issued.since(now) > IAT_AHEAD || now.since(issued) > IAT_BEHIND {
                return Err(format!("issued at {issued}, which is too far from now ({now})"));
            }
            Ok(())
        });
        let claims = id_token
            .claims(&verifier, &Nonce::new(self.pending.nonce.clone()))
            .map_err(|error| invalid(quoted_chain(&error)))?;
        let alg = id_token.signing_alg().map_err(|error| invalid(error.to_string()))?;
        if let Some(hash) = claims.access_token_hash() {
            let expected = AccessTokenHash::from_token(self.access_token, alg, &jwk)
                .map_err(|error| invalid(error.to_string()))?;
            if *hash != expected {
                return Err(invalid("its at_hash is of another access token".into()));
            }
        }
        if let Some(hash) = claims.code_hash() {
            let expected =
                AuthorizationCodeHash::from_code(&AuthorizationCode::new(self.code.to_owned()), alg, &jwk)
                    .map_err(|error| invalid(error.to_string()))?;
            if *hash != expected {
                return Err(invalid("its c_hash is of another code".into()));
            }
        }
        Ok(())
    }

    /// `auth_time`, and that it is not from before the proof was asked for (step 13).
    pub(super) fn proved_at(&self, token: &Compact<'_>) -> Result<Option<Timestamp>, &'static str> {
        let Some(at) = token.time("auth_time")? else { return Ok(None) };
        if at.since(self.now) > IAT_AHEAD {
            return Err("its auth_time is in the future");
        }
        let since = self.pending.proof_since.map(Timestamp::from_secs);
        if since.is_some_and(|since| since.since(at) > LEEWAY) {
            return Err(
                "its auth_time is from before a new proof was asked for: the provider did not ask again",
            );
        }
        Ok(Some(at.min(self.now)))
    }

    /// `azp`, `nbf`, and that it is an ID token at all.
    fn beyond_crate(&self, oidc: &Oidc, token: &Compact<'_>) -> Result<(), &'static str> {
        match token.claims.get("azp") {
            Some(Value::String(azp)) if *azp == oidc.client_id => {}
            Some(_) => return Err("its azp is another client"),
            None if token.audiences().len() > 1 => return Err("it has several audiences and no azp"),
            None => {}
        }
        // The crate would take a date in letters, which no token has; so these must be numbers.
        if token.time("exp")?.is_none() || token.time("iat")?.is_none() {
            return Err("it has no exp or no iat");
        }
        if token.time("nbf")?.is_some_and(|nbf| nbf.since(self.now) > LEEWAY) {
            return Err("it is not valid yet");
        }
        // Keycloak signs access, refresh and logout tokens with the same keys and tells them apart by this claim.
        match token.claims.get("typ") {
            None => Ok(()),
            Some(Value::String(kind)) if kind == "ID" => Ok(()),
            Some(_) => Err("it is another kind of token"),
        }
    }
}

/// The crate's error with its cause; both quote claims, so they are escaped and cut.
fn quoted_chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => quoted(&format!("{error}: {cause}")),
        None => quoted(&error.to_string()),
    }
}
