//! A document of somebody else's, kept and refreshed: one fetch at a time however many ask, a pause between
//! attempts, and the old copy for a bounded time while new ones fail.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;

use crate::clock::Timestamp;
use crate::identity::outgoing::OutgoingError;

/// A copy is asked for again after this time.
const FRESH_FOR: Duration = Duration::from_secs(3600);

/// A copy that could not be refreshed is still used for this time, then it is as if there were none: a key that a
/// provider withdrew must not live for ever because its key set stopped answering.
const USABLE_FOR: Duration = Duration::from_secs(24 * 3600);

/// Whether what is asked for can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// There is a copy to work with.
    Ready,
    /// Nobody has asked yet.
    NotYetAsked,
    /// There is none.
    Failing {
        /// The first failure in a row.
        since: Timestamp,
        /// The last failure, in a few words without secrets.
        cause: String,
    },
}

/// Who waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Somebody who pressed a button: may try again after a second, for their patience is shorter than any pause.
    Person,
    /// A program, which may ask a thousand times a second.
    Program,
}

/// The kept document. Lives in an `Arc`, as a fetch goes on when the one who asked has left.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    state: Mutex<State<T>>,
    flight: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct State<T> {
    copy: Option<(Arc<T>, Timestamp)>,
    attempted: Option<Timestamp>,
    failing: Option<Failing>,
}

#[derive(Clone, Debug)]
struct Failing {
    since: Timestamp,
    in_a_row: u32,
    cause: OutgoingError,
}

/// A copy that may be used, and whether it should be asked for again.
pub(crate) struct Copy<T> {
    pub(crate) value: Arc<T>,
    pub(crate) fresh: bool,
}

impl<T: Send + Sync + 'static> Kept<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State { copy: None, attempted: None, failing: None }),
            flight: Arc::default(),
        })
    }

    /// The copy, unless it is too old to be used.
    pub(crate) fn copy(&self, now: Timestamp) -> Option<Copy<T>> {
        let state = self.state();
        let (value, fetched) = state.copy.as_ref()?;
        let age = now.since(*fetched);
        (age < USABLE_FOR).then(|| Copy { value: Arc::clone(value), fresh: age < FRESH_FOR })
    }

    /// Failures since the last success.
    pub(crate) fn failures(&self) -> u32 {
        self.state().failing.as_ref().map_or(0, |failing| failing.in_a_row)
    }

    /// Why there is no copy.
    pub(crate) fn cause(&self) -> OutgoingError {
        self.state().failing.as_ref().map_or_else(
            || OutgoingError::Unavailable("the answer is still on its way".into()),
            |failing| failing.cause.clone(),
        )
    }

    pub(crate) fn health(&self) -> Health {
        let state = self.state();
        let usable = state.copy.as_ref().is_some_and(|(_, fetched)| {
            state.attempted.is_none_or(|attempted| attempted.since(*fetched) < USABLE_FOR)
        });
        match &state.failing {
            _ if usable => Health::Ready,
            Some(failing) => Health::Failing { since: failing.since, cause: failing.cause.to_string() },
            None => Health::NotYetAsked,
        }
    }

    /// Fetches unless the last attempt is less than `pause` ago, and waits for it; who comes while a fetch is
    /// under way waits for that one. The outcome is in [`Self::copy`] or [`Self::cause`].
    pub(crate) async fn refresh<F>(self: &Arc<Self>, now: Timestamp, pause: Duration, fetch: F)
    where
        F: Future<Output = Result<T, OutgoingError>> + Send + 'static,
    {
        match Arc::clone(&self.flight).try_lock_owned() {
            Err(_) => drop(self.flight.lock().await),
            Ok(turn) => {
                if let Some(task) = self.begin(turn, now, pause, fetch) {
                    // A panic in the task leaves the state as it was: the next one tries again.
                    let _ = task.await;
                }
            }
        }
    }

    /// The same without waiting.
    pub(crate) fn refresh_behind<F>(self: &Arc<Self>, now: Timestamp, pause: Duration, fetch: F)
    where
        F: Future<Output = Result<T, OutgoingError>> + Send + 'static,
    {
        if let Ok(turn) = Arc::clone(&self.flight).try_lock_owned() {
            drop(self.begin(turn, now, pause, fetch));
        }
    }

    fn begin<F>(
        self: &Arc<Self>,
        turn: OwnedMutexGuard<()>,
        now: Timestamp,
        pause: Duration,
        fetch: F,
    ) -> Option<JoinHandle<()>>
    where
        F: Future<Output = Result<T, OutgoingError>> + Send + 'static,
    {
        {
            let mut state = self.state();
            if state.attempted.is_some_and(|attempted| apart(attempted, now) < pause) {
                return None;
            }
            state.attempted = Some(now);
        }
        let kept = Arc::clone(self);
        Some(tokio::spawn(async move {
            let outcome = fetch.await;
            kept.store(outcome, now);
            drop(turn);
        }))
    }

    fn store(&self, outcome: Result<T, OutgoingError>, now: Timestamp) {
        let mut state = self.state();
        match outcome {
            Ok(value) => {
                state.copy = Some((Arc::new(value), now));
                state.failing = None;
            }
            Err(cause) => {
                let before = state.failing.take();
                tracing::warn!(%cause, "could not refresh what a provider publishes");
                state.failing = Some(Failing {
                    since: before.as_ref().map_or(now, |failing| failing.since),
                    in_a_row: before.map_or(1, |failing| failing.in_a_row.saturating_add(1)),
                    cause,
                });
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The distance of two times. A clock set back by a day must not turn a pause of seconds into a day.
fn apart(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}
