//! The program itself, as it is started, at the lowest level of its log: what may never be written down is not, and
//! nobody writes lines of their own (OWASP ASVS 5.0 16.2.5, 16.4.1).

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doorward::identity::api_token::Plain;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::gateway::write_config;
use super::support::idp::client;
use super::support::world::{CLIENT_SECRET, POLICY};
use super::support::{Browser, Idp, Setup, query};

/// The program, with everything it wrote to standard error.
struct Program {
    child: Child,
    client: Client,
    lines: Receiver<String>,
    written: Vec<String>,
    dir: TempDir,
    address: SocketAddr,
    ops: SocketAddr,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start(setup: &Setup) -> Self {
        let dir = TempDir::new().unwrap();
        let file = write_config(setup, dir.path());
        let mut child = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_doorward")))
            .args(["serve", "--config"])
            .arg(file)
            .env("RUST_LOG", "trace")
            .env("DOORWARD_SERVER_DRAIN", "0s")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stderr = child.stderr.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let _ = sender.send(String::from_utf8(line).expect("UTF-8"));
            }
        });
        let (mut written, mut found) = (Vec::new(), None);
        while found.is_none() {
            let line = lines
                .recv_timeout(Duration::from_secs(30))
                .unwrap_or_else(|error| panic!("it never served: {error}\n{}", written.join("\n")));
            let json: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
            let address = |name: &str| json[name].as_str().and_then(|text| text.parse().ok());
            found = address("listen").zip(address("ops"));
            written.push(line);
        }
        let (address, ops) = found.unwrap();
        Self { child, client: client(), lines, written, dir, address, ops }
    }

    async fn metrics(&self) -> String {
        let answer = self.client.get(format!("http://{}/metrics", self.ops)).send().await.unwrap();
        answer.text().await.unwrap()
    }

    fn ask(&self, uri: &str) -> reqwest::RequestBuilder {
        self.client
            .get(format!("http://{}/auth", self.address))
            .header("x-forwarded-for", "203.0.113.9")
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-host", "app.example.test")
            .header("x-forwarded-uri", uri)
            .header("accept", "text/html")
    }

    /// Ends it as an operator would; all that it wrote, a line each: its log, and the audit.
    fn end(mut self) -> (Vec<String>, Vec<String>) {
        let ended = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(ended.success());
        // The sender is dropped when the program has closed its standard error.
        self.written.extend(self.lines.iter());
        assert!(self.child.wait().unwrap().success());
        let audit = std::fs::read_to_string(self.dir.path().join("audit.log")).unwrap();
        (std::mem::take(&mut self.written), audit.split_terminator('\n').map(str::to_owned).collect())
    }
}

fn setup(idp: &Idp, key: &str) -> Setup {
    Setup::with(idp)
        .policy(POLICY)
        .and(&format!("session: {{ cookie_domain: example.test, keys: [\"{key}\"] }}"))
}

fn key() -> String {
    STANDARD.encode((7..39).collect::<Vec<u8>>())
}

#[actix_web::test]
async fn nothing_secret_is_written_down_or_told() {
    let (idp, key) = (Idp::start(), key());
    let program = Program::start(&setup(&idp, &key));
    let mut secrets: BTreeSet<String> = [CLIENT_SECRET.to_owned(), key].into();
    let mut answers = Vec::new();

    // A sign-in, a page, a wrong callback, and the provider refusing the code with the request in its words.
    let mut ada = Browser::at(program.address);
    let page = "https://app.example.test/x?token=query-canary";
    let login = ada.get(page).await.location();
    let callback = ada.sign_in_up_to_callback(&login, "ada@example.com").await;
    secrets.extend(["code", "state"].map(|name| query(&callback)[name].clone()));
    secrets.extend(ada.jar.values().flat_map(|cookies| cookies.values().cloned()));
    let landed = ada.visit(&callback).await;
    assert!(landed.served, "{landed:?}");
    let seen = idp.seen().await["last"]["token"].clone();
    for name in ["code", "code_verifier"] {
        secrets.insert(seen["form"][name].as_str().unwrap().to_owned());
    }
    secrets.extend(ada.jar.values().flat_map(|cookies| cookies.values().cloned()));
    secrets.insert(landed.header("x-auth-assertion"));
    answers.push(ada.get("https://auth.example.test/rbac/").await);
    answers.push(ada.get("https://auth.example.test/rbac/userinfo").await);
    answers.push(ada.get(&callback).await);
    answers
        .push(ada.get("https://auth.example.test/rbac/callback?code=code-canary&state=state-canary").await);
    for name in ["code-canary", "state-canary", "query-canary"] {
        secrets.insert(name.to_owned());
    }
    let echo = format!("client_secret={CLIENT_SECRET} was wrong");
    idp.control(json!({ "error": { "token": "invalid_client" }, "garbage": { "userinfo": echo } })).await;
    let mut grace = Browser::at(program.address);
    let refused = grace.sign_in_up_to_callback(page, "grace@example.com").await;
    secrets.insert(query(&refused)["code"].clone());
    answers.push(grace.get(&refused).await);
    idp.reset().await;
    idp.control(json!({ "garbage": { "token": echo } })).await;
    let refused = grace.sign_in_up_to_callback(page, "grace@example.com").await;
    secrets.insert(query(&refused)["code"].clone());
    answers.push(grace.get(&refused).await);

    // A token of her own, used in every way.
    let home = ada.get("https://auth.example.test/rbac/logout").await;
    let csrf = home.body.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let form = [("csrf", csrf.unwrap()), ("name", "canary"), ("hosts", "app.example.test")];
    let made = ada.post("https://auth.example.test/rbac/tokens/new", &form).await;
    let own = made.body.split("<code id=\"token\">").nth(1).and_then(|rest| rest.split('<').next());
    let own = own.unwrap_or_else(|| panic!("{}", made.body)).to_owned();
    for value in [format!("Bearer {own}"), format!("Basic {}", STANDARD.encode(format!("x:{own}")))] {
        let answer = program.ask("/y").header("authorization", &value).send().await.unwrap();
        assert_ne!(answer.status(), 401, "{value}");
        secrets.insert(value.split(' ').nth(1).unwrap().to_owned());
    }
    // Not by half either.
    secrets.extend([own[3..20].to_owned(), own[20..].to_owned()]);
    let unknown = Plain::new().unwrap();
    secrets.extend([unknown.expose().to_owned(), STANDARD.encode(format!("x:{}", unknown.expose()))]);
    let pepper = std::fs::read_to_string(program.dir.path().join("keys/pepper")).unwrap();
    secrets.insert(pepper.trim().to_owned());

    // Credentials, good and bad.
    let token = idp.mint(json!({ "sub": "svc", "aud": "elsewhere" }), json!({})).await;
    for (name, value) in [
        ("authorization", format!("Bearer {token}")),
        ("authorization", "Bearer opaque-canary".to_owned()),
        ("authorization", "Basic YmFzaWMtY2FuYXJ5OnB3".to_owned()),
        ("authorization", format!("Bearer {}", unknown.expose())),
        ("authorization", format!("Basic {}", STANDARD.encode(format!("x:{}", unknown.expose())))),
        ("cookie", "__Secure-doorward=cookie-canary; a=other-canary".to_owned()),
    ] {
        let answer = program.ask("/y?q=query-canary").header(name, &value).send().await.unwrap();
        assert!(matches!(answer.status().as_u16(), 302 | 401), "{value}");
    }
    secrets.extend([token, "opaque-canary".into(), "YmFzaWMtY2FuYXJ5OnB3".into()]);
    secrets.extend(["cookie-canary".into(), "other-canary".into()]);

    // And out.
    let out = ada.get("https://auth.example.test/rbac/logout").await;
    let csrf = out.body.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let csrf = csrf.unwrap().to_owned();
    answers.push(ada.post("https://auth.example.test/rbac/logout", &[("csrf", &csrf)]).await);
    secrets.insert(csrf);

    for answer in &answers {
        let told = format!("{:?} {}", answer.headers, answer.body);
        assert!(!told.contains(CLIENT_SECRET), "{told}");
        assert!(!answer.headers.contains_key("server") && !answer.headers.contains_key("x-powered-by"));
    }
    let metrics = program.metrics().await;
    let (log, audit) = program.end();
    assert!(log.len() > 3 && audit.len() > 5, "{log:?} {audit:?}");
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        let clear = |text: &str| !text.contains(secret.as_str());
        assert!(clear(&metrics), "metrics: {secret}");
        for line in log.iter().chain(&audit) {
            assert!(clear(line), "{secret} in {line}");
        }
    }
}

#[actix_web::test]
async fn one_event_is_one_line_whatever_a_client_sends() {
    let (idp, key) = (Idp::start(), key());
    let program = Program::start(&setup(&idp, &key));
    let before = program.metrics().await;
    let long = format!("/{}", "x".repeat(8000));
    for uri in [
        "/public/%0a%7B%22event%22:%22forged%22%7D",
        "/public/%0d%0aforged",
        "/public/%1b%5b2J",
        "/public/\"}forged",
        "/public/%E2%80%A8forged",
        "/%00",
        &long,
    ] {
        for (name, value) in [
            ("user-agent", "a\tb\"}{\"event\":\"forged\"".to_owned()),
            ("referer", "\u{1b}[2J".replace('\u{1b}', "%1b")),
            ("x-request-id", "forged\"}".to_owned()),
            ("x-forwarded-for", "127.0.0.1\"}, forged".to_owned()),
            ("user-agent", "x".repeat(50_000)),
        ] {
            let answer = program.ask(uri).header(name, value).send().await.unwrap();
            assert!(answer.status().as_u16() < 500, "{uri} {name}");
        }
    }
    // Claims come from outside as well.
    let name = "a\nforged\r\u{1b}[2J\u{0}\u{2028}\"}";
    idp.control(json!({ "id_token": { "name": name, "sub": name } })).await;
    let mut eve = Browser::at(program.address);
    let callback = eve.sign_in_up_to_callback("https://app.example.test/", "grace@example.com").await;
    eve.get(&callback).await;
    let error =
        "https://auth.example.test/rbac/callback?state=x&error=a%0aforged&error_description=%1b%5b2J%0d%0a";
    let page = eve.get(error).await;
    assert!((400..500).contains(&page.status) && !page.body.contains("forged"), "{page:?}");

    // Hosts, paths, people and agents without number: the metrics do not grow by one line.
    for n in 0..300 {
        let answer = program
            .ask(&format!("/{n}/{}", n * 7))
            .header("x-forwarded-host", format!("h{n}.example.test"))
            .header("user-agent", format!("agent-{n}"))
            .header("authorization", format!("Bearer {n}"))
            .send()
            .await
            .unwrap();
        // Sent beside the usual one: two hosts are none.
        assert_eq!(answer.status(), 400);
    }
    let mut stranger = Browser::at(program.address);
    for n in 0..100 {
        let answer = stranger.send(Method::GET, &format!("https://h{n}.apps.example.test/{n}"), None).await;
        assert_eq!(answer.status, 302);
    }
    let after = program.metrics().await;
    let series = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    assert!(series(&after) < 1000 && series(&after) <= series(&before) + 5, "{after}");
    for word in ["example.test", "forged", "agent-", "grace", "203.0.113"] {
        assert!(!after.contains(word), "{word}: {after}");
    }

    let (log, audit) = program.end();
    for line in log.iter().chain(&audit) {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event.is_object() && event["event"] != "forged", "{line}");
        assert!(!line.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')), "{line:?}");
        assert!(line.len() < 8 * 1024, "{} bytes", line.len());
    }
    assert!(audit.len() >= 300, "{}", audit.len());
}
