//! The connection that calls go over: kept by a task that connects again when it is lost, with a bounded number of
//! calls under way and a deadline for each.
//!
//! After an answer that did not come in time the connection is given up, so that questions nobody waits for any more
//! do not queue up behind a server that hangs; until another stands, calls are refused at once. After a connection
//! that broke, they wait for the first attempt to make it anew.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::{ConnectionInfo, ErrorKind, PushInfo, PushKind, RedisError, RedisResult, ServerErrorKind};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::super::{Result, StoreError};
use super::dial::{Dial, Wire};
use super::names::Names;
use super::script::{Call, Script};

/// Calls under way at most; more are refused at once.
const CALLS: usize = 1024;
/// Between attempts to connect.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How often the sentinels are asked whether the master is still the same.
const ASK_SENTINELS: Duration = Duration::from_secs(1);

/// Shows that the server can be written to, and that its records were signed by keys that we have.
static HELLO: Script = Script::new(&[include_str!("lua/hello.lua")]);

/// The connection as it stands.
#[derive(Clone)]
pub(super) enum State {
    /// It is being made; worth waiting for.
    Connecting,
    /// There it is.
    Up(Box<Up>),
    /// It could not be made, or the server hangs.
    Down(Fault),
}

/// A connection that stands.
#[derive(Clone)]
pub(super) struct Up {
    pub(super) wire: Wire,
    /// Which one, counted from 1.
    pub(super) generation: u64,
    /// The server, when it is one.
    pub(super) server: Option<ConnectionInfo>,
    broken: Arc<Notify>,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: Arc<str>,
    /// It will not go away by itself: a wrong password, certificate or kind of server.
    pub(super) lasting: bool,
}

/// See the module.
pub(super) struct Link {
    state: watch::Sender<State>,
    calls: Semaphore,
    timeout: Duration,
}

impl Link {
    /// Begins to connect; the task ends with `stop`.
    pub(super) fn start(
        dial: Arc<Dial>,
        names: &Names,
        keys: Vec<String>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let (state, _) = watch::channel(State::Connecting);
        let link = Arc::new(Self { state, calls: Semaphore::new(CALLS), timeout: dial.timeout() });
        let keeper = Keeper { link: Arc::clone(&link), dial, hello: Hello::new(names, keys) };
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = keeper.keep() => {}
            }
        });
        link
    }

    /// How long a call may take.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The state from now on.
    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Runs `work` within the deadline.
    pub(super) async fn run<T, F>(&self, work: impl FnOnce(Wire) -> F) -> Result<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let _place = self
            .calls
            .try_acquire()
            .map_err(|_| StoreError::Unavailable("too many calls wait for Redis".into()))?;
        let deadline = Instant::now() + self.timeout;
        let up = self.up(deadline).await?;
        match timeout_at(deadline, work(up.wire.clone())).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if is_lost(&error, &up.wire) {
                    self.give_up(&up, State::Connecting);
                }
                Err(as_store_error(&error))
            }
            Err(_) => {
                let fault = Fault { reason: no_answer(self.timeout).into(), lasting: false };
                self.give_up(&up, State::Down(fault));
                Err(StoreError::Unavailable(no_answer(self.timeout)))
            }
        }
    }

    /// Runs a script within the deadline.
    pub(super) async fn call<T: redis::FromRedisValue>(&self, call: &Call) -> Result<T> {
        self.run(|wire| call.on(wire)).await
    }

    async fn up(&self, deadline: Instant) -> Result<Up> {
        let mut state = self.state.subscribe();
        loop {
            match &*state.borrow_and_update() {
                State::Up(up) => return Ok((**up).clone()),
                State::Down(fault) => return Err(StoreError::Unavailable(fault.reason.to_string())),
                State::Connecting => {}
            }
            match timeout_at(deadline, state.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(StoreError::Unavailable("the store was closed".into())),
                Err(_) => return Err(StoreError::Unavailable(no_answer(self.timeout))),
            }
        }
    }

    /// This connection is of no use any more.
    fn give_up(&self, lost: &Up, to: State) {
        self.state.send_if_modified(|state| {
            let same = matches!(state, State::Up(up) if up.generation == lost.generation);
            if same {
                *state = to;
            }
            same
        });
        lost.broken.notify_one();
    }
}

fn no_answer(after: Duration) -> String {
    format!("no answer in {after:?}")
}

/// The first words on a connection.
struct Hello {
    call: Call,
    keys: Vec<String>,
}

impl Hello {
    fn new(names: &Names, keys: Vec<String>) -> Self {
        let newest = keys.first().cloned().unwrap_or_default();
        let call = Call::new(&HELLO).key(names.ring()).key(names.alive()).arg(newest);
        Self { call, keys }
    }

    async fn say(&self, wire: &Wire) -> RedisResult<()> {
        let ring: String = self.call.on(wire.clone()).await?;
        if self.keys.contains(&ring) {
            return Ok(());
        }
        let text = "its records are signed with session keys that are not among ours: give every gateway on this \
                    store the same `session.keys_file`, and keep the old keys in it";
        Err((ErrorKind::InvalidClientConfig, text).into())
    }
}

struct Keeper {
    link: Arc<Link>,
    dial: Arc<Dial>,
    hello: Hello,
}

impl Keeper {
    async fn keep(self) {
        let mut generation = 0;
        let mut wait = FIRST_WAIT;
        let mut told: Option<Fault> = None;
        loop {
            let begun = Instant::now();
            let broken = Arc::new(Notify::new());
            match timeout(self.link.timeout * 3, self.connect(&broken)).await {
                Ok(Ok((wire, server))) => {
                    generation += 1;
                    if told.take().is_some() {
                        tracing::info!(store = self.dial.shown(), "Redis answers again");
                    }
                    let up = Up { wire, generation, server, broken };
                    self.link.state.send_replace(State::Up(Box::new(up.clone())));
                    self.until_broken(&up).await;
                    self.link.give_up(&up, State::Connecting);
                    if begun.elapsed() > LONGEST_WAIT {
                        wait = FIRST_WAIT;
                        continue;
                    }
                }
                Ok(Err(error)) => self.down(fault(&error), &mut told),
                Err(_) => {
                    let reason = no_answer(self.link.timeout * 3).into();
                    self.down(Fault { reason, lasting: false }, &mut told);
                }
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn connect(&self, broken: &Arc<Notify>) -> RedisResult<(Wire, Option<ConnectionInfo>)> {
        let broken = Arc::clone(broken);
        let lost = move |push: PushInfo| -> std::result::Result<(), ()> {
            if push.kind == PushKind::Disconnection {
                broken.notify_one();
            }
            Ok(())
        };
        let (wire, server) = self.dial.connect(lost).await?;
        self.hello.say(&wire).await?;
        Ok((wire, server))
    }

    async fn until_broken(&self, up: &Up) {
        let moved = async {
            match &up.server {
                Some(server) if self.dial.has_sentinels() => loop {
                    sleep(ASK_SENTINELS).await;
                    if self.dial.has_moved(server).await {
                        tracing::warn!("the sentinels name another master");
                        return;
                    }
                },
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = up.broken.notified() => {}
            () = moved => {}
        }
    }

    fn down(&self, fault: Fault, told: &mut Option<Fault>) {
        if told.as_ref() != Some(&fault) {
            tracing::warn!(store = self.dial.shown(), reason = %fault.reason, "Redis cannot be used");
            *told = Some(fault.clone());
        }
        self.link.state.send_replace(State::Down(fault));
    }
}

fn fault(error: &RedisError) -> Fault {
    let text = error.to_string();
    let hint = match error.kind() {
        ErrorKind::Server(ServerErrorKind::Moved) => " (a cluster: write `redis+cluster://`)",
        _ if text.contains("cluster support disabled") => " (no cluster: write `redis://`)",
        _ => "",
    };
    let lasting = !hint.is_empty()
        || matches!(
            error.kind(),
            ErrorKind::AuthenticationFailed
                | ErrorKind::InvalidClientConfig
                | ErrorKind::RESP3NotSupported
                | ErrorKind::MasterNameNotFoundBySentinel
                | ErrorKind::Server(ServerErrorKind::NoPerm)
        )
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
        || text.contains("invalid peer certificate")
        || text.contains("DB index is out of range");
    Fault { reason: format!("{text}{hint}").into(), lasting }
}

/// Whether the connection is of no use after this. A cluster's heals itself, node by node.
fn is_lost(error: &RedisError, wire: &Wire) -> bool {
    if matches!(wire, Wire::Cluster(_)) {
        return error.kind() == ErrorKind::ClusterConnectionNotFound;
    }
    error.is_io_error()
        || error.is_unrecoverable_error()
        || matches!(error.code(), Some("READONLY" | "LOADING" | "MASTERDOWN" | "NOAUTH"))
        || error.to_string().contains("READONLY")
}

/// What was read is of another type than we write: somebody else wrote it.
pub(super) fn as_store_error(error: &RedisError) -> StoreError {
    let text = error.to_string();
    let corrupt = error.code() == Some("WRONGTYPE")
        || text.contains("WRONGTYPE")
        || matches!(error.kind(), ErrorKind::UnexpectedReturnType);
    if corrupt { StoreError::Corrupt(text) } else { StoreError::Unavailable(text) }
}
