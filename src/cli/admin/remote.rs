//! A gateway somewhere, by its REST API.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::{Host, Url};

/// The variable that has the token.
const TOKEN: &str = "DOORWARD_TOKEN";
/// Unless the address has a path of its own.
const BASE_PATH: &str = "rbac";
/// A gateway that does not answer within this time will not.
const DEADLINE: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Remote {
    base: Url,
    token: SecretString,
    client: reqwest::Client,
}

impl Remote {
    /// `url` is where the gateway is; with a path, that is its base path.
    ///
    /// # Errors
    /// What is wrong with the address, or that there is no token.
    pub(super) fn new(url: &str, token_file: Option<&Path>, insecure_http: bool) -> anyhow::Result<Self> {
        let mut base = Url::parse(url).with_context(|| format!("--server {url}"))?;
        let local = match base.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        let secure = base.scheme() == "https" || base.scheme() == "http" && (local || insecure_http);
        ensure!(
            secure,
            "--server {url}: it must begin with https://, as a token goes there (--insecure-http sends it all the same)"
        );
        ensure!(
            base.username().is_empty() && base.password().is_none(),
            "--server: no password goes into an address"
        );
        if base.path() == "/" {
            base.set_path(BASE_PATH);
        }
        base.set_query(None);
        let token = match token_file {
            Some(file) => {
                std::fs::read_to_string(file).with_context(|| format!("--token-file {}", file.display()))?
            }
            None => std::env::var(TOKEN).map_err(|_| {
                anyhow!("--server needs an API token of the scope `admin`, in {TOKEN} or --token-file")
            })?,
        };
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(DEADLINE)
            .user_agent(concat!("doorward/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { base, token: SecretString::from(token.trim()), client })
    }

    /// Something to look at.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> anyhow::Result<T> {
        self.ask(Method::GET, path, query, None).await
    }

    /// A change. `path` is below `api/v1`, a part each.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> anyhow::Result<T> {
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query.iter().map(|(name, value)| (*name, value.as_str())));
        }
        let mut request = self.client.request(method, url).bearer_auth(self.token.expose_secret());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.with_context(|| format!("{} does not answer", self.base))?;
        let status = answer.status();
        let text = answer.text().await.with_context(|| format!("{} broke off", self.base))?;
        if status.is_success() {
            return serde_json::from_str(&text)
                .with_context(|| format!("{} answers what this version does not understand", self.base));
        }
        let told: Value = serde_json::from_str(&text).unwrap_or_default();
        match told.get("message").and_then(Value::as_str) {
            Some(message) => bail!("{}", super::table::plain_line(message)),
            None => bail!("{} answers {status}: is this the gateway's address?", self.base),
        }
    }
}
