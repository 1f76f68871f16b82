//! `doorward explain`: the decision, the rule and its place, what was missing.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::{APP, Browser, Idp, Setup};

const POLICY: &str = "\
assign:
  - { role: staff, email: ada@example.com, provider: kc }
services:
  foo: { prefix: /foo, roles: [staff] }
  docs: { prefix: /docs, public: true }
";

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("policy.yaml"), POLICY).unwrap();
        fs::write(
            folder.path().join("doorward.yaml"),
            "data_dir: data\npolicy: { file: policy.yaml }\n\
             bearer: { issuers: [{ id: kc, issuer: \"http://127.0.0.1:9\", audiences: [api] }] }\n",
        )
        .unwrap();
        Self(folder)
    }

    fn explain(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_doorward"))
            .env_clear()
            .args(["explain", "--config"])
            .arg(self.0.path().join("doorward.yaml"))
            .args(args)
            .output()
            .unwrap()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_decision_is_told_with_its_rule_and_what_was_missing() {
    let folder = Folder::new();
    let url = "https://app.example.com/foo/x";
    for (args, status, parts) in [
        (&["--as", "ada@example.com", "GET", url][..], 0, &["allow:", "policy.yaml:4", "roles: staff"][..]),
        (&["--as", "eve@example.com", "GET", url], 1, &["deny:", "missing: the role staff", "roles: none"]),
        (&["--roles", "staff", "GET", url], 0, &["allow:"]),
        (&["--roles", "other", "GET", url], 1, &["deny:", "the role staff"]),
        (&["--anonymous", "GET", url], 1, &["login:", "a sign-in"]),
        (&["GET", url], 1, &["login:"]),
        (&["GET", "https://app.example.com/docs"], 0, &["allow:"]),
        (&["GET", "https://app.example.com/food"], 1, &["deny:", "a rule that covers it"]),
        (&["GET", "https://app.example.com/docs/..%2ffoo"], 1, &["unreadable:"]),
        (&["--token", "a.b.c", "GET", url], 1, &["invalid:", "refused: "]),
    ] {
        let output = folder.explain(args);
        let text = text(&output);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {text}");
        for part in parts {
            assert!(text.contains(part), "{args:?}: {part} is not in\n{text}");
        }
    }
    assert!(!folder.0.path().join("data").exists(), "explaining makes no store");
}

#[test]
fn programs_read_json() {
    let output = Folder::new().explain(&["--json", "--roles", "other", "GET", "https://app.example.com/foo"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["decision"], "deny");
    assert_eq!(told["rule"]["line"], 4);
    assert!(told["missing"].as_str().unwrap().contains("staff"));
}

#[test]
fn bad_usage_is_status_2() {
    let folder = Folder::new();
    for args in [
        &["GET", "nonsense"][..],
        &["GET", "/foo"],
        &["GET"],
        &["--anonymous", "--token", "x", "GET", "https://app.example.com/"],
    ] {
        assert_eq!(folder.explain(args).status.code(), Some(2), "{args:?}");
    }
    fs::write(folder.0.path().join("policy.yaml"), "services: { a: { prefix: /a, role: [x] } }\n").unwrap();
    assert_eq!(folder.explain(&["GET", "https://app.example.com/a"]).status.code(), Some(2));
}

#[actix_web::test]
async fn a_decision_is_explained_by_the_id_that_the_refused_person_sees() {
    let policy = "\
roles: { admin-role: [\"*\"], staff: }
services:
  app: { prefix: /app, authenticated: true, endpoints: [{ path: \"/a b\", roles: [admin-role] }] }
";
    let idp = Idp::shared();
    let gateway = Setup::with(idp).policy(policy).start().await;
    let mut grace = Browser::new(&gateway);
    grace.sign_in(APP, "grace@example.com").await;
    let refused = grace.get("https://auth.example.test/app/a%20b?secret=canary").await;
    assert_eq!(refused.status, 403);
    let id = refused.header("x-auth-decision-id");
    assert!(refused.body.contains(&format!("Reference <code>{id}</code>")), "{}", refused.body);

    let explain = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
        command.env_clear().args(["explain", "--config"]).arg(gateway.dir.join("doorward.yaml"));
        command.args(["--decision", &id]).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped()).spawn().unwrap()
    };
    // The log is that of the configuration; nobody else's roles and no query are needed.
    let output = explain(&[]).wait_with_output().unwrap();
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for part in [
        "deny: GET https://auth.example.test/app/a b\n",
        "rule:    app /a b (",
        "policy.yaml:3)",
        "missing: the role admin-role",
        "forbidden, grace@example.com (",
        "by session from 203.0.113.9",
        "roles: staff",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    assert!(!told.contains("canary") && !told.contains("another one then"), "{told}");

    // From standard input, as a container's log; then by a policy that has changed.
    let log = fs::read(gateway.dir.join("audit.log")).unwrap();
    let piped = |args: &[&str]| {
        let mut child = explain(args);
        child.stdin.take().unwrap().write_all(&log).unwrap();
        child.wait_with_output().unwrap()
    };
    let told: Value = serde_json::from_slice(&piped(&["--json", "--log", "-"]).stdout).unwrap();
    assert_eq!((&told["decision"], &told["differs"]), (&json!("deny"), &json!(false)), "{told}");
    assert_eq!(told["recorded"]["roles"], json!(["staff"]));
    fs::write(gateway.dir.join("policy.yaml"), policy.replace("roles: [admin-role]", "roles: [staff]"))
        .unwrap();
    let output = piped(&["--log", "-"]);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.starts_with("allow: ") && told.contains("the policy was another one then"), "{told}");

    let elsewhere = gateway.dir.join("empty.log");
    fs::write(&elsewhere, "").unwrap();
    for args in [&["--log", elsewhere.to_str().unwrap()][..], &["--log", "/nonexistent"], &["--anonymous"]] {
        let output = explain(args).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output));
    }
    gateway.stop().await;
}
