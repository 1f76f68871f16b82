//! Telling what changes: users and sessions by a channel, on which every script that changes one publishes; tokens by
//! the server itself, which tells of every key that changes or ends (client-side caching in broadcast mode), whoever
//! changed it.
//!
//! One more connection for that (in a cluster: one to each master, as each tells of its own keys), to the very server
//! that calls go to: when that changes, so does this. It is asked for a sign of life several times a second, so that a
//! server that hangs is silent, and not just quiet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ConnectionInfo, PushInfo, PushKind, RedisResult, Value};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::super::token::TokenDigest;
use super::super::{Change, SessionId};
use super::dial::{Dial, Wire};
use super::link::{Link, State, Up};
use super::listing::Listing;
use super::names::{Names, TOKENS};

/// How often the server is asked for a sign of life, and how long that may take; together within the second that is
/// promised.
const ASK: Duration = Duration::from_millis(300);
const ANSWER: Duration = Duration::from_millis(500);
/// How often a cluster is asked whether its masters are still the same.
const LOOK: Duration = Duration::from_secs(1);
/// Before trying again.
const AGAIN: Duration = Duration::from_millis(200);
/// Changes that may wait here; who is further behind is told [`Change::Everything`].
const BACKLOG: usize = 10_000;

/// What tells, and to whom.
pub(super) struct Feed {
    pub(super) link: Arc<Link>,
    pub(super) dial: Arc<Dial>,
    pub(super) names: Names,
    pub(super) listing: Arc<Listing>,
    pub(super) to: mpsc::Sender<Change>,
}

/// Connections that tell.
struct Lines {
    lines: Vec<MultiplexedConnection>,
    told: mpsc::Receiver<PushInfo>,
    /// More was told than waits.
    overflow: Arc<AtomicBool>,
    masters: Vec<ConnectionInfo>,
}

/// Nobody listens any more.
struct Over;

impl Feed {
    /// Until nobody listens. `ready` hears when the first attempt was made.
    pub(super) async fn tell(self, ready: oneshot::Sender<()>) {
        let mut ready = Some(ready);
        let mut silent = false;
        let mut state = self.link.watch();
        loop {
            let now = state.borrow_and_update().clone();
            let reason = match now {
                State::Up(up) => match self.listen(&up).await {
                    Ok(lines) => {
                        self.listing.look_at_all();
                        if silent
                            && (self.send(Change::Everything).await.is_err()
                                || self.send(Change::Telling).await.is_err())
                        {
                            return;
                        }
                        silent = false;
                        ready.take();
                        match self.pass_on(lines, &up, &mut state).await {
                            Ok(reason) => reason,
                            Err(Over) => return,
                        }
                    }
                    Err(error) => error.to_string(),
                },
                State::Connecting if !silent && ready.is_some() => {
                    // The very first attempt is under way.
                    if state.changed().await.is_err() {
                        return;
                    }
                    continue;
                }
                State::Connecting => "the connection was lost".to_owned(),
                State::Down(fault) => fault.reason.to_string(),
            };
            if !silent {
                tracing::warn!(reason, "Redis does not tell what changes");
                silent = true;
                if self.send(Change::Silent).await.is_err() {
                    return;
                }
            }
            ready.take();
            tokio::select! {
                changed = state.changed() => if changed.is_err() { return },
                () = sleep(AGAIN) => {}
                () = self.to.closed() => return,
            }
        }
    }

    async fn send(&self, change: Change) -> Result<(), Over> {
        self.to.send(change).await.map_err(|_| Over)
    }

    /// Subscribes, and has the server tell of tokens.
    async fn listen(&self, up: &Up) -> RedisResult<Lines> {
        let masters = match (&up.wire, &up.server) {
            (Wire::Server(_), Some(server)) => vec![server.clone()],
            _ => self.masters(up).await?,
        };
        let (sender, told) = mpsc::channel(BACKLOG);
        let overflow = Arc::new(AtomicBool::new(false));
        let mut lines = Vec::with_capacity(masters.len());
        for (at, master) in masters.iter().enumerate() {
            let (sender, full) = (sender.clone(), Arc::clone(&overflow));
            let push = move |push: PushInfo| -> Result<(), ()> {
                if sender.try_send(push).is_err() {
                    full.store(true, Ordering::Release);
                }
                Ok(())
            };
            let limit = self.link.timeout() * 2;
            let begin = async {
                let mut line = self.dial.line(master, push).await?;
                if at == 0 {
                    line.subscribe(self.names.changes()).await?;
                }
                let mut track = redis::cmd("CLIENT");
                track.arg("TRACKING").arg("ON").arg("BCAST").arg("PREFIX").arg(TOKENS);
                track.query_async::<()>(&mut line).await?;
                Ok(line)
            };
            lines.push(timeout(limit, begin).await.unwrap_or_else(|_| Err(late()))?);
        }
        Ok(Lines { lines, told, overflow, masters })
    }

    async fn masters(&self, up: &Up) -> RedisResult<Vec<ConnectionInfo>> {
        let channel = self.names.changes();
        let ask = self.dial.masters(&up.wire, &channel);
        timeout(self.link.timeout(), ask).await.unwrap_or_else(|_| Err(late()))
    }

    /// Passes on what is told; why it ended.
    async fn pass_on(
        &self,
        mut lines: Lines,
        up: &Up,
        state: &mut watch::Receiver<State>,
    ) -> Result<String, Over> {
        let mut ask = interval(ASK);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let cluster = matches!(up.wire, Wire::Cluster(_));
        loop {
            tokio::select! {
                push = lines.told.recv() => {
                    let Some(push) = push else { return Ok("the connection is gone".to_owned()) };
                    if push.kind == PushKind::Disconnection {
                        return Ok("the connection was closed".to_owned());
                    }
                    if lines.overflow.swap(false, Ordering::AcqRel) {
                        self.listing.look_at_all();
                        self.send(Change::Everything).await?;
                    }
                    for change in changes(&push) {
                        match change {
                            Change::Token(digest) => self.listing.look_at(digest),
                            Change::Everything => self.listing.look_at_all(),
                            _ => {}
                        }
                        self.send(change).await?;
                    }
                }
                changed = state.changed() => {
                    if changed.is_err() {
                        return Err(Over);
                    }
                    match &*state.borrow_and_update() {
                        State::Up(now) if now.generation == up.generation => {}
                        _ => return Ok("the connection that calls go over was lost".to_owned()),
                    }
                }
                _ = ask.tick() => {
                    for line in &mut lines.lines {
                        match timeout(ANSWER, redis::cmd("PING").query_async::<()>(line)).await {
                            Ok(Ok(())) => {}
                            Ok(Err(error)) => return Ok(error.to_string()),
                            Err(_) => return Ok(format!("no sign of life in {ANSWER:?}")),
                        }
                    }
                }
                _ = look.tick(), if cluster => {
                    match self.masters(up).await {
                        Ok(masters) if same(&masters, &lines.masters) => {}
                        Ok(_) => return Ok("the cluster has other masters now".to_owned()),
                        Err(error) => return Ok(error.to_string()),
                    }
                }
                () = self.to.closed() => return Err(Over),
            }
        }
    }
}

fn late() -> redis::RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

fn same(one: &[ConnectionInfo], two: &[ConnectionInfo]) -> bool {
    one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.addr() == two.addr())
}

/// What a message of the server says. What cannot be read could be anything.
fn changes(push: &PushInfo) -> Vec<Change> {
    let text = |value: &Value| redis::from_redis_value_ref::<String>(value).ok();
    match push.kind {
        PushKind::Message => {
            let told = push.data.get(1).and_then(text);
            let change = match told.as_deref().and_then(|told| told.split_once(':')) {
                Some(("session", id)) => SessionId::parse(id).map(Change::Session),
                Some(("user", id)) => Some(Change::User(id.to_owned())),
                _ => None,
            };
            vec![change.unwrap_or(Change::Everything)]
        }
        PushKind::Invalidate => match push.data.first() {
            Some(Value::Array(keys)) => {
                let digest = |key: &Value| TokenDigest::parse(text(key)?.strip_prefix(TOKENS)?);
                // Keys that are no token's are of no interest to anybody here.
                keys.iter().filter_map(digest).map(Change::Token).collect()
            }
            // All keys are gone.
            _ => vec![Change::Everything],
        },
        _ => Vec::new(),
    }
}
