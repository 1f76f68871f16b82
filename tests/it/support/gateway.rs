//! A gateway: the real server on a random port, with its own data directory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use doorward::clock::{Clock, ManualClock, SystemClock, Timestamp};
use doorward::config::Config;
use doorward::server::{self, Running};
use reqwest::Method;
use tempfile::TempDir;

use super::Idp;
use super::idp::client;

/// How a gateway is set up.
#[derive(Clone)]
pub(crate) struct Setup {
    /// `server.external_url`.
    pub(crate) external_url: String,
    /// The issuers of its providers: `p0` is the first, `p1` the next. With none, `more` has its own `providers:`.
    pub(crate) issuers: Vec<String>,
    /// More members of each provider, as YAML flow (`allowed_domains: [example.com]`).
    pub(crate) provider: String,
    /// More sections, as YAML.
    pub(crate) more: String,
    /// The policy file's text.
    pub(crate) policy: Option<String>,
    /// A clock that stands still, at this time; else the system's.
    pub(crate) clock: Option<Timestamp>,
    /// Kept from a gateway before, to start it again.
    pub(crate) data: Option<PathBuf>,
    /// Variables, which win over the file.
    pub(crate) env: BTreeMap<String, String>,
}

impl Setup {
    /// https on one host, signing in at `idp`.
    pub(crate) fn with(idp: &Idp) -> Self {
        Self {
            external_url: "https://auth.example.test".into(),
            issuers: vec![idp.issuer.clone()],
            provider: String::new(),
            more: String::new(),
            policy: None,
            clock: None,
            data: None,
            env: BTreeMap::new(),
        }
    }

    /// With a variable set.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// With more sections.
    pub(crate) fn and(mut self, yaml: &str) -> Self {
        self.more.push_str(yaml);
        self.more.push('\n');
        self
    }

    /// With a policy.
    pub(crate) fn policy(mut self, yaml: &str) -> Self {
        self.policy = Some(yaml.into());
        self
    }

    /// With more members of each provider.
    pub(crate) fn provider(mut self, yaml: &str) -> Self {
        self.provider = yaml.into();
        self
    }

    /// With a second provider, `p1`.
    pub(crate) fn second(mut self, idp: &Idp) -> Self {
        self.issuers.push(idp.issuer.clone());
        self
    }

    /// With a clock that stands still at the present time until it is moved.
    pub(crate) fn clock_stands_still(mut self) -> Self {
        self.clock = Some(SystemClock.now());
        self
    }

    /// Starts it.
    pub(crate) async fn start(self) -> Gateway {
        Gateway::start(self).await
    }
}

/// A running gateway.
pub(crate) struct Gateway {
    /// The server.
    pub(crate) running: Option<Running>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Set by [`Setup::clock`].
    pub(crate) clock: Option<Arc<ManualClock>>,
    /// Its files.
    pub(crate) dir: PathBuf,
    /// Its external URL.
    pub(crate) external_url: String,
    _temp: Option<TempDir>,
}

impl Gateway {
    async fn start(setup: Setup) -> Self {
        let _ = client(); // installs the process's cryptography
        let temp = setup.data.is_none().then(|| TempDir::new().unwrap());
        let dir = setup.data.clone().unwrap_or_else(|| temp.as_ref().unwrap().path().to_owned());
        let file = write_config(&setup, &dir);
        let config = Config::load(Some(&file), &setup.env).unwrap_or_else(|faults| panic!("{faults}"));
        let manual = setup.clock.map(|start| Arc::new(ManualClock::at(start)));
        let clock: Arc<dyn Clock> = match &manual {
            Some(clock) => Arc::clone(clock) as Arc<dyn Clock>,
            None => Arc::new(SystemClock),
        };
        let running = server::start(config, clock).await.unwrap();
        let address = running.address;
        Self {
            running: Some(running),
            address,
            clock: manual,
            dir,
            external_url: setup.external_url,
            _temp: temp,
        }
    }

    /// An inside address of it.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What its handlers use.
    pub(crate) fn state(&self) -> &doorward::http::state::State {
        &self.running.as_ref().expect("it runs").state
    }

    /// A proxy's question about `url`, as Traefik would ask it; more headers may be added before it is sent.
    pub(crate) fn ask(&self, method: &str, url: &str) -> reqwest::RequestBuilder {
        let (scheme, rest) = url.split_once("://").expect("an absolute address");
        let (host, uri) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        client()
            .get(self.at("/auth"))
            .header("x-forwarded-for", "203.0.113.9")
            .header("x-forwarded-method", method)
            .header("x-forwarded-proto", scheme)
            .header("x-forwarded-host", host)
            .header("x-forwarded-uri", uri)
    }

    /// A request for one of its own pages (`/login?…`) on the external URL's host, as the proxy passes it on.
    pub(crate) fn page(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let (scheme, host) = self.external_url.split_once("://").expect("an absolute address");
        client()
            .request(method, self.at(&format!("/rbac{path}")))
            .header("host", host)
            .header("x-forwarded-host", host)
            .header("x-forwarded-proto", scheme)
            .header("x-forwarded-for", "203.0.113.9")
    }

    /// Moves its clock, which [`Setup::clock_stands_still`] gave it.
    pub(crate) fn later(&self, span: Duration) {
        self.clock.as_ref().expect("a clock that stands still").advance(span);
    }

    /// Stops it as SIGTERM would.
    pub(crate) async fn stop(mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }
}

pub(crate) fn write_config(setup: &Setup, dir: &Path) -> PathBuf {
    let mut yaml = format!(
        "data_dir: {}\nserver: {{ listen: \"127.0.0.1:0\", external_url: \"{}\", workers: 2 }}\nops: {{ listen: \"127.0.0.1:0\" }}\n",
        dir.display(),
        setup.external_url
    );
    if !setup.issuers.is_empty() {
        yaml.push_str("providers:\n");
    }
    for (n, issuer) in setup.issuers.iter().enumerate() {
        let more = if setup.provider.is_empty() { String::new() } else { format!(", {}", setup.provider) };
        let kind = if more.contains("kind:") { "" } else { "kind: oidc, " };
        yaml.push_str(&format!(
            "  - {{ id: p{n}, label: Provider {n}, {kind}issuer: \"{issuer}\", client_id: doorward, client_secret: client-secret-canary, roles_claim: roles{more} }}\n"
        ));
    }
    if let Some(policy) = &setup.policy {
        std::fs::write(dir.join("policy.yaml"), policy).unwrap();
        yaml.push_str("policy: { file: policy.yaml }\n");
    }
    if !setup.more.contains("audit:") {
        yaml.push_str("audit: { file: audit.log, decisions: all }\n");
    }
    yaml.push_str(&setup.more);
    let file = dir.join("doorward.yaml");
    std::fs::write(&file, yaml).unwrap();
    file
}
