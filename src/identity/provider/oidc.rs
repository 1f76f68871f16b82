//! OpenID Connect Core 1.0, authorization code flow with PKCE, `state` and `nonce`, by the `openidconnect` crate:
//! the way there, the code and who may answer with it (RFC 9207). Which claims are believed is in `person`.

use std::sync::{Arc, Mutex, PoisonError};

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreIdToken, CoreJsonWebKeySet,
};
use openidconnect::http;
use openidconnect::{
    AccessToken, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, IssuerUrl, Nonce,
    OAuth2TokenResponse, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, StandardErrorResponse,
    TokenResponse, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::id_token::Expected;
use super::issuer::{Issuers, Named};
use super::{CallbackAnswer, Health, PendingAuth, Person, ProviderError, Started, google, quoted};
use crate::clock::Timestamp;
use crate::config::{self, ProviderKind};
use crate::identity::compact::Compact;
use crate::identity::discovery::{Discovery, Metadata};
use crate::identity::jwks::{Key, KeySet, Lookup};
use crate::identity::outgoing::{Outgoing, OutgoingError};
use crate::identity::refresh::Asker;

/// An OpenID provider.
#[derive(Debug)]
pub struct Oidc {
    pub(super) id: String,
    label: String,
    pub(super) kind: ProviderKind,
    pub(super) issuers: Issuers,
    pub(super) issuer_url: IssuerUrl,
    pub(super) client_id: String,
    client_secret: Option<SecretString>,
    callback: RedirectUrl,
    scopes: Vec<String>,
    pub(super) roles_claim: Option<String>,
    pub(super) groups_claim: Option<String>,
    pub(super) email_verified_claim: String,
    pub(super) email_optional: bool,
    pub(super) allowed_domains: Vec<String>,
    pub(super) algorithms: Vec<String>,
    pub(super) outgoing: Outgoing,
    pub(super) discovery: Discovery,
    pub(super) keys: KeySet,
}

impl Oidc {
    /// Asks nothing yet.
    ///
    /// # Errors
    /// An issuer that cannot be asked.
    pub(super) fn new(config: &config::Provider, callback: Url, outgoing: Outgoing) -> Result<Self, String> {
        let issuers = Issuers::new(&config.issuer, config.tenants.as_ref());
        let (hosts, asked) = (&config.endpoint_hosts, outgoing.clone());
        let discovery = Discovery::named(&config.issuer, issuers.advertised(), hosts, asked)?;
        Ok(Self {
            id: config.id.clone(),
            label: config.label.clone(),
            kind: config.kind,
            issuers,
            issuer_url: IssuerUrl::new(config.issuer.clone()).map_err(|error| format!("issuer: {error}"))?,
            client_id: config.client_id.clone(),
            client_secret: config.client_secret.clone(),
            callback: RedirectUrl::from_url(callback),
            scopes: config.scopes.clone(),
            roles_claim: config.roles_claim.clone(),
            groups_claim: config.groups_claim.clone(),
            email_verified_claim: config.email_verified_claim.clone(),
            email_optional: config.email_optional,
            allowed_domains: config.allowed_domains.clone(),
            algorithms: config.algorithms.clone(),
            keys: KeySet::new(discovery.clone(), outgoing.clone()),
            discovery,
            outgoing,
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn kind(&self) -> ProviderKind {
        self.kind
    }

    pub(super) fn health(&self) -> Health {
        match (self.discovery.health(), self.keys.health()) {
            (Health::Ready, failing @ Health::Failing { .. }) => failing,
            (discovery, _) => discovery,
        }
    }

    pub(super) async fn warm(&self, now: Timestamp) {
        if let Err(cause) = self.discovery.get(now, Asker::Program).await {
            tracing::debug!(provider = self.id, %cause, "the provider's metadata is not there yet");
            return;
        }
        self.keys.warm(now).await;
    }

    pub(super) async fn start(&self, again: bool, now: Timestamp) -> Result<Started, ProviderError> {
        let metadata = self.discovery.get(now, Asker::Person).await?;
        let authorization = needed(&metadata.authorization_endpoint, "authorization_endpoint")?;
        let (mut pending, challenge) = PendingAuth::new();
        let client = CoreClient::new(self.client_id(), self.issuer_url.clone(), CoreJsonWebKeySet::default())
            .set_auth_uri(AuthUrl::from_url(authorization))
            .set_redirect_uri(self.callback.clone());
        let (state, nonce) = (CsrfToken::new(pending.state.clone()), Nonce::new(pending.nonce.clone()));
        let mut request = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || state, move || nonce)
            .set_pkce_challenge(challenge)
            // The crate adds `openid` itself.
            .add_scopes(self.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new));
        if self.kind == ProviderKind::Google {
            for (name, value) in google::parameters(&self.allowed_domains) {
                request = request.add_extra_param(name, value);
            }
        } else if again {
            // OpenID Connect Core 3.1.2.1. A provider that is asked by `max_age` must tell `auth_time`.
            request = request.add_extra_param("prompt", "login").add_extra_param("max_age", "0");
            pending.proof_since = Some(now.secs());
        }
        let (url, _, _) = request.url();
        Ok(Started { url, pending })
    }

    pub(super) async fn finish(
        &self,
        answer: &CallbackAnswer<'_>,
        pending: &PendingAuth,
        now: Timestamp,
    ) -> Result<Person, ProviderError> {
        if answer.iss.is_some_and(|iss| self.issuers.named(iss).is_none()) {
            return Err(ProviderError::WrongIssuer);
        }
        let metadata = self.discovery.get(now, Asker::Person).await?;
        if metadata.iss_in_answers && answer.iss.is_none() {
            return Err(ProviderError::WrongIssuer);
        }
        let (access_token, id_token, raw) = self.redeem(&metadata, answer.code, pending).await?;
        // The crate keeps a signature decoded, and so forgets bits that belong to no byte.
        if raw != id_token.to_string() {
            return Err(ProviderError::InvalidIdToken("its signature is not written as base64url".into()));
        }
        let token = Compact::read(&raw).map_err(|fault| ProviderError::InvalidIdToken(fault.to_owned()))?;
        let named = self.issuers.of_token(&token.claims)?;
        if answer.iss.is_some_and(|iss| iss != named.issuer) {
            return Err(ProviderError::WrongIssuer);
        }
        let key = self.key_of(&token, named, now).await?;
        let issuer = named.issuer;
        let expected = Expected { pending, issuer, access_token: &access_token, code: answer.code, now };
        expected.check(self, &id_token, &token, &key)?;
        let mut proved_at =
            expected.proved_at(&token).map_err(|fault| ProviderError::InvalidIdToken(fault.to_owned()))?;
        if pending.proof_since.is_some() && proved_at.is_none() {
            tracing::warn!(
                provider = self.id,
                "asked by max_age, the provider does not tell when the person proved who they are (auth_time): \
                 that they come back from it has to do"
            );
        }
        // OpenID Connect Core 2: whoever was not asked need not tell. It may have been a sign-in in silence, which
        // proves nothing about now.
        if proved_at.is_none() && pending.proof_since.is_none() && self.kind == ProviderKind::Oidc {
            proved_at = Some(Timestamp::from_secs(0));
        }
        let mut person = self.person(&metadata, named, token.claims, &access_token).await?;
        person.proved_at = proved_at;
        person.id_token = Some(SecretString::from(raw));
        Ok(person)
    }

    pub(super) fn client_id(&self) -> ClientId {
        ClientId::new(self.client_id.clone())
    }

    /// Redeems the code (RFC 6749 4.1.3): the tokens, and the ID token as it was written.
    async fn redeem(
        &self,
        metadata: &Metadata,
        code: &str,
        pending: &PendingAuth,
    ) -> Result<(AccessToken, CoreIdToken, String), ProviderError> {
        let mut client =
            CoreClient::new(self.client_id(), self.issuer_url.clone(), CoreJsonWebKeySet::default())
                .set_token_uri(TokenUrl::from_url(needed(&metadata.token_endpoint, "token_endpoint")?))
                .set_redirect_uri(self.callback.clone())
                .set_auth_type(if metadata.secret_in_body {
                    AuthType::RequestBody
                } else {
                    AuthType::BasicAuth
                });
        if let Some(secret) = &self.client_secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
        }
        let raw = Mutex::new(String::new());
        let http = async |request: http::Request<Vec<u8>>| {
            let response = self.outgoing.call(request).await?;
            let id_token = written_id_token(response.body());
            *raw.lock().unwrap_or_else(PoisonError::into_inner) = id_token.unwrap_or_default();
            Ok::<_, OutgoingError>(response)
        };
        let response = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier.clone()))
            .request_async(&http)
            .await
            .map_err(refusal)?;
        let id_token = response
            .id_token()
            .ok_or_else(|| ProviderError::BadAnswer("the token endpoint sent no ID token".into()))?
            .clone();
        let raw = raw.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((response.access_token().clone(), id_token, raw))
    }

    async fn key_of(
        &self,
        token: &Compact<'_>,
        named: Named<'_>,
        now: Timestamp,
    ) -> Result<Arc<Key>, ProviderError> {
        let invalid = |text: String| Err(ProviderError::InvalidIdToken(text));
        if !self.algorithms.contains(&token.alg) {
            return invalid(format!("its algorithm {:?} is not allowed (`algorithms`)", quoted(&token.alg)));
        }
        match self.keys.find_for_person(token.kid(), &token.alg, now).await {
            Lookup::Found(key) if key.may_sign_for(named.issuer) => Ok(key),
            Lookup::Found(_) => invalid("its key is for tokens of another issuer".into()),
            Lookup::Unknown => invalid(format!(
                "the provider publishes no {} key with its kid {:?}",
                quoted(&token.alg),
                quoted(token.kid().unwrap_or_default())
            )),
            Lookup::Unavailable(error) => Err(error.into()),
        }
    }
}

/// An endpoint that a sign-in cannot do without.
fn needed(endpoint: &Option<Url>, name: &str) -> Result<Url, ProviderError> {
    endpoint.clone().ok_or_else(|| ProviderError::BadAnswer(format!("its metadata has no {name}")))
}

/// What a token endpoint's refusal means. Its description may repeat what was sent, so only its code is told.
pub(super) fn refusal(
    error: RequestTokenError<OutgoingError, StandardErrorResponse<CoreErrorResponseType>>,
) -> ProviderError {
    match error {
        RequestTokenError::Request(error) => error.into(),
        RequestTokenError::ServerResponse(answer) => {
            let code = quoted(answer.error().as_ref());
            match answer.error() {
                CoreErrorResponseType::InvalidClient | CoreErrorResponseType::UnauthorizedClient => {
                    ProviderError::ClientRefused(code)
                }
                _ => ProviderError::CodeRefused(code),
            }
        }
        RequestTokenError::Parse(_, body) => unreadable(&body),
        RequestTokenError::Other(text) => ProviderError::BadAnswer(quoted(&text)),
    }
}

/// A token answer that could not be read: by the ID token in it, or altogether.
fn unreadable(body: &[u8]) -> ProviderError {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    if answer.get("access_token").is_some_and(Value::is_string) && written_id_token(body).is_some() {
        return ProviderError::InvalidIdToken(
            "it cannot be read: a part or a claim is not as it must be".into(),
        );
    }
    ProviderError::BadAnswer("the token endpoint sent no token answer".into())
}

/// The ID token in a token answer, as it is written there.
fn written_id_token(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    answer.get("id_token").and_then(Value::as_str).map(str::to_owned)
}
