//! The people who can sign in.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A person. Members that are not named here become claims as they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    /// Their e-mail; also what their `sub` is made from.
    pub(crate) email: String,
    /// Full name; by default the part before the `@`.
    #[serde(default)]
    pub(crate) name: String,
    /// As it appears in claims: normally a boolean, but some providers send text.
    #[serde(default = "yes")]
    pub(crate) email_verified: Value,
    /// `groups` claim.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// `roles` claim, and Keycloak's `realm_access.roles`.
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    /// Any other claim; wins over what is derived.
    #[serde(flatten)]
    pub(crate) extra: Map<String, Value>,
}

fn yes() -> Value {
    Value::Bool(true)
}

impl Account {
    /// Somebody with just an e-mail, verified.
    pub(crate) fn new(email: &str, name: &str) -> Self {
        Self {
            email: email.trim().to_owned(),
            name: name.trim().to_owned(),
            email_verified: yes(),
            groups: Vec::new(),
            roles: Vec::new(),
            extra: Map::new(),
        }
    }

    fn with(mut self, roles: &[&str], groups: &[&str]) -> Self {
        self.roles = roles.iter().map(|r| (*r).to_owned()).collect();
        self.groups = groups.iter().map(|g| (*g).to_owned()).collect();
        self
    }

    /// The name to show and to claim.
    pub(crate) fn full_name(&self) -> &str {
        if self.name.is_empty() { self.email.split('@').next().unwrap_or_default() } else { &self.name }
    }

    /// The part after the `@`.
    pub(crate) fn domain(&self) -> &str {
        self.email.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// A number that is the same for the same e-mail, for ever (spelling aside).
    pub(crate) fn number(&self) -> u64 {
        let hash = digest(&SHA256, self.email.to_lowercase().as_bytes());
        hash.as_ref().iter().take(8).fold(0, |n, byte| (n << 8) | u64::from(*byte))
    }

    /// The subject, in the shape of Google's: 21 digits.
    pub(crate) fn sub(&self) -> String {
        match self.extra.get("sub").and_then(Value::as_str) {
            Some(sub) => sub.to_owned(),
            None => format!("1{:020}", self.number()),
        }
    }
}

/// The built-in people: ordinary ones, and those that gateways tend to get wrong.
pub(crate) fn built_in() -> Vec<Account> {
    let mut unverified = Account::new("unverified@example.com", "Linus");
    unverified.email_verified = Value::Bool(false);
    let mut huge = Account::new("huge@example.com", &"Maximiliane von und zu Langenname ".repeat(152));
    huge.groups = (0..400).map(|n| format!("department-{n:03}")).collect();
    vec![
        Account::new("ada@example.com", "Ada Lovelace")
            .with(&["admin-role", "staff"], &["engineering", "audit"]),
        Account::new("grace@example.com", "Grace Hopper").with(&["staff"], &["engineering"]),
        unverified,
        Account::new("jurgen@example.com", "Jürgen Ñandú 東京").with(&["staff"], &["vertrieb-süd"]),
        Account::new("other@elsewhere.example", "Olga"),
        huge,
    ]
}

/// What is wrong with an e-mail, if anything: this provider takes nearly everything on purpose.
pub(crate) fn email_fault(email: &str) -> Option<&'static str> {
    match email.trim().split_once('@') {
        Some((local, domain)) if !local.is_empty() && !domain.is_empty() => None,
        _ => Some("Type an e-mail address, for example ada@example.com."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_stable_and_distinct() {
        let sub = |email: &str| Account::new(email, "").sub();
        assert_eq!(sub("ada@example.com"), sub("ADA@example.com"));
        assert_ne!(sub("ada@example.com"), sub("grace@example.com"));
        assert_eq!(sub("ada@example.com").len(), 21);
    }

    #[test]
    fn the_huge_account_is_huge() {
        let huge = built_in().into_iter().find(|a| a.email == "huge@example.com").unwrap();
        assert_eq!(huge.groups.len(), 400);
        assert!(huge.name.len() > 5_000);
    }

    #[test]
    fn unknown_members_are_claims() {
        let account: Account = serde_json::from_str(r#"{"email":"a@b.c","sub":"7","team":["x"]}"#).unwrap();
        assert_eq!(account.sub(), "7");
        assert_eq!(account.extra["team"], serde_json::json!(["x"]));
        assert_eq!(account.email_verified, Value::Bool(true));
    }
}
