//! Who a provider's tokens may be of: the one issuer, or, where every tenant is an issuer of its own, those of the
//! tenants that are allowed. All of them are written out when the configuration is read and compared to the letter.

use serde_json::Value;

use super::{ProviderError, quoted};
use crate::config::{TENANT, Tenants};
use crate::identity::claims::{self, Claims};

/// The issuers of one provider.
#[derive(Debug)]
pub(super) struct Issuers {
    one: String,
    tenants: Option<Tenants>,
    /// Tenant and issuer, where there is one for each.
    each: Vec<(String, String)>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    /// To the letter.
    pub(super) issuer: &'a str,
    tenant: Option<&'a str>,
}

impl Issuers {
    pub(super) fn new(issuer: &str, tenants: Option<&Tenants>) -> Self {
        let each = tenants.and_then(|tenants| {
            let issuer_of =
                |tenant: &String| Some((tenant.clone(), tenants.issuers.as_deref()?.replace(TENANT, tenant)));
            tenants.allowed.iter().map(issuer_of).collect::<Option<_>>()
        });
        Self { one: issuer.to_owned(), tenants: tenants.cloned(), each: each.unwrap_or_default() }
    }

    /// As the provider's metadata names them all.
    pub(super) fn advertised(&self) -> &str {
        self.tenants.as_ref().and_then(|tenants| tenants.issuers.as_deref()).unwrap_or(&self.one)
    }

    /// The one of this name.
    pub(super) fn named(&self, name: &str) -> Option<Named<'_>> {
        if self.each.is_empty() {
            return (name == self.one).then_some(Named { issuer: &self.one, tenant: None });
        }
        let (tenant, issuer) = self.each.iter().find(|(_, issuer)| issuer == name)?;
        Some(Named { issuer, tenant: Some(tenant) })
    }

    /// The one that an ID token must be of. With one issuer that is known; else the token says which of them, and is
    /// held to its word.
    pub(super) fn of_token(&self, token: &Claims) -> Result<Named<'_>, ProviderError> {
        if self.each.is_empty() {
            return Ok(Named { issuer: &self.one, tenant: None });
        }
        let name = token.get("iss").and_then(Value::as_str).unwrap_or_default();
        self.named(name).ok_or_else(|| {
            ProviderError::TenantNotAllowed(format!("its issuer is {:?} (`allowed_tenants`)", quoted(name)))
        })
    }

    /// Whether the account's tenant is still to be learnt: the ID token does not say.
    pub(super) fn lack_tenant(&self, token: &Claims) -> bool {
        self.tenants.as_ref().is_some_and(|tenants| claims::at(token, &tenants.claim).is_none())
    }

    /// Whether the account is of a tenant that is allowed: by the ID token, or, where that says nothing, by UserInfo.
    /// Without a word about it, it is of none.
    pub(super) fn check_tenant(
        &self,
        named: Named<'_>,
        token: &Claims,
        user_info: &Claims,
    ) -> Result<(), ProviderError> {
        let Some(tenants) = &self.tenants else { return Ok(()) };
        let claim = &tenants.claim;
        let document = if self.lack_tenant(token) { user_info } else { token };
        let told = match claims::at(document, claim) {
            Some(Value::String(told)) => told,
            Some(_) => {
                return Err(ProviderError::TenantNotAllowed(format!("its claim {claim:?} is no text")));
            }
            None => return Err(ProviderError::TenantNotAllowed(format!("it has no claim {claim:?}"))),
        };
        // Where the issuer says which tenant it is, the claim must say the same.
        if named.tenant.is_none_or(|tenant| tenant == told)
            && tenants.allowed.iter().any(|allowed| allowed == told)
        {
            return Ok(());
        }
        Err(ProviderError::TenantNotAllowed(format!(
            "its claim {claim:?} is {:?} (`allowed_tenants`)",
            quoted(told)
        )))
    }

    /// The tenants that are allowed; empty where nobody asked.
    pub(super) fn allowed_tenants(&self) -> &[String] {
        self.tenants.as_ref().map_or(&[], |tenants| &tenants.allowed)
    }
}

impl Named<'_> {
    /// A subject as the gateway knows it. `sub` is unique within its issuer alone (OpenID Connect Core 2), so that of a
    /// tenant has the tenant in front.
    pub(super) fn subject(&self, sub: &str) -> String {
        self.tenant.map_or_else(|| sub.to_owned(), |tenant| format!("{tenant}/{sub}"))
    }
}
