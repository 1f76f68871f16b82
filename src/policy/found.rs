//! The question on the hot path, and what its answer hangs on.

use std::collections::BTreeMap;

use super::compile::{CompiledService, Policy, Rule};
use super::decision::{Caller, Decision, Permit, Reason, Subject};
use super::document::Access;
use super::people::{Facts, Source};
use super::services::origin;
use super::target::{Host, Target};

/// Whether the request opens a WebSocket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Upgrade<'a> {
    /// It does not.
    #[default]
    No,
    /// It does, from the page of this origin, if it said so. Browsers send the cookie with such a request from
    /// any site and ask nobody first, so the origin is all that tells sites apart (RFC 6455 section 10.2).
    WebSocket(Option<&'a str>),
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is asked for.
    pub target: &'a Target,
    /// Whether it has the headers of a CORS preflight: `Origin` and a non-empty
    /// `Access-Control-Request-Method`. The method is looked at here.
    pub preflight: bool,
    /// Whether it opens a WebSocket.
    pub upgrade: Upgrade<'a>,
}

impl<'a> From<&'a Target> for Question<'a> {
    fn from(target: &'a Target) -> Self {
        Self { target, preflight: false, upgrade: Upgrade::No }
    }
}

/// The rule that speaks about a request. It does not yet say yes or no: that takes a caller.
#[derive(Clone, Copy, Debug)]
pub struct Found<'p> {
    policy: &'p Policy,
    rule: Option<&'p Rule>,
    service: Option<&'p CompiledService>,
    readable: bool,
    preflight: bool,
    origin_fits: bool,
    /// An OPTIONS that no rule covers, on a path that has rules for other methods.
    bare_options: bool,
}

static PUBLIC: Access = Access::Public;

impl Policy {
    /// Finds the rule that speaks about a request (or a bare target).
    pub fn find<'p, 'q>(&'p self, question: impl Into<Question<'q>>) -> Found<'p> {
        let Question { target, preflight, upgrade } = question.into();
        let ambiguous = target.ambiguity().is_some();
        let path = if ambiguous { target.certain_base() } else { target.path() };
        let (rule, service) = self.speaks(target, path);
        let readable = if ambiguous {
            // Loading made sure that nothing else lies behind the prefix of such a service.
            rule.is_some() && service.is_some_and(|service| service.settings.opaque.is_some())
        } else {
            let same = |other: &String| {
                let (other_rule, other_service) = self.speaks(target, other);
                same_object(rule, other_rule) && same_object(service, other_service)
            };
            target.other_readings().iter().all(same)
        };
        // Whom the request that follows will concern is told by hosts and prefix; the endpoints seldom list OPTIONS.
        let receiver =
            if preflight && target.method() == "OPTIONS" { self.receiver(target, path) } else { None };
        let receiver = receiver.filter(|service| service.settings.preflight);
        let service = receiver.or(service);
        let preflight = receiver.is_some();
        let origin_fits = match upgrade {
            Upgrade::No => true,
            Upgrade::WebSocket(from) => service.is_none_or(|service| service.admits(from)),
        };
        let bare_options =
            rule.is_none() && target.method() == "OPTIONS" && self.index.covers(target.host(), path);
        Found { policy: self, rule, service, readable, preflight, origin_fits, bare_options }
    }

    fn speaks(&self, target: &Target, path: &str) -> (Option<&Rule>, Option<&CompiledService>) {
        let rule = self.index.find(target.host(), path, target.method()).and_then(|id| self.rule(id));
        let service = match rule {
            Some(rule) => rule.service.and_then(|id| self.service(id)),
            None => self.receiver(target, path),
        };
        (rule, service)
    }

    /// The service whose hosts and prefix the target lies in, whatever its rules say.
    fn receiver(&self, target: &Target, path: &str) -> Option<&CompiledService> {
        self.territory.find(target.host(), path, target.method()).and_then(|id| self.service(id))
    }

    /// Asks about every path and method of a host at once.
    #[must_use]
    pub fn whole_host(&self, host: &Host) -> WholeHost<'_> {
        let (ids, complete) = self.index.of_host(host);
        let rules = ids.into_iter().filter_map(|id| self.rule(id));
        let mut all: Vec<Found<'_>> = rules
            .map(|rule| Found {
                policy: self,
                rule: Some(rule),
                service: rule.service.and_then(|id| self.service(id)),
                readable: true,
                preflight: false,
                origin_fits: true,
                bare_options: false,
            })
            .collect();
        if !complete {
            all.push(Found {
                policy: self,
                rule: None,
                service: None,
                readable: true,
                preflight: false,
                origin_fits: true,
                bare_options: false,
            });
        }
        WholeHost { all }
    }

    /// Decides on a permission alone, wherever it is asked for.
    #[must_use]
    pub fn decide_permission(&self, permission: &str, caller: Caller<'_>) -> Decision {
        judge(Some(&Access::Permission(permission.to_owned())), Fits::ALL, caller)
    }

    /// The roles of a caller: claimed, assigned and granted; sorted, each once. Names that could not stand in
    /// a header or are built-in words are left out.
    #[must_use]
    pub fn roles(&self, facts: &Facts<'_>) -> Vec<String> {
        self.people.roles(facts)
    }

    /// The same roles, each with where it comes from.
    #[must_use]
    pub fn role_sources(&self, facts: &Facts<'_>) -> BTreeMap<String, Vec<Source>> {
        self.people.sources(facts)
    }

    /// What the roles permit: sorted, each once; `*` stands for all.
    #[must_use]
    pub fn permissions(&self, roles: &[String]) -> Vec<String> {
        self.people.permissions(roles)
    }

    /// Whether the policy names roles at all; without a file it knows none and cares for all.
    #[must_use]
    pub const fn names_roles(&self) -> bool {
        self.from_file
    }

    /// Whether some rule, table or assignment names this role; always true without a file.
    #[must_use]
    pub fn knows_role(&self, role: &str) -> bool {
        !self.from_file || self.people.knows(role)
    }

    /// Whether an assignment names this group; always true without a file.
    #[must_use]
    pub fn knows_group(&self, group: &str) -> bool {
        !self.from_file || self.people.knows_group(group)
    }

    /// Whether a decision may hang on somebody's groups: some assignment is to a group.
    #[must_use]
    pub fn uses_groups(&self) -> bool {
        self.people.uses_groups()
    }

    /// Faults that show only beside the configuration: `ids` are those of all providers and issuers.
    #[must_use]
    pub fn faults_with_providers(&self, ids: &[&str]) -> Vec<super::Fault> {
        self.people.faults_with_providers(&self.file, ids)
    }

    /// What is allowed but dangerous beside the configuration.
    #[must_use]
    pub fn warnings_with_providers(&self, ids: &[&str]) -> Vec<super::Fault> {
        self.people.warnings_with_providers(&self.file, ids)
    }
}

fn same_object<T>(one: Option<&T>, other: Option<&T>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => std::ptr::eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

impl CompiledService {
    fn admits(&self, from: Option<&str>) -> bool {
        let origins = &self.settings.origins;
        origins.is_empty() || from.and_then(origin).is_some_and(|from| origins.contains(&from))
    }
}

impl<'p> Found<'p> {
    /// Whether everybody is let through, whoever they are.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.readable && self.origin_fits && self.enforced() == Some(&Access::Public)
    }

    /// Whether the service reads `Authorization` itself, so that the gateway must not.
    #[must_use]
    pub fn ignores_authorization(&self) -> bool {
        self.service.is_some_and(|service| service.settings.passthrough)
    }

    /// The service's name, which is the audience of its identity assertion.
    #[must_use]
    pub fn service(&self) -> Option<&'p str> {
        self.service.map(|service| service.name.as_str())
    }

    /// The rule that speaks; `None` when that is the default.
    #[must_use]
    pub const fn rule(&self) -> Option<&'p Rule> {
        if self.readable { self.rule } else { None }
    }

    /// What a bearer JWT must be meant for, beside the issuer's own audiences; empty: nothing more.
    #[must_use]
    pub fn audiences(&self) -> &'p [String] {
        self.service.map_or(&[], |service| &service.settings.audiences)
    }

    /// Whether the caller's token, if it says for whom or where it is, is for this service and host. One that is not
    /// fills no identity header of a public target either.
    #[must_use]
    pub fn is_meant(&self, caller: Caller<'_>) -> bool {
        if matches!(caller, Caller::Elsewhere) {
            return false;
        }
        let Caller::Known(Subject { audiences: Some(audiences), .. }) = caller else { return true };
        let wanted = self.audiences();
        wanted.is_empty() || audiences.iter().any(|audience| wanted.contains(audience))
    }

    /// Whether the service's rules are tried and not enforced.
    #[must_use]
    pub fn shadow(&self) -> bool {
        self.service.is_some_and(|service| service.settings.shadow)
    }

    /// Whether the request is let through as a CORS preflight.
    #[must_use]
    pub const fn preflight(&self) -> bool {
        self.preflight
    }

    /// What is answered.
    ///
    /// For a service in shadow that is what the policy's default says: signed in or nobody.
    #[must_use]
    pub fn decide(&self, caller: Caller<'_>) -> Decision {
        let fits = Fits {
            origin: self.origin_fits || self.shadow(),
            audience: self.shadow() || self.is_meant(caller),
        };
        self.judge(self.enforced(), fits, caller)
    }

    /// What enforcement would have answered; `None` unless the service is in shadow.
    #[must_use]
    pub fn decide_shadowed(&self, caller: Caller<'_>) -> Option<Decision> {
        self.shadow().then(|| self.judge_strictly(caller))
    }

    /// What the rule itself says, in shadow or not.
    pub(super) fn judge_strictly(&self, caller: Caller<'_>) -> Decision {
        let fits = Fits { origin: self.origin_fits, audience: self.is_meant(caller) };
        self.judge(self.written(), fits, caller)
    }

    fn written(&self) -> Option<&'p Access> {
        if self.preflight {
            return Some(&PUBLIC);
        }
        self.rule.map(|rule| &rule.access).or(self.policy.default.as_ref())
    }

    fn enforced(&self) -> Option<&'p Access> {
        if self.shadow() { self.policy.default.as_ref() } else { self.written() }
    }

    fn judge(&self, access: Option<&Access>, fits: Fits, caller: Caller<'_>) -> Decision {
        if !self.readable {
            return Decision::Unreadable;
        }
        // Rules seldom list OPTIONS, so a client that asks without a credential for what the path allows is
        // told to bring one, as for the path's other methods. Nobody is redirected for an OPTIONS.
        let access = match access {
            None if self.bare_options && !matches!(caller, Caller::Known(_) | Caller::Elsewhere) => {
                Some(&Access::Authenticated)
            }
            access => access,
        };
        judge(access, fits, caller)
    }
}

/// What of a request is right whoever asks, or is not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fits {
    /// The page that opens a WebSocket may.
    pub(super) origin: bool,
    /// The caller's token is for this service.
    pub(super) audience: bool,
}

impl Fits {
    pub(super) const ALL: Self = Self { origin: true, audience: true };
}

/// The table of outcomes. A public rule turns nobody away; where nobody could be allowed, everybody is told so
/// and nobody is sent to sign in in vain; in between, the three ways of not being known stay apart.
pub(super) fn judge(access: Option<&Access>, fits: Fits, caller: Caller<'_>) -> Decision {
    let Some(access) = access else { return Decision::Deny(Reason::NoRule) };
    let allow = || {
        if fits.origin { Decision::Allow(Permit::new()) } else { Decision::Deny(Reason::WrongOrigin) }
    };
    if *access == Access::Public {
        return allow();
    }
    let subject = match caller {
        Caller::Anonymous => return Decision::Challenge,
        Caller::Wrong => return Decision::Invalid,
        Caller::Unchecked => return Decision::Unavailable,
        // Shadow or not: there, such a token is nobody's.
        Caller::Elsewhere => return Decision::Deny(Reason::WrongHost),
        Caller::Known(_) if !fits.audience => return Decision::Deny(Reason::WrongAudience),
        Caller::Known(subject) => subject,
    };
    match access {
        Access::Public | Access::Authenticated => allow(),
        Access::Roles(any_of) if any_of.iter().any(|role| subject.roles.contains(role)) => allow(),
        Access::Roles(any_of) => Decision::Deny(Reason::MissingRole(any_of.clone())),
        Access::Permission(needed)
            if subject.permissions.iter().any(|given| given == needed || given == "*") =>
        {
            allow()
        }
        Access::Permission(needed) => Decision::Deny(Reason::MissingPermission(needed.clone())),
    }
}

/// Every rule that could speak about a host.
#[derive(Clone, Debug)]
pub struct WholeHost<'p> {
    all: Vec<Found<'p>>,
}

impl<'p> WholeHost<'p> {
    /// Whether everything on the host is public.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.all.iter().all(Found::is_public)
    }

    /// Whether every service of the host reads `Authorization` itself.
    #[must_use]
    pub fn ignores_authorization(&self) -> bool {
        self.all.iter().all(Found::ignores_authorization)
    }

    /// The service, where the host has only one.
    #[must_use]
    pub fn service(&self) -> Option<&'p str> {
        let first = self.all.first()?.service()?;
        self.all.iter().all(|found| found.service() == Some(first)).then_some(first)
    }

    /// Whether the caller's token, if it says for whom it is, is for every service of the host.
    #[must_use]
    pub fn is_meant(&self, caller: Caller<'_>) -> bool {
        self.all.iter().all(|found| found.is_meant(caller))
    }

    /// Allowed only if every rule allows; else the refusal that nothing can change, if there is one.
    #[must_use]
    pub fn decide(&self, caller: Caller<'_>) -> Decision {
        let mut refusal = None;
        for found in &self.all {
            match found.decide(caller) {
                Decision::Allow(_) => {}
                deny @ Decision::Deny(_) => return deny,
                other => refusal = refusal.or(Some(other)),
            }
        }
        refusal.unwrap_or_else(|| Decision::Allow(Permit::new()))
    }
}
