//! When sessions and tokens were last seen: noted in passing, written behind.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};

use super::super::Store;
use super::super::token::Used;
use super::{KEPT, Known};
use crate::clock::Timestamp;

/// How often it is written down.
const EVERY: Duration = Duration::from_secs(10);
/// Records in one write.
const BATCH: usize = 500;

/// When one of them was last seen; moves forward only.
#[derive(Debug)]
pub(super) struct Seen {
    what: Used,
    at: AtomicI64,
    /// Waits to be written already.
    noted: AtomicBool,
}

impl Seen {
    pub(super) fn new(what: Used) -> Self {
        Self { what, at: AtomicI64::new(i64::MIN), noted: AtomicBool::new(false) }
    }

    pub(super) fn at(&self) -> Timestamp {
        Timestamp::from_millis(self.at.load(Ordering::Relaxed))
    }

    /// Seen then, as the store already knows.
    pub(super) fn known(&self, at: Timestamp) {
        self.at.fetch_max(at.millis(), Ordering::Relaxed);
    }
}

/// What waits to be written.
pub(super) struct Behind {
    note: mpsc::UnboundedSender<Arc<Seen>>,
    notes: Mutex<Notes>,
}

struct Notes {
    /// Never longer than there are sessions and tokens in use: each is in it once.
    waiting: mpsc::UnboundedReceiver<Arc<Seen>>,
    /// What the store did not take the last time.
    left: HashMap<Used, Timestamp>,
}

impl Behind {
    pub(super) fn new() -> Self {
        let (note, waiting) = mpsc::unbounded_channel();
        Self { note, notes: Mutex::new(Notes { waiting, left: HashMap::new() }) }
    }

    /// It was seen at `now`. Writes nothing shared when it was seen in the same millisecond before.
    pub(super) fn saw(&self, seen: &Arc<Seen>, now: Timestamp) {
        if seen.at.load(Ordering::Relaxed) >= now.millis() {
            return;
        }
        seen.at.fetch_max(now.millis(), Ordering::Relaxed);
        if !seen.noted.load(Ordering::Relaxed) && !seen.noted.swap(true, Ordering::AcqRel) {
            // The receiver lives as long as `self`.
            let _ = self.note.send(Arc::clone(seen));
        }
    }

    pub(super) async fn write(&self, store: &dyn Store) {
        let mut notes = self.notes.lock().await;
        while let Ok(seen) = notes.waiting.try_recv() {
            // First open for the next note, then read: nothing falls in between.
            seen.noted.store(false, Ordering::Release);
            if notes.left.len() < KEPT || notes.left.contains_key(&seen.what) {
                let at = seen.at();
                notes.left.insert(seen.what.clone(), at);
            }
        }
        let all: Vec<(Used, Timestamp)> = notes.left.iter().map(|(what, at)| (what.clone(), *at)).collect();
        for batch in all.chunks(BATCH) {
            if let Err(error) = store.touch(batch).await {
                tracing::warn!(%error, "when sessions and tokens were last seen could not be written; kept for later");
                return;
            }
            for (what, _) in batch {
                notes.left.remove(what);
            }
        }
    }
}

pub(super) async fn write_behind(known: Weak<Known>) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(known) = known.upgrade() else { return };
        known.flush().await;
    }
}
