//! What the lists of activity show: lines noted in the store, behind the requests that they are about.
//!
//! A request only puts its line into a queue. The queues are bounded and lose the oldest when the store is slow, which
//! is counted: the audit log itself has every line. Refusals have a queue of their own, and go out at a steady rate, so
//! that a flood of them pushes out nothing else.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::store::Store;
use crate::store::activity::Activity;

/// Lines that wait at most: of administrators and sign-ins; of refusals.
const WAITING: [usize; 2] = [8192, 2048];
/// Lines written at once at most, of the same.
const AT_ONCE: [usize; 2] = [512, 32];
/// How long lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(250);
/// After the store did not take them.
const PAUSE: Duration = Duration::from_secs(2);

/// How much a line matters to the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A change, a sign-in, a sign-out.
    Event = 0,
    /// Somebody was turned away.
    Refusal = 1,
}

/// See the module.
pub struct Notes {
    store: Arc<dyn Store>,
    waiting: Mutex<[VecDeque<Activity>; 2]>,
    more: Notify,
    /// One batch is written at a time.
    turn: tokio::sync::Mutex<()>,
    dropped: Counter,
}

impl Notes {
    /// To this store; what is lost is counted in `dropped`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, dropped: Counter) -> Self {
        Self {
            store,
            waiting: Mutex::default(),
            more: Notify::new(),
            turn: tokio::sync::Mutex::default(),
            dropped,
        }
    }

    /// One more.
    pub(super) fn push(&self, kind: Kind, activity: Activity) {
        self.with(|queues| {
            if let Some(queue) = queues.get_mut(kind as usize) {
                queue.push_back(activity);
            }
        });
        self.more.notify_one();
    }

    /// Writes what waits, until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.more.notified() => {}
            }
            loop {
                let pause = match self.write().await {
                    Some(true) => GATHER,
                    Some(false) => PAUSE,
                    None => break,
                };
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }

    /// Writes all that waits, as far as the store takes it.
    pub async fn flush(&self) {
        while self.write().await == Some(true) {}
    }

    /// Writes one batch; whether the store took it. `None`: nothing waits.
    async fn write(&self) -> Option<bool> {
        let _turn = self.turn.lock().await;
        let batch: [Vec<Activity>; 2] = {
            let mut queues = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let mut sizes = AT_ONCE.into_iter();
            queues.each_mut().map(|queue| {
                let size = sizes.next().unwrap_or_default().min(queue.len());
                queue.drain(..size).collect()
            })
        };
        let mut lines: Vec<Activity> = batch.iter().flatten().cloned().collect();
        if lines.is_empty() {
            return None;
        }
        lines.sort_by_key(|line| line.at);
        let Err(error) = self.store.note(&lines).await else { return Some(true) };
        tracing::warn!(%error, "what happened could not be noted for the lists; it is tried again");
        self.with(|queues| {
            for (queue, lines) in queues.iter_mut().zip(batch) {
                for line in lines.into_iter().rev() {
                    queue.push_front(line);
                }
            }
        });
        Some(false)
    }

    fn with(&self, change: impl FnOnce(&mut [VecDeque<Activity>; 2])) {
        let mut queues = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut queues);
        for (queue, most) in queues.iter_mut().zip(WAITING) {
            let over = queue.len().saturating_sub(most);
            queue.drain(..over);
            self.dropped.inc_by(u64::try_from(over).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::store::testing::Shared;

    fn line(n: i64) -> Activity {
        Activity {
            at: Timestamp::from_secs(n),
            event: "decision".into(),
            what: n.to_string(),
            who: None,
            decision_id: None,
            line: "{}".into(),
        }
    }

    fn numbers(store: &Shared) -> Vec<i64> {
        store.noted().iter().map(|line| line.what.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn many_go_out_together_in_the_order_of_their_time() {
        let store = Arc::new(Shared::default());
        let notes = Notes::new(Arc::clone(&store) as Arc<dyn Store>, Counter::default());
        for n in 0..100 {
            notes.push(if n % 2 == 0 { Kind::Event } else { Kind::Refusal }, line(n));
        }
        notes.flush().await;
        let mut there = numbers(&store);
        assert!(there.iter().take(82).is_sorted(), "{there:?}");
        there.sort_unstable();
        assert_eq!(there, (0..100).collect::<Vec<_>>());
        assert_eq!(store.asked(), 2, "refusals have a pace of their own");
    }

    #[tokio::test]
    async fn what_the_store_does_not_take_waits_and_the_oldest_is_lost() {
        let store = Arc::new(Shared::default());
        let dropped = Counter::default();
        let notes = Notes::new(Arc::clone(&store) as Arc<dyn Store>, dropped.clone());
        store.away(true);
        notes.push(Kind::Event, line(1));
        for n in 0..5000 {
            notes.push(Kind::Refusal, line(n));
        }
        notes.flush().await;
        assert!(numbers(&store).is_empty());
        store.away(false);
        notes.flush().await;
        let mut expected: Vec<i64> = (2952..5000).collect();
        expected.push(1);
        expected.sort_unstable();
        let mut there = numbers(&store);
        there.sort_unstable();
        assert_eq!(there, expected, "no refusal pushes an event out");
        assert_eq!(dropped.get(), 5000 - 2048);
    }

    #[tokio::test]
    async fn it_writes_behind_by_itself() {
        let store = Arc::new(Shared::default());
        let notes = Arc::new(Notes::new(Arc::clone(&store) as Arc<dyn Store>, Counter::default()));
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let (notes, stop) = (Arc::clone(&notes), stop.clone());
            async move { notes.run(stop).await }
        });
        for n in 0..1000 {
            notes.push(Kind::Event, line(n));
        }
        for _ in 0..500 {
            if store.noted().len() == 1000 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(store.noted().len(), 1000);
        stop.cancel();
        task.await.unwrap();
    }
}
