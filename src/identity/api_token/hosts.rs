//! The hosts on which a token is good.

use crate::config;

/// A token's list of hosts, ready to be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// As the store has it: other tools may have written it, in any case and with blanks. What is no host is good
    /// nowhere.
    #[must_use]
    pub fn new<S: AsRef<str>>(written: &[S]) -> Self {
        Self(written.iter().filter_map(|host| host_pattern(host.as_ref().trim())).collect())
    }

    /// Whether a host is among them; `host` is in its canonical spelling ([`crate::policy::target::Host`]). `*.parent`
    /// is every host below the parent and not the parent; an empty list is nowhere.
    #[must_use]
    pub fn cover(&self, host: &str) -> bool {
        self.0.iter().any(|listed| match listed.strip_prefix('*') {
            // Of `*.parent` the rest begins with the dot, and something must stand before it.
            Some(rest) => host.len() > rest.len() && host.ends_with(rest),
            None => listed == host,
        })
    }
}

/// A host, `*.parent` or `*` in its canonical spelling; `None` for anything else, one with a port too: the port of an
/// address decides nothing.
#[must_use]
pub fn host_pattern(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.to_owned());
    }
    match text.strip_prefix("*.") {
        // Nothing is below an address.
        Some(parent) => config::host_name(parent).map(|parent| format!("*.{parent}")),
        None => config::host(text.strip_suffix('.').unwrap_or(text)),
    }
}
