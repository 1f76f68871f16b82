//! What the provider knows while it runs. All of it is in memory and gone when it ends.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_web::{HttpRequest, error::ErrorInternalServerError, web};
use aws_lc_rs::error::Unspecified;
use reqwest::Url;
use serde_json::{Map, Value, json};

use crate::{
    account::{self, Account},
    config::{Config, is_loopback},
    control::Settings,
    keys::{Keys, overlay},
    page::Pages,
};

/// Names and values of a query or a form, each once.
pub(crate) type Params = BTreeMap<String, String>;

/// How long a code lives, in seconds.
const CODE_LIFE: u64 = 60;
/// How long an access token lives, in seconds.
pub(crate) const ACCESS_LIFE: u64 = 3600;
/// How long a sign-in is remembered for logout, in seconds.
const SESSION_LIFE: u64 = 12 * 3600;

/// One sign-in, on its way from the code to the tokens.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) github: bool,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) account: Account,
    pub(crate) sid: String,
    pub(crate) auth_time: u64,
}

/// What changes.
pub(crate) struct Inner {
    pub(crate) keys: Keys,
    pub(crate) settings: Settings,
    /// The settings as they were sent.
    pub(crate) raw: Map<String, Value>,
    pub(crate) hits: BTreeMap<&'static str, u64>,
    pub(crate) last: BTreeMap<&'static str, Value>,
    /// Logout tokens sent and what was answered.
    pub(crate) backchannel: Vec<Value>,
    /// `sid` -> when it began, and whose.
    pub(crate) sessions: HashMap<String, (u64, Account)>,
    codes: HashMap<String, (u64, Grant)>,
    access: HashMap<String, (u64, Grant)>,
}

/// The provider.
pub(crate) struct Idp {
    pub(crate) config: Config,
    /// `iss`.
    pub(crate) issuer: String,
    /// Base address for browsers, no slash at the end.
    pub(crate) public: String,
    /// Base address for clients, no slash at the end.
    pub(crate) internal: String,
    pub(crate) control: bool,
    pub(crate) accounts: Vec<Account>,
    pub(crate) pages: Pages,
    pub(crate) http: reqwest::Client,
    inner: Mutex<Inner>,
}

impl Idp {
    /// A provider that listens on `address` (`host:port`).
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(crate) fn new(config: Config, address: &str) -> Result<Self, String> {
        let accounts = match &config.accounts {
            None => account::built_in(),
            Some(file) => {
                let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
                serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?
            }
        };
        let issuer = config
            .issuer
            .clone()
            .or_else(|| config.public_url.clone())
            .unwrap_or_else(|| format!("http://{address}{}", config.issuer_path));
        let base = issuer.trim_end_matches('/');
        let public = config.public_url.clone().unwrap_or_else(|| base.to_owned());
        let internal = config.internal_url.clone().unwrap_or_else(|| base.to_owned());
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|e| e.to_string())?;
        let inner = Inner {
            keys: Keys::generate().map_err(|_| "no randomness for keys".to_owned())?,
            settings: Settings::default(),
            raw: Map::new(),
            hits: BTreeMap::new(),
            last: BTreeMap::new(),
            backchannel: Vec::new(),
            sessions: HashMap::new(),
            codes: HashMap::new(),
            access: HashMap::new(),
        };
        Ok(Self {
            control: config.control.unwrap_or_else(|| is_loopback(host)),
            pages: Pages::new().map_err(|e| e.to_string())?,
            config,
            issuer,
            public,
            internal,
            accounts,
            http,
            inner: Mutex::new(inner),
        })
    }

    /// The changing part. Held only between two awaits.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The paths below which everything is served too, besides the root: those of the addresses told.
    pub(crate) fn prefixes(&self) -> Vec<String> {
        let mut paths: Vec<String> = [&self.issuer, &self.public, &self.internal]
            .iter()
            .filter_map(|base| Url::parse(base).ok())
            .map(|url| url.path().trim_end_matches('/').to_owned())
            .filter(|path| !path.is_empty())
            .collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// The account of this e-mail: a known one, or somebody new.
    pub(crate) fn account(&self, email: &str) -> Account {
        let known = self.accounts.iter().find(|a| a.email.eq_ignore_ascii_case(email.trim()));
        known.cloned().unwrap_or_else(|| Account::new(email, ""))
    }

    /// Notes the form of a request in the counters, without the secret.
    pub(crate) fn note_form(&self, endpoint: &'static str, form: &Params, client_auth: &str) {
        let mut form = form.clone();
        if let Some(secret) = form.get_mut("client_secret") {
            *secret = "(hidden)".to_owned();
        }
        if let Some(Value::Object(last)) = self.lock().last.get_mut(endpoint) {
            last.insert("form".into(), json!(form));
            last.insert("client_auth".into(), client_auth.into());
        }
    }
}

impl Inner {
    /// A code for this sign-in, which is a session from now on.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn new_code(&mut self, grant: Grant, now: u64) -> Result<String, Unspecified> {
        let code = crate::keys::random(32)?;
        self.sessions.retain(|_, (since, _)| now < *since + SESSION_LIFE);
        self.sessions.insert(grant.sid.clone(), (now, grant.account.clone()));
        self.codes.retain(|_, (ends, _)| now < *ends);
        self.codes.insert(code.clone(), (now + CODE_LIFE, grant));
        Ok(code)
    }

    /// What a code stands for: once, whether the rest of the request is right or not.
    pub(crate) fn take_code(&mut self, code: &str, now: u64) -> Option<Grant> {
        self.codes.remove(code).filter(|(ends, _)| now < *ends).map(|(_, grant)| grant)
    }

    /// An access token for this sign-in.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn new_access_token(&mut self, grant: Grant, now: u64) -> Result<String, Unspecified> {
        let token = crate::keys::random(32)?;
        self.access.retain(|_, (ends, _)| now < *ends);
        self.access.insert(token.clone(), (now + ACCESS_LIFE, grant));
        Ok(token)
    }

    /// Whose access token this is.
    pub(crate) fn by_access_token(&self, token: &str, now: u64) -> Option<Grant> {
        self.access.get(token).filter(|(ends, _)| now < *ends).map(|(_, grant)| grant.clone())
    }

    /// The claims about a person that these scopes give away (OpenID Connect Core 5.4), Google's `hd` and
    /// Keycloak's roles included.
    pub(crate) fn person(&self, account: &Account, scopes: &[String]) -> Map<String, Value> {
        let has = |scope: &str| scopes.iter().any(|s| s == scope);
        let mut claims = Map::new();
        let mut add = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        add("sub", account.sub().into());
        if has("email") {
            add("email", account.email.clone().into());
            if let Some(verified) = self.email_verified(account) {
                add("email_verified", verified);
            }
            if account.domain() == "example.com" {
                add("hd", "example.com".into());
            }
        }
        if has("profile") {
            let name = account.full_name();
            add("name", name.into());
            add("given_name", name.split(' ').next().unwrap_or_default().into());
            add("preferred_username", account.email.clone().into());
        }
        if !account.groups.is_empty() {
            add("groups", json!(account.groups));
        }
        if !account.roles.is_empty() {
            add("roles", json!(account.roles));
            add("realm_access", json!({"roles": account.roles}));
        }
        overlay(&mut claims, &account.extra);
        claims
    }

    /// `email_verified` of this account, as tests want it; `None` = the claim is missing.
    pub(crate) fn email_verified(&self, account: &Account) -> Option<Value> {
        match &self.settings.email_verified {
            None => Some(account.email_verified.clone()),
            Some(Value::String(word)) if word == "missing" => None,
            Some(told) => Some(told.clone()),
        }
    }
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the one place of this program that reads the clock")]
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// Names and values of a query or form body; `None` when it cannot be read or a name is there twice
/// (RFC 6749 section 3.1: parameters must not be included more than once).
pub(crate) fn params(text: &str) -> Option<Params> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(text).ok()?.into_inner();
    let many = pairs.len();
    let params: Params = pairs.into_iter().collect();
    (params.len() == many).then_some(params)
}

/// The credentials after `Bearer` (or GitHub's `token`).
pub(crate) fn bearer(req: &HttpRequest) -> Option<&str> {
    let (scheme, token) = req.headers().get("authorization")?.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token")).then_some(token)
}

/// An error of ours.
pub(crate) fn oops(_cause: impl Display) -> actix_web::Error {
    ErrorInternalServerError("internal error")
}
