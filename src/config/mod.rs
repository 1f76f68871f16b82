//! The configuration: parsed once, checked whole, then plain data that nobody mutates.
//!
//! Two layers, the file (`raw`) and the environment (`env`) over it, go by one list of `keys` into `table`s of texts
//! that know where they were written; `check` and `provider` make them into the [`Config`]. Every fault of all of
//! them is reported at once.

mod bearer;
mod check;
mod env;
mod fault;
mod keys;
mod parse;
mod provider;
mod raw;
mod secret;
mod store;
mod table;
mod tenants;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

pub use self::fault::{Fault, Faults};
pub use self::parse::{host, host_name};
pub use self::store::{HostPort, RedisPlace, RedisTls, RedisUrl, StoreUrl};
pub use self::tenants::{TENANT, Tenants};
use crate::clock::Timestamp;

/// Everything that can be set. Built only by the loader in this module, so every value in it was checked.
#[derive(Debug)]
pub struct Config {
    /// Where generated keys and the embedded store live.
    pub data_dir: PathBuf,
    /// The one listener for browsers and proxies.
    pub server: Server,
    /// Metrics.
    pub ops: Ops,
    /// The session and its cookie.
    pub session: Session,
    /// Signing in.
    pub login: Login,
    /// Who vouches for people, in order: the first one's `sub` is the user id as it stands.
    pub providers: Vec<Provider>,
    /// Whose bearer tokens are believed.
    pub issuers: Vec<Issuer>,
    /// Who may do what.
    pub policy: Policy,
    /// Where things are remembered.
    pub store: StoreUrl,
    /// What services are told.
    pub forward_auth: ForwardAuth,
    /// What is written down about decisions.
    pub audit: Audit,
    /// API tokens.
    pub tokens: Tokens,
    /// How often who may ask.
    pub rate_limit: RateLimit,
    /// The administrator by password.
    pub admin: Admin,
    /// How pages look.
    pub pages: Pages,
    /// How logs are written.
    pub log: LogFormat,
    /// What was allowed although it is unsafe, a sentence each: to be logged at start.
    pub warnings: Vec<String>,
}

impl Config {
    /// The ids of all providers and issuers, each once: the first is the one whose `sub` is the user id as it
    /// stands.
    #[must_use]
    pub fn identity_ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = self.providers.iter().map(|provider| provider.id.as_str()).collect();
        for issuer in &self.issuers {
            if !ids.contains(&issuer.id.as_str()) {
                ids.push(&issuer.id);
            }
        }
        ids
    }

    /// Reads `file`, puts `env` over it, and checks the whole. The variables are handed in, not read from the
    /// process; secret files and the presence of other files are looked at.
    ///
    /// # Errors
    /// Every fault that was found, each naming its key. None of them shows a secret.
    pub fn load(file: Option<&Path>, env: &BTreeMap<String, String>) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let mut raw = raw::Raw::empty();
        if let Some(path) = file {
            match std::fs::read_to_string(path) {
                Ok(text) => raw = raw::Raw::parse(path, &text, &mut faults),
                Err(error) => {
                    faults.push(Fault::new(
                        path.display().to_string(),
                        None,
                        format!("cannot be read: {error}"),
                    ));
                }
            }
        }
        env::apply(env, &mut raw, &mut faults);
        if file.is_none() && raw.is_idle() && !raw.has_redis() {
            check::shortest_way(&mut raw, &mut faults);
        }
        let config = check::config(raw, &mut faults);
        if faults.is_empty() { Ok(config) } else { Err(faults) }
    }
}

/// `server`.
#[derive(Debug)]
pub struct Server {
    /// Address of the listener.
    pub listen: SocketAddr,
    /// Where browsers reach the gateway's own pages; without it nobody can sign in by browser. An origin:
    /// scheme, host and port, path `/`.
    pub external_url: Option<Url>,
    /// Prefix of the gateway's own pages, `/rbac` unless changed; starts with `/`, does not end with it.
    pub base_path: String,
    /// Threads that answer requests; one a processor unless set.
    pub workers: usize,
    /// How long requests are still taken after the process was asked to stop.
    pub drain: Duration,
    /// Peers that may ask for decisions and whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// `ops`.
#[derive(Debug)]
pub struct Ops {
    /// Listener of `/metrics`; `None` serves it on the main listener.
    pub listen: Option<SocketAddr>,
}

/// `session`.
#[derive(Debug)]
pub struct Session {
    /// Absolute limit, from sign-in.
    pub lifetime: Duration,
    /// Limit without any request; `None` is off.
    pub idle: Option<Duration>,
    /// One cookie for a parent domain and every host in it; canonical, without a leading dot.
    pub cookie_domain: Option<String>,
    /// The key ring, newest first; each the standard base64 (padded) of at least 32 bytes. `None`: generated and
    /// kept in `data_dir`.
    pub keys: Option<Vec<SecretString>>,
    /// How long known sessions go on when the store does not answer.
    pub store_grace: Duration,
}

/// `login`.
#[derive(Debug)]
pub struct Login {
    /// Hosts (with a port, if it is not the default one) beyond the external URL's that a sign-in may return to.
    /// A leading `*.` stands for any subdomain.
    pub return_hosts: Vec<String>,
}

/// What kind of protocol a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// Google: OpenID Connect with `hd`.
    Google,
    /// Any OpenID provider.
    Oidc,
    /// GitHub: OAuth 2.0 and its own API.
    Github,
}

/// One entry of `providers`.
#[derive(Debug)]
pub struct Provider {
    /// Short name in addresses (`idp=google`, `/callback/google`): lower-case letters, digits and `-`.
    pub id: String,
    /// What people see on the button; the kind's own name unless set.
    pub label: String,
    /// The protocol.
    pub kind: ProviderKind,
    /// The issuer, exactly as configured (a trailing slash matters). For GitHub the site's address.
    pub issuer: String,
    /// GitHub's API address; unused elsewhere.
    pub api_url: Option<Url>,
    /// OAuth client id.
    pub client_id: String,
    /// OAuth client secret; a public client has none.
    pub client_secret: Option<SecretString>,
    /// Scopes asked for.
    pub scopes: Vec<String>,
    /// Path of the claim that holds roles (`realm_access.roles`).
    pub roles_claim: Option<String>,
    /// Path of the claim that holds groups; `None` is `groups`, if there is one.
    pub groups_claim: Option<String>,
    /// Path of the claim that says whether the e-mail is verified (`email_verified`).
    pub email_verified_claim: String,
    /// Somebody without a verified e-mail signs in, and has none.
    pub email_optional: bool,
    /// E-mail domains (Google: `hd`) that may sign in; empty lets all in.
    pub allowed_domains: Vec<String>,
    /// The organisations that may sign in, of a provider that has several.
    pub tenants: Option<Tenants>,
    /// Hosts beside the issuer's that its endpoints may be on.
    pub endpoint_hosts: Vec<String>,
    /// Accepted signature algorithms of ID tokens, asymmetric only (`RS256`).
    pub algorithms: Vec<String>,
    /// Plain http to this provider beyond loopback.
    pub insecure_http: bool,
}

/// One entry of `bearer.issuers`.
#[derive(Debug)]
pub struct Issuer {
    /// Short name in user ids and policies; that of the provider with the same issuer, if there is one.
    pub id: String,
    /// `iss`, exactly as tokens spell it.
    pub issuer: String,
    /// Tokens must be meant for one of these (`aud`); never empty.
    pub audiences: Vec<String>,
    /// Paths of the claims that hold roles (`realm_access.roles`).
    pub roles_claims: Vec<String>,
    /// Path of the claim that holds groups.
    pub groups_claim: String,
    /// Path of the claim that says whether the e-mail is verified (`email_verified`).
    pub email_verified_claim: String,
    /// Accepted signature algorithms, asymmetric only.
    pub algorithms: Vec<String>,
    /// How far its clock may be off.
    pub leeway: Duration,
    /// How to ask about tokens that are no JWT; without it there are none.
    pub introspection: Option<Introspection>,
    /// Hosts beside the issuer's that its endpoints may be on.
    pub endpoint_hosts: Vec<String>,
    /// Plain http to this issuer beyond loopback.
    pub insecure_http: bool,
}

/// The client that asks an issuer about its tokens (RFC 7662).
#[derive(Debug)]
pub struct Introspection {
    /// OAuth client id.
    pub client_id: String,
    /// OAuth client secret.
    pub client_secret: SecretString,
}

/// `policy`.
#[derive(Debug)]
pub struct Policy {
    /// The policy file; without one every signed-in user may go everywhere.
    pub file: Option<PathBuf>,
    /// Path prefixes open to everybody, beside what the file says; for set-ups without a file.
    pub public: Vec<String>,
}

/// `tokens`.
#[derive(Debug)]
pub struct Tokens {
    /// Put behind every token before it is digested. `None`: generated and kept in `data_dir`, which only the embedded
    /// store allows.
    pub pepper: Option<SecretString>,
    /// The pepper before that one: tokens under it are accepted, and get their new digest, when used before
    /// `previous_pepper_until`.
    pub previous_pepper: Option<SecretString>,
    /// See there; always set when that is.
    pub previous_pepper_until: Option<Timestamp>,
    /// How long a token lives that is made without a word about it; `None` is for ever.
    pub default_ttl: Option<Duration>,
    /// How long a token may live at most; `None` is for ever.
    pub max_ttl: Option<Duration>,
    /// Whether people make tokens for themselves on the account page.
    pub self_service: bool,
}

/// `rate_limit`.
#[derive(Debug)]
pub struct RateLimit {
    /// The sliding window.
    pub window: Duration,
    /// Requests of one token in a window, unless the token has a limit of its own; 0 is no limit.
    pub max: u32,
    /// Requests of one user in a window, by session or JWT; 0 is no limit.
    pub user_max: u32,
    /// Failed credentials of one client a minute; 0 is no limit.
    pub failures: u32,
}

/// `admin`.
#[derive(Debug)]
pub struct Admin {
    /// The name that goes with the password.
    pub user: String,
    /// Its password; without one nobody is an administrator by password.
    pub pass: Option<SecretString>,
}

/// `forward_auth`.
#[derive(Debug)]
pub struct ForwardAuth {
    /// How `X-Auth-User` is written.
    pub user_header_format: UserHeaderFormat,
    /// Hand services neither the gateway's cookie nor the `Authorization` header.
    pub strip_credentials: bool,
}

/// How `X-Auth-User` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserHeaderFormat {
    /// The e-mail, else the subject.
    Plain,
    /// A JSON object.
    Json,
}

/// `audit`.
#[derive(Debug)]
pub struct Audit {
    /// Which decisions are written down.
    pub decisions: AuditDecisions,
    /// Where; `None` is standard output.
    pub file: Option<PathBuf>,
    /// Bytes that the file may grow to before it is rotated; `None` is without limit.
    pub max_size: Option<u64>,
    /// Rotated files that stay.
    pub keep: u32,
}

/// Which decisions are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditDecisions {
    /// Every one.
    All,
    /// Refusals.
    Denied,
    /// Refusals, and one in a hundred of the rest.
    Sampled,
}

/// `pages`: what operators may set about the looks.
#[derive(Debug)]
pub struct Pages {
    /// Name shown in the header.
    pub name: String,
    /// Accent colour, `#rrggbb`.
    pub accent: Option<String>,
    /// A logo (SVG or PNG file, at most 64 KiB).
    pub logo_file: Option<PathBuf>,
    /// Where people get help (https or mailto).
    pub support_url: Option<String>,
    /// A folder whose templates replace the built-in ones of the same name.
    pub templates_dir: Option<PathBuf>,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Human,
}
