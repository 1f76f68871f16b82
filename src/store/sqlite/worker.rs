//! Threads that do the blocking work, with a bounded queue and a deadline for who waits.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::{Result, StoreError};

/// How long a call may take, waiting included.
const DEADLINE: Duration = Duration::from_secs(2);
/// Calls that may wait; more are refused at once, so that a slow disk never piles up memory.
const QUEUE: usize = 1024;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// One thread a connection, all taking from one queue. They end when the pool is dropped.
pub(super) struct Pool {
    queue: SyncSender<Job>,
}

impl Pool {
    pub(super) fn start(name: &str, connections: Vec<Connection>) -> Result<Self> {
        let (queue, jobs) = sync_channel::<Job>(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        for connection in connections {
            let jobs = Arc::clone(&jobs);
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || serve(connection, &jobs))
                .map_err(|error| StoreError::Unavailable(format!("no thread for the store: {error}")))?;
        }
        Ok(Self { queue })
    }

    /// Runs `work` on one of the threads. Work that has not begun when its caller gives up is not begun.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            if !answer.is_closed() {
                // Nobody listens any more: they were told "unavailable".
                let _ = answer.send(work(connection));
            }
        });
        self.queue.try_send(job).map_err(|_| StoreError::Unavailable("too many calls wait".into()))?;
        match tokio::time::timeout(DEADLINE, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(StoreError::Unavailable("the call was interrupted".into())),
            Err(_) => Err(StoreError::Unavailable(format!("no answer in {DEADLINE:?}"))),
        }
    }
}

fn serve(mut connection: Connection, jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting and given back before the work.
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job(&mut connection),
            Err(_) => return,
        }
    }
}
