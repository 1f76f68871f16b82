//! Roles, permissions, and claims that lie.

use super::{FULL, policy};
use crate::policy::Facts;

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn roles_come_from_claim_assignment_and_grant() {
    let policy = policy(FULL);
    let (groups, claimed, granted) =
        (owned(&["audit", "other"]), owned(&["viewer", "staff"]), owned(&["editor", "viewer"]));
    let facts = Facts {
        provider: "google",
        email: Some("Ada@Example.COM"),
        groups: &groups,
        claimed: &claimed,
        granted: &granted,
    };
    let all = ["admin-role", "auditflow-role", "editor", "staff", "viewer"];
    assert_eq!(policy.roles(&facts), all);
    // Another provider vouches: nothing is assigned.
    assert_eq!(policy.roles(&Facts { provider: "other", ..facts }), ["editor", "staff", "viewer"]);
    assert_eq!(policy.roles(&Facts { email: None, groups: &[], ..facts }), ["editor", "staff", "viewer"]);
}

#[test]
fn an_email_is_read_exactly() {
    let policy =
        policy("assign: [{ role: staff, email_domain: example.com }, { role: boss, email: a@example.com }]");
    let roles = |email: &str| policy.roles(&Facts { email: Some(email), ..Facts::default() });
    assert_eq!(roles("A@EXAMPLE.com"), ["boss", "staff"]);
    assert_eq!(roles("b@example.com"), ["staff"]);
    for email in [
        "a@evil.test@example.com",
        "a@example.com@evil.test",
        "@example.com",
        "a@",
        "a@example.com.evil.test",
        "a@notexample.com",
        "a@sub.example.com",
        "a@example.com ",
        "a@example.com\n",
        "example.com",
        "",
    ] {
        assert_eq!(roles(email), [""; 0], "{email:?}");
    }
}

#[test]
fn roles_that_could_break_a_header_or_lie_are_dropped() {
    let policy = policy(FULL);
    let claimed = owned(&[
        "viewer,admin-role",
        "viewer admin",
        "viewer;admin",
        "viewer\nadmin",
        "viewer\radmin",
        "bob\0",
        "\"quoted\"",
        "público",
        "public",
        "Authenticated",
        "anonymous",
        "*",
        "",
        "fine:role/one",
        "fine:role/one",
    ]);
    let facts = Facts { claimed: &claimed, granted: &claimed, ..Facts::default() };
    assert_eq!(policy.roles(&facts), ["fine:role/one"]);
    let long = vec!["x".repeat(4000)];
    assert_eq!(policy.roles(&Facts { claimed: &long, ..Facts::default() }), [""; 0]);
}

#[test]
fn five_thousand_groups_are_no_trouble() {
    let policy = policy(FULL);
    let groups: Vec<String> =
        (0..5000).map(|number| format!("group-{number}")).chain(["audit".to_owned()]).collect();
    let facts = Facts { provider: "google", groups: &groups, ..Facts::default() };
    assert_eq!(policy.roles(&facts), ["auditflow-role"]);
    assert_eq!(groups.iter().filter(|group| policy.knows_group(group)).count(), 1);
}

#[test]
fn permissions_are_those_of_all_roles() {
    let policy = policy(FULL);
    assert_eq!(policy.permissions(&owned(&["auditflow-role"])), ["auditflow:read", "auditflow:write"]);
    assert_eq!(
        policy.permissions(&owned(&["admin-role", "auditflow-role", "unknown"])),
        ["*", "auditflow:read", "auditflow:write"]
    );
    assert_eq!(policy.permissions(&[]), [""; 0]);
}

#[test]
fn the_policy_knows_the_roles_it_names() {
    let policy = policy(FULL);
    for role in ["admin-role", "auditflow-role", "staff", "doorward-admin"] {
        assert!(policy.knows_role(role), "{role}");
    }
    assert!(policy.names_roles() && !policy.knows_role("other"));
}

#[test]
fn the_configured_providers_are_checked() {
    let told = |yaml: &str, ids: &[&str]| {
        policy(yaml).faults_with_providers(ids).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let anybody = "assign:\n  - { role: staff, email_domain: example.com }\n  - { role: ops, group: ops }";
    assert_eq!(told(anybody, &["google"]), [""; 0]);
    assert_eq!(
        told(anybody, &["google", "kc"]),
        [
            "policy.yaml:2:13: with several providers, a rule by e-mail names whose e-mails it believes; add 'provider:' with one of: google, kc"
        ]
    );
    assert_eq!(told(FULL, &["google", "kc"]), [""; 0]);
    let warned = |yaml: &str, ids: &[&str]| {
        policy(yaml).warnings_with_providers(ids).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(warned(anybody, &["google"]), [""; 0]);
    assert_eq!(
        warned(anybody, &["google", "kc"]),
        [
            "policy.yaml:3:13: with several providers, a group of this name at any of them is given the role; add 'provider:' with one of: google, kc"
        ]
    );
    assert_eq!(warned(FULL, &["google", "kc"]), [""; 0]);
    assert_eq!(told(FULL, &["gogle", "kc"]).len(), 3);
    assert!(told(FULL, &["gogle"])[0].contains("did you mean 'gogle'?"));
}
