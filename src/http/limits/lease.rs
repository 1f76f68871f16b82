//! Batches taken from a shared window, and spent in the process without asking again.
//!
//! A lease ends with the fixed window that it was taken in, which is how the shared counter counts it: what is spent
//! in a window was taken in that window, so the total of all replicas stays within the limit. What a replica does not
//! spend is lost to the others until the window has passed; batches are small so that this is little.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::MutexGuard;

use crate::clock::Timestamp;
use crate::store::rate::{Limit, Taken};

/// Leases held. One that is pushed out loses what it had left, and the next request of its bucket asks the store.
const HELD: usize = 50_000;

/// How many are taken at once: a sixteenth of the limit, which is what a replica can leave unspent.
pub(super) fn batch(limit: Limit) -> u32 {
    (limit.max / 16).clamp(1, 64)
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    /// It is within the limit.
    Fine,
    /// It is over; so long until another try.
    Over(Duration),
    /// Nothing is known: ask for a batch.
    Ask,
}

/// Leases by whose they are. Sharded and bounded.
pub(super) struct Leases(Cache<Box<str>, Arc<Lease>>);

impl Leases {
    pub(super) fn new() -> Self {
        Self(Cache::new(HELD))
    }

    pub(super) fn of(&self, whose: &str) -> Arc<Lease> {
        self.0.get(whose).unwrap_or_else(|| {
            let lease = Arc::new(Lease::default());
            self.0.insert(whose.into(), Arc::clone(&lease));
            lease
        })
    }
}

/// What is known of one bucket.
#[derive(Default)]
pub(super) struct Lease {
    state: Mutex<Held>,
    turn: tokio::sync::Mutex<()>,
}

/// Good from `from` until before `until`; a clock outside of that asks anew.
#[derive(Clone, Copy, Default)]
struct Held {
    from: Timestamp,
    until: Timestamp,
    left: u32,
    /// The window is full until `until`.
    full: bool,
}

impl Lease {
    /// One request.
    pub(super) fn spend(&self, now: Timestamp) -> Spent {
        let mut held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now < held.from || now >= held.until {
            return Spent::Ask;
        }
        if let Some(left) = held.left.checked_sub(1) {
            held.left = left;
            return Spent::Fine;
        }
        if held.full { Spent::Over(held.until.since(now)) } else { Spent::Ask }
    }

    /// Whose turn it is to ask.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Puts a batch in, and spends one of it.
    pub(super) fn fill(&self, taken: Taken, limit: Limit, now: Timestamp) -> Spent {
        let (held, spent) = match taken.granted.checked_sub(1) {
            Some(left) => {
                let length = i64::try_from(limit.window.as_millis()).unwrap_or(i64::MAX).max(1);
                let from = now.millis().div_euclid(length).saturating_mul(length);
                let until = Timestamp::from_millis(from.saturating_add(length));
                let from = Timestamp::from_millis(from);
                (Held { from, until, left, full: false }, Spent::Fine)
            }
            None => {
                let wait = taken.again_in.clamp(Duration::from_millis(1), 2 * limit.window);
                (Held { from: now, until: now.plus(wait), left: 0, full: true }, Spent::Over(wait))
            }
        };
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = held;
        spent
    }
}
