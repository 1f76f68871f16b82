//! The stand-in provider (`services/idp`), as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

/// A running stand-in provider; ends with its last owner.
pub(crate) struct Idp {
    child: Child,
    /// Its issuer: `origin`, and what it was told to add.
    pub(crate) issuer: String,
    /// `http://127.0.0.1:PORT`.
    pub(crate) origin: String,
}

impl Drop for Idp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Idp {
    /// One of its own, for tests that make it misbehave.
    pub(crate) fn start() -> Self {
        Self::start_on(0)
    }

    /// One of its own, on this port of the loopback.
    pub(crate) fn start_on(port: u16) -> Self {
        Self::start_with(port, "")
    }

    /// One of its own, whose issuer has this path; `/` for a slash at the end.
    pub(crate) fn with_path(path: &str) -> Self {
        Self::start_with(0, path)
    }

    fn start_with(port: u16, path: &str) -> Self {
        let program = beside("idp");
        let mut child = Command::new(&program)
            .args(["--until-stdin-closes", "--listen", &format!("127.0.0.1:{port}")])
            .args(["--client-id", "doorward", "--client-secret", "client-secret-canary"])
            .arg(format!("--issuer-path={path}"))
            .args(["--redirect-uri", "https://auth.example.test/", "--redirect-uri", "http://localhost/"])
            // Held open by this process alone: a provider never outlives its tests, however they end.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{}: {error}; `cargo build --workspace` makes it", program.display())
            });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("it says where it listens");
        let origin = format!("http://{address}");
        Self { issuer: format!("{origin}{path}"), origin, child }
    }

    /// One for all tests that only sign people in. Never told to misbehave.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Idp> = OnceLock::new();
        SHARED.get_or_init(Idp::start)
    }

    /// Sets how it misbehaves from now on.
    pub(crate) async fn control(&self, settings: Value) {
        let answer = client().post(self.at("/control")).json(&settings).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{settings}: {}", answer.text().await.unwrap());
    }

    /// Back to good behaviour, counters to zero.
    pub(crate) async fn reset(&self) {
        assert!(client().delete(self.at("/control")).send().await.unwrap().status().is_success());
    }

    /// Sets how it behaves from now on, and that alone; counters to zero.
    pub(crate) async fn behave(&self, settings: &Value) {
        let answer = client().put(self.at("/control")).json(settings).send().await.unwrap();
        assert_eq!(answer.status(), 204, "{settings}: {}", answer.text().await.unwrap());
    }

    /// What it has seen so far: `hits`, `last`, `sessions` and more.
    pub(crate) async fn seen(&self) -> Value {
        client().get(self.at("/control")).send().await.unwrap().json().await.unwrap()
    }

    /// How often an endpoint was asked.
    pub(crate) async fn hits(&self, endpoint: &str) -> u64 {
        self.seen().await["hits"][endpoint].as_u64().unwrap_or(0)
    }

    /// A JWT signed by it.
    pub(crate) async fn mint(&self, claims: Value, more: Value) -> String {
        let mut body = json!({ "claims": claims });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer: Value =
            client().post(self.at("/control/mint")).json(&body).send().await.unwrap().json().await.unwrap();
        answer["token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// An address of it.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

/// A program of the workspace, beside the one under test.
fn beside(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_doorward")).with_file_name(name)
}

/// A client that follows nothing. One for all, as making one reads every certificate of the system; with no idle
/// connections, which belong to the runtime of the test that made them, and which a gateway that stops waits for.
pub(crate) fn client() -> reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    let client = CLIENT.get_or_init(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder().pool_max_idle_per_host(0);
        client.redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
    });
    client.clone()
}
