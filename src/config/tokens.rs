//! `tokens`, `rate_limit` and `admin`: API tokens, how often who may ask, and the administrator by password.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::fault::{Faults, shown};
use super::table::Table;
use super::{Admin, RateLimit, Tokens};
use crate::clock::Timestamp;

/// A pepper or an administrator's password that is shorter is a guess away.
const SHORTEST_PEPPER: usize = 16;
const SHORTEST_PASSWORD: usize = 8;

const DEFAULT_USER: &str = "admin";

/// Words that stand in examples, and that people leave there. Compared without case, digits and punctuation.
const EXAMPLES: &[&str] = &[
    "admin",
    "administrator",
    "changeit",
    "changeme",
    "changethis",
    "default",
    "doorward",
    "example",
    "examplepassword",
    "pass",
    "password",
    "pepper",
    "replaceme",
    "secret",
    "supersecret",
    "todo",
    "yourpassword",
    "yourpepper",
];

pub(super) fn tokens(table: &Table, faults: &mut Faults) -> Tokens {
    let pepper = pepper(table, "pepper", faults);
    let previous_pepper = self::pepper(table, "previous_pepper", faults);
    let until = table.parse("previous_pepper_until", faults, |text| {
        Timestamp::parse_rfc3339(text)
            .ok_or_else(|| format!("{} is no time; write one like `2027-01-31T00:00:00Z`", shown(text)))
    });
    if previous_pepper.is_some() && table.written("previous_pepper_until").is_none() {
        let message = "is missing beside `previous_pepper`; write until when that is accepted, like \
            `2027-01-31T00:00:00Z`";
        table.fault("previous_pepper_until", message, faults);
    }
    if let (Some(new), Some(old)) = (&pepper, &previous_pepper)
        && new.expose_secret() == old.expose_secret()
    {
        table.fault("previous_pepper", "is the same as `pepper`; take it out", faults);
    }
    let span = |key: &str, faults: &mut Faults| {
        let secs = table.parse(key, faults, |text| whole(text, u64::from(u32::MAX)))?;
        (secs > 0).then(|| Duration::from_secs(secs))
    };
    let (default_ttl, max_ttl) = (span("default_ttl_seconds", faults), span("max_ttl_seconds", faults));
    if let Some(max) = max_ttl
        && default_ttl.is_some_and(|default| default > max)
    {
        table.fault("default_ttl_seconds", "is more than `max_ttl_seconds`", faults);
    }
    Tokens {
        pepper,
        previous_pepper,
        previous_pepper_until: until,
        default_ttl: default_ttl.or(max_ttl),
        max_ttl,
        self_service: table.get("self_service").is_none() || table.flag("self_service"),
    }
}

fn pepper(table: &Table, key: &str, faults: &mut Faults) -> Option<SecretString> {
    let secret = table.secret(key, faults)?;
    let length = secret.expose_secret().len();
    if length < SHORTEST_PEPPER || is_example(secret.expose_secret()) {
        let message = "must be at least 16 bytes that nobody can guess; `doorward keys new` makes some";
        table.fault(key, message, faults);
    }
    Some(secret)
}

pub(super) fn rate_limit(table: &Table, faults: &mut Faults) -> RateLimit {
    let mut number = |key: &str, most: u64, default: u32| {
        let number = table.parse(key, faults, |text| whole(text, most));
        number.and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
    };
    let window = number("window_sec", 86_400, 1);
    let limits = RateLimit {
        window: Duration::from_secs(u64::from(window)),
        max: number("max", 1_000_000, 100),
        user_max: number("user_max", 1_000_000, 0),
        failures: number("failures", 1_000_000, 20),
    };
    if window == 0 {
        table.fault("window_sec", "must be at least 1 second", faults);
    }
    limits
}

pub(super) fn admin(table: &Table, faults: &mut Faults) -> Admin {
    let user = table.parse("user", faults, |text| {
        let plain = text.len() <= 128 && !text.contains([':', '"']) && !text.chars().any(char::is_control);
        if plain { Ok(text.to_owned()) } else { Err("must be a name without `:` and `\"`".to_owned()) }
    });
    let pass = table.secret("pass", faults);
    let written = table.written("pass").or(table.written("pass_file")).is_some();
    if let Some(secret) = &pass
        && (secret.expose_secret().len() < SHORTEST_PASSWORD || is_example(secret.expose_secret()))
    {
        let message = "must be at least 8 characters, and no example that everybody knows; \
            `doorward keys new` prints something fit";
        table.fault("pass", message, faults);
    }
    let name = user.as_deref().unwrap_or(DEFAULT_USER);
    if let Some(secret) = &pass
        && secret.expose_secret().eq_ignore_ascii_case(name)
    {
        table.fault("pass", "is the same as the name", faults);
    }
    if user.is_some() && !written {
        let message = "is missing beside `admin.user`; write it or `pass_file`: an empty password lets \
            everybody in";
        table.fault("pass", message, faults);
    }
    Admin { user: user.unwrap_or_else(|| DEFAULT_USER.to_owned()), pass }
}

/// A whole number of at most `most`.
fn whole(text: &str, most: u64) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|number| *number <= most)
        .ok_or_else(|| format!("{} is no whole number from 0 to {most}", shown(text)))
}

fn is_example(secret: &str) -> bool {
    let bare: String = secret.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
    EXAMPLES.contains(&bare.as_str())
        || bare.is_empty() && secret.len() < SHORTEST_PEPPER
        || secret.trim().is_empty()
}
