//! `doorward check`: every fault with its place, the tests, the access table, the services' own descriptions; for people
//! and for programs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

const FULL: &str = include_str!("../fixtures/policy/full.yaml");
const DESCRIPTION: &str = include_str!("../fixtures/policy/auditflow.openapi.yaml");

struct Folder(TempDir);

impl Folder {
    fn new(policy: &str) -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.write("policy.yaml", policy);
        folder.write(
            "doorward.yaml",
            "data_dir: data\npolicy: { file: policy.yaml }\n\
             bearer: { issuers: [{ id: google, issuer: \"http://127.0.0.1:9\", audiences: [api] }] }\n",
        );
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    /// Exit status, standard output, standard error.
    fn check(&self, args: &[&str]) -> (i32, String, String) {
        let output = doorward(&[&["check", "--config", "doorward.yaml"], args].concat(), self.0.path());
        let text = |bytes: Vec<u8>| {
            let folder = self.0.path().canonicalize().unwrap().display().to_string();
            String::from_utf8(bytes).unwrap().replace(&format!("{folder}/"), "")
        };
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn json(&self) -> (i32, Value) {
        let (status, out, err) = self.check(&["--json"]);
        assert_eq!(err, "", "everything is in the JSON");
        (status, serde_json::from_str(&out).unwrap())
    }
}

fn doorward(args: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_doorward")).env_clear().current_dir(folder).args(args).output().unwrap()
}

#[test]
fn a_sound_policy_is_told_with_its_table_and_operations() {
    let folder = Folder::new(FULL);
    folder.write("auditflow.openapi.yaml", DESCRIPTION);
    let (status, out, err) = folder.check(&[]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    insta::assert_snapshot!(out, @r"
    warning: auditflow.openapi.yaml:7:5: no endpoint covers 'GET /api/v1/auditflow/reports'; 'auditflow' decides (policy.yaml:15): it takes the role auditflow-role; add an endpoint for it, if that is not meant
    the configuration is fine: no providers; policy policy.yaml
    tests of the policy: 3 passed, 0 failed

    host         methods  path                            anonymous  signed in  admin-role  auditflow-role  staff
    *            *        /actuator/**                    yes        yes        yes         yes             yes
    *            *        /v3/api-docs/**                 yes        yes        yes         yes             yes
    *.labs64.io  *        /api/v1/auditflow/**            login      no         no          yes             no
    *.labs64.io  *        /api/v1/auditflow/docs/**       yes        yes        yes         yes             yes
    *.labs64.io  GET      /api/v1/auditflow/reports/{id}  login      no         yes         yes             no
    *.labs64.io  POST     /api/v1/auditflow/reports       login      no         yes         yes             no
    labs64.io    *        /api/v1/auditflow/**            login      no         no          yes             no
    labs64.io    *        /api/v1/auditflow/docs/**       yes        yes        yes         yes             yes
    labs64.io    GET      /api/v1/auditflow/reports/{id}  login      no         yes         yes             no
    labs64.io    POST     /api/v1/auditflow/reports       login      no         yes         yes             no
    *            *        everything else                 login      yes        yes         yes             yes

    auditflow, as auditflow.openapi.yaml describes it:
    method  path                            hosts                  takes                           by
    GET     /api/v1/auditflow/reports       labs64.io,*.labs64.io  the role auditflow-role         auditflow (no endpoint)
    POST    /api/v1/auditflow/reports       labs64.io,*.labs64.io  the permission auditflow:write  auditflow POST /reports
    GET     /api/v1/auditflow/reports/{id}  labs64.io,*.labs64.io  the permission auditflow:read   auditflow GET /reports/{id}
    GET     /api/v1/auditflow/docs/{page}   labs64.io,*.labs64.io  nothing: it is public           auditflow /docs/**
    ");
}

#[test]
fn programs_read_the_same_as_json() {
    let folder = Folder::new(FULL);
    folder.write("auditflow.openapi.yaml", DESCRIPTION);
    let (status, told) = folder.json();
    assert_eq!((status, &told["ok"], &told["faults"]), (0, &json!(true), &json!([])));
    let keys: BTreeSet<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys.into_iter().collect::<Vec<_>>(),
        ["faults", "ok", "openapi", "policy", "providers", "table", "tests", "warnings"]
    );
    assert_eq!(told["policy"], "policy.yaml");
    assert_eq!(told["warnings"][0]["source"], "auditflow.openapi.yaml");
    assert_eq!(told["warnings"][0]["line"], 7);
    assert_eq!(
        told["tests"][2],
        json!({
            "passed": true, "line": 27, "who": "role staff", "request": "GET https://labs64.io/api/v1/auditflow/reports/7",
            "expected": "deny", "got": "deny",
            "rule": { "id": "auditflow GET /reports/{id}", "file": "policy.yaml", "line": 21 },
        })
    );
    let table = &told["table"];
    assert_eq!(table["callers"], json!(["anonymous", "signed in", "admin-role", "auditflow-role", "staff"]));
    assert_eq!(
        table["rows"][2],
        json!({
            "host": "*.labs64.io", "methods": [], "path": "/api/v1/auditflow/**", "shadow": false,
            "rule": { "id": "auditflow", "file": "policy.yaml", "line": 15 },
            "needs": "the role auditflow-role",
            "access": { "anonymous": "login", "signed in": "no", "admin-role": "no", "auditflow-role": "yes", "staff": "no" },
        })
    );
    let rest = table["rows"].as_array().unwrap().last().unwrap();
    assert_eq!((&rest["path"], &rest["rule"]), (&Value::Null, &Value::Null));
    let openapi = &told["openapi"][0];
    assert_eq!(
        (&openapi["service"], &openapi["file"]),
        (&json!("auditflow"), &json!("auditflow.openapi.yaml"))
    );
    assert_eq!(
        openapi["operations"][3],
        json!({
            "method": "GET", "path": "/api/v1/auditflow/docs/{page}", "line": 12, "hosts": ["labs64.io", "*.labs64.io"],
            "rule": { "id": "auditflow /docs/**", "file": "policy.yaml", "line": 23 },
            "endpoint": true, "needs": "nothing: it is public", "public": true,
        })
    );
}

#[test]
fn every_fault_is_told_with_status_1() {
    let policy = FULL.replace("/reports/{id}", "/report/{id}").replace("expect: deny", "expect: allow");
    let folder = Folder::new(&policy);
    folder.write("auditflow.openapi.yaml", DESCRIPTION);
    let (status, out, err) = folder.check(&[]);
    assert_eq!(status, 1);
    assert!(out.contains("3 passed") || out.contains("failed"), "{out}");
    for part in [
        "policy.yaml:27:5: test failed: expected allow, got deny",
        "policy.yaml:21:9: 'auditflow GET /report/{id}': auditflow.openapi.yaml describes no path /api/v1/auditflow/report/{id}; did you mean '/api/v1/auditflow/reports/{id}'?",
    ] {
        assert!(err.contains(part), "{part} is not in\n{err}");
    }
    let (status, told) = folder.json();
    assert_eq!((status, &told["ok"]), (1, &json!(false)));
    assert_eq!(told["faults"].as_array().unwrap().len(), err.lines().count() - 1);
    assert!(told["tests"].as_array().unwrap().iter().any(|test| test["passed"] == false));
}

#[test]
fn a_description_that_cannot_be_read_is_a_fault_of_the_line_that_names_it() {
    let folder = Folder::new(FULL);
    let at = "policy.yaml:19:14: 'auditflow.openapi.yaml' cannot be read: ";
    let (status, _, err) = folder.check(&[]);
    assert!(status == 1 && err.contains(at) && err.contains("No such file"), "{err}");
    fs::create_dir(folder.0.path().join("auditflow.openapi.yaml")).unwrap();
    let (status, _, err) = folder.check(&[]);
    assert!(status == 1 && err.contains(&format!("{at}it is no file")), "{err}");
    fs::remove_dir(folder.0.path().join("auditflow.openapi.yaml")).unwrap();
    let file = fs::File::create(folder.0.path().join("auditflow.openapi.yaml")).unwrap();
    file.set_len(17 * 1024 * 1024).unwrap();
    let (status, _, err) = folder.check(&[]);
    assert!(status == 1 && err.contains(&format!("{at}it is over 16 MiB")), "{err}");
    fs::write(folder.0.path().join("auditflow.openapi.yaml"), b"openapi: \xff").unwrap();
    let (status, _, err) = folder.check(&[]);
    assert!(status == 1 && err.contains(&format!("{at}stream did not contain valid UTF-8")), "{err}");
}

#[test]
fn a_policy_with_faults_and_a_bad_configuration_are_json_too() {
    let folder = Folder::new("services:\n  a: { prefix: /a, role: [x] }\n");
    let (status, told) = folder.json();
    assert_eq!((status, &told["tests"], &told["table"]), (1, &Value::Null, &Value::Null));
    let fault = told["faults"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&fault["source"], &fault["line"], &fault["column"]),
        (&json!("policy.yaml"), &json!(2), &json!(20))
    );
    assert_eq!(fault["instead"], "did you mean 'roles'?");
    folder.write("doorward.yaml", "policy: { fil: policy.yaml }\n");
    let (status, told) = folder.json();
    assert_eq!((status, &told["ok"]), (2, &json!(false)));
    let fault = &told["faults"][0];
    assert_eq!(
        (&fault["source"], &fault["line"], &fault["key"]),
        (&json!("doorward.yaml"), &json!(1), &json!("policy.fil"))
    );
}

#[test]
fn the_help_teaches() {
    let output = doorward(&["check", "--help"], Path::new("."));
    let help = String::from_utf8(output.stdout).unwrap();
    for word in [
        "--config",
        "--json",
        "DOORWARD_POLICY_FILE",
        "openapi: FILE",
        "Exit status",
        "docs/policy.md",
        "warning",
    ] {
        assert!(help.contains(word), "{word} is not in\n{help}");
    }
}
