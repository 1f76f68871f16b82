//! The names by which programs beside Keycloak are configured: they make a bearer issuer with Keycloak's claims.

use std::collections::BTreeMap;

use super::put;
use crate::config::fault::{Fault, Faults};
use crate::config::keys::ISSUER;
use crate::config::raw::Raw;
use crate::config::table::{Table, Value};

const URL: &str = "KEYCLOAK_URL";
const REALM: &str = "KEYCLOAK_REALM";
const DISCOVERY: &str = "KEYCLOAK_DISCOVERY_URL";
const AUDIENCE: &str = "KEYCLOAK_AUDIENCE";

/// What an OpenID provider puts behind its issuer (OpenID Connect Discovery 4).
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// `KEYCLOAK_DISCOVERY_URL`, or `KEYCLOAK_URL` and `KEYCLOAK_REALM`, with `KEYCLOAK_AUDIENCE`.
pub(super) fn apply(env: &BTreeMap<String, String>, raw: &mut Raw, faults: &mut Faults) {
    let set = |name: &str| env.get(name).map(String::as_str).filter(|value| !value.is_empty());
    if [URL, REALM, DISCOVERY, AUDIENCE].iter().all(|name| set(name).is_none()) {
        return;
    }
    let by_realm = match (set(URL), set(REALM)) {
        (Some(url), Some(realm)) => {
            let plain = realm.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '~'))
                && realm != "..";
            if !plain {
                faults.push(Fault::new(REALM, None, "must be the name of a realm, such as `main`"));
            }
            Some(format!("{}/realms/{realm}", url.trim_end_matches('/')))
        }
        (Some(_), None) if set(DISCOVERY).is_none() => {
            faults.push(Fault::new(REALM, None, "is not set beside `KEYCLOAK_URL`; write the realm's name"));
            return;
        }
        (None, Some(_)) if set(DISCOVERY).is_none() => {
            let message = "is not set beside `KEYCLOAK_REALM`; write Keycloak's address, such as \
                `https://kc.example.com`";
            faults.push(Fault::new(URL, None, message));
            return;
        }
        _ => None,
    };
    let (issuer, origin) = match (set(DISCOVERY), by_realm) {
        (Some(discovery), by_realm) => {
            let Some(issuer) = discovery.strip_suffix(WELL_KNOWN) else {
                let message = format!("must end with `{WELL_KNOWN}`, behind the issuer's address");
                faults.push(Fault::new(DISCOVERY, None, message));
                return;
            };
            if by_realm.is_some_and(|other| other != issuer) {
                let message =
                    "names another issuer than `KEYCLOAK_URL` and `KEYCLOAK_REALM`; keep one of the two";
                faults.push(Fault::new(DISCOVERY, None, message));
            }
            (issuer.to_owned(), DISCOVERY)
        }
        (None, Some(issuer)) => (issuer, URL),
        (None, None) => {
            let message = "is not set beside `KEYCLOAK_AUDIENCE`; write the issuer's address with \
                `/.well-known/openid-configuration` behind it (or set `KEYCLOAK_URL` and `KEYCLOAK_REALM`)";
            faults.push(Fault::new(DISCOVERY, None, message));
            return;
        }
    };
    add(env, raw, &issuer, origin, faults);
}

fn add(env: &BTreeMap<String, String>, raw: &mut Raw, issuer: &str, origin: &str, faults: &mut Faults) {
    let file_has = raw.issuers.iter_mut().find(|table| table.text("issuer") == Some(issuer));
    let mut over = Table::new("bearer.issuers.keycloak");
    if let Some(key) = ISSUER.iter().find(|(key, _)| *key == "audiences") {
        put(env, AUDIENCE, key, &mut over, faults);
    }
    if let Some(table) = file_has {
        table.overlay(over);
        return;
    }
    let Some(audiences) = over.list("audiences") else {
        let message = format!(
            "is not set beside `{origin}`; write whom tokens must be meant for (their `aud`), such as `account`"
        );
        faults.push(Fault::new(AUDIENCE, None, message));
        return;
    };
    let mut roles = vec!["realm_access.roles".to_owned()];
    roles.extend(audiences.iter().map(|audience| format!("resource_access.{audience}.roles")));
    // The same issuer signs people in: one person, one id.
    let provider = raw.providers.iter().find(|table| table.text("issuer") == Some(issuer));
    let id = provider.and_then(|table| table.text("id")).unwrap_or("keycloak").to_owned();
    over.path = format!("bearer.issuers.{id}");
    over.set("id", Value::Text(id), origin);
    over.set("issuer", Value::Text(issuer.to_owned()), origin);
    over.set("roles_claims", Value::List(roles), AUDIENCE);
    raw.issuers.push(over);
}
