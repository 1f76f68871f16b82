//! The entries of `bearer.issuers`: whose tokens are believed, and how far.

use std::time::Duration;

use super::fault::{Faults, shown};
use super::provider::{address, algorithm, claim, endpoint_host, id, required};
use super::table::Table;
use super::tenants::issuers_of_all;
use super::{Introspection, Issuer, Provider, parse};

/// How far clocks may be apart unless set.
const LEEWAY: Duration = Duration::from_secs(30);
/// A token that has expired is not to live for minutes more.
const MOST_LEEWAY: Duration = Duration::from_secs(60);

/// Checks every entry, and that ids and issuers differ. An issuer that also signs people in shares the id of that
/// provider, so that a person is the same one either way.
pub(super) fn all(
    tables: &[Table],
    providers: &[Provider],
    faults: &mut Faults,
    warnings: &mut Vec<String>,
) -> Vec<Issuer> {
    let mut issuers: Vec<Issuer> = Vec::new();
    for table in tables {
        let Some(issuer) = one(table, providers, faults, warnings) else { continue };
        if issuers.iter().any(|other| other.issuer == issuer.issuer) {
            table.fault("issuer", "is there twice; put both into one entry", faults);
        } else if issuers.iter().any(|other| other.id == issuer.id) {
            let message = format!("{} is taken by an earlier issuer; write another", shown(&issuer.id));
            table.fault("id", message, faults);
        }
        issuers.push(issuer);
    }
    issuers
}

fn one(
    table: &Table,
    providers: &[Provider],
    faults: &mut Faults,
    warnings: &mut Vec<String>,
) -> Option<Issuer> {
    let insecure_http = table.flag("insecure_http");
    let hint = "write the issuer as its tokens spell it (`iss`), such as \
        `https://login.example.com/realms/main`";
    let issuer = required(table, "issuer", hint, faults, one_issuer)
        .filter(|text| address(table, "issuer", text, insecure_http, faults).is_some());
    let audiences = table.each("audiences", faults, |text| parse::line(text, 512)).unwrap_or_default();
    if audiences.is_empty() {
        let message = "is missing; write whom tokens must be meant for (their `aud`), such as `[api]`: without \
            it every token of the issuer would do, whatever it was issued for";
        table.fault("audiences", message, faults);
    }
    let algorithms = table.each("algorithms", faults, algorithm);
    if table.list("algorithms").is_some_and(<[_]>::is_empty) {
        table.fault("algorithms", "is empty; write `[RS256]`, or take it out", faults);
    }
    let leeway = table.parse("leeway", faults, |text| match parse::duration(text)? {
        span if span > MOST_LEEWAY => Err("must be at most `60s`; set the clocks right instead".to_owned()),
        span => Ok(span),
    });
    let roles_claims = table.each("roles_claims", faults, claim).unwrap_or_default();
    let groups_claim = table.parse("groups_claim", faults, claim);
    let email_verified_claim = table.parse("email_verified_claim", faults, claim);
    let endpoint_hosts = table.each("endpoint_hosts", faults, endpoint_host).unwrap_or_default();
    let introspection = introspection(table, faults);
    let given = table.parse("id", faults, id);
    let issuer = issuer?;
    let same = providers.iter().find(|provider| provider.issuer == issuer);
    let id = match (given, same) {
        (Some(id), Some(provider)) if id != provider.id => {
            let message = format!(
                "must be `{0}`: the provider `{0}` has the same issuer, and a person is the same one either way",
                provider.id
            );
            table.fault("id", message, faults);
            id
        }
        (Some(id), None) if providers.iter().any(|provider| provider.id == id) => {
            let message = format!("{} is taken by a provider with another issuer; write another", shown(&id));
            table.fault("id", message, faults);
            id
        }
        (Some(id), _) => id,
        (None, Some(provider)) => provider.id.clone(),
        (None, None) => slug(&issuer),
    };
    if insecure_http {
        warnings.push(format!("bearer.issuers.{id}.insecure_http: keys can be replaced on the way"));
    }
    Some(Issuer {
        id,
        issuer,
        audiences,
        roles_claims,
        groups_claim: groups_claim.unwrap_or_else(|| "groups".to_owned()),
        email_verified_claim: email_verified_claim.unwrap_or_else(|| "email_verified".to_owned()),
        algorithms: algorithms.unwrap_or_else(|| vec!["RS256".to_owned()]),
        leeway: leeway.unwrap_or(LEEWAY),
        introspection,
        endpoint_hosts,
        insecure_http,
    })
}

/// An issuer that tokens name.
fn one_issuer(text: &str) -> Result<String, String> {
    if issuers_of_all(text).is_some() {
        return Err(
            "is Microsoft's address for many tenants, which no token names; write an entry for each tenant, \
             `https://login.microsoftonline.com/TENANT-ID/v2.0`"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}

fn introspection(table: &Table, faults: &mut Faults) -> Option<Introspection> {
    let client_id = table.parse("introspection_client_id", faults, |text| parse::line(text, 512));
    let secret = "introspection_client_secret";
    let wanted = table.written(secret).or(table.written("introspection_client_secret_file")).is_some();
    let client_secret = table.secret(secret, faults);
    if client_id.is_some() && !wanted {
        table.fault(secret, "is missing beside `introspection_client_id`; write it, or its file", faults);
    }
    if client_id.is_none() && wanted && table.written("introspection_client_id").is_none() {
        let message =
            "is missing beside its secret; write the client that asks for the issuer's word on a token";
        table.fault("introspection_client_id", message, faults);
    }
    Some(Introspection { client_id: client_id?, client_secret: client_secret? })
}

/// `https://kc.example.com/realms/main` as an id: `kc-example-com-realms-main`.
fn slug(issuer: &str) -> String {
    let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    let mut slug = String::new();
    for c in rest.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let short: String = slug.chars().take(32).collect();
    short.trim_end_matches('-').to_owned()
}
