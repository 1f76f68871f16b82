//! Providers that several organisations share, and which of these may sign in.
//!
//! Microsoft Entra ID has addresses for all organisations of the world (`/common`, `/organizations`). Behind them every
//! tenant is an issuer of its own; so such an address is taken only with the list of the tenants that are meant, and
//! their issuers are written out here, once. Nothing that a token says is ever put into an issuer's name.

use super::fault::{Faults, shown};
use super::provider::claim;
use super::table::Table;

/// What stands for the tenant where Microsoft names the issuers of all tenants together.
pub const TENANT: &str = "{tenantid}";

/// Whose accounts may sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenants {
    /// Path of the claim that says which one an account is of.
    pub claim: String,
    /// Those that may sign in, exactly as that claim spells them; never empty.
    pub allowed: Vec<String>,
    /// How the provider's metadata names the issuers of all tenants together, with [`TENANT`] for the tenant; `None`
    /// where there is one issuer.
    pub issuers: Option<String>,
}

/// Reads `allowed_tenants` and `tenant_claim`. An issuer for all tenants cannot go without.
pub(super) fn read(table: &Table, issuer: Option<&str>, faults: &mut Faults) -> Option<Tenants> {
    let issuers = issuer.and_then(issuers_of_all);
    let per_tenant = issuers.is_some();
    let allowed = table.each("allowed_tenants", faults, |text| tenant(text, per_tenant));
    let claim = table.parse("tenant_claim", faults, claim);
    if table.list("allowed_tenants").is_some_and(<[_]>::is_empty) {
        table.fault(
            "allowed_tenants",
            "is empty, so nobody could sign in; list the tenants, or take it out",
            faults,
        );
    }
    if table.written("allowed_tenants").is_none() {
        if per_tenant {
            let message = "is missing: at this issuer everybody of every organisation signs in; list the ids of the \
                tenants that may, or write the issuer of your own, \
                `https://login.microsoftonline.com/TENANT-ID/v2.0`";
            table.fault("allowed_tenants", message, faults);
        } else if table.written("tenant_claim").is_some() {
            table.fault(
                "tenant_claim",
                "says nothing without `allowed_tenants`; add that, or take it out",
                faults,
            );
        }
    }
    if per_tenant && claim.as_deref().is_some_and(|claim| claim != DEFAULT_CLAIM) {
        table.fault("tenant_claim", "must be `tid` with this issuer; take it out", faults);
    }
    Some(Tenants { claim: claim.unwrap_or_else(|| DEFAULT_CLAIM.to_owned()), allowed: allowed?, issuers })
}

/// Microsoft's name of it.
const DEFAULT_CLAIM: &str = "tid";

/// `https://login.microsoftonline.com/organizations/v2.0` as the metadata there names it; `None` for every other issuer.
pub(super) fn issuers_of_all(issuer: &str) -> Option<String> {
    let rest = issuer.strip_suffix("/v2.0")?;
    let origin = rest.strip_suffix("/common").or_else(|| rest.strip_suffix("/organizations"))?;
    let (_, host) = origin.split_once("://")?;
    (!host.is_empty() && !host.contains('/')).then(|| format!("{origin}/{TENANT}/v2.0"))
}

fn tenant(text: &str, per_tenant: bool) -> Result<String, String> {
    if per_tenant {
        let id = text.to_ascii_lowercase();
        return match is_guid(&id) {
            true => Ok(id),
            false => Err(format!(
                "{} is no tenant id; write one like `8eaef023-2b34-4da1-9baa-8bc8c9d6a490` (a domain is none)",
                shown(text)
            )),
        };
    }
    let fine = (1..=256).contains(&text.len()) && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if fine { Ok(text.to_owned()) } else { Err(format!("{} is no name of a tenant", shown(text))) }
}

/// Lower-case, as Microsoft writes it.
fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}
