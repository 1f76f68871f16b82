//! GitHub: OAuth 2.0 with PKCE and GitHub's own API, as it has no ID tokens for people. The subject is the numeric
//! id, for a login name can be given up and taken by somebody else.

use std::sync::{Mutex, PoisonError};

use oauth2::basic::BasicClient;
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, PkceCodeVerifier, RedirectUrl,
    RequestTokenError, Scope, TokenResponse, TokenUrl,
};
use openidconnect::http;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::oidc::refusal;
use super::{CallbackAnswer, Health, PendingAuth, Person, ProviderError, Started, quoted};
use crate::clock::Timestamp;
use crate::config;
use crate::identity::claims::{self, EmailFault};
use crate::identity::outgoing::Outgoing;

/// GitHub, or a GitHub Enterprise server.
#[derive(Debug)]
pub struct Github {
    id: String,
    label: String,
    site: String,
    client_id: String,
    client_secret: Option<SecretString>,
    callback: RedirectUrl,
    scopes: Vec<String>,
    allowed_domains: Vec<String>,
    authorize: Url,
    token: Url,
    user: Url,
    emails: Url,
    outgoing: Outgoing,
    health: Mutex<Health>,
}

#[derive(Deserialize)]
struct User {
    id: u64,
    login: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Email {
    email: String,
    primary: bool,
    verified: bool,
}

impl Github {
    /// Asks nothing yet.
    ///
    /// # Errors
    /// A site or API address that cannot be asked.
    pub(super) fn new(config: &config::Provider, callback: Url, outgoing: Outgoing) -> Result<Self, String> {
        let site = config.issuer.trim_end_matches('/');
        let api = config.api_url.as_ref().map_or("https://api.github.com", Url::as_str).trim_end_matches('/');
        let address = |base: &str, path: &str| {
            let url = Url::parse(&format!("{base}{path}")).map_err(|error| format!("{base:?}: {error}"))?;
            if outgoing.allows(&url) {
                Ok(url)
            } else {
                Err(format!("{base:?} is not https (http is for loopback, or with `insecure_http: true`)"))
            }
        };
        Ok(Self {
            id: config.id.clone(),
            label: config.label.clone(),
            site: site.to_owned(),
            client_id: config.client_id.clone(),
            client_secret: config.client_secret.clone(),
            callback: RedirectUrl::from_url(callback),
            scopes: config.scopes.clone(),
            allowed_domains: config.allowed_domains.clone(),
            authorize: address(site, "/login/oauth/authorize")?,
            token: address(site, "/login/oauth/access_token")?,
            user: address(api, "/user")?,
            emails: address(api, "/user/emails")?,
            outgoing,
            health: Mutex::new(Health::NotYetAsked),
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// By the last sign-in: GitHub publishes nothing that could be asked beforehand.
    pub(super) fn health(&self) -> Health {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn start(&self) -> Started {
        let (pending, challenge) = PendingAuth::new();
        let client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_auth_uri(AuthUrl::from_url(self.authorize.clone()))
            .set_redirect_uri(self.callback.clone());
        let (url, _) = client
            .authorize_url(|| CsrfToken::new(pending.state.clone()))
            .set_pkce_challenge(challenge)
            .add_scopes(self.scopes.iter().cloned().map(Scope::new))
            .url();
        Started { url, pending }
    }

    pub(super) async fn finish(
        &self,
        answer: &CallbackAnswer<'_>,
        pending: &PendingAuth,
        now: Timestamp,
    ) -> Result<Person, ProviderError> {
        // GitHub's own metadata has the issuer SITE/login/oauth.
        if answer.iss.is_some_and(|iss| iss.strip_suffix("/login/oauth").unwrap_or(iss) != self.site) {
            return Err(ProviderError::WrongIssuer);
        }
        let outcome = self.person(answer.code, pending).await;
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        *health = match (&outcome, &*health) {
            (Err(ProviderError::Unavailable(cause)), Health::Failing { since, .. }) => {
                Health::Failing { since: *since, cause: cause.clone() }
            }
            (Err(ProviderError::Unavailable(cause)), _) => {
                Health::Failing { since: now, cause: cause.clone() }
            }
            _ => Health::Ready,
        };
        outcome
    }

    async fn person(&self, code: &str, pending: &PendingAuth) -> Result<Person, ProviderError> {
        let token = self.redeem(code, pending).await?;
        let user: User = self.outgoing.get_json(&self.user, Some(&token)).await?;
        let emails: Vec<Email> = self.outgoing.get_json(&self.emails, Some(&token)).await?;
        let email = primary(&emails)?;
        if !claims::in_domains(email, &self.allowed_domains) {
            return Err(ProviderError::DomainNotAllowed);
        }
        Ok(Person {
            subject: user.id.to_string(),
            email: Some(email.to_owned()),
            name: user
                .name
                .as_deref()
                .and_then(claims::display_name)
                .or_else(|| claims::display_name(&user.login)),
            roles: Vec::new(),
            groups: Vec::new(),
            groups_elsewhere: None,
            provider_sid: None,
            proved_at: None,
            id_token: None,
        })
    }

    async fn redeem(&self, code: &str, pending: &PendingAuth) -> Result<SecretString, ProviderError> {
        let mut client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_token_uri(TokenUrl::from_url(self.token.clone()))
            .set_redirect_uri(self.callback.clone())
            // The only way that GitHub documents.
            .set_auth_type(AuthType::RequestBody);
        if let Some(secret) = &self.client_secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
        }
        let http = |request: http::Request<Vec<u8>>| self.outgoing.call(request);
        let response = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier.clone()))
            .request_async(&http)
            .await
            .map_err(|error| match error {
                RequestTokenError::Parse(_, body) => refused_with_200(&body),
                other => refusal(other),
            })?;
        Ok(SecretString::from(response.access_token().secret().clone()))
    }
}

/// GitHub answers 200 to a wrong code, with `error` in the body.
fn refused_with_200(body: &[u8]) -> ProviderError {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    match answer.get("error").and_then(Value::as_str) {
        Some(code @ ("incorrect_client_credentials" | "redirect_uri_mismatch")) => {
            ProviderError::ClientRefused(code.to_owned())
        }
        Some(code) => ProviderError::CodeRefused(quoted(code)),
        None => ProviderError::BadAnswer("the token endpoint sent no token answer".into()),
    }
}

/// The one address that GitHub writes to.
fn primary(emails: &[Email]) -> Result<&str, EmailFault> {
    let primary = emails.iter().find(|email| email.primary).ok_or(EmailFault::Missing)?;
    if !primary.verified {
        return Err(EmailFault::NotVerified);
    }
    claims::is_email(&primary.email).then_some(primary.email.as_str()).ok_or(EmailFault::Unusable)
}
