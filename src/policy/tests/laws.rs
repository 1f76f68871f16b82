//! What holds for every policy.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{ask, policy, word};
use crate::policy::Policy;
use crate::policy::decision::{Caller, Decision, Reason, Subject};
use crate::policy::pattern::{HostPattern, Segment};
use crate::policy::target::Target;

/// One service of a random policy.
#[derive(Clone, Debug)]
struct Rule {
    host: &'static str,
    prefix: &'static str,
    path: &'static str,
    method: &'static str,
    role: &'static str,
}

impl Rule {
    fn yaml(&self) -> String {
        let Self { host, prefix, path, method, role } = self;
        let hosts = if host.is_empty() { String::new() } else { format!("hosts: ['{host}'], ") };
        let methods = if method.is_empty() { String::new() } else { format!("methods: [{method}], ") };
        let name =
            format!("{host}{prefix}{path}{method}").bytes().fold(String::from("s"), |mut name, byte| {
                let _ = write!(name, "{byte:x}");
                name
            });
        format!(
            "  {name}: {{ {hosts}prefix: '{prefix}', endpoints: [{{ path: '{path}', {methods}roles: [{role}] }}] }}\n"
        )
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    (
        select(&["", "a.test", "b.test", "*.test", "*.a.test"][..]),
        select(&["/", "/x", "/x/y", "/xy"][..]),
        select(&["/", "/x", "/{p}", "/{p}/y", "/**", "/x/**"][..]),
        select(&["", "GET", "PUT"][..]),
        select(&["r0", "r1", "r2"][..]),
    )
        .prop_map(|(host, prefix, path, method, role)| Rule { host, prefix, path, method, role })
}

/// A policy of these rules; `None` when it has a fault (two equal rules).
fn load(rules: &[Rule]) -> Option<Policy> {
    let services: String = rules.iter().map(Rule::yaml).collect();
    Policy::parse("p.yaml", &format!("services:\n{services}")).ok()
}

/// The same; of no rules at all, a policy that denies everything.
fn load_any(rules: &[Rule]) -> Option<Policy> {
    if rules.is_empty() { Some(policy("default: deny")) } else { load(rules) }
}

const LINES: [&str; 6] = [
    "    - { path: /x, methods: [GET], roles: [r0] }\n",
    "    - { path: /x, methods: [PUT, POST], roles: [r1, r2] }\n",
    "    - { path: '/{p}', roles: [r2] }\n",
    "    - { path: '/{p}/y', methods: [HEAD], roles: [r0] }\n",
    "    - { path: '/x/**', public: true }\n",
    "    - { path: '/**', roles: [r1] }\n",
];
const SHORT_LINES: [&str; 5] =
    ["/x: [r0]\n", "/x/y: []\n", "/xy: [r1, r0]\n", "/y/z: [r2]\n", "/y: [public]\n"];

/// Without the rules that say something about the same requests as an earlier one.
fn distinct(rules: Vec<Rule>) -> Vec<Rule> {
    let mut kept: Vec<Rule> = Vec::new();
    for rule in rules {
        kept.push(rule);
        if load(&kept).is_none() {
            kept.pop();
        }
    }
    kept
}

fn request() -> impl Strategy<Value = Target> {
    (
        select(&["a.test", "b.test", "c.a.test", "d.test", "test"][..]),
        "(/[xyz]{1,2}){0,4}/?",
        select(&["GET", "HEAD", "PUT", "POST"][..]),
    )
        .prop_map(|(host, path, method)| {
            let path = if path.is_empty() { "/" } else { &path };
            Target::parse(method.as_bytes(), b"https", host.as_bytes(), path.as_bytes()).unwrap()
        })
}

/// The answers to holders of one role each.
fn answers(policy: &Policy, target: &Target) -> Vec<Decision> {
    ["r0", "r1", "r2"]
        .iter()
        .map(|role| {
            let roles = [(*role).to_owned()];
            policy.find(target).decide(Caller::Known(Subject {
                roles: &roles,
                permissions: &[],
                audiences: None,
            }))
        })
        .collect()
}

/// Every rule that covers a target, found the slow way.
fn covering<'p>(policy: &'p Policy, target: &Target) -> Vec<&'p crate::policy::Rule> {
    let lists = |rule: &crate::policy::Rule| {
        let listed = |method: &str| rule.methods.iter().any(|each| each == method);
        rule.methods.is_empty() || listed(target.method()) || (target.method() == "HEAD" && listed("GET"))
    };
    policy
        .rules
        .iter()
        .filter(|rule| rule.hosts.iter().any(|host| host.covers(target.host())))
        .filter(|rule| rule.pattern.covers(target.path()) && lists(rule))
        .collect()
}

/// How specific a covering rule is, written down a second time; the least value wins.
fn rank(rule: &crate::policy::Rule, target: &Target) -> (usize, Vec<u8>, u8) {
    let host = rule.hosts.iter().filter(|host| host.covers(target.host())).map(|host| match host {
        HostPattern::Exact(_) => 0,
        HostPattern::Below(name) => 1000 - name.len(),
        HostPattern::Any => 1001,
    });
    let mut path: Vec<u8> =
        rule.pattern.segments.iter().map(|segment| u8::from(matches!(segment, Segment::Param(_)))).collect();
    path.push(if rule.pattern.rest { 2 } else { 0 });
    let method = match rule.methods.as_slice() {
        [] => 2,
        methods if methods.iter().any(|method| method == target.method()) => 0,
        _ => 1,
    };
    (host.min().unwrap(), path, method)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_most_specific_rule_speaks_and_unmatched_is_denied(rules in proptest::collection::vec(rule(), 1..8), target in request()) {
        let Some(policy) = load(&distinct(rules)) else { return Err(TestCaseError::fail("no policy")) };
        let covering = covering(&policy, &target);
        match policy.find(&target).rule() {
            Some(rule) => {
                let best = covering.iter().min_by_key(|rule| rank(rule, &target)).unwrap();
                prop_assert_eq!(&rule.id, &best.id);
            }
            None => {
                prop_assert!(covering.is_empty());
                let denied = Decision::Deny(Reason::NoRule);
                prop_assert_eq!(policy.find(&target).decide(Caller::Anonymous), denied.clone());
                prop_assert!(answers(&policy, &target).iter().all(|answer| *answer == denied));
            }
        }
    }

    #[test]
    fn the_order_of_rules_never_matters(
        rules in proptest::collection::vec(rule(), 1..8),
        places in proptest::collection::vec(any::<Index>(), 8),
        target in request(),
    ) {
        let rules = distinct(rules);
        let mut shuffled = rules.clone();
        for (at, place) in (0..shuffled.len()).zip(&places) {
            let other = place.index(shuffled.len());
            shuffled.swap(at, other);
        }
        let (one, other) = (load(&rules).unwrap(), load(&shuffled).unwrap());
        prop_assert_eq!(answers(&one, &target), answers(&other, &target));
        let rule = |policy: &Policy| policy.find(&target).rule().map(|rule| rule.id.clone());
        prop_assert_eq!(rule(&one), rule(&other));
        prop_assert_eq!(one.table().to_string(), other.table().to_string());
    }

    #[test]
    fn a_rule_for_one_host_never_changes_another(
        rules in proptest::collection::vec(rule(), 1..8),
        added in rule().prop_filter("a rule for some hosts", |rule| !rule.host.is_empty()),
        target in request(),
    ) {
        let mut rules = distinct(rules);
        // Where the two say something about the same requests, the new one takes the other's place.
        let equal = |rule: &Rule| load(&[rule.clone(), added.clone()]).is_none();
        rules.retain(|rule| !equal(rule));
        let mut more = rules.clone();
        more.push(added.clone());
        let (Some(before), Some(after)) = (load_any(&rules), load(&more)) else {
            return Err(TestCaseError::reject("together they make one of them unreachable"));
        };
        if !HostPattern::parse(added.host).unwrap().covers(target.host()) {
            prop_assert_eq!(answers(&before, &target), answers(&after, &target));
            prop_assert_eq!(word(&before.find(&target).decide(Caller::Anonymous)), word(&after.find(&target).decide(Caller::Anonymous)));
        }
    }

    /// What is asked about as a whole is allowed only where each part is.
    #[test]
    fn a_whole_host_is_allowed_only_if_everything_on_it_is(
        rules in proptest::collection::vec(rule(), 1..8),
        default in select(&["deny", "authenticated"][..]),
        target in request(),
    ) {
        let rules = distinct(rules);
        let yaml: String = rules.iter().map(Rule::yaml).collect();
        let policy = policy(&format!("default: {default}\nservices:\n{yaml}"));
        for role in ["r0", "r1", "r2"] {
            let roles = [role.to_owned()];
            let caller = Caller::Known(Subject { roles: &roles, permissions: &[], audiences: None });
            if word(&policy.whole_host(target.host()).decide(caller)) == "allow" {
                prop_assert_eq!(word(&policy.find(&target).decide(caller)), "allow");
            }
        }
        prop_assert!(!policy.whole_host(target.host()).is_public());
    }

    /// Of lists within a service and of the short form, too.
    #[test]
    fn no_order_in_the_file_matters(
        lines in proptest::sample::subsequence(&LINES[..], 2..LINES.len()),
        paths in proptest::sample::subsequence(&SHORT_LINES[..], 2..SHORT_LINES.len()),
        target in request(),
    ) {
        let service = |lines: &[&str]| {
            policy(&format!("services:\n  s:\n    hosts: [a.test, '*.test']\n    endpoints:\n{}", lines.concat()))
        };
        let backwards = |lines: &[&'static str]| lines.iter().rev().copied().collect::<Vec<_>>();
        let (one, other) = (service(&lines), service(&backwards(&lines)));
        prop_assert_eq!(answers(&one, &target), answers(&other, &target));
        prop_assert_eq!(one.table().to_string(), other.table().to_string());
        let (one, other) = (policy(&paths.concat()), policy(&backwards(&paths).concat()));
        prop_assert_eq!(answers(&one, &target), answers(&other, &target));
    }

    /// Whatever the prefix, and whoever asks: only what begins with all of its segments meets it.
    #[test]
    fn no_prefix_crosses_a_segment(
        prefix in "(/[a-c]{1,3}){1,3}",
        path in "(/[a-c]{1,4}){1,5}",
    ) {
        for yaml in [format!("{prefix}: [r0]"), format!("services: {{ s: {{ prefix: {prefix}, roles: [r0] }} }}")] {
            let policy = policy(&yaml);
            let segments = |text: &str| text.split('/').skip(1).map(str::to_owned).collect::<Vec<_>>();
            let below = segments(&path).starts_with(&segments(&prefix));
            let answer = ask(&policy, "r0", &format!("GET https://a.test{path}"));
            prop_assert_eq!(answer, if below { "allow" } else { "deny" });
        }
    }

    #[test]
    fn a_prefix_never_crosses_a_segment(tail in "[a-zA-Z0-9._~!,@&=+-]{1,12}", below in "[a-z]{1,8}") {
        let policy = policy("/api/v1/admin: [admin]\n/pub: []");
        for (prefix, who) in [("/api/v1/admin", "admin"), ("/pub", "-")] {
            let at = |path: &str| ask(&policy, who, &format!("GET https://a.test{path}"));
            prop_assert_eq!(at(&format!("{prefix}{tail}")), "deny");
            prop_assert_eq!(at(&format!("{prefix}{tail}/{below}")), "deny");
            prop_assert_eq!(at(&format!("{prefix}/{below}")), "allow");
            prop_assert_eq!(at(prefix), "allow");
        }
    }

    /// The public part of a host is opened by no spelling that any decoding turns into another path.
    #[test]
    fn a_public_prefix_opens_nothing_else(uri in "/pub(/|%2[fFeE3]|%5[cC]|%252[ef]|[.;?\\\\]|admin|x){1,10}") {
        let policy = policy("services: { a: { roles: [user], endpoints: [{ path: '/pub/**', public: true }] } }");
        let target = Target::parse(b"GET", b"https", b"a.test", uri.as_bytes()).unwrap();
        if word(&policy.find(&target).decide(Caller::Anonymous)) == "allow" {
            let path = uri.split('?').next().unwrap().replace("%2e", ".").replace("%2E", ".");
            let mut depth = 0_i32;
            for segment in path.split('/').skip(1) {
                let bare = segment.split([';', '%']).next().unwrap();
                depth += if bare == ".." { -1 } else { 1 };
                prop_assert!(depth > 0 && bare != "..");
            }
            prop_assert!(path == "/pub" || path.starts_with("/pub/") || path.starts_with("/pub;") || path.starts_with("/pub%"), "{}", path);
        }
    }

    #[test]
    fn the_reader_never_panics(text in any::<String>()) {
        let _ = Policy::parse_and_try("p.yaml", &text);
    }

    #[test]
    fn the_reader_never_panics_on_almost_a_policy(
        text in "(version|default|roles|assign|public|services|tests|hosts|prefix|paths|endpoints|path|as|request|expect|opaque|deny|true|: |:\n|\n|  |- |\\{|\\}|\\[|\\]|, |'|/|\\*\\*|a|&|!|#|%|\u{0}|é){0,60}"
    ) {
        if let Err(faults) = Policy::parse_and_try("p.yaml", &text) {
            prop_assert!(!faults.is_empty());
            for fault in faults {
                prop_assert!(!fault.to_string().contains('\n'), "{}", fault);
            }
        }
    }
}

/// Counted, not timed: a machine under load cannot make it fail.
#[test]
fn ten_thousand_rules_are_searched_no_longer_than_ten() {
    let many = |count: usize| {
        let services: String = (0..count)
            .map(|n| format!("  s{n}: {{ hosts: [h{n}.test], prefix: /p{n}, roles: [r{n}] }}\n"))
            .collect();
        policy(&format!("services:\n{services}"))
    };
    let (ten, ten_thousand) = (many(10), many(10_000));
    for policy in [&ten, &ten_thousand] {
        assert_eq!(ask(policy, "r7", "GET https://h7.test/p7/x/y"), "allow");
        assert_eq!(ask(policy, "r7", "GET https://h7.test/p8/x/y"), "deny");
    }
    let request = super::target("GET https://h7.test/p7/x/y");
    assert_eq!(
        ten.index.steps(request.host(), request.path()),
        ten_thousand.index.steps(request.host(), request.path())
    );
}
