//! Google's ways: everybody with any Google account may sign in unless the ID token's `hd` says which
//! organisation it belongs to. The parameter of the same name on the way there only chooses what is shown.

use serde_json::Value;

use crate::identity::claims::Claims;
use crate::identity::provider::ProviderError;

/// Parameters of the authorization address beside the standard ones.
pub(super) fn parameters(allowed_domains: &[String]) -> Vec<(&'static str, String)> {
    // People with a private and a work account are asked which; else Google takes the last one in silence, and
    // "use another account" would lead nowhere.
    let mut parameters = vec![("prompt", "select_account".to_owned())];
    match allowed_domains {
        [] => {}
        [domain] => parameters.push(("hd", domain.to_ascii_lowercase())),
        // Any organisation; which one is checked afterwards.
        _ => parameters.push(("hd", "*".to_owned())),
    }
    parameters
}

/// Whether the account belongs to one of the organisations. A domain of the e-mail does not count: anybody can
/// open a Google account with an e-mail of somebody else's domain that they once could read.
pub(super) fn check_organisation(claims: &Claims, allowed_domains: &[String]) -> Result<(), ProviderError> {
    if allowed_domains.is_empty() {
        return Ok(());
    }
    match claims.get("hd") {
        Some(Value::String(hd)) if allowed_domains.iter().any(|domain| domain.eq_ignore_ascii_case(hd)) => {
            Ok(())
        }
        _ => Err(ProviderError::DomainNotAllowed),
    }
}
