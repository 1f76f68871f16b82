//! The administrators' commands: the real program, with the store itself and by a gateway that runs.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::support::{Browser, Gateway, HOME, Idp, Setup};

/// What the policy is about.
const APP: &str = "https://app.example.test/x";

const POLICY: &str = "\
roles: { reader: [read] }
services:
  app: { hosts: [app.example.test], roles: [reader] }
";

async fn gateway() -> Gateway {
    let setup = Setup::with(Idp::shared()).policy(POLICY);
    setup.and("login: { return_hosts: [app.example.test] }").start().await
}

/// Runs the program with the gateway's own configuration, as an operator on the machine would.
fn here(dir: &Path, args: &[&str]) -> Output {
    command(dir, args).output().unwrap()
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.env_clear().env("DOORWARD_CONFIG", dir.join("doorward.yaml")).env("USER", "ada").args(args);
    command
}

/// Runs it with no configuration at all, but a gateway's address and a token.
async fn there(gateway: &Gateway, token: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.env_clear().env("DOORWARD_TOKEN", token).args(args);
    command.args(["--server", &format!("http://{}", gateway.address)]);
    // The gateway answers on threads of its own, but signs of life should not wait for this one.
    actix_web::web::block(move || command.output().unwrap()).await.unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn done(output: Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{} {}", out(&output), err(&output));
    out(&output)
}

fn not_done(output: &Output, status: i32, why: &str) {
    assert_eq!(output.status.code(), Some(status), "{} {}", out(output), err(output));
    assert!(err(output).contains(why), "{why}: {}", err(output));
    assert_eq!(out(output), "");
}

fn json(output: Output) -> Value {
    let text = done(output);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn asks(gateway: &Gateway, token: &str) -> u16 {
    let asked = gateway.ask("GET", APP).bearer_auth(token);
    asked.send().await.unwrap().status().as_u16()
}

/// Whether the gateway says so within a second or two.
async fn comes_to(gateway: &Gateway, token: &str, status: u16) {
    let mut last = 0;
    for _ in 0..200 {
        last = asks(gateway, token).await;
        if last == status {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{last} and not {status}");
}

#[actix_web::test]
async fn a_token_made_on_the_machine_works_at_the_gateway_that_runs() {
    let gateway = gateway().await;
    let made = here(
        &gateway.dir,
        &[
            "token",
            "create",
            "--name",
            "ci",
            "--host",
            "app.example.test",
            "--role",
            "reader",
            "--ttl",
            "90d",
        ],
    );
    assert!(err(&made).contains("made ci") && err(&made).contains("shown this once"), "{}", err(&made));
    let text = done(made);
    let token = text.trim();
    assert_eq!(text, format!("{token}\n"), "the token alone is on standard output");
    assert!(token.starts_with("dw_"));
    comes_to(&gateway, token, 200).await;

    let list = done(here(&gateway.dir, &["token", "list"]));
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[0].starts_with("ID ") && lines[1].contains("ci") && lines.len() == 2, "{list}");
    assert!(!list.contains(token));
    let listed = json(here(&gateway.dir, &["token", "list", "--search", "CI", "--json"]));
    assert_eq!((&listed["total"], &listed["items"][0]["roles"][0]), (&1.into(), &"reader".into()));
    let id = listed["items"][0]["id"].as_str().unwrap();

    // Why it may, by its text and by its id; and that of one that is none nobody is told more.
    for (named, url, status, part) in [
        (token, APP, 0, "roles: reader"),
        (id, APP, 0, "allow:"),
        (token, "https://other.example.test/x", 1, "the token is not good on other.example.test"),
        ("dw_wrong", APP, 1, "its form or its checksum is wrong"),
        (doorward::identity::api_token::Plain::new().unwrap().expose(), APP, 1, "there is no such token"),
        ("of-another-tool", APP, 1, "invalid:"),
    ] {
        let told = here(&gateway.dir, &["explain", "--token", named, "GET", url]);
        assert_eq!(told.status.code(), Some(status), "{named}: {} {}", out(&told), err(&told));
        assert!(out(&told).contains(part), "{named}: {part} is not in {}", out(&told));
    }

    let rotated = done(here(&gateway.dir, &["token", "rotate", id]));
    comes_to(&gateway, token, 401).await;
    comes_to(&gateway, rotated.trim(), 200).await;
    // By its own text, which is not written on the command line.
    let mut revoke = command(&gateway.dir, &["token", "revoke", "-"]);
    let mut child =
        revoke.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(rotated.as_bytes()).unwrap();
    let revoked = child.wait_with_output().unwrap();
    assert!(err(&revoked).contains(&format!("revoked ci {id}")), "{}", err(&revoked));
    comes_to(&gateway, rotated.trim(), 401).await;

    // Written down by whom, in the file and for the lists.
    let log = std::fs::read_to_string(gateway.dir.join("audit.log")).unwrap();
    let mut actions = log.lines().filter(|line| line.contains(r#""event":"admin""#));
    assert!(actions.all(|line| line.contains("shell") && line.contains("ada (uid ")), "{log}");
    for action in ["token_created", "token_rotated", "token_revoked"] {
        assert!(log.contains(action), "{action}");
    }
    let (all, slice) = (Default::default(), doorward::store::page::Slice { offset: 0, limit: 50 });
    let noted = gateway.state().store.activity(&all, slice).await.unwrap();
    assert_eq!(noted.items.iter().filter(|line| line.event == "admin").count(), 3);
    gateway.stop().await;
}

#[actix_web::test]
async fn people_are_found_granted_and_shut_out() {
    let gateway = gateway().await;
    let mut grace = Browser::new(&gateway);
    assert_eq!(grace.sign_in(APP, "grace@example.com").await.status, 403);
    let dir = gateway.dir.clone();
    let list = done(here(&dir, &["user", "list"]));
    assert!(list.contains("grace@example.com") && list.contains("active"), "{list}");
    let granted = here(&dir, &["user", "grant", "grace@example.com", "reader"]);
    assert!(err(&granted).contains("granted: reader"), "{}", err(&granted));
    for _ in 0..200 {
        if grace.get(APP).await.served {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(grace.get(APP).await.served, "from a moment later on, without a new sign-in");
    let shown = done(here(&dir, &["user", "show", "grace@example.com"]));
    assert!(shown.contains("reader") && shown.contains("SESSION"), "{shown}");
    let detail = json(here(&dir, &["user", "show", "grace@example.com", "--json"]));
    assert_eq!(detail["sessions"].as_array().unwrap().len(), 1);

    not_done(&here(&dir, &["user", "grant", "grace@example.com", "raeder"]), 1, "it knows reader");
    not_done(&here(&dir, &["user", "grant", "nobody@example.com", "reader"]), 1, "there is no user");
    not_done(&here(&dir, &["user", "revoke", "grace@example.com", "doorward-admin"]), 1, "was not granted");
    done(here(&dir, &["user", "revoke", "grace@example.com", "reader"]));
    done(here(&dir, &["user", "disable", "grace@example.com"]));
    assert!(done(here(&dir, &["user", "list"])).contains("disabled"));
    done(here(&dir, &["user", "enable", "grace@example.com"]));
    gateway.stop().await;
}

#[actix_web::test]
async fn sessions_are_listed_and_ended() {
    let gateway = gateway().await;
    let dir = gateway.dir.clone();
    let info = "https://auth.example.test/rbac/userinfo";
    let mut grace = Browser::new(&gateway);
    grace.sign_in(HOME, "grace@example.com").await;
    let list = json(here(&dir, &["session", "list", "--json"]));
    let id = list["items"][0]["id"].as_str().unwrap();
    let table = done(here(&dir, &["session", "list"]));
    assert!(table.contains(id) && table.contains("grace@example.com"), "{table}");
    done(here(&dir, &["session", "revoke", id]));
    not_done(&here(&dir, &["session", "revoke", id]), 1, "no such session");
    for _ in 0..200 {
        if grace.get(info).await.status == 401 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(grace.get(info).await.status, 401);
    grace.sign_in(HOME, "grace@example.com").await;
    let ended = here(&dir, &["session", "revoke", "--user", "grace@example.com"]);
    assert!(err(&ended).contains("ended 1 session"), "{}", err(&ended));
    not_done(&here(&dir, &["session", "revoke"]), 2, "required");
    not_done(&here(&dir, &["session", "revoke", "x", "--user", "y"]), 2, "cannot be used");
    gateway.stop().await;
}

#[actix_web::test]
async fn all_of_it_works_from_elsewhere_with_a_token() {
    let gateway = gateway().await;
    let mut grace = Browser::new(&gateway);
    grace.sign_in(HOME, "grace@example.com").await;
    let admin = done(here(&gateway.dir, &["token", "create", "--name", "root", "--scope", "admin"]));
    let admin = admin.trim();
    let made = done(
        there(
            &gateway,
            admin,
            &["token", "create", "--name", "ci", "--host", "app.example.test", "--role", "reader"],
        )
        .await,
    );
    assert_eq!(asks(&gateway, made.trim()).await, 200);
    let list = json(there(&gateway, admin, &["token", "list", "--json"]).await);
    assert_eq!(list["total"], 2);
    let table = done(there(&gateway, admin, &["token", "list", "--search", "ci", "--limit", "1"]).await);
    assert!(table.contains("ci") && !table.contains("root"), "{table}");
    let digest =
        list["items"].as_array().unwrap().iter().find(|token| token["name"] == "ci").unwrap()["digest"]
            .clone();
    let digest = digest.as_str().unwrap();
    let rotated =
        json(there(&gateway, admin, &["token", "rotate", digest, "--keep-old", "1h", "--json"]).await);
    assert_eq!(asks(&gateway, made.trim()).await, 200, "it goes on for an hour");
    let again = there(&gateway, admin, &["token", "rotate", digest]).await;
    not_done(&again, 1, "rotate the one that took its place");
    let ends: &[&str] = &["token", "list", "--sort", "ends", "--json"];
    let list = json(there(&gateway, admin, ends).await);
    assert_eq!((&list["total"], &list["items"][0]["digest"]), (&3.into(), &digest.into()));
    for (span, count) in [("2h", 1), ("30m", 0)] {
        let within = [ends, &["--ends-within", span]].concat();
        assert_eq!(json(there(&gateway, admin, &within).await)["total"], count, "{span}");
        assert_eq!(json(here(&gateway.dir, &within))["total"], count, "{span}");
    }
    done(there(&gateway, admin, &["token", "revoke", digest]).await);
    assert_eq!(asks(&gateway, made.trim()).await, 401, "unless it is revoked");
    assert_eq!(asks(&gateway, rotated["token"].as_str().unwrap()).await, 200);
    not_done(&there(&gateway, admin, &["token", "revoke", made.trim()]).await, 1, "by its id or digest");

    let user = json(there(&gateway, admin, &["user", "show", "grace@example.com", "--json"]).await);
    assert_eq!(user["sessions"].as_array().unwrap().len(), 1);
    assert!(done(there(&gateway, admin, &["user", "list", "--sort", "last-seen"]).await).contains("grace"));
    done(there(&gateway, admin, &["user", "grant", "grace@example.com", "reader"]).await);
    not_done(&there(&gateway, admin, &["user", "grant", "grace@example.com", "x y"]).await, 1, "is no role");
    done(there(&gateway, admin, &["user", "revoke", "grace@example.com", "reader"]).await);
    let sessions = json(there(&gateway, admin, &["session", "list", "--json"]).await);
    done(there(&gateway, admin, &["session", "revoke", sessions["items"][0]["id"].as_str().unwrap()]).await);
    done(there(&gateway, admin, &["session", "revoke", "--user", "grace@example.com"]).await);
    done(there(&gateway, admin, &["user", "disable", "grace@example.com"]).await);
    done(there(&gateway, admin, &["user", "enable", "grace@example.com"]).await);

    // Who it was is told with the token's own name, and it is in no list of processes.
    let log = std::fs::read_to_string(gateway.dir.join("audit.log")).unwrap();
    assert!(log.lines().any(|line| line.contains("user_disabled") && line.contains("token/")), "{log}");
    for token in ["", "dw_wrong", made.trim()] {
        not_done(&there(&gateway, token, &["token", "list"]).await, 1, "");
    }
    let scopeless = rotated["token"].as_str().unwrap();
    not_done(&there(&gateway, scopeless, &["token", "list"]).await, 1, "scope `admin`");
    let file = gateway.dir.join("token");
    std::fs::write(&file, format!("{admin}\n")).unwrap();
    let mut by_file = Command::new(env!("CARGO_BIN_EXE_doorward"));
    by_file
        .env_clear()
        .args(["token", "list", "--server", &format!("http://{}/rbac/", gateway.address), "--token-file"])
        .arg(&file);
    done(actix_web::web::block(move || by_file.output().unwrap()).await.unwrap());
    gateway.stop().await;
}

#[test]
fn bad_usage_is_told_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("doorward.yaml"),
        format!("data_dir: {}\n", folder.path().join("data").display()),
    )
    .unwrap();
    let dir = folder.path();
    for (args, why) in [
        (&["token", "create", "--ttl", "soon"][..], "90d"),
        (&["token", "list", "--limit", "0"], "1..=500"),
        (&["token", "list", "--server", "auth.example.test"], "--server"),
        (&["token", "list", "--server", "http://auth.example.test"], "https"),
        (&["token", "list", "--server", "https://u:p@auth.example.test"], "password"),
        (&["token", "list", "--server", "https://auth.example.test"], "DOORWARD_TOKEN"),
        (&["token", "list", "--server", "https://auth.example.test", "--token-file", "/nowhere"], "/nowhere"),
        (&["token", "list", "--config", "/nowhere.yaml"], "/nowhere.yaml"),
        (&["user", "grant", "ada@example.com"], "ROLE"),
    ] {
        not_done(&here(dir, args), 2, why);
    }
    not_done(&here(dir, &["token", "create", "--host", "a b"]), 1, "hosts");
    not_done(&here(dir, &["token", "revoke", "12345678"]), 1, "no such token");
    // Nobody there.
    let mut away = command(dir, &["token", "list", "--server", "http://127.0.0.1:1"]);
    not_done(&away.env("DOORWARD_TOKEN", "x").output().unwrap(), 1, "does not answer");
    // The examples of the help are commands that there are.
    for (command, words) in [
        (&["token", "create", "--help"][..], &["--ttl 90d", "$(doorward token create", "Exit status"][..]),
        (&["user", "--help"], &["doorward-admin"]),
        (&["session", "revoke", "--help"], &["--user ada@example.com"]),
        (&["token", "list", "--help"], &["DOORWARD_TOKEN", "Exit status", "--json"]),
    ] {
        let help = done(here(dir, command));
        assert!(words.iter().all(|word| help.contains(word)), "{help}");
    }
}

#[actix_web::test]
async fn the_store_is_copied_while_it_is_in_use() {
    let gateway = gateway().await;
    done(here(&gateway.dir, &["token", "create", "--name", "kept"]));
    let copy = gateway.dir.join("copy.db");
    done(here(&gateway.dir, &["backup", copy.to_str().unwrap()]));
    not_done(&here(&gateway.dir, &["backup", copy.to_str().unwrap()]), 1, "backup");
    // In its place, everything is there.
    let restored = tempfile::tempdir().unwrap();
    std::fs::copy(&copy, restored.path().join("doorward.db")).unwrap();
    std::fs::write(
        restored.path().join("doorward.yaml"),
        format!("data_dir: {}\n", restored.path().display()),
    )
    .unwrap();
    assert!(done(here(restored.path(), &["token", "list"])).contains("kept"));
    let empty = tempfile::tempdir().unwrap();
    std::fs::write(empty.path().join("doorward.yaml"), format!("data_dir: {}\n", empty.path().display()))
        .unwrap();
    not_done(&here(empty.path(), &["backup", "x.db"]), 1, "there is no store yet");
    gateway.stop().await;
}

#[test]
fn whoever_hangs_up_has_read_enough() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!("data_dir: {}\n", folder.path().join("data").display());
    std::fs::write(folder.path().join("doorward.yaml"), config).unwrap();
    let hung_up = |args: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command(folder.path(), args).stdout(writer).stderr(Stdio::piped()).output().unwrap()
    };
    for args in [&["openapi"][..], &["check"], &["token", "list"], &["keys", "new"]] {
        let output = hung_up(args);
        assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()), "{args:?}");
    }
    // But not of a token, which nobody else has.
    let made = hung_up(&["token", "create", "--name", "lost"]);
    assert_eq!(made.status.code(), Some(1), "{}", err(&made));
    assert!(err(&made).contains("could not be printed: revoke it"), "{}", err(&made));
}

#[test]
fn the_description_is_printed() {
    let output = Command::new(env!("CARGO_BIN_EXE_doorward")).env_clear().arg("openapi").output().unwrap();
    assert_eq!(json(output), doorward::http::admin::api::openapi::description("/rbac"));
}
