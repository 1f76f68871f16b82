//! Which claims of an OpenID provider are believed: those of a verified ID token, and of UserInfo what is missing there.

use openidconnect::AccessToken;
use secrecy::SecretString;
use serde_json::Value;

use super::issuer::Named;
use super::oidc::Oidc;
use super::{Person, ProviderError, google};
use crate::config::ProviderKind;
use crate::identity::claims::{self, Claims};
use crate::identity::discovery::Metadata;

/// The groups' claim, where none is configured and there happens to be one.
const GROUPS: &str = "groups";

impl Oidc {
    /// Reads the person out of verified claims; asks UserInfo for what is missing.
    pub(super) async fn person(
        &self,
        metadata: &Metadata,
        named: Named<'_>,
        id_claims: Claims,
        access_token: &AccessToken,
    ) -> Result<Person, ProviderError> {
        let sub =
            id_claims.get("sub").and_then(Value::as_str).and_then(claims::subject).ok_or_else(|| {
                ProviderError::InvalidIdToken(
                    "its sub is not of 1 to 255 bytes without control characters".into(),
                )
            })?;
        if self.kind == ProviderKind::Google {
            google::check_organisation(&id_claims, &self.allowed_domains)?;
        }
        let lacks_email = matches!(id_claims.get("email"), None | Some(Value::Null));
        let mut asked = [&self.roles_claim, &self.groups_claim].into_iter().flatten();
        let lacks = lacks_email
            || self.issuers.lack_tenant(&id_claims)
            || asked.any(|path| !is_told(&id_claims, path))
            || claims::is_elsewhere(&id_claims, GROUPS);
        let user_info: Claims = match &metadata.userinfo_endpoint {
            Some(endpoint) if lacks => {
                let token = SecretString::from(access_token.secret().clone());
                let user_info: Claims = self.outgoing.get_json(endpoint, Some(&token)).await?;
                // OpenID Connect Core 5.3.4: otherwise it may be about somebody else.
                if user_info.get("sub").and_then(Value::as_str) != Some(sub) {
                    return Err(ProviderError::BadAnswer(
                        "UserInfo is about another sub than the ID token".into(),
                    ));
                }
                user_info
            }
            _ => Claims::new(),
        };
        self.issuers.check_tenant(named, &id_claims, &user_info)?;
        let documents = [&id_claims, &user_info];
        // An e-mail and its being verified are one statement: both are of the same document.
        let email = self.email(if lacks_email { &user_info } else { &id_claims })?;
        let (groups, groups_elsewhere) = self.groups(&documents);
        let name = ["name", "preferred_username"]
            .iter()
            .find_map(|name| id_claims.get(*name).or_else(|| user_info.get(*name))?.as_str())
            .and_then(claims::display_name);
        Ok(Person {
            subject: named.subject(sub),
            email,
            name,
            roles: self.roles(&documents)?,
            groups,
            groups_elsewhere,
            proved_at: None,
            provider_sid: id_claims
                .get("sid")
                .and_then(Value::as_str)
                .and_then(claims::subject)
                .map(str::to_owned),
            id_token: None,
        })
    }

    /// The verified e-mail in a document. Without one, nobody signs in, unless that was said to be fine: then they have
    /// none, and no rule by e-mail is about them.
    fn email(&self, document: &Claims) -> Result<Option<String>, ProviderError> {
        match claims::verified_email(document, &self.email_verified_claim) {
            // Google's organisation is checked by `hd`.
            Ok(email)
                if self.kind != ProviderKind::Google && !claims::in_domains(email, &self.allowed_domains) =>
            {
                Err(ProviderError::DomainNotAllowed)
            }
            Ok(email) => Ok(Some(email.to_owned())),
            Err(_) if self.email_optional && self.allowed_domains.is_empty() => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    fn roles(&self, documents: &[&Claims]) -> Result<Vec<String>, ProviderError> {
        let Some(path) = &self.roles_claim else { return Ok(Vec::new()) };
        if let Some(document) = documents.iter().find(|document| is_told(document, path)) {
            return Ok(claims::roles_at(document, path, self.issuers.allowed_tenants()));
        }
        if documents.iter().any(|document| claims::is_elsewhere(document, path)) {
            return Err(ProviderError::ClaimElsewhere(path.clone()));
        }
        // Keycloak puts roles into the access token alone, unless a mapper says otherwise.
        tracing::info!(
            provider = self.id,
            claim = path,
            "neither the ID token nor UserInfo has the claim of `roles_claim`: the person has no role of the provider"
        );
        Ok(Vec::new())
    }

    /// The groups; and their claim where it is elsewhere, which matters only to who decides by groups.
    fn groups(&self, documents: &[&Claims]) -> (Vec<String>, Option<String>) {
        let path = self.groups_claim.as_deref().unwrap_or(GROUPS);
        if let Some(document) = documents.iter().find(|document| is_told(document, path)) {
            return (claims::groups_at(document, path), None);
        }
        let elsewhere = documents.iter().any(|document| claims::is_elsewhere(document, path));
        (Vec::new(), elsewhere.then(|| path.to_owned()))
    }
}

/// Whether a claim is in a document, and all of it.
fn is_told(document: &Claims, path: &str) -> bool {
    claims::at(document, path).is_some() && !claims::is_elsewhere(document, path)
}
