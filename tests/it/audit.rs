//! What is written down of a day: who, what, where, how it ended, from where, when (OWASP ASVS 5.0 16.2.1, 16.3).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use doorward::store::activity::{Activity, ActivityFilter};
use doorward::store::page::Slice;
use serde_json::Value;

use super::support::world::World;
use super::support::{Browser, Gateway, Idp, Setup};

fn lines(dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(dir.join("audit.log")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The lists of activity, once they have this many.
async fn noted(gateway: &Gateway, at_least: usize) -> Vec<Activity> {
    for _ in 0..200 {
        let slice = Slice { offset: 0, limit: 500 };
        let page = gateway.state().store.activity(&ActivityFilter::default(), slice).await.unwrap();
        if page.items.len() >= at_least {
            return page.items;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never {at_least} lines");
}

#[actix_web::test]
async fn a_day_leaves_its_lines_in_the_log_and_in_the_lists() {
    let world = World::start().await;
    let gateway = &world.gateway;
    let mut grace = Browser::new(gateway);
    assert!(grace.sign_in("https://app.example.test/", "grace@example.com").await.served);
    let refused = grace.get("https://app.example.test/admin/x?secret=1").await;
    assert_eq!(refused.status, 403);
    // A form from elsewhere, then the right one.
    let out = "https://auth.example.test/rbac/logout";
    let page = grace.get(out).await;
    let csrf =
        page.body.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    assert_eq!(grace.post(out, &[("csrf", "made-up")]).await.status, 403);
    assert_eq!(grace.post(out, &[("csrf", csrf)]).await.status, 303);
    let denied = Browser::new(gateway).get("https://auth.example.test/rbac/login?rd=/").await.location();
    assert!(denied.starts_with("http"));
    // The policy, spoilt and mended.
    let policy = gateway.dir.join("policy.yaml");
    let good = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, good.replace("roles: [user]", "role: [user]")).unwrap();
    until(|| lines(&gateway.dir).iter().any(|line| line["action"] == "policy_refused")).await;
    fs::write(&policy, good.clone() + "\n# mended\n").unwrap();
    until(|| lines(&gateway.dir).iter().any(|line| line["action"] == "policy_loaded")).await;

    let all = lines(&gateway.dir);
    let one = |name: &str| {
        let found = all.iter().find(|line| line["action"] == name || line["outcome"] == name);
        found.unwrap_or_else(|| panic!("no {name}: {all:#?}"))
    };
    let forbidden = one("forbidden");
    let sub = forbidden["subject"].as_str().unwrap();
    for (member, value) in [
        ("event", "decision"),
        ("provider", "p0"),
        ("user_id", sub),
        ("user", "grace@example.com"),
        ("host", "app.example.test"),
        ("path", "/admin/x"),
        ("method", "GET"),
        ("client", "203.0.113.9"),
        ("decision_id", refused.header("x-auth-decision-id").as_str()),
    ] {
        assert_eq!(forbidden[member], value, "{member}: {forbidden}");
    }
    assert!(forbidden["rule"].is_string() && forbidden["rule_at"].as_str().unwrap().contains("policy.yaml:"));
    for name in ["sign_in", "csrf_refused", "sign_out"] {
        let line = one(name);
        assert_eq!((&line["provider"], &line["subject"]), (&Value::from("p0"), &Value::from(sub)), "{line}");
        assert!(line["client"] == "203.0.113.9" && line["request_id"].is_string(), "{line}");
    }
    let spoilt = one("policy_refused");
    assert!(spoilt["reason"].as_str().unwrap().contains("policy.yaml:"), "{spoilt}");
    assert_eq!(one("policy_loaded")["version"], 2);
    for line in &all {
        let time = line["time"].as_str().unwrap();
        assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
        assert!(!line.to_string().contains("secret=1"));
    }

    let noted = noted(gateway, 6).await;
    let kinds: BTreeSet<&str> = noted.iter().map(|line| line.what.as_str()).collect();
    let expected = ["csrf_refused", "forbidden", "policy_loaded", "policy_refused", "sign_in", "sign_out"];
    assert_eq!(kinds, BTreeSet::from(expected), "neither what was allowed nor who was asked to sign in");
    let found = noted.iter().find(|line| line.what == "forbidden").unwrap();
    assert_eq!(found.decision_id.as_deref(), forbidden["decision_id"].as_str());
    assert_eq!(found.who.as_deref(), Some(sub));
    assert_eq!(&serde_json::from_str::<Value>(&found.line).unwrap(), forbidden);
    world.ends_well().await;
}

async fn until(happened: impl Fn() -> bool) {
    for _ in 0..400 {
        if happened() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never happened");
}

#[actix_web::test]
async fn what_waits_is_noted_when_it_stops() {
    let world = World::start().await;
    for n in 0..300 {
        let answer = world.asks(&format!("/{n}")).with("authorization", "Bearer x").send().await;
        assert!(matches!(answer.status, 401 | 429));
    }
    let store = std::sync::Arc::clone(&world.gateway.state().store);
    world.gateway.stop().await;
    let slice = Slice { offset: 0, limit: 1 };
    let page = store.activity(&ActivityFilter::default(), slice).await.unwrap();
    assert_eq!(page.total, 300);
    let filter = ActivityFilter { what: Some("rate_limited".into()), ..ActivityFilter::default() };
    assert_eq!(store.activity(&filter, slice).await.unwrap().total, 280);
}

#[actix_web::test]
async fn the_file_rotates_and_every_line_is_in_one_of_them() {
    let setup = World::setup().and("audit: { file: audit.log, decisions: all, max_size: 4KB, keep: 50 }");
    let world = World::of(setup).await;
    for n in 0..100 {
        world.asks(&format!("/{n}")).send().await;
    }
    let files = doorward::audit::with_older(&world.gateway.dir.join("audit.log"));
    assert!(files.len() > 4, "{files:?}");
    let mut paths = BTreeSet::new();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.len() <= 4096, "{}: {}", file.display(), text.len());
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            paths.insert(line["path"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(paths.len(), 100);
    // A tool that renames.
    let log = world.gateway.dir.join("audit.log");
    fs::rename(&log, world.gateway.dir.join("elsewhere")).unwrap();
    world.gateway.state().audit.reopen();
    world.asks("/after").send().await;
    assert!(fs::read_to_string(&log).unwrap().contains("\"/after\""));
    world.ends_well().await;
}

#[actix_web::test]
async fn twenty_thousand_strangers_do_not_make_the_metrics_grow() {
    let idp = Idp::shared();
    let gateway = Setup::with(idp).and("rate_limit: { user_max: 5 }").start().await;
    let state = gateway.state();
    let before = state.metrics.render();
    // With connections that are kept, which are dropped before the gateway stops.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = |n: u32| {
        let [_, b, c, d] = n.to_be_bytes();
        client
            .get(gateway.at("/auth"))
            .header("x-forwarded-for", format!("100.{b}.{c}.{d}"))
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-host", format!("h{n}.example.test"))
            .header("x-forwarded-uri", format!("/{n}?q={n}"))
            .header("user-agent", format!("agent-{n}"))
            .header("authorization", format!("Bearer user-{n}"))
    };
    for round in 0..2500 {
        let eight: Vec<_> = (0..8).map(|n| tokio::spawn(ask(round * 8 + n).send())).collect();
        for answer in eight {
            assert_eq!(answer.await.unwrap().unwrap().status(), 401);
        }
    }
    drop(client);
    let after = state.metrics.render();
    let series = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    assert!(series(&after) < 1000 && series(&after) == series(&before), "{after}");
    for word in ["example.test", "agent-", "user-", "100.0"] {
        assert!(!after.contains(word), "{word}: {after}");
    }
    gateway.stop().await;
}
