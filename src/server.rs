//! The only place that names adapters: configuration → state → listeners → run. The command line and the
//! tests both come in here.

pub mod manager;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};
use anyhow::{Context as _, anyhow};
use secrecy::ExposeSecret;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use url::Url;

use crate::admin::Desk;
use crate::audit::notes::Notes;
use crate::audit::{Audit, PolicyEvent};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::http;
use crate::http::bearers::Bearers;
use crate::http::callers::Callers;
use crate::http::identity_headers::IdentityHeaders;
use crate::http::limits::Limits;
use crate::http::login::return_to::ReturnRules;
use crate::http::pages::Pages;
use crate::http::state::State;
use crate::http::tokens::Tokens;
use crate::identity::api_token::Peppers;
use crate::identity::assertion::Assertions;
use crate::identity::bearer::Issuers;
use crate::identity::handle::SessionHandles;
use crate::identity::ids::DecisionIds;
use crate::identity::keyfile::KeyFile;
use crate::identity::provider::Providers;
use crate::identity::seal::KeyRing;
use crate::identity::session::SessionCookies;
use crate::identity::user_id::UserIds;
use crate::policy::Policy;
use crate::policy::live::{LivePolicy, Reload, Watch};
use crate::store::known::Known;
use crate::store::{self, RecordKeys, Store};
use crate::telemetry::metrics::Metrics;

use self::manager::Handed;

/// How long requests in flight may take when the process was asked to stop.
const DRAIN: u64 = 30;
/// How often a provider that could not be reached is asked again, and what is known of it refreshed.
const WARM: Duration = Duration::from_secs(15);
/// From the last accepted connection to closing those that asked nothing.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How often what ran out is forgotten and keys are looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(300);
/// How often the overview's columns move on.
const MINUTE: Duration = Duration::from_secs(60);

/// A gateway that serves.
pub struct Running {
    /// Where the main listener is; with port 0 configured, the one that was given.
    pub address: SocketAddr,
    /// Where metrics are.
    pub ops_address: Option<SocketAddr>,
    /// What its handlers use.
    pub state: Data<State>,
    main: ServerHandle,
    ops: Option<ServerHandle>,
    background: CancellationToken,
    ended: tokio::task::JoinHandle<std::io::Result<()>>,
    _policy_watch: Option<Watch>,
}

impl Running {
    /// Stops taking requests, finishes those in flight, writes down what was written behind.
    pub async fn stop(self) {
        self.state.leaving.store(true, Ordering::Relaxed);
        self.main.stop(true).await;
        if let Some(ops) = self.ops {
            ops.stop(false).await;
        }
        self.background.cancel();
        self.state.known.flush().await;
        if let Some(notes) = self.state.audit.notes() {
            notes.flush().await;
        }
        let _ = self.ended.await;
    }
}

/// `doorward serve`: runs until SIGTERM or SIGINT, then goes on for `server.drain` while saying that it is not
/// ready, so that proxies and load balancers turn away by themselves; a second signal ends the waiting. SIGHUP
/// reloads the policy, and opens the audit file anew. A service manager that wants to know is told of all of it.
///
/// # Errors
/// When it cannot start; the message names what to change.
pub async fn run(config: Config, handed: Handed) -> anyhow::Result<()> {
    let running = start_on(handed, config, Arc::new(SystemClock)).await?;
    let state = running.state.clone();
    tracing::info!(
        listen = %running.address,
        ops = running.ops_address.map(|address| address.to_string()),
        external_url = state.login.own_authority(),
        providers = state.providers.len(),
        issuers = state.config.issuers.len(),
        policy = state.config.policy.file.as_ref().map(|file| file.display().to_string()),
        "doorward {} serves",
        env!("CARGO_PKG_VERSION")
    );
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    // Not before the signals are heeded: a reload right after the start must not end the process.
    manager::serves(running.address);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                tracing::info!("asked to reload the policy and to open the audit file anew");
                manager::reloads();
                state.audit.reopen();
                count_reload(&state, &state.policy.reload());
                manager::reloaded();
            }
        }
    }
    tracing::info!("stopping: not ready any more, requests go on being answered");
    manager::stops();
    state.leaving.store(true, Ordering::Relaxed);
    tokio::select! {
        () = tokio::time::sleep(state.config.server.drain) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // No new connections; those that were accepted get the answer to their first request.
    running.main.pause().await;
    tokio::time::sleep(LAST_WORDS).await;
    running.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Makes the state, binds the listeners and serves in the background.
///
/// # Errors
/// When keys, store, policy or pages cannot be had, or an address is taken.
pub async fn start(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<Running> {
    start_on(Handed::nothing(), config, clock).await
}

async fn start_on(handed: Handed, config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<Running> {
    let main_listener = match handed.listener() {
        Some(listener) => listener,
        None => bind(config.server.listen, "server.listen")?,
    };
    main_listener.set_nonblocking(true)?;
    let ops_listener = config.ops.listen.map(|address| bind(address, "ops.listen")).transpose()?;
    let address = main_listener.local_addr()?;
    let ops_address = ops_listener.as_ref().map(TcpListener::local_addr).transpose()?;
    let workers = config.server.workers;
    let state = Data::new(state(config, clock).await?);
    let background = CancellationToken::new();
    keep_house(&state, &background);
    if let Some(notes) = state.audit.notes() {
        let (notes, stop) = (Arc::clone(notes), background.clone());
        tokio::spawn(async move { notes.run(stop).await });
    }
    let counted = state.clone();
    let policy_watch = state
        .policy
        .watch(move |reload| count_reload(&counted, reload))
        .context("policy.file: its folder cannot be watched for changes")?;

    let for_app = state.clone();
    let server = HttpServer::new(move || App::new().configure(|config| http::routes(config, &for_app)))
        .listen(main_listener)?
        .workers(workers)
        .client_request_timeout(Duration::from_secs(10))
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(DRAIN)
        .disable_signals()
        .run();
    let main = server.handle();
    let ops_server = match ops_listener {
        None => None,
        Some(listener) => {
            let state = state.clone();
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(state.clone())
                    .route("/metrics", web::get().to(http::health::metrics))
                    .route("/healthz", web::get().to(http::health::healthz))
                    .route("/readyz", web::get().to(http::health::readyz))
            })
            .listen(listener)?
            .workers(1)
            .disable_signals()
            .run();
            Some(server)
        }
    };
    let ops = ops_server.as_ref().map(actix_web::dev::Server::handle);
    let ended = tokio::spawn(async move {
        match ops_server {
            Some(ops) => tokio::try_join!(server, ops).map(|_| ()),
            None => server.await,
        }
    });
    Ok(Running { address, ops_address, state, main, ops, background, ended, _policy_watch: policy_watch })
}

fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .with_context(|| format!("{key}: cannot listen on {address}; is another process there?"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn state(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<State> {
    let now = clock.now();
    let policy = Arc::new(policy(&config)?);
    warn_of(&policy.load(), &config);
    let ring = key_ring(&config)?;
    let store = open_store(&config, &ring).await?;
    let known = Known::start(Arc::clone(&store), config.session.store_grace, Arc::clone(&clock));
    let login = ReturnRules::new(&config);
    let issuer = config
        .server
        .external_url
        .as_ref()
        .map_or_else(|| "doorward".to_owned(), |url| url.origin().ascii_serialization());
    let assertions = Assertions::new(issuer, &ring, now)?;
    let cookies = Arc::new(SessionCookies::new(ring, &config));
    let providers = providers(&config, &login)?;
    let pages = Pages::new(
        &config.pages,
        login.page("/assets").unwrap_or_default(),
        login.page("/").unwrap_or_else(|| "/".to_owned()),
    )
    .context("pages")?;
    let callers =
        Callers::new(Arc::clone(&cookies), Arc::clone(&known), config.forward_auth.user_header_format);
    let user_ids = UserIds::new(config.identity_ids().into_iter().map(str::to_owned).collect());
    let issuers = Issuers::new(&config.issuers).map_err(|fault| anyhow!("bearer.issuers: {fault}"))?;
    let bearers =
        Bearers::new(issuers, Arc::clone(&known), user_ids.clone(), config.forward_auth.user_header_format);
    let limits = Limits::new(&config.rate_limit, Arc::clone(&store));
    let peppers = Arc::new(Peppers::open(&config.tokens, &config.data_dir).context("tokens.pepper")?);
    let tokens =
        Tokens::new(Arc::clone(&peppers), Arc::clone(&known), config.forward_auth.user_header_format);
    let ids = config.providers.iter().map(|provider| provider.id.as_str());
    let metrics = Metrics::new(now, ids);
    let notes = Notes::new(Arc::clone(&store), metrics.activity_dropped());
    let audit = Arc::new(audit(&config)?.noting(Arc::new(notes)));
    let config = Arc::new(config);
    let desk = Desk {
        store: Arc::clone(&store),
        known: Some(Arc::clone(&known)),
        policy: Arc::clone(&policy),
        audit: Arc::clone(&audit),
        peppers,
        handles: SessionHandles::new(cookies.ring())?,
        config: Arc::clone(&config),
    };
    metrics.policy_loaded(&policy.version().to_string(), now);
    Ok(State {
        ids: DecisionIds::new()?,
        nobody: IdentityHeaders::anonymous(),
        leaving: AtomicBool::new(false),
        metrics,
        clock,
        policy,
        store,
        known,
        cookies,
        callers,
        bearers,
        limits,
        tokens,
        user_ids,
        assertions,
        providers,
        login,
        pages,
        audit,
        desk,
        config,
    })
}

fn audit(config: &Config) -> anyhow::Result<Audit> {
    let audit = Audit::open(config.audit.decisions, config.audit.file.as_deref()).context("audit.file")?;
    Ok(audit.rotating(config.audit.max_size, config.audit.keep))
}

/// What a command on the machine needs to act as an administrator, whether a gateway runs or not. Where the audit log
/// is standard output, which is the command's answer, its changes are only noted for the lists of activity.
///
/// # Errors
/// When store, policy or keys cannot be had.
pub async fn desk(config: Config) -> anyhow::Result<Desk> {
    let ring = key_ring(&config)?;
    let store = open_store(&config, &ring).await?;
    let audit = if config.audit.file.is_some() { audit(&config)? } else { Audit::silent() };
    let notes = Notes::new(Arc::clone(&store), prometheus_client::metrics::counter::Counter::default());
    Ok(Desk {
        known: None,
        policy: Arc::new(policy(&config)?),
        audit: Arc::new(audit.noting(Arc::new(notes))),
        peppers: Arc::new(Peppers::open(&config.tokens, &config.data_dir).context("tokens.pepper")?),
        handles: SessionHandles::new(&ring)?,
        store,
        config: Arc::new(config),
    })
}

/// The configured store, with the session keys where they have to be the same: for the server, and for commands
/// that look into the store themselves.
///
/// # Errors
/// When keys or store cannot be had.
pub async fn store(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    let ring = key_ring(config)?;
    open_store(config, &ring).await
}

async fn open_store(config: &Config, ring: &KeyRing) -> anyhow::Result<Arc<dyn Store>> {
    let keys = RecordKeys::new(ring.record_keys().iter().copied());
    store::open(&config.store, &config.data_dir, &keys).await.context("store.url")
}

/// The policy file, or "every signed-in user" where there is none.
///
/// # Errors
/// Every fault of the file, a line each, and every test of it that fails.
pub fn policy(config: &Config) -> anyhow::Result<LivePolicy> {
    let listing = |faults: Vec<crate::policy::Fault>| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow!("policy.file:\n{}", lines.join("\n"))
    };
    let providers: Vec<String> = config.identity_ids().into_iter().map(str::to_owned).collect();
    match &config.policy.file {
        Some(file) => LivePolicy::open(file, &providers).map_err(listing),
        None => Policy::open_to_signed_in(&config.policy.public).map(LivePolicy::fixed).map_err(listing),
    }
}

/// Every provider with its own callback address: the first has `/callback`, every other `/callback/{id}`.
fn providers(config: &Config, login: &ReturnRules) -> anyhow::Result<Providers> {
    // Without an external URL nobody can be called back, and configuring providers was refused before.
    let Some(base) = login.page("/callback") else { return Ok(Providers::default()) };
    let base = Url::parse(&base).context("server.external_url")?;
    let callback = |id: &str, index: usize| {
        let mut url = base.clone();
        if index > 0 {
            url.set_path(&format!("{}/{id}", base.path()));
        }
        url
    };
    Providers::new(&config.providers, callback).map_err(|fault| anyhow!(fault))
}

/// What is allowed but dangerous is said at every load.
fn warn_of(policy: &Policy, config: &Config) {
    for warning in policy.warnings().iter().chain(&policy.warnings_with_providers(&config.identity_ids())) {
        tracing::warn!("{warning}");
    }
}

/// Everybody who wants to know hears of it: metrics, the service manager, the audit log.
fn count_reload(state: &State, reload: &Reload) {
    let now = state.clock.now();
    let event = match reload {
        Reload::Swapped(version) => {
            warn_of(&state.policy.load(), &state.config);
            state.metrics.policy_loaded(&version.to_string(), now);
            PolicyEvent { action: "policy_loaded", version: *version, reason: None }
        }
        Reload::Refused(faults) => {
            state.metrics.policy_rejected();
            let first = faults.first().map(ToString::to_string).unwrap_or_default();
            let reason = format!("{} faults, the first: {first}", faults.len());
            PolicyEvent { action: "policy_refused", version: state.policy.version(), reason: Some(reason) }
        }
        Reload::Unchanged => return,
    };
    manager::policy(event.reason.is_none());
    state.audit.policy(&event, now);
}

/// The configured keys, or those kept in `data_dir`, made at the first start.
fn key_ring(config: &Config) -> anyhow::Result<KeyRing> {
    if let Some(keys) = &config.session.keys {
        let lines: Vec<&str> = keys.iter().map(ExposeSecret::expose_secret).collect();
        return KeyRing::from_base64(&lines).context("session.keys_file");
    }
    let file = KeyFile::new(&config.data_dir, "session");
    let text = match file.read().with_context(|| place(file.path()))? {
        Some(text) => text,
        None => {
            let text = KeyRing::new_root()? + "\n";
            file.write(&text).with_context(|| place(file.path()))?;
            text
        }
    };
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    KeyRing::from_base64(&lines).with_context(|| place(file.path()))
}

fn place(path: &Path) -> String {
    format!("the session keys in {} (data_dir must be a folder that doorward can write)", path.display())
}

fn keep_house(state: &Data<State>, stop: &CancellationToken) {
    let (state, stop) = (state.clone(), stop.clone());
    tokio::spawn(async move {
        let mut warm = tokio::time::interval(WARM);
        let mut sweep = tokio::time::interval(HOUSEKEEPING);
        let mut minute = tokio::time::interval_at(tokio::time::Instant::now() + MINUTE, MINUTE);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = warm.tick() => {
                    for provider in state.providers.iter() {
                        provider.warm(state.clock.now()).await;
                    }
                    state.bearers.issuers().warm(state.clock.now()).await;
                    continue;
                }
                _ = minute.tick() => {
                    state.metrics.minute_is_over(state.clock.now());
                    continue;
                }
                _ = sweep.tick() => {}
            }
            let now = state.clock.now();
            state.limits.sweep(now);
            if let Err(error) = state.store.sweep(now).await {
                tracing::warn!(%error, "what ran out could not be swept");
            }
            if let Err(error) = state.assertions.rotate_when_due(now) {
                tracing::error!(%error, "the assertion key was not rotated");
            }
        }
    });
}
