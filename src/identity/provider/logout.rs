//! Signing out on both sides: the way to the provider's own logout (OpenID Connect RP-Initiated Logout 1.0), and
//! the notice a provider sends when a session ended there (OpenID Connect Back-Channel Logout 1.0).

use serde_json::Value;
use url::Url;

use super::id_token::{IAT_AHEAD, LEEWAY};
use super::oidc::Oidc;
use super::{ProviderError, quoted};
use crate::clock::Timestamp;
use crate::identity::claims;
use crate::identity::compact::Compact;
use crate::identity::jwks::Lookup;
use crate::identity::refresh::Asker;

/// The event that makes a token a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What a provider says has ended: one session, or all of a person's. At least one of the two is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutNotice {
    /// Whose sessions; all of them when no `sid` is there.
    pub subject: Option<String>,
    /// The provider's id of the session.
    pub sid: Option<String>,
    /// The token's own id: one seen before must be refused.
    pub jti: String,
    /// How long its `jti` must be remembered.
    pub expires_at: Timestamp,
}

impl Oidc {
    pub(super) async fn logout_url(&self, hint: Option<&str>, back_to: &Url, now: Timestamp) -> Option<Url> {
        let metadata = self.discovery.get(now, Asker::Person).await.ok()?;
        let mut url = metadata.end_session_endpoint.clone()?;
        {
            let mut query = url.query_pairs_mut();
            if let Some(hint) = hint {
                query.append_pair("id_token_hint", hint);
            }
            query.append_pair("client_id", &self.client_id);
            query.append_pair("post_logout_redirect_uri", back_to.as_str());
        }
        Some(url)
    }

    /// Whether a token names this issuer and this client; nothing is checked.
    pub(super) fn is_addressed_by(&self, token: &str) -> bool {
        Compact::read(token).is_ok_and(|token| {
            token.text("iss").is_some_and(|iss| self.issuers.named(iss).is_some())
                && token.audiences().contains(&self.client_id.as_str())
        })
    }

    pub(super) async fn verify_logout_token(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<LogoutNotice, ProviderError> {
        let invalid = |fault: &str| ProviderError::InvalidLogoutToken(fault.to_owned());
        let token = Compact::read(token).map_err(invalid)?;
        let notice = self.read_notice(&token, now).map_err(invalid)?;
        let issuer = token.text("iss").unwrap_or_default();
        if !self.algorithms.contains(&token.alg) {
            return Err(invalid("its algorithm is not allowed (`algorithms`)"));
        }
        match self.keys.find(token.kid(), &token.alg, now).await {
            Lookup::Found(key) if !key.may_sign_for(issuer) => Err(invalid("its key is for another issuer")),
            Lookup::Found(key) if token.is_signed_by(&key) => Ok(notice),
            Lookup::Found(_) => Err(invalid("its signature is wrong")),
            Lookup::Unknown => Err(invalid(&format!(
                "the provider publishes no key with its kid {:?}",
                quoted(token.kid().unwrap_or_default())
            ))),
            Lookup::Unavailable(error) => Err(error.into()),
        }
    }

    /// Back-Channel Logout 2.4 and 2.6. Read before the signature is checked, so that rubbish has no keys asked
    /// for; nothing is done with it until then.
    pub(super) fn read_notice(
        &self,
        token: &Compact<'_>,
        now: Timestamp,
    ) -> Result<LogoutNotice, &'static str> {
        let typ = token.header.get("typ").and_then(Value::as_str).unwrap_or_default();
        if !typ.eq_ignore_ascii_case("logout+jwt") && !typ.eq_ignore_ascii_case("application/logout+jwt") {
            return Err("its typ is not logout+jwt");
        }
        let named =
            token.text("iss").and_then(|iss| self.issuers.named(iss)).ok_or("it is of another issuer")?;
        if !token.audiences().contains(&self.client_id.as_str()) {
            return Err("it is for another client");
        }
        let issued = token.time("iat")?.ok_or("it has no iat")?;
        if issued.since(now) > IAT_AHEAD || now.since(issued) > IAT_AHEAD {
            return Err("it was not issued now");
        }
        let ends = token.time("exp")?;
        if ends.is_some_and(|ends| now.since(ends) >= LEEWAY) {
            return Err("it has expired");
        }
        if !token.claims.get("events").and_then(|events| events.get(EVENT)).is_some_and(Value::is_object) {
            return Err("it has not the event of a logout");
        }
        if token.claims.contains_key("nonce") {
            return Err("it has a nonce, so it may be an ID token");
        }
        let id = |name: &str| match token.claims.get(name) {
            None => Ok(None),
            Some(Value::String(value)) => {
                claims::subject(value).map(|value| Some(value.to_owned())).ok_or("an id in it is not usable")
            }
            Some(_) => Err("an id in it is not a string"),
        };
        let (subject, sid) = (id("sub")?.map(|sub| named.subject(&sub)), id("sid")?);
        if subject.is_none() && sid.is_none() {
            return Err("it names neither a session nor a person");
        }
        let jti = id("jti")?.ok_or("it has no jti")?;
        // It is refused by its `iat` after that time, whatever its `exp`.
        let latest = issued.plus(IAT_AHEAD);
        let expires_at = ends.map_or(latest, |ends| ends.min(latest)).plus(LEEWAY);
        Ok(LogoutNotice { subject, sid, jti, expires_at })
    }
}
