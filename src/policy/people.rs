//! The roles of a person and what they permit: the provider's claim, what the policy assigns, and what an
//! admin granted, at every decision.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::document::{Assign, Document, Holder, email};
use super::fault::{At, Fault, Faults, did_you_mean};
use super::names::{ADMIN_ROLE, is_role};

/// What is known about a caller before the policy speaks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// The configured id of the provider or issuer that vouches.
    pub provider: &'a str,
    /// Only if the issuer says that it is verified.
    pub email: Option<&'a str>,
    /// The provider's groups.
    pub groups: &'a [String],
    /// The provider's roles.
    pub claimed: &'a [String],
    /// What an admin granted.
    pub granted: &'a [String],
}

/// A role given to a holder, for one provider or any.
#[derive(Debug)]
struct Gift {
    role: String,
    provider: Option<At<String>>,
    /// Where it is written, and to whom, in words.
    line: u32,
    to: String,
}

/// Where a role of somebody comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The provider says so.
    Claimed,
    /// An admin granted it.
    Granted,
    /// An entry of `assign`.
    Assigned {
        /// To whom: "the group audit".
        to: String,
        /// Its line, from 1.
        line: u32,
    },
}

/// The tables behind roles and permissions.
#[derive(Debug, Default)]
pub(super) struct People {
    permissions: BTreeMap<String, Vec<String>>,
    by_email: HashMap<String, Vec<Gift>>,
    by_domain: HashMap<String, Vec<Gift>>,
    by_group: HashMap<String, Vec<Gift>>,
    email_gifts: Vec<(At<String>, Option<At<String>>)>,
    /// Roles given to a group of whatever provider.
    loose_groups: Vec<At<String>>,
    /// Roles that somebody can have by this file.
    held: BTreeSet<String>,
    /// Those, and the ones that rules name.
    known: BTreeSet<String>,
}

impl People {
    pub(super) fn new(document: &Document, faults: &mut Faults) -> Self {
        let mut people = Self::default();
        people.held.insert(ADMIN_ROLE.to_owned());
        for (role, permissions) in document.roles.iter().flatten() {
            people.held.insert(role.value.clone());
            people.permissions.insert(role.value.clone(), permissions.clone());
        }
        let mut seen = HashSet::new();
        for assign in &document.assign {
            people.held.insert(assign.role.value.clone());
            let (kind, holder) = match &assign.to {
                Holder::Email(holder) => ("email", holder),
                Holder::Domain(holder) => ("domain", holder),
                Holder::Group(holder) => ("group", holder),
            };
            let provider = assign.provider.as_ref().map(|provider| &provider.value);
            if !seen.insert((kind, holder, &assign.role.value, provider)) {
                faults.add(assign.role.place, "the same assignment is there twice", "keep one of the two");
            }
            people.add(assign);
        }
        people.known.clone_from(&people.held);
        people
    }

    fn add(&mut self, assign: &Assign) {
        let to = match &assign.to {
            Holder::Email(email) => email.clone(),
            Holder::Domain(domain) => format!("everybody at {domain}"),
            Holder::Group(group) => format!("the group {group}"),
        };
        let (role, provider) = (assign.role.value.clone(), assign.provider.clone());
        let gift = Gift { role, provider, line: assign.role.place.line, to };
        let (table, holder) = match &assign.to {
            Holder::Email(holder) => (&mut self.by_email, holder),
            Holder::Domain(holder) => (&mut self.by_domain, holder),
            Holder::Group(holder) => (&mut self.by_group, holder),
        };
        table.entry(holder.clone()).or_default().push(gift);
        if !matches!(assign.to, Holder::Group(_)) {
            self.email_gifts.push((assign.role.clone(), assign.provider.clone()));
        } else if assign.provider.is_none() {
            self.loose_groups.push(assign.role.clone());
        }
    }

    /// A rule's roles are known, too.
    pub(super) fn mention(&mut self, role: &str) {
        self.known.insert(role.to_owned());
    }

    pub(super) fn has(&self, role: &str) -> bool {
        self.held.contains(role)
    }

    pub(super) fn holders(&self) -> impl Iterator<Item = &str> {
        self.held.iter().map(String::as_str)
    }

    pub(super) fn knows(&self, role: &str) -> bool {
        self.known.contains(role)
    }

    pub(super) fn knows_group(&self, group: &str) -> bool {
        self.by_group.contains_key(group)
    }

    pub(super) fn uses_groups(&self) -> bool {
        !self.by_group.is_empty()
    }

    /// Every role that the policy names, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(String::as_str)
    }

    /// Whether some role permits this.
    pub(super) fn somebody_may(&self, permission: &str) -> bool {
        self.permissions.values().flatten().any(|given| given == permission || given == "*")
    }

    /// Every permission that a role names.
    pub(super) fn permission_names(&self) -> impl Iterator<Item = &str> {
        self.permissions.values().flatten().map(String::as_str).filter(|name| *name != "*")
    }

    pub(super) fn roles(&self, facts: &Facts<'_>) -> Vec<String> {
        let mut roles: BTreeSet<&str> = facts
            .claimed
            .iter()
            .chain(facts.granted)
            .map(String::as_str)
            .filter(|role| is_role(role))
            .collect();
        roles.extend(self.gifts(facts).map(|gift| gift.role.as_str()));
        roles.into_iter().map(str::to_owned).collect()
    }

    /// The same roles, each with where it comes from.
    pub(super) fn sources(&self, facts: &Facts<'_>) -> BTreeMap<String, Vec<Source>> {
        let mut sources: BTreeMap<String, Vec<Source>> = BTreeMap::new();
        for (names, source) in [(facts.claimed, Source::Claimed), (facts.granted, Source::Granted)] {
            for role in names.iter().filter(|role| is_role(role)) {
                sources.entry(role.clone()).or_default().push(source.clone());
            }
        }
        for gift in self.gifts(facts) {
            let source = Source::Assigned { to: gift.to.clone(), line: gift.line };
            sources.entry(gift.role.clone()).or_default().push(source);
        }
        sources
    }

    /// What the policy assigns to them.
    fn gifts<'a>(&'a self, facts: &'a Facts<'_>) -> impl Iterator<Item = &'a Gift> {
        let email = facts.email.and_then(email);
        let domain = email.as_deref().and_then(|email| email.split_once('@')).map(|(_, domain)| domain);
        let by_email = email.as_deref().and_then(|email| self.by_email.get(email));
        let by_domain = domain.and_then(|domain| self.by_domain.get(domain));
        let by_group = facts.groups.iter().filter_map(|group| self.by_group.get(group));
        by_email
            .into_iter()
            .chain(by_domain)
            .chain(by_group)
            .flatten()
            .filter(|gift| gift.provider.as_ref().is_none_or(|provider| provider.value == facts.provider))
    }

    pub(super) fn permissions(&self, roles: &[String]) -> Vec<String> {
        let given: BTreeSet<&String> =
            roles.iter().filter_map(|role| self.permissions.get(role)).flatten().collect();
        given.into_iter().cloned().collect()
    }

    /// What is allowed with several providers but dangerous: a group has the name that its own provider, or whoever may
    /// make groups there, gave it.
    pub(super) fn warnings_with_providers(&self, file: &str, ids: &[&str]) -> Vec<Fault> {
        let mut warnings = Faults::new(file);
        for role in self.loose_groups.iter().filter(|_| ids.len() > 1) {
            let problem = "with several providers, a group of this name at any of them is given the role";
            warnings.add(role.place, problem, format!("add 'provider:' with one of: {}", ids.join(", ")));
        }
        warnings.into_sorted()
    }

    /// What only the configuration can tell: providers that do not exist, and rules by e-mail that any of
    /// several providers could meet.
    pub(super) fn faults_with_providers(&self, file: &str, ids: &[&str]) -> Vec<Fault> {
        let mut faults = Faults::new(file);
        if ids.len() > 1 {
            for (role, provider) in &self.email_gifts {
                if provider.is_none() {
                    let problem = "with several providers, a rule by e-mail names whose e-mails it believes";
                    faults.add(
                        role.place,
                        problem,
                        format!("add 'provider:' with one of: {}", ids.join(", ")),
                    );
                }
            }
        }
        for gift in
            [&self.by_email, &self.by_domain, &self.by_group].into_iter().flat_map(HashMap::values).flatten()
        {
            if let Some(provider) = &gift.provider
                && !ids.contains(&provider.value.as_str())
            {
                let advice = did_you_mean(
                    &provider.value,
                    ids.iter().copied(),
                    format!("write one of: {}", ids.join(", ")),
                );
                faults.add(provider.place, "no provider of this name is configured", advice);
            }
        }
        faults.into_sorted()
    }
}
