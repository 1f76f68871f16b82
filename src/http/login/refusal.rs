//! A sign-in that ended at the provider: the page for it, and the cause in the log.

use actix_web::HttpResponse;

use crate::http::pages::Trouble;
use crate::http::visit::{Then, Visit};
use crate::identity::provider::{Provider, ProviderError};
use crate::telemetry::metrics::LoginResult;

/// The page for what a provider did, and the cause in the log.
pub fn provider_trouble(
    visit: &Visit<'_>,
    provider: &Provider,
    error: &ProviderError,
    return_to: &str,
) -> HttpResponse {
    let (trouble, result) = match error {
        ProviderError::Unavailable(_) => (Trouble::ProviderSilent, LoginResult::Unavailable),
        ProviderError::BadAnswer(_) | ProviderError::ClientRefused(_) => {
            (Trouble::ProviderBroken, LoginResult::Unavailable)
        }
        ProviderError::EmailMissing => (Trouble::EmailMissing, LoginResult::NotAllowed),
        ProviderError::EmailNotVerified | ProviderError::EmailUnusable => {
            (Trouble::EmailNotVerified, LoginResult::NotAllowed)
        }
        ProviderError::DomainNotAllowed | ProviderError::TenantNotAllowed(_) => {
            (Trouble::DomainNotAllowed, LoginResult::NotAllowed)
        }
        ProviderError::ClaimElsewhere(_) => (Trouble::RolesNotTold, LoginResult::Unavailable),
        ProviderError::CodeRefused(_)
        | ProviderError::InvalidIdToken(_)
        | ProviderError::InvalidLogoutToken(_)
        | ProviderError::WrongIssuer => (Trouble::SignInRefused, LoginResult::Rejected),
    };
    tracing::warn!(
        request_id = visit.id.as_str(),
        provider = provider.id(),
        cause = %error,
        "the sign-in ended at the provider"
    );
    visit.state.metrics.login(provider.id(), result);
    visit.audit("sign_in_refused", Some(format!("{}: {error}", provider.id())), None);
    visit.trouble_with(trouble, Then::SignIn(return_to), Some(provider.label()))
}
