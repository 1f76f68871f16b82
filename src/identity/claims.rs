//! Claims of providers turned into what the gateway believes: each value is checked once here, so that it fits a
//! header, a log line and a record wherever it goes.

use serde_json::{Map, Value};

/// A JSON object of claims.
pub type Claims = Map<String, Value>;

/// Values looked at in one list: beyond any real directory, and an end to a hostile one.
const MAX_VALUES: usize = 10_000;

/// The value at `path`: members named one after the other, parted by dots (`realm_access.roles`). A member that
/// itself has dots in its name never matches a path of several steps, so nobody reaches another claim by its
/// name; only a path with `://` is one name as a whole (`https://example.com/roles`, as Auth0 wants them).
#[must_use]
pub fn at<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    if path.contains("://") {
        return claims.get(path);
    }
    let mut steps = path.split('.');
    let mut value = claims.get(steps.next()?)?;
    for step in steps {
        value = value.as_object()?.get(step)?;
    }
    Some(value)
}

/// Whether the claim at `path` exists and is somewhere else: the document names it (OpenID Connect Core 5.6.2), as
/// Entra does when there are too many groups for a token, or says `hasgroups`. Then what is in this document is not
/// the whole of it, and "none" would be a guess.
#[must_use]
pub fn is_elsewhere(claims: &Claims, path: &str) -> bool {
    let name = if path.contains("://") { path } else { path.split('.').next().unwrap_or(path) };
    let named =
        claims.get("_claim_names").and_then(Value::as_object).is_some_and(|all| all.contains_key(name));
    let has_groups = claims.get("hasgroups").is_some_and(is_true);
    named || (has_groups && name == "groups")
}

/// What to do about [`is_elsewhere`], for the operator.
#[must_use]
pub fn elsewhere(path: &str) -> String {
    format!(
        "there is a claim {path:?}, but too much is in it for a token, and the provider keeps it elsewhere: have it send \
         less (Entra: `Groups assigned to the application`), or roles instead of groups (Entra: app roles, \
         `roles_claim: roles`)"
    )
}

/// The roles in the list at `path`, sorted and without duplicates. What would not fit into a comma-separated header
/// is dropped, and so is a list that is no list. Two claims are otherwise: `scope` may be one string parted by blanks
/// (RFC 8693 4.2), and Zitadel's roles are the members of an object; with `organisations`, those only that one of
/// them gave.
#[must_use]
pub fn roles_at(claims: &Claims, path: &str, organisations: &[String]) -> Vec<String> {
    let roles: Vec<&str> = match at(claims, path) {
        Some(Value::Array(list)) => list.iter().take(MAX_VALUES).filter_map(Value::as_str).collect(),
        Some(Value::String(text)) if path == "scope" => text.split(' ').take(MAX_VALUES).collect(),
        // {"admin": {"201982826478953724": "example.com"}}: the role, and who gave it.
        Some(Value::Object(roles)) if is_zitadel_roles(path) => roles
            .iter()
            .take(MAX_VALUES)
            .filter(|(_, givers)| is_given_by(givers, organisations))
            .map(|(role, _)| role.as_str())
            .collect(),
        _ => Vec::new(),
    };
    sorted(roles.into_iter().filter(|role| is_list_item(role)))
}

/// The groups in the list at `path`, sorted and without duplicates. They go into no header, so a name may have blanks
/// and commas in it ("Domain Admins").
#[must_use]
pub fn groups_at(claims: &Claims, path: &str) -> Vec<String> {
    let Some(Value::Array(list)) = at(claims, path) else { return Vec::new() };
    let fits = |group: &&str| (1..=256).contains(&group.len()) && !group.chars().any(char::is_control);
    sorted(list.iter().take(MAX_VALUES).filter_map(Value::as_str).filter(fits))
}

fn sorted<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut values: Vec<String> = values.map(str::to_owned).collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn is_list_item(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && !value.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, ',' | ';'))
}

/// `urn:zitadel:iam:org:project:roles`, or with the project's id before the last word.
fn is_zitadel_roles(path: &str) -> bool {
    path.strip_prefix("urn:zitadel:iam:org:project:")
        .is_some_and(|rest| rest == "roles" || rest.split_once(':').is_some_and(|(_, last)| last == "roles"))
}

fn is_given_by(givers: &Value, organisations: &[String]) -> bool {
    givers.as_object().is_some_and(|givers| {
        if organisations.is_empty() {
            !givers.is_empty()
        } else {
            organisations.iter().any(|organisation| givers.contains_key(organisation))
        }
    })
}

/// A subject: 1 to 255 bytes (OpenID Connect Core 2) without control bytes.
#[must_use]
pub fn subject(value: &str) -> Option<&str> {
    ((1..=255).contains(&value.len()) && !value.chars().any(char::is_control)).then_some(value)
}

/// Why there is no e-mail to believe in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailFault {
    /// None was given.
    Missing,
    /// The provider does not say that it is this person's.
    NotVerified,
    /// It could not be an address, or could be read in two ways.
    Unusable,
}

/// The claim that says whether an e-mail is verified, unless the operator names another.
pub const EMAIL_VERIFIED: &str = "email_verified";

/// The verified e-mail, by the claim at `verified_by`. Only the JSON `true` counts as verified, and the string
/// `"true"`, which some providers send; for another claim than `email_verified` also 1, as Entra writes it at times.
/// Where that says yes and `email_verified` is there and says no, it is no.
///
/// # Errors
/// [`EmailFault`].
pub fn verified_email<'a>(claims: &'a Claims, verified_by: &str) -> Result<&'a str, EmailFault> {
    let email = match claims.get("email") {
        None | Some(Value::Null) => return Err(EmailFault::Missing),
        Some(Value::String(email)) if email.is_empty() => return Err(EmailFault::Missing),
        Some(Value::String(email)) => email,
        Some(_) => return Err(EmailFault::Unusable),
    };
    let standard = claims.get(EMAIL_VERIFIED);
    let verified = if verified_by == EMAIL_VERIFIED {
        standard.is_some_and(is_true)
    } else {
        let one = |value: &Value| is_true(value) || *value == 1 || *value == "1";
        at(claims, verified_by).is_some_and(one) && standard.is_none_or(is_true)
    };
    if !verified {
        return Err(EmailFault::NotVerified);
    }
    is_email(email).then_some(email.as_str()).ok_or(EmailFault::Unusable)
}

fn is_true(value: &Value) -> bool {
    *value == true || *value == "true"
}

/// Whether an address can be read in one way only: one `@` with something on both sides, no control bytes or
/// blanks, at most 254 bytes (RFC 5321 4.5.3.1).
#[must_use]
pub fn is_email(email: &str) -> bool {
    let sides = email
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    sides && email.len() <= 254 && !email.chars().any(|c| c.is_control() || c.is_whitespace() || c == ',')
}

/// Whether the address is in one of the domains; every address is when there are none.
#[must_use]
pub fn in_domains(email: &str, domains: &[String]) -> bool {
    let domain = email.split_once('@').map_or("", |(_, domain)| domain);
    domains.is_empty() || domains.iter().any(|allowed| allowed.eq_ignore_ascii_case(domain))
}

/// A name for people: without control characters, trimmed, at most 256 characters.
#[must_use]
pub fn display_name(name: &str) -> Option<String> {
    let clean: String = name.chars().filter(|c| !c.is_control()).collect();
    let short: String = clean.trim().chars().take(256).collect();
    (!short.is_empty()).then_some(short)
}

#[cfg(test)]
mod tests;
