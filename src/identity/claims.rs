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

/// The strings in the list at `path`, sorted and without duplicates. What would not fit into a comma-separated
/// header is dropped, and so is a list that is no list. Only `scope` may be one string parted by blanks
/// (RFC 8693 4.2).
#[must_use]
pub fn values_at(claims: &Claims, path: &str) -> Vec<String> {
    let mut values: Vec<String> = match at(claims, path) {
        Some(Value::Array(list)) => list
            .iter()
            .take(MAX_VALUES)
            .filter_map(Value::as_str)
            .filter(|v| is_list_item(v))
            .map(str::to_owned)
            .collect(),
        Some(Value::String(text)) if path == "scope" => {
            text.split(' ').take(MAX_VALUES).filter(|value| is_list_item(value)).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    values.sort_unstable();
    values.dedup();
    values
}

fn is_list_item(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && !value.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, ',' | ';'))
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

/// The verified e-mail. Only the JSON `true` counts as verified, and the string `"true"`, which some providers
/// send.
///
/// # Errors
/// [`EmailFault`].
pub fn verified_email(claims: &Claims) -> Result<&str, EmailFault> {
    let email = match claims.get("email") {
        None | Some(Value::Null) => return Err(EmailFault::Missing),
        Some(Value::String(email)) if email.is_empty() => return Err(EmailFault::Missing),
        Some(Value::String(email)) => email,
        Some(_) => return Err(EmailFault::Unusable),
    };
    let verified = match claims.get("email_verified") {
        Some(Value::Bool(verified)) => *verified,
        Some(Value::String(verified)) => verified == "true",
        _ => false,
    };
    if !verified {
        return Err(EmailFault::NotVerified);
    }
    is_email(email).then_some(email.as_str()).ok_or(EmailFault::Unusable)
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
