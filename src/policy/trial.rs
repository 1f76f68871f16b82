//! The policy's own tests: a policy that fails one is not loaded.

use serde::Serialize;

use super::compile::Policy;
use super::decision::{Caller, Decision, Subject};
use super::explain::RuleRef;
use super::fault::{Fault, Faults, Place};
use super::fields::{Fields, shown};
use super::people::Facts;
use super::target::Target;
use super::yaml::{Node, Value};

/// One entry of `tests`.
#[derive(Debug)]
pub(super) struct Trial {
    place: Place,
    who: Option<Person>,
    target: Target,
    expect: &'static str,
}

/// `as:` of somebody signed in; the e-mail counts as verified.
#[derive(Debug, Default)]
struct Person {
    roles: Vec<String>,
    email: Option<String>,
    groups: Vec<String>,
    provider: String,
}

/// What became of one test.
#[derive(Clone, Debug, Serialize)]
pub struct TestResult {
    /// Where it stands in the policy.
    pub line: u32,
    #[serde(skip)]
    column: u32,
    /// Method and address.
    pub request: String,
    /// What the policy says that it expects.
    pub expected: &'static str,
    /// What the rules say.
    pub got: &'static str,
    /// The rule that speaks; `None` when that is the default.
    pub rule: Option<RuleRef>,
}

impl TestResult {
    /// Whether the two agree.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.expected == self.got
    }
}

const OUTCOMES: [&str; 4] = ["allow", "login", "deny", "unreadable"];

impl Trial {
    pub(super) fn read(node: &Node, faults: &mut Faults) -> Option<Self> {
        let fields = Fields::of(node, "a test", &["as", "request", "expect"], faults)?;
        for key in ["as", "request", "expect"] {
            if fields.get(key).is_none() {
                let advice = "write { as: anonymous, request: GET https://app.example.com/, expect: login }";
                faults.add(fields.place, format!("a test without '{key}'"), advice);
            }
        }
        let who = fields.get("as").map(|(_, node)| actor(node, faults));
        let target = fields.text("request", faults).and_then(|text| {
            let target = request(text.value);
            if target.is_none() {
                let advice =
                    "write the method and the whole address: 'GET https://app.example.com/reports/7'";
                faults.add(text.place, format!("'{}' is no request", shown(text.value)), advice);
            }
            target
        });
        let word = fields.word("expect", &OUTCOMES, faults);
        let expect = OUTCOMES.into_iter().find(|outcome| Some(*outcome) == word);
        Some(Self { place: node.place, who: who??, target: target?, expect: expect? })
    }
}

/// `METHOD URL`.
pub(super) fn request(text: &str) -> Option<Target> {
    let (method, url) = text.split_once(' ')?;
    Target::of_url(method, url.trim()).ok()
}

/// The outer `None` is a fault, the inner one is anonymous.
#[expect(clippy::option_option, reason = "a caller that is nobody, and one that could not be read")]
fn actor(node: &Node, faults: &mut Faults) -> Option<Option<Person>> {
    match &node.value {
        Value::Text(word) if word == "anonymous" => return Some(None),
        Value::Map(_) => {}
        _ => {
            let advice = "write 'anonymous' or { roles: [name], email: …, groups: […], provider: … }";
            faults.add(node.place, "this is nobody", advice);
            return None;
        }
    }
    let fields = Fields::of(node, "a caller", &["roles", "email", "groups", "provider"], faults)?;
    let owned =
        |texts: Vec<super::fault::At<&str>>| texts.into_iter().map(|text| text.value.to_owned()).collect();
    Some(Some(Person {
        roles: match fields.get("roles") {
            // Somebody who is signed in and has no role at all.
            Some((_, Node { value: Value::List(list), .. })) if list.is_empty() => Vec::new(),
            _ => fields.texts("roles", faults).map(owned).unwrap_or_default(),
        },
        email: fields.text("email", faults).map(|text| text.value.to_owned()),
        groups: fields.texts("groups", faults).map(owned).unwrap_or_default(),
        provider: fields.text("provider", faults).map(|text| text.value.to_owned()).unwrap_or_default(),
    }))
}

impl Policy {
    /// Runs the policy's own tests, in the order of the file.
    #[must_use]
    pub fn run_tests(&self) -> Vec<TestResult> {
        self.tests.iter().map(|trial| self.run(trial)).collect()
    }

    fn run(&self, trial: &Trial) -> TestResult {
        let found = self.find(&trial.target);
        let decision = self.as_caller(trial.who.as_ref(), |caller| found.judge_strictly(caller));
        TestResult {
            line: trial.place.line,
            column: trial.place.column,
            request: format!("{} {}", trial.target.method(), trial.target.url()),
            expected: trial.expect,
            got: outcome(&decision),
            rule: found.rule().map(RuleRef::from),
        }
    }

    /// The tests that fail, told as faults.
    #[must_use]
    pub fn failed_tests(&self) -> Vec<Fault> {
        let mut faults = Faults::new(&self.file);
        for result in self.run_tests().iter().filter(|result| !result.passed()) {
            let rule = result.rule.as_ref().map_or_else(
                || "the default".to_owned(),
                |rule| format!("'{}' in line {}", rule.id, rule.line),
            );
            let problem = format!("test failed: expected {}, got {} by {rule}", result.expected, result.got);
            let place = Place { line: result.line, column: result.column };
            faults.add(place, problem, "correct the rule or the expectation");
        }
        faults.into_sorted()
    }

    fn as_caller<T>(&self, who: Option<&Person>, ask: impl FnOnce(Caller<'_>) -> T) -> T {
        let Some(person) = who else { return ask(Caller::Anonymous) };
        let roles = self.roles(&Facts {
            provider: &person.provider,
            email: person.email.as_deref(),
            groups: &person.groups,
            claimed: &person.roles,
            granted: &[],
        });
        let permissions = self.permissions(&roles);
        ask(Caller::Known(Subject { roles: &roles, permissions: &permissions, audiences: None }))
    }
}

/// A decision in the words of tests and explanations.
pub(super) const fn outcome(decision: &Decision) -> &'static str {
    match decision {
        Decision::Allow(_) => "allow",
        Decision::Challenge => "login",
        Decision::Invalid => "invalid",
        Decision::Unavailable => "unavailable",
        Decision::Deny(_) => "deny",
        Decision::Unreadable => "unreadable",
    }
}
