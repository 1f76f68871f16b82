//! Telling what changed in the file, whichever process changed it.
//!
//! Five times a second `PRAGMA data_version` (one read of shared memory) says whether anybody committed; only
//! then is the table of changes read. The writer of this process rings a bell, so that its own changes
//! are told at once.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::super::token::TokenDigest;
use super::super::{Change, Result, SessionId};
use super::Place;

/// How long another process's change may wait; well under the second that is promised.
const POLL: Duration = Duration::from_millis(200);
/// Changes kept for whoever has not read them yet, and read at most in one go. Who is further behind is told
/// [`Change::Everything`].
const KEPT: i64 = 10_000;
/// Changes that may wait for the reader.
const BACKLOG: usize = 1024;

/// Where the reading of changes stands.
pub(super) struct Feed {
    connection: Connection,
    place: Place,
    bell: Receiver<()>,
    version: i64,
    last: i64,
}

impl Feed {
    pub(super) fn new(connection: Connection, place: Place, bell: Receiver<()>) -> Result<Self> {
        let mut feed = Self { connection, place, bell, version: 0, last: 0 };
        feed.catch_up()?;
        Ok(feed)
    }

    fn data_version(&self) -> rusqlite::Result<i64> {
        self.connection.pragma_query_value(None, "data_version", |row| row.get(0))
    }

    /// Goes to the newest change without reading those before it. The version is read first: a commit in
    /// between is then looked for once too often rather than never.
    fn catch_up(&mut self) -> Result<()> {
        self.place.check()?;
        let version = self.data_version()?;
        self.last =
            self.connection.query_row("SELECT coalesce(max(seq), 0) FROM changes", [], |row| row.get(0))?;
        self.version = version;
        Ok(())
    }

    fn news(&mut self) -> Result<Vec<Change>> {
        self.place.check()?;
        let version = self.data_version()?;
        if version == self.version {
            return Ok(Vec::new());
        }
        let mut query = self
            .connection
            .prepare_cached("SELECT seq, kind, name FROM changes WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
        let rows: Vec<(i64, Change)> = query
            .query_map([self.last, KEPT + 1], |row| {
                let kind = row.get_ref(1)?;
                let name = row.get_ref(2)?;
                Ok((row.get(0)?, change(kind.as_str().ok(), name.as_str().ok())))
            })?
            .collect::<rusqlite::Result<_>>()?;
        drop(query);
        let gap = rows.first().is_some_and(|(seq, _)| *seq != self.last.saturating_add(1));
        if gap || i64::try_from(rows.len()).unwrap_or(i64::MAX) > KEPT {
            self.catch_up()?;
            return Ok(vec![Change::Everything]);
        }
        if let Some((seq, _)) = rows.last() {
            self.last = *seq;
        }
        self.version = version;
        Ok(rows.into_iter().map(|(_, change)| change).collect())
    }

    /// Until nobody listens or the store is gone.
    fn tell(mut self, to: &mpsc::Sender<Change>) {
        let mut silent = false;
        loop {
            match self.bell.recv_timeout(POLL) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let outcome = if silent {
                self.catch_up().map(|()| vec![Change::Everything, Change::Telling])
            } else {
                self.news()
            };
            let changes = match outcome {
                Ok(changes) => {
                    silent = false;
                    changes
                }
                Err(_) if silent => Vec::new(),
                Err(error) => {
                    tracing::warn!(%error, "the store has stopped telling what changes");
                    silent = true;
                    vec![Change::Silent]
                }
            };
            for change in changes {
                if to.blocking_send(change).is_err() {
                    return;
                }
            }
            if to.is_closed() {
                return;
            }
        }
    }
}

/// What is written by a version that knows more kinds could be anything.
fn change(kind: Option<&str>, name: Option<&str>) -> Change {
    match (kind, name) {
        (Some("session"), Some(name)) => SessionId::parse(name).map_or(Change::Everything, Change::Session),
        (Some("user"), Some(name)) => Change::User(name.to_owned()),
        (Some("token"), Some(name)) => TokenDigest::parse(name).map_or(Change::Everything, Change::Token),
        _ => Change::Everything,
    }
}

/// Begins to tell. Without a feed (it was taken before), or without a thread for it, the channel is closed
/// from the start, which its reader takes for silence.
pub(super) fn start(feed: Option<Feed>) -> mpsc::Receiver<Change> {
    let (to, receiver) = mpsc::channel(BACKLOG);
    if let Some(feed) = feed {
        let started = thread::Builder::new().name("store-feed".into()).spawn(move || feed.tell(&to));
        if let Err(error) = started {
            tracing::error!(%error, "no thread to watch the store with");
        }
    }
    receiver
}

pub(super) fn sweep(c: &Connection) -> Result<()> {
    c.execute("DELETE FROM changes WHERE seq <= (SELECT max(seq) FROM changes) - ?1", [KEPT])?;
    Ok(())
}
