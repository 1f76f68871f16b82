//! The policy's tests: what it answers, what it refuses to load, the laws that hold for every policy, and
//! reloading.

mod faults;
mod laws;
mod openapi;
mod outcomes;
mod people;
mod reload;
mod views;

use super::decision::{Caller, Decision, Subject};
use super::target::Target;
use super::{Policy, Question};

const HOSTS: &str = include_str!("../../../tests/fixtures/policy/hosts.yaml");
const FULL: &str = include_str!("../../../tests/fixtures/policy/full.yaml");
const SHORT: &str = include_str!("../../../tests/fixtures/policy/role_mapping.yaml");

fn policy(yaml: &str) -> Policy {
    Policy::parse_and_try("policy.yaml", yaml).unwrap_or_else(|faults| {
        panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

/// `METHOD URL`.
fn target(request: &str) -> Target {
    super::trial::request(request).unwrap_or_else(|| panic!("{request}"))
}

/// What `who` is answered: `-` is anonymous, else roles with commas between them (`signed-in` for none).
fn ask(policy: &Policy, who: &str, request: &str) -> &'static str {
    let target = target(request);
    ask_all(policy, who, Question::from(&target))
}

fn ask_all(policy: &Policy, who: &str, question: Question<'_>) -> &'static str {
    let found = policy.find(question);
    word(&as_caller(policy, who, |caller| found.decide(caller)))
}

fn as_caller<T>(policy: &Policy, who: &str, ask: impl FnOnce(Caller<'_>) -> T) -> T {
    if who == "-" {
        return ask(Caller::Anonymous);
    }
    let roles: Vec<String> = who.split(',').filter(|role| *role != "signed-in").map(str::to_owned).collect();
    let permissions = policy.permissions(&roles);
    ask(Caller::Known(Subject { roles: &roles, permissions: &permissions, audiences: None }))
}

fn word(decision: &Decision) -> &'static str {
    super::trial::outcome(decision)
}
