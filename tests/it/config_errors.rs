//! A wrong configuration, as whoever starts the program sees it: exit status 2, every fault on a line of its own on
//! standard error, nothing of a secret, and nothing on standard output.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Runs the program with these variables and none of the tests' own.
fn doorward(args: &[&str], env: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(args)
        .env_clear()
        .envs(env.iter().copied())
        .output()
        .expect("the program starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[test]
fn nothing_configured_names_the_three_variables() {
    for args in [["serve"], ["check"]] {
        let output = doorward(&args, &[]);
        assert_eq!(output.status.code(), Some(2));
        let text = stderr(&output);
        for name in ["DOORWARD_SERVER_EXTERNAL_URL", "GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"] {
            assert!(text.lines().any(|line| line.starts_with(&format!("`{name}`: is not set"))), "{text}");
        }
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn every_fault_is_reported_at_once_with_status_2() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("doorward.yaml");
    fs::write(
        &file,
        "server: { listn: x, external_url: http://auth.example.com }\n\
         session: { lifetime: forever }\n\
         tokens: { pepper: S3CRET }\n\
         providers:\n\
         - { id: google, kind: google, client_id: x, client_secret: S3CRET, client_secret_file: S3CRET }\n\
         - { id: kc, kind: oidc, issuer: \"https://u:S3CRET@kc\", client_id: x, algorithms: [HS256] }\n",
    )
    .expect("written");
    let path = file.to_str().expect("UTF-8");
    let env = [("DOORWARD_AUDIT_DECISIONS", "most"), ("DOORWARD_LISTEN", "x"), ("REDIS_PASSWORD", "S3CRET")];
    let output = doorward(&["serve", "--config", path], &env);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    for key in [
        "`server.listn` (doorward.yaml:1)",
        "`server.external_url` (doorward.yaml:1)",
        "`session.lifetime` (doorward.yaml:2)",
        "`tokens.pepper` (doorward.yaml:3): must be at least 16 bytes",
        "`providers.google.client_secret` (doorward.yaml:5)",
        "`providers.kc.issuer` (doorward.yaml:6)",
        "`providers.kc.algorithms` (doorward.yaml:6)",
        "`audit.decisions` (DOORWARD_AUDIT_DECISIONS)",
        "`DOORWARD_LISTEN`",
        "`store.password` (REDIS_PASSWORD): is for a Redis store",
    ] {
        assert!(text.lines().any(|line| line.starts_with(key)), "{key} is not in\n{text}");
    }
    assert!(!text.contains("S3CRET"), "{text}");
}

#[test]
fn a_sound_configuration_passes_the_check() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("doorward.yaml");
    fs::write(&file, "policy: { public: [/docs] }\n").expect("written");
    let output = doorward(&["check"], &[("DOORWARD_CONFIG", file.to_str().expect("UTF-8"))]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("the configuration is fine"));

    // An empty variable is an unset one.
    let output = doorward(&["check"], &[("DOORWARD_CONFIG", ""), ("DOORWARD_POLICY_PUBLIC", "/docs")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_senseless_log_level_is_bad_configuration() {
    let env = [("DOORWARD_POLICY_PUBLIC", "/docs"), ("RUST_LOG", "doorward=loud")];
    let output = doorward(&["serve"], &env);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("`RUST_LOG`"), "{}", stderr(&output));
}

#[test]
fn bad_usage_is_status_2_and_help_is_0() {
    assert_eq!(doorward(&["serve", "--nonsense"], &[]).status.code(), Some(2));
    assert_eq!(doorward(&["serve", "--help"], &[]).status.code(), Some(0));
    assert_eq!(doorward(&["--version"], &[]).status.code(), Some(0));
}

#[test]
fn a_new_key_is_one_that_a_key_file_takes() {
    let folder = TempDir::new().expect("a folder");
    let output = doorward(&["keys", "new"], &[]);
    assert_eq!(output.status.code(), Some(0));
    fs::write(folder.path().join("session.keys"), output.stdout).expect("written");
    let file = folder.path().join("doorward.yaml");
    fs::write(&file, "session: { keys_file: session.keys }\n").expect("written");
    let output = doorward(&["check", "--config", file.to_str().expect("UTF-8")], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn the_check_reads_the_policy_too() {
    let dir = TempDir::new().expect("a folder");
    let policy = dir.path().join("policy.yaml");
    let check = |text: &str| {
        fs::write(&policy, text).expect("written");
        doorward(&["check"], &[("DOORWARD_POLICY_FILE", policy.to_str().expect("UTF-8"))])
    };
    let good = check(
        "services:\n  foo: { prefix: /foo, roles: [staff] }\nassign:\n  - { role: staff, email: a@example.com }\n",
    );
    assert_eq!(good.status.code(), Some(0), "{}", stderr(&good));
    assert!(stdout(&good).contains("/foo"), "{}", stdout(&good));

    let bad = check("services:\n  foo: { prefix: /foo, role: [staff] }\n");
    assert_eq!(bad.status.code(), Some(1), "{}", stdout(&bad));
    assert!(stderr(&bad).contains("policy.yaml:2:") && stdout(&bad).is_empty(), "{}", stderr(&bad));
}

/// Nothing that says less than it seems to is ever served.
#[test]
fn a_policy_with_a_fault_does_not_start() {
    let dir = TempDir::new().expect("a folder");
    let policy = dir.path().join("policy.yaml");
    let data = dir.path().join("data");
    let env = [
        ("DOORWARD_POLICY_FILE", policy.to_str().expect("UTF-8")),
        ("DOORWARD_DATA_DIR", data.to_str().expect("UTF-8")),
        ("DOORWARD_SERVER_LISTEN", "127.0.0.1:0"),
        ("DOORWARD_OPS_LISTEN", "127.0.0.1:0"),
    ];
    for (text, place) in [
        ("services:\n  a: { prefix: /a, role: [admin] }\n", "policy.yaml:2:"),
        ("services:\n  a:\n    prefix: /a\n    roles:\n", "policy.yaml:4:"),
        ("services:\n  a: { prefix: /a, roles: [] }\n", "policy.yaml:2:"),
        ("services:\n  a: { prefx: /a, roles: [admin] }\n", "policy.yaml:2:"),
        ("rules: []\n", "policy.yaml:1:"),
        ("", "policy.yaml:1:"),
        ("services: [\n", "policy.yaml:"),
        ("public: [/]\n", "policy.yaml:1:"),
        ("services:\n  a: { public: true }\n", "policy.yaml:2:"),
    ] {
        fs::write(&policy, text).expect("written");
        for command in ["serve", "check"] {
            let output = doorward(&[command], &env);
            assert!(matches!(output.status.code(), Some(1 | 2)), "{command} {text:?}: {}", stderr(&output));
            assert!(stderr(&output).contains(place), "{command} {text:?}: {}", stderr(&output));
        }
    }
    fs::remove_file(&policy).expect("removed");
    for command in ["serve", "check"] {
        let output = doorward(&[command], &env);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("`policy.file`"), "{}", stderr(&output));
    }
}
