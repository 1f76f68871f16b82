//! The policy is replaced while it is asked: as a whole, or not at all.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use doorward::policy::live::Reload;

use super::support::world::{POLICY, World, assert_allowed, assert_status};
use super::support::{Browser, Gateway, LOGIN, Setup};

/// One of two policies that agree in nothing: roles, permissions, and what they are for.
fn policy(word: &str) -> String {
    format!(
        r#"
roles: {{ {word}-role: ["{word}:all"], other: ["{word}:other"] }}
assign:
  - {{ role: {word}-role, email_domain: example.com, provider: p0 }}
services:
  app: {{ hosts: [app.example.test], permission: "{word}:all" }}
  {word}: {{ hosts: [ws.example.test], roles: [{word}-role] }}
  nobody: {{ hosts: ["{word}.apps.example.test"], roles: [other] }}
"#
    )
}

/// As editors and deployments do: whole, beside it, then renamed.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, file).unwrap();
}

async fn reload(gateway: &Gateway) -> Reload {
    let policy = Arc::clone(&gateway.state().policy);
    tokio::task::spawn_blocking(move || policy.reload()).await.unwrap()
}

fn setup(policy: &str) -> Setup {
    World::setup().policy(policy)
}

#[actix_web::test]
async fn every_decision_is_by_one_policy_as_a_whole() {
    const RELOADS: usize = 50;
    let world = Arc::new(World::of(setup(&policy("one"))).await);
    let grace = world.sign_in("grace").await;
    let file = world.gateway.dir.join("policy.yaml");
    let (over, decisions) = (AtomicBool::new(false), AtomicUsize::new(0));
    let seen = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let ask = || async {
        while !over.load(Ordering::Relaxed) {
            for host in ["app.example.test", "ws.example.test"] {
                let answer = world.asks("/x").host(host).cookies(&grace).send().await;
                assert_status(&answer, &[200], host);
                let (roles, permissions) =
                    (answer.header("x-auth-roles"), answer.header("x-auth-permissions"));
                let which = ["one", "two"]
                    .iter()
                    .position(|word| roles == format!("{word}-role") && permissions == format!("{word}:all"));
                let which = which.unwrap_or_else(|| panic!("neither: {roles} with {permissions}"));
                seen[which].fetch_add(1, Ordering::Relaxed);
                decisions.fetch_add(1, Ordering::Relaxed);
            }
            // Known by one of them, unknown to the other: refused by both, for different reasons.
            let answer = world.asks("/x").host("one.apps.example.test").cookies(&grace).send().await;
            assert_status(&answer, &[403], "one.apps");
        }
    };
    let change = async {
        for n in 0..RELOADS {
            replace(&file, &policy(if n % 2 == 0 { "two" } else { "one" }));
            // The watch may have been there first; either way the file is in force now.
            assert!(!matches!(reload(&world.gateway).await, Reload::Refused(_)));
        }
        over.store(true, Ordering::Relaxed);
    };
    tokio::join!(change, ask(), ask(), ask(), ask(), ask(), ask(), ask(), ask());
    assert!(seen.iter().all(|count| count.load(Ordering::Relaxed) > 20), "{seen:?} of {decisions:?}");
    Arc::into_inner(world).unwrap().gateway.stop().await;
}

#[actix_web::test]
async fn a_file_with_a_fault_changes_nothing_and_is_told() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    let file = world.gateway.dir.join("policy.yaml");
    let half = &POLICY[..POLICY.len() / 2];
    for (case, text) in [
        ("broken", "services: [\n"),
        ("empty", ""),
        ("half written", half),
        ("misspelt", "services:\n  app: { role: [user] }\n"),
        ("open to all", "public: [/]\n"),
    ] {
        replace(&file, text);
        assert!(matches!(reload(&world.gateway).await, Reload::Refused(_)), "{case}");
        assert_allowed(&world.asks("/").cookies(&grace).send().await, "grace@example.com", "user", case);
        assert_status(&world.asks("/admin/x").cookies(&grace).send().await, &[403], case);
        assert!(world.gateway.state().policy.last_fault().is_some_and(|faults| !faults.is_empty()));
    }
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(reload(&world.gateway).await, Reload::Refused(_)), "gone");
    assert_status(&world.asks("/admin/x").cookies(&grace).send().await, &[403], "gone");
    let ready = super::support::idp::client().get(world.gateway.at("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200, "the one before is in force");
    let ready: serde_json::Value = ready.json().await.unwrap();
    let line =
        ready["checks"].as_array().unwrap().iter().find(|line| line["name"] == "policy").unwrap().clone();
    assert!(line["status"].as_str().unwrap().contains("refused"), "{line}");
    replace(&file, POLICY);
    assert!(matches!(reload(&world.gateway).await, Reload::Swapped(_)), "right again");
    assert!(world.gateway.state().policy.last_fault().is_none());
    world.ends_well().await;
}

#[actix_web::test]
async fn where_no_rule_speaks_and_no_default_is_written_nobody_gets_in() {
    let world = World::of(setup("version: 1\n")).await;
    let (mut ada, mut nobody) = (Browser::new(&world.gateway), Browser::new(&world.gateway));
    assert_eq!(ada.sign_in(LOGIN, "ada@example.com").await.status, 200, "signed in, on the account page");
    for url in ["https://app.example.test/", "https://auth.example.test/x", "https://nowhere.example.test/"] {
        assert_status(&ada.get(url).await, &[403], url);
        assert_status(&nobody.get(url).await, &[403], url);
    }
    world.gateway.stop().await;
}
