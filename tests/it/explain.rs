//! `doorward explain`: the decision, the rule and its place, what was missing.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

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
