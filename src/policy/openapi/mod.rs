//! A service's rules beside its own description of itself: what is described and not covered, what is covered and
//! not described, what everybody may do.
//!
//! A rule for what the description does not have is a fault, as an unreachable rule is: most often it is a slip,
//! and what it was meant for falls to a broader rule. An operation that no endpoint covers is a warning: the
//! service's own rule may well be meant for it.

mod read;

use std::fmt;

use serde::Serialize;

use super::compile::{CompiledService, Policy, Rule, bare};
use super::document::Access;
use super::explain::RuleRef;
use super::fault::{At, Fault, Faults, Place, did_you_mean};
use super::fields::shown;
use super::matcher::Id;
use super::pattern::{HostPattern, Segment};
use super::table::aligned;
use super::target::Target;
use super::yaml;
use read::Described as Written;

/// The largest description that is read, in bytes.
pub const MAX_OPENAPI: usize = yaml::MAX_BYTES;

/// What stands for a parameter when an operation is asked about: no path of a rule is likely to have it.
const PROBE: &str = "doorward-probe";

/// A service that names its description.
#[derive(Clone, Copy, Debug)]
pub struct Described<'p> {
    policy: &'p Policy,
    id: Id,
    service: &'p CompiledService,
    openapi: &'p At<String>,
}

/// What became of comparing.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The service.
    pub service: String,
    /// Its description, as the file was named.
    pub file: String,
    /// Every operation of it, in its order.
    pub operations: Vec<Operation>,
    /// What has to be put right; without any, every endpoint of the service was found in the description.
    #[serde(skip)]
    pub faults: Vec<Fault>,
    /// What is worth a look.
    #[serde(skip)]
    pub warnings: Vec<Fault>,
}

/// One operation and what the policy says about it.
#[derive(Clone, Debug, Serialize)]
pub struct Operation {
    /// Upper-case.
    pub method: String,
    /// As the gateway sees it, with the service's prefix.
    pub path: String,
    /// The line of the description.
    pub line: u32,
    /// The hosts on which this is so.
    pub hosts: Vec<String>,
    /// The rule that speaks; `None` when that is the default.
    pub rule: Option<RuleRef>,
    /// Whether that rule is an endpoint of this very service.
    pub endpoint: bool,
    /// What the rule asks for; `nobody may` when there is none.
    pub needs: String,
    /// Whether everybody is let through.
    pub public: bool,
}

/// A line for every operation: who may, and by which rule.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![["method", "path", "hosts", "takes", "by"].map(str::to_owned).to_vec()];
        for one in &self.operations {
            let by = one.rule.as_ref().map_or_else(|| "the default".to_owned(), |rule| rule.id.clone());
            let by = if one.endpoint { by } else { format!("{by} (no endpoint)") };
            rows.push(vec![one.method.clone(), one.path.clone(), one.hosts.join(","), one.needs.clone(), by]);
        }
        f.write_str(&aligned(&rows))
    }
}

impl Policy {
    /// The services that name a description of themselves.
    pub fn described(&self) -> impl Iterator<Item = Described<'_>> {
        self.services.iter().enumerate().filter_map(|(number, service)| {
            let openapi = service.settings.openapi.as_ref()?;
            Some(Described { policy: self, id: Id::try_from(number).ok()?, service, openapi })
        })
    }
}

impl<'p> Described<'p> {
    /// The description's file, as written: relative to the policy's.
    #[must_use]
    pub fn file(&self) -> &'p str {
        &self.openapi.value
    }

    /// The fault of a description that could not be had.
    #[must_use]
    pub fn unreadable(&self, why: &str) -> Comparison {
        let mut faults = Faults::new(&self.policy.file);
        let problem = format!("'{}' cannot be read: {why}", shown(self.file()));
        faults.add(
            self.openapi.place,
            problem,
            "write the path of an OpenAPI 3 file, from the policy's folder",
        );
        self.outcome(self.file(), Vec::new(), faults.into_sorted(), Vec::new())
    }

    /// Compares with the description's text; `file` is what faults call it.
    #[must_use]
    pub fn compare(&self, file: &str, text: &str) -> Comparison {
        let mut faults = Faults::new(file);
        let mut warnings = Faults::new(file);
        let written = match yaml::outline(text, &mut faults) {
            Some(root) => read::operations(&root, &bare_prefix(self.service), &mut faults),
            None => Vec::new(),
        };
        let complete = faults.is_empty();
        let mut operations = Vec::new();
        for one in &written {
            operations.extend(self.operation(one, &mut faults, &mut warnings));
        }
        let (mut wrong, mut worth) = (Faults::new(&self.policy.file), Faults::new(&self.policy.file));
        // Of a description with faults it is not known what it lacks.
        if complete {
            for rule in self.endpoints() {
                find(rule, &written, file, &mut wrong, &mut worth);
            }
        }
        let faults = [wrong.into_sorted(), faults.into_sorted()].concat();
        self.outcome(file, operations, faults, [worth.into_sorted(), warnings.into_sorted()].concat())
    }

    fn outcome(
        &self,
        file: &str,
        operations: Vec<Operation>,
        faults: Vec<Fault>,
        warnings: Vec<Fault>,
    ) -> Comparison {
        Comparison { service: self.service.name.clone(), file: file.to_owned(), operations, faults, warnings }
    }

    fn endpoints(&self) -> impl Iterator<Item = &'p Rule> {
        let id = self.id;
        self.policy.rules.iter().filter(move |rule| rule.endpoint && rule.service == Some(id))
    }

    /// What the policy says about one operation: once, or once for each set of hosts where that differs.
    fn operation(&self, written: &Written, faults: &mut Faults, warnings: &mut Faults) -> Vec<Operation> {
        let mut told: Vec<Operation> = Vec::new();
        for host in &self.service.hosts {
            let method = written.method.as_bytes();
            let asked =
                Target::parse(method, b"https", probe_host(host).as_bytes(), written.uri(PROBE).as_bytes());
            let opaque = self.service.settings.opaque.is_some();
            let target = match asked.map_err(|error| error.to_string()) {
                Ok(target) => match target.ambiguity().filter(|_| !opaque) {
                    None => target,
                    Some(why) => {
                        unaskable(written, &format!("the path has {why}"), faults);
                        return Vec::new();
                    }
                },
                Err(why) => {
                    unaskable(written, &why, faults);
                    return Vec::new();
                }
            };
            let found = self.policy.find(&target);
            let rule = found.rule();
            let access = rule.map(|rule| &rule.access).or(self.policy.default.as_ref());
            let one = Operation {
                method: written.method.clone(),
                path: shown_path(&written.path),
                line: written.place.line,
                hosts: vec![host.to_string()],
                rule: rule.map(RuleRef::from),
                endpoint: rule.is_some_and(|rule| rule.endpoint && rule.service == Some(self.id)),
                needs: access.map_or_else(|| "nobody may".to_owned(), Access::to_string),
                public: found.is_public(),
            };
            match told.iter_mut().find(|other| other.rule == one.rule) {
                Some(other) => other.hosts.extend(one.hosts),
                None => told.push(one),
            }
        }
        let has_endpoints = self.endpoints().next().is_some();
        for one in told.iter().filter(|one| !one.endpoint) {
            // A service that is one rule was never meant to have its operations listed.
            let own = one.rule.as_ref().is_some_and(|rule| rule.id == self.service.name);
            if has_endpoints || !own || one.public {
                uncovered(one, written.place, warnings);
            }
        }
        told
    }
}

fn bare_prefix(service: &CompiledService) -> String {
    match bare(&service.prefix).as_str() {
        "/" => String::new(),
        prefix => prefix.to_owned(),
    }
}

/// Paths come from a file that somebody else may have written.
fn shown_path(path: &str) -> String {
    path.chars().filter(|letter| !letter.is_control()).take(200).collect()
}

/// A host that a pattern covers, and as few others as can be.
fn probe_host(host: &HostPattern) -> String {
    match host {
        HostPattern::Exact(name) => name.clone(),
        HostPattern::Below(parent) => format!("{PROBE}.{parent}"),
        HostPattern::Any => format!("{PROBE}.invalid"),
    }
}

fn unaskable(written: &Written, why: &str, faults: &mut Faults) {
    let problem =
        format!("nobody can ask for '{} {}': {why}", shown(&written.method), shown_path(&written.path));
    faults.add(written.place, problem, "such requests are answered 400; describe another path");
}

fn uncovered(one: &Operation, place: Place, warnings: &mut Faults) {
    let (who, instead) = match (&one.rule, one.public) {
        (_, true) => {
            ("everybody may".to_owned(), "add an endpoint that says who may, or 'public: true' there")
        }
        (None, _) => (one.needs.clone(), "add an endpoint for it, if somebody should"),
        _ => (format!("it takes {}", one.needs), "add an endpoint for it, if that is not meant"),
    };
    let by = one.rule.as_ref().map_or_else(
        || "the default decides".to_owned(),
        |rule| format!("'{}' decides ({}:{})", rule.id, rule.file, rule.line),
    );
    let problem = format!("no endpoint covers '{} {}'; {by}: {who}", one.method, one.path);
    warnings.add(place, problem, instead);
}

/// Looks for an endpoint in the description.
fn find(rule: &Rule, written: &[Written], file: &str, faults: &mut Faults, warnings: &mut Faults) {
    let file = shown_path(file);
    let there: Vec<&Written> = written.iter().filter(|one| meets(rule, one)).collect();
    if there.is_empty() && rule.pattern.rest {
        let problem = format!("'{}' covers nothing that {file} describes", rule.id);
        warnings.add(rule.place, problem, "correct its path, unless it is for pages or files");
    } else if there.is_empty() {
        let path = rule.pattern.to_string();
        let known = written.iter().map(|one| one.path.as_str());
        let advice = did_you_mean(&path, known, "correct the path, or describe it there");
        faults.add(
            rule.place,
            format!("'{}': {file} describes no path {path}", rule.id),
            shown_path(&advice),
        );
    } else if !rule.pattern.rest {
        let described = |method: &str| there.iter().any(|one| one.method == method);
        let missing: Vec<&str> = rule
            .methods
            .iter()
            .map(String::as_str)
            // A HEAD is a GET without its body, and preflights are seldom described.
            .filter(|method| {
                !described(method) && *method != "OPTIONS" && (*method != "HEAD" || !described("GET"))
            })
            .collect();
        if !missing.is_empty() {
            let problem =
                format!("'{}': {file} describes no {} of {}", rule.id, missing.join(", "), rule.pattern);
            faults.add(rule.place, problem, "correct the methods, or describe it there");
        }
    }
}

/// Whether some request for the operation could meet the rule's path.
fn meets(rule: &Rule, written: &Written) -> bool {
    let mut segments = written.path.split('/').filter(|segment| !segment.is_empty());
    for mine in &rule.pattern.segments {
        let Some(theirs) = segments.next() else { return false };
        let same = match mine {
            Segment::Param(_) => true,
            // A rule may be for one value of a parameter.
            Segment::Literal(mine) => mine == theirs || theirs.contains('{'),
        };
        if !same {
            return false;
        }
    }
    rule.pattern.rest || segments.next().is_none()
}
