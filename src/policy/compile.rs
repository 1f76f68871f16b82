//! From the document to the immutable policy: every rule in the index, and every fault that only shows when
//! the rules are looked at together.

use std::sync::Arc;

use super::document::{Access, Document, Endpoint, Service, Settings};
use super::fault::{At, Fault, Faults, Place, did_you_mean};
use super::matcher::{Id, Index};
use super::pattern::{HostPattern, Pattern};
use super::people::People;
use super::trial::Trial;
use super::{document, yaml};

/// One rule, for logs and explanations.
#[derive(Debug)]
pub struct Rule {
    /// Its name: the service, methods and path, as in `auditflow GET /reports/{id}`.
    pub id: String,
    /// The file that it is written in.
    pub file: Arc<str>,
    /// The line there, from 1.
    pub line: u32,
    pub(super) hosts: Vec<HostPattern>,
    pub(super) pattern: Pattern,
    pub(super) methods: Vec<String>,
    pub(super) access: Access,
    pub(super) service: Option<Id>,
    /// Whether it is one of the service's endpoints, and not the service's own rule.
    pub(super) endpoint: bool,
    pub(super) place: Place,
}

/// A service, without its rules.
#[derive(Debug)]
pub(super) struct CompiledService {
    pub(super) name: String,
    pub(super) settings: Settings,
    pub(super) hosts: Vec<HostPattern>,
    pub(super) prefix: Pattern,
}

/// A whole policy: immutable, and known to have no fault.
#[derive(Debug)]
pub struct Policy {
    pub(super) file: Arc<str>,
    pub(super) from_file: bool,
    /// What is said where no rule speaks; `None` is no.
    pub(super) default: Option<Access>,
    pub(super) rules: Vec<Rule>,
    pub(super) services: Vec<CompiledService>,
    pub(super) index: Index,
    /// Which service's hosts and prefix a target lies in, whatever its rules say.
    pub(super) territory: Index,
    pub(super) people: People,
    pub(super) tests: Vec<Trial>,
    pub(super) warnings: Vec<Fault>,
}

impl Policy {
    /// The policy of a gateway without a policy file: `public` prefixes are open to everybody on every host,
    /// everything else to whoever is signed in.
    ///
    /// # Errors
    /// Prefixes that are none.
    pub fn open_to_signed_in(public: &[String]) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::new("policy.public");
        let mut document = Document { default_authenticated: true, ..Document::default() };
        for text in public {
            match Pattern::prefix(text) {
                Ok(value) => document.public.push(At { value, place: Place::default() }),
                Err((problem, instead)) => faults.add(Place::default(), problem, instead),
            }
        }
        finish(document, false, faults)
    }

    /// Reads a policy in either form; its own tests are read and not run.
    ///
    /// # Errors
    /// Every fault, in the order of the file.
    pub fn parse(file_name: &str, yaml: &str) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::new(file_name);
        let Some(root) = yaml::parse(yaml, &mut faults) else { return Err(faults.into_sorted()) };
        let document = document::read(&root, &mut faults);
        finish(document, true, faults)
    }

    /// Reads a policy and runs its tests.
    ///
    /// # Errors
    /// Every fault; a test that fails is one.
    pub fn parse_and_try(file_name: &str, yaml: &str) -> Result<Self, Vec<Fault>> {
        let policy = Self::parse(file_name, yaml)?;
        let failed = policy.failed_tests();
        if failed.is_empty() { Ok(policy) } else { Err(failed) }
    }

    /// What is no fault and still worth a line in the log at every load: hosts that are open to everybody.
    #[must_use]
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    pub(super) fn rule(&self, id: Id) -> Option<&Rule> {
        self.rules.get(usize::try_from(id).ok()?)
    }

    pub(super) fn service(&self, id: Id) -> Option<&CompiledService> {
        self.services.get(usize::try_from(id).ok()?)
    }
}

fn finish(document: Document, from_file: bool, mut faults: Faults) -> Result<Policy, Vec<Fault>> {
    let mut policy = Policy {
        file: Arc::clone(faults.file()),
        from_file,
        default: document.default_authenticated.then_some(Access::Authenticated),
        people: People::new(&document, &mut faults),
        rules: Vec::new(),
        services: Vec::new(),
        index: Index::default(),
        territory: Index::default(),
        tests: Vec::new(),
        warnings: Vec::new(),
    };
    let table = document.roles.is_some();
    policy.tests = document.tests;
    for prefix in document.public {
        let rule = policy.draft(format!("public {}", bare(&prefix.value)), prefix.place);
        policy.add(Rule { pattern: prefix.value, access: Access::Public, ..rule }, &mut faults);
    }
    for (prefix, access) in document.short {
        let rule = policy.draft(bare(&prefix.value), prefix.place);
        policy.add(Rule { pattern: prefix.value, access, ..rule }, &mut faults);
    }
    let mut services = document.services;
    // Two services may share their hosts and prefix; for what no rule of theirs covers the first by name
    // speaks, wherever it stands in the file.
    services.sort_by(|one, other| one.name.value.cmp(&other.name.value));
    for service in services {
        policy.add_service(service, &mut faults);
    }
    policy.check_unreachable(&mut faults);
    policy.check_names(table, &mut faults);
    policy.check_opaque(&mut faults);
    policy.warn_of_open_hosts();
    if faults.is_empty() { Ok(policy) } else { Err(faults.into_sorted()) }
}

/// A prefix as people write it: without `/**`.
pub(super) fn bare(prefix: &Pattern) -> String {
    Pattern { rest: false, segments: prefix.segments.clone() }.to_string()
}

impl Policy {
    fn draft(&self, id: String, place: Place) -> Rule {
        Rule {
            id,
            file: Arc::clone(&self.file),
            line: place.line,
            hosts: vec![HostPattern::Any],
            pattern: Pattern::default(),
            methods: Vec::new(),
            access: Access::Public,
            service: None,
            endpoint: false,
            place,
        }
    }

    fn add_service(&mut self, service: Service, faults: &mut Faults) {
        let Service { name, hosts, prefix, access, endpoints, settings } = service;
        let hosts = if hosts.is_empty() {
            vec![HostPattern::Any]
        } else {
            hosts.into_iter().map(|host| host.value).collect()
        };
        let id = Id::try_from(self.services.len()).unwrap_or(Id::MAX);
        if let (Some(place), true) = (settings.opaque, access.is_none() || !endpoints.is_empty()) {
            let advice = "give the service roles (or permission, authenticated, public) and no endpoints";
            faults.add(place, "'paths: opaque' needs one rule for the whole service", advice);
        }
        for host in &hosts {
            let other = self.territory.insert(host, &prefix, &[], id).and_then(|id| self.service(id));
            if let Some(other) = other.filter(|other| !other.settings.agree(&settings)) {
                let problem = format!(
                    "'{}' and '{}' have the same host and prefix, and different settings",
                    other.name, name.value
                );
                let advice = "give both the same mode, preflight, authorization, audiences and origins";
                faults.add(name.place, problem, advice);
            }
        }
        if let Some(access) = access {
            let draft = self.draft(name.value.clone(), access.place);
            let rule = Rule {
                hosts: hosts.clone(),
                pattern: prefix.clone(),
                access: access.value,
                service: Some(id),
                ..draft
            };
            self.add(rule, faults);
        }
        for Endpoint { path, written, methods, access } in endpoints {
            let listed = if methods.is_empty() { String::new() } else { format!("{} ", methods.join(",")) };
            let draft = self.draft(format!("{} {listed}{written}", name.value), path.place);
            let rule = Rule {
                hosts: hosts.clone(),
                pattern: path.value,
                methods,
                access,
                service: Some(id),
                endpoint: true,
                ..draft
            };
            self.add(rule, faults);
        }
        self.services.push(CompiledService { name: name.value, settings, hosts, prefix });
    }

    fn add(&mut self, rule: Rule, faults: &mut Faults) {
        let open = rule.access == Access::Public
            && rule.hosts.contains(&HostPattern::Any)
            && rule.pattern.covers("/any/path/that/is");
        if open && rule.pattern.covers("/") {
            let advice = "name the hosts that are public, or the prefixes";
            faults.add(rule.place, "this opens every path of every host to everybody", advice);
        }
        let id = Id::try_from(self.rules.len()).unwrap_or(Id::MAX);
        let mut told = false;
        for host in &rule.hosts {
            let Some(equal) = self.index.insert(host, &rule.pattern, &rule.methods, id) else { continue };
            if let (Some(equal), false) = (self.rule(equal), told) {
                told = true;
                let problem = format!(
                    "'{}' says something about the same requests as '{}' in line {} ({host}{})",
                    rule.id, equal.id, equal.line, rule.pattern
                );
                faults.add(
                    rule.place,
                    problem,
                    "keep one of the two; neither can ever be the more specific one",
                );
            }
        }
        if let Access::Roles(roles) = &rule.access {
            for role in roles {
                self.people.mention(role);
            }
        }
        self.rules.push(rule);
    }

    fn check_unreachable(&self, faults: &mut Faults) {
        for rule in self.index.unreachable().into_iter().filter_map(|id| self.rule(id)) {
            let problem = format!("'{}' is unreachable: more specific rules cover all of it", rule.id);
            faults.add(rule.place, problem, "remove it, or narrow the others");
        }
    }

    /// Roles and permissions that nobody can have.
    fn check_names(&self, table: bool, faults: &mut Faults) {
        for rule in &self.rules {
            match &rule.access {
                Access::Roles(roles) if table => {
                    for role in roles.iter().filter(|role| !self.people.has(role)) {
                        let advice = did_you_mean(
                            role,
                            self.people.holders(),
                            "add it to 'roles' or 'assign', or correct it",
                        );
                        faults.add(rule.place, format!("unknown role '{role}' in '{}'", rule.id), advice);
                    }
                }
                Access::Permission(permission) if !self.people.somebody_may(permission) => {
                    let advice = did_you_mean(
                        permission,
                        self.people.permission_names(),
                        "give it to a role under 'roles'",
                    );
                    faults.add(rule.place, format!("no role has the permission '{permission}'"), advice);
                }
                _ => {}
            }
        }
    }

    /// Where paths are not looked into, no other rule may lie behind them.
    fn check_opaque(&self, faults: &mut Faults) {
        for (number, service) in self.services.iter().enumerate() {
            let Some(place) = service.settings.opaque else { continue };
            let mine = Id::try_from(number).ok();
            let rival = self.rules.iter().find(|rule| {
                rule.service != mine
                    && rule.pattern.reaches_below(&service.prefix)
                    && rule.hosts.iter().any(|host| service.hosts.iter().any(|mine| host.rivals(mine)))
                    && !self.less_specific(rule, service)
            });
            if let Some(rule) = rival {
                let problem = format!(
                    "'paths: opaque', but '{}' in line {} lies within the service",
                    rule.id, rule.line
                );
                faults.add(place, problem, "give the service a host of its own");
            }
        }
    }

    /// Whether `rule` is on the very hosts of `service`, and every path that both cover is the service's.
    fn less_specific(&self, rule: &Rule, service: &CompiledService) -> bool {
        let same_hosts =
            rule.hosts.iter().all(|host| service.hosts.iter().all(|mine| host == mine || !host.rivals(mine)));
        // Literal beats parameter and `**`, so only what begins with the whole prefix is more specific.
        same_hosts && !rule.pattern.segments.starts_with(&service.prefix.segments)
    }

    fn warn_of_open_hosts(&mut self) {
        let mut warnings = Faults::new(&self.file);
        for rule in self.rules.iter().filter(|rule| rule.access == Access::Public) {
            if rule.pattern.rest && rule.pattern.segments.is_empty() {
                let hosts = rule.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                warnings.add(
                    rule.place,
                    format!("'{}' opens all of {hosts} to everybody", rule.id),
                    "intended?",
                );
            }
        }
        self.warnings = warnings.into_sorted();
    }
}
