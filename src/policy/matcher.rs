//! The index: which rule speaks. The most specific one decides alone, and the order of the file never
//! matters:
//!
//! 1. host: exact, then the longer wildcard, then the shorter, then every host;
//! 2. path, segment by segment: literal, then `{param}`, then `**`;
//! 3. method: a rule that lists it (for HEAD: one with GET comes next), then a rule without methods.
//!
//! "Has a rule" means one that covers path *and* method: where the exact host has rules but none that covers
//! the request, the wildcard is asked, and so on. Nothing found: the policy's default.
//!
//! One hash look-up a host class and one a segment, whatever the number of rules. Branching between literal
//! and `{param}` visits no node twice, so a request costs at most the nodes that the policy has for its depth.

use std::collections::HashMap;

use super::pattern::{HostPattern, Pattern, Segment};
use super::target::Host;

/// Position of a rule or service in the policy's list.
pub(super) type Id = u32;

/// Upper-case; empty means every method.
pub(super) type Methods = Vec<String>;

#[derive(Debug, Default)]
pub(super) struct Index {
    exact: HashMap<String, Node>,
    below: HashMap<String, Node>,
    any: Node,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, Node>,
    param: Option<Box<Node>>,
    /// Rules whose path ends here.
    here: Vec<Entry>,
    /// Rules whose path ends in `**` here.
    rest: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    methods: Methods,
    id: Id,
}

impl Index {
    /// Adds a rule; gives back the rule that says something about the very same requests, if there is one.
    pub(super) fn insert(
        &mut self,
        host: &HostPattern,
        path: &Pattern,
        methods: &[String],
        id: Id,
    ) -> Option<Id> {
        let mut node = match host {
            HostPattern::Exact(name) => self.exact.entry(name.clone()).or_default(),
            HostPattern::Below(name) => self.below.entry(name.clone()).or_default(),
            HostPattern::Any => &mut self.any,
        };
        for segment in &path.segments {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::Param(_) => node.param.get_or_insert_default(),
            };
        }
        let entries = if path.rest { &mut node.rest } else { &mut node.here };
        let equal = entries.iter().find(|entry| entry.collides(methods)).map(|entry| entry.id);
        if equal.is_none() {
            entries.push(Entry { methods: methods.to_vec(), id });
        }
        equal
    }

    /// The rule that speaks about a canonical path.
    pub(super) fn find(&self, host: &Host, path: &str, method: &str) -> Option<Id> {
        let path = path.strip_prefix('/').unwrap_or(path);
        self.classes(host).find_map(|node| node.find(path, method))
    }

    /// Whether some rule speaks about the path, whatever the method.
    pub(super) fn covers(&self, host: &Host, path: &str) -> bool {
        let path = path.strip_prefix('/').unwrap_or(path);
        self.classes(host).any(|node| node.covers(path))
    }

    /// The rules of one host, class by class, most specific first; ends with the class that answers
    /// everything. The second value tells whether such a class was there.
    pub(super) fn of_host(&self, host: &Host) -> (Vec<Id>, bool) {
        let mut ids = Vec::new();
        for node in self.classes(host) {
            node.collect(&mut ids);
            if node.rest.iter().any(Entry::every_method) {
                return (ids, true);
            }
        }
        (ids, false)
    }

    /// How many maps and lists a search looks into at most.
    #[cfg(test)]
    pub(super) fn steps(&self, host: &Host, path: &str) -> usize {
        let path = path.strip_prefix('/').unwrap_or(path);
        self.classes(host).map(|node| node.steps(path)).sum()
    }

    /// Rules that can never speak, because two more specific ones together cover all that they cover.
    pub(super) fn unreachable(&self) -> Vec<Id> {
        let mut ids = Vec::new();
        for node in self.exact.values().chain(self.below.values()).chain([&self.any]) {
            node.unreachable(&mut ids);
        }
        ids
    }

    fn classes<'i>(&'i self, host: &Host) -> impl Iterator<Item = &'i Node> {
        let name = host.as_str();
        // Most policies have no wildcards, and an address has no parents.
        let below: Vec<&Node> = if self.below.is_empty() || host.is_address() {
            Vec::new()
        } else {
            let parents = name.match_indices('.').filter_map(|(at, _)| name.get(at + 1..));
            parents.filter_map(|parent| self.below.get(parent)).collect()
        };
        self.exact.get(name).into_iter().chain(below).chain([&self.any])
    }
}

impl Node {
    fn find(&self, path: &str, method: &str) -> Option<Id> {
        if path.is_empty() {
            return select(&self.here, method).or_else(|| select(&self.rest, method));
        }
        let (segment, tail) = path.split_once('/').unwrap_or((path, ""));
        self.literals
            .get(segment)
            .and_then(|node| node.find(tail, method))
            .or_else(|| self.param.as_ref().and_then(|node| node.find(tail, method)))
            .or_else(|| select(&self.rest, method))
    }

    fn covers(&self, path: &str) -> bool {
        if !self.rest.is_empty() || path.is_empty() {
            return !self.rest.is_empty() || !self.here.is_empty();
        }
        let (segment, tail) = path.split_once('/').unwrap_or((path, ""));
        self.literals.get(segment).is_some_and(|node| node.covers(tail))
            || self.param.as_ref().is_some_and(|node| node.covers(tail))
    }

    #[cfg(test)]
    fn steps(&self, path: &str) -> usize {
        let own = 1 + self.here.len() + self.rest.len();
        if path.is_empty() {
            return own;
        }
        let (segment, tail) = path.split_once('/').unwrap_or((path, ""));
        let next = self.literals.get(segment).into_iter().chain(self.param.as_deref());
        own + next.map(|node| node.steps(tail)).sum::<usize>()
    }

    fn children(&self) -> impl Iterator<Item = &Self> {
        self.literals.values().chain(self.param.as_deref())
    }

    fn collect(&self, ids: &mut Vec<Id>) {
        ids.extend(self.here.iter().chain(&self.rest).map(|entry| entry.id));
        for node in self.children() {
            node.collect(ids);
        }
    }

    fn unreachable(&self, ids: &mut Vec<Id>) {
        let deeper = self.param.as_ref().is_some_and(|node| node.rest.iter().any(Entry::every_method));
        if deeper && self.here.iter().any(Entry::every_method) {
            ids.extend(self.rest.iter().map(|entry| entry.id));
        }
        for node in self.children() {
            node.unreachable(ids);
        }
    }
}

impl Entry {
    fn every_method(&self) -> bool {
        self.methods.is_empty()
    }

    fn lists(&self, method: &str) -> bool {
        self.methods.iter().any(|listed| listed == method)
    }

    fn collides(&self, methods: &[String]) -> bool {
        (self.every_method() && methods.is_empty()) || methods.iter().any(|method| self.lists(method))
    }
}

fn select(entries: &[Entry], method: &str) -> Option<Id> {
    if entries.is_empty() {
        return None;
    }
    let listing = |method: &str| entries.iter().find(|entry| entry.lists(method));
    let found = listing(method)
        // A HEAD is a GET without its body (RFC 9110 section 9.3.2).
        .or_else(|| if method == "HEAD" { listing("GET") } else { None })
        .or_else(|| entries.iter().find(|entry| entry.every_method()));
    found.map(|entry| entry.id)
}
