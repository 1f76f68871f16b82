//! What the hot path knows without asking the store.
//!
//! A session is read from the store once, then confirmed at every request from a few atomics. What makes that
//! safe is [`marks`]: every session and every user has a mark that moves when the store tells of a change,
//! and everything read from the store carries the marks from *before* it was read. A change that arrives
//! while a record is on its way, or for a record that is known elsewhere by now, is seen as an old
//! mark, and the store is asked again. Ended sessions are remembered by name, so that they stay ended while
//! the store is away.
//!
//! When the store falls silent nothing is confirmed any more; sessions known until then go on for
//! `store_grace`, then neither they nor anybody else is let in (`Unchecked`, which callers answer with 503). A
//! store that answers but does not tell is treated alike: nobody would learn of a revocation.

mod flights;
mod marks;
mod seen;
mod tokens;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::flights::{Flights, Turn};
use self::marks::{Mark, Marks};
use self::seen::{Behind, Seen};
pub use self::tokens::{KnownToken, TokenStanding};
use super::token::{TokenDigest, Used};
use super::{Change, Result, SessionId, SessionRecord, Store, StoreError, UserRecord};
use crate::clock::{Clock, Timestamp};

/// Sessions, users, tokens and ended sessions kept at most, each; beyond that the store is asked again.
const KEPT: usize = 100_000;
/// How often a record that changes while it is read is read again before giving up.
const ATTEMPTS: usize = 3;
/// How old the store's word on a session may be to count as its last word on idleness.
const JUST_NOW: Duration = Duration::from_secs(2);
/// `silent_since` while the store tells.
const TELLING: i64 = i64::MAX;
/// `silent_since` once the grace is over by the monotonic clock, whatever the wall clock says.
const LAPSED: i64 = i64::MIN;

/// What is known of a session.
#[derive(Clone, Debug)]
pub enum Standing {
    /// It lives; ask [`Known::confirm`] before relying on it.
    Live(Arc<KnownSession>),
    /// It ended, or never was.
    Ended,
    /// The store could not be asked.
    Unchecked,
}

/// Whether a known session still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirm {
    /// Yes.
    Holds,
    /// No, for good.
    Ended,
    /// What is known of it is out of date: ask [`Known::session`] again.
    Stale,
    /// The store is silent, and has been for longer than its grace.
    Unchecked,
}

/// A user as last read from the store.
#[derive(Debug)]
pub struct KnownUser {
    /// See [`UserRecord::id`].
    pub id: String,
    /// Roles granted by an admin, sorted.
    pub granted: Vec<String>,
    /// Refused if so.
    pub disabled: bool,
    mark: Mark,
}

/// A session as last read from the store.
#[derive(Debug)]
pub struct KnownSession {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub user: Arc<KnownUser>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    mark: Mark,
    read_at: Timestamp,
    /// Shared with the instances read before and after, so that no request seen is lost between them.
    seen: Arc<Seen>,
    /// Idle as far as is known here; the store may know better.
    ask_again: AtomicBool,
}

impl KnownSession {
    /// The last request seen, here or (as far as the store knew) elsewhere.
    #[must_use]
    pub fn last_seen(&self) -> Timestamp {
        self.seen.at()
    }
}

/// The process's knowledge of sessions, users and tokens. See the module's documentation.
pub struct Known {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    grace: Duration,
    sessions: Cache<SessionId, Arc<KnownSession>>,
    users: Cache<String, Arc<KnownUser>>,
    ended: Cache<SessionId, ()>,
    tokens: Cache<TokenDigest, Arc<KnownToken>>,
    /// Since when there was no such token.
    unknown: Cache<TokenDigest, Timestamp>,
    marks: Marks,
    flights: Flights<SessionId, Standing>,
    token_flights: Flights<TokenDigest, TokenStanding>,
    behind: Behind,
    /// Milliseconds since the epoch, [`TELLING`] or [`LAPSED`].
    silent_since: AtomicI64,
    /// When a change was last applied; milliseconds since the epoch.
    changed_at: AtomicI64,
}

impl Known {
    /// Begins to listen to the store and to write "last seen" behind. `grace` is how long known sessions hold
    /// after the store fell silent; zero is not at all. Call within a Tokio runtime; the tasks end when the
    /// last `Arc` is dropped.
    #[must_use]
    pub fn start(store: Arc<dyn Store>, grace: Duration, clock: Arc<dyn Clock>) -> Arc<Self> {
        let changes = store.changes();
        let known = Arc::new(Self {
            store,
            clock,
            grace,
            sessions: Cache::new(KEPT),
            users: Cache::new(KEPT),
            ended: Cache::new(KEPT),
            marks: Marks::new(),
            tokens: Cache::new(KEPT),
            unknown: Cache::new(tokens::UNKNOWN),
            flights: Flights::default(),
            token_flights: Flights::default(),
            behind: Behind::new(),
            silent_since: AtomicI64::new(TELLING),
            changed_at: AtomicI64::new(i64::MIN),
        });
        tokio::spawn(listen(Arc::downgrade(&known), changes, grace));
        tokio::spawn(seen::write_behind(Arc::downgrade(&known)));
        known
    }

    /// What is known of a session; asks the store where nothing is, or what is known is out of date. Many
    /// who ask for the same one at once share one look.
    pub async fn session(&self, id: &SessionId, now: Timestamp) -> Standing {
        for _ in 0..ATTEMPTS {
            if self.ended.contains_key(id) {
                return Standing::Ended;
            }
            if self.grace_is_over(now) {
                return Standing::Unchecked;
            }
            if let Some(session) = self.sessions.get(id)
                && self.is_current(&session)
                && !session.ask_again.load(Ordering::Relaxed)
            {
                return Standing::Live(session);
            }
            let standing = match self.flights.join(id) {
                Turn::Lead(flight) => {
                    let standing = self.read_session(id, now).await;
                    flight.land(standing.clone());
                    standing
                }
                Turn::Follow(landing) => match landing.wait().await {
                    Some(standing) => standing,
                    // Whoever led was cancelled.
                    None => continue,
                },
            };
            match standing {
                // Something changed while it was read.
                Standing::Live(session) if !self.is_current(&session) => {}
                told => return told,
            }
        }
        if self.ended.contains_key(id) { Standing::Ended } else { Standing::Unchecked }
    }

    /// Whether a session that is known still holds at `now`, and if so, that it was seen. `idle` is the limit
    /// without any request. No lock and no call unless it does not hold.
    pub fn confirm(&self, session: &KnownSession, idle: Option<Duration>, now: Timestamp) -> Confirm {
        if !self.is_current(session) {
            return if self.ended.contains_key(&session.id) { Confirm::Ended } else { Confirm::Stale };
        }
        if session.user.disabled {
            return Confirm::Ended;
        }
        if session.expires_at <= now {
            // Remembered, so that a clock set back does not bring it back.
            self.ended(&session.id);
            return Confirm::Ended;
        }
        if idle.is_some_and(|idle| now.since(session.last_seen()) > idle) {
            if now.since(session.read_at) <= JUST_NOW {
                self.ended(&session.id);
                return Confirm::Ended;
            }
            session.ask_again.store(true, Ordering::Relaxed);
            return Confirm::Stale;
        }
        if self.grace_is_over(now) {
            return Confirm::Unchecked;
        }
        self.behind.saw(&session.seen, now);
        Confirm::Holds
    }

    /// Who has this id, for callers without a session. Somebody who never signed in has no grants and is not
    /// disabled, which is kept as well: a first sign-in is not told, and grants nothing. `None`: the store could not
    /// be asked, or has been silent for longer than its grace.
    pub async fn person(&self, id: &str, now: Timestamp) -> Option<Arc<KnownUser>> {
        if self.grace_is_over(now) {
            return None;
        }
        for _ in 0..ATTEMPTS {
            let mark = self.marks.of(id);
            let person = match self.user(id).await {
                Ok(Some(user)) => user,
                Ok(None) => {
                    let nobody =
                        Arc::new(KnownUser { id: id.to_owned(), granted: Vec::new(), disabled: false, mark });
                    self.users.insert(id.to_owned(), Arc::clone(&nobody));
                    nobody
                }
                Err(error) => {
                    tracing::warn!(%error, "a user could not be looked up");
                    return None;
                }
            };
            if self.marks.hold(&person.mark) {
                return Some(person);
            }
        }
        None
    }

    /// Whether what is known of somebody is still so.
    pub fn still_holds(&self, person: &KnownUser, now: Timestamp) -> bool {
        self.marks.hold(&person.mark) && !self.grace_is_over(now)
    }

    /// Makes a session known that this process has just written, unless anything changed since its sign-in
    /// began (then the store is asked at the first request).
    pub fn session_opened(&self, record: &SessionRecord, user: &UserRecord) {
        // The marks first: a change after this line shows in them, one before it in `changed_at`.
        let (session_mark, user_mark) = (self.marks.of(record.id.as_str()), self.marks.of(&user.id));
        let began = record.created_at.min(user.last_seen);
        let changed = self.changed_at.load(Ordering::Acquire) >= began.millis();
        if changed || record.user_id != user.id || !self.healthy() {
            return;
        }
        let user = Arc::new(known_user(user, user_mark));
        self.users.insert(user.id.clone(), Arc::clone(&user));
        let session = known_session(record, user, session_mark, record.created_at, None);
        self.sessions.insert(record.id.clone(), Arc::new(session));
    }

    /// This session ended, by this process or by what the store tells.
    pub fn ended(&self, id: &SessionId) {
        self.note_change();
        self.ended.insert(id.clone(), ());
        self.marks.move_on(id.as_str());
        self.sessions.remove(id);
    }

    /// This user's roles or standing changed, by this process or by what the store tells.
    pub fn user_changed(&self, user_id: &str) {
        self.note_change();
        self.marks.move_on(user_id);
        self.users.remove(user_id);
    }

    /// Whether the store tells of changes.
    #[must_use]
    pub fn healthy(&self) -> bool {
        self.silent_since.load(Ordering::Acquire) == TELLING
    }

    /// Writes down which sessions and tokens were seen; for shutdown. What the store does not take stays for the next
    /// time.
    pub async fn flush(&self) {
        self.behind.write(self.store.as_ref()).await;
    }

    fn note_change(&self) {
        self.changed_at.fetch_max(self.clock.now().millis(), Ordering::AcqRel);
    }

    fn is_current(&self, session: &KnownSession) -> bool {
        self.marks.hold(&session.mark) && self.marks.hold(&session.user.mark)
    }

    fn grace_is_over(&self, now: Timestamp) -> bool {
        match self.silent_since.load(Ordering::Acquire) {
            TELLING => false,
            LAPSED => true,
            since => now.since(Timestamp::from_millis(since)) >= self.grace,
        }
    }

    /// One look at the store. What it finds may be out of date already, which its marks show.
    async fn read_session(&self, id: &SessionId, now: Timestamp) -> Standing {
        let mark = self.marks.of(id.as_str());
        let read = async {
            let Some(record) = self.store.session(id, now).await? else { return Ok(None) };
            Ok(self.user(&record.user_id).await?.map(|user| (record, user)))
        };
        match read.await {
            Ok(Some((record, user))) if !user.disabled => {
                let before = self.sessions.peek(id).map(|session| Arc::clone(&session.seen));
                let session = Arc::new(known_session(&record, user, mark, now, before));
                self.sessions.insert(id.clone(), Arc::clone(&session));
                Standing::Live(session)
            }
            Ok(Some(_)) => Standing::Ended,
            Ok(None) => {
                self.ended(id);
                Standing::Ended
            }
            Err(error) => {
                let error: StoreError = error;
                tracing::warn!(session = id.short(), %error, "a session could not be checked");
                Standing::Unchecked
            }
        }
    }

    async fn user(&self, id: &str) -> Result<Option<Arc<KnownUser>>> {
        if let Some(user) = self.users.get(id)
            && self.marks.hold(&user.mark)
        {
            return Ok(Some(user));
        }
        let mark = self.marks.of(id);
        let Some(record) = self.store.user(id).await? else { return Ok(None) };
        let user = Arc::new(known_user(&record, mark));
        self.users.insert(record.id, Arc::clone(&user));
        Ok(Some(user))
    }

    fn apply(&self, change: &Change) {
        match change {
            Change::Session(id) => self.ended(id),
            Change::User(id) => self.user_changed(id),
            Change::Token(digest) => self.token_changed(digest),
            Change::Everything => {
                self.note_change();
                self.marks.move_all_on();
            }
            Change::Silent => self.silent_since.store(self.clock.now().millis(), Ordering::Release),
            Change::Telling => self.silent_since.store(TELLING, Ordering::Release),
        }
    }
}

fn known_user(record: &UserRecord, mark: Mark) -> KnownUser {
    KnownUser { id: record.id.clone(), granted: record.granted.clone(), disabled: record.disabled, mark }
}

fn known_session(
    record: &SessionRecord,
    user: Arc<KnownUser>,
    mark: Mark,
    read_at: Timestamp,
    before: Option<Arc<Seen>>,
) -> KnownSession {
    let seen = before.unwrap_or_else(|| Arc::new(Seen::new(Used::Session(record.id.clone()))));
    seen.known(record.last_seen_at);
    KnownSession {
        id: record.id.clone(),
        user,
        created_at: record.created_at,
        expires_at: record.expires_at,
        mark,
        read_at,
        seen,
        ask_again: AtomicBool::new(false),
    }
}

/// Applies what the store tells, until there is nobody to tell.
async fn listen(known: Weak<Known>, mut changes: mpsc::Receiver<Change>, grace: Duration) {
    // The grace is measured by both clocks, and the first to say so ends it: the wall clock may be set back.
    let mut lapse: Option<Instant> = None;
    loop {
        let change = match lapse {
            None => changes.recv().await,
            Some(at) => match tokio::time::timeout_at(at, changes.recv()).await {
                Ok(change) => change,
                Err(_) => {
                    let Some(known) = known.upgrade() else { return };
                    known.silent_since.store(LAPSED, Ordering::Release);
                    lapse = None;
                    continue;
                }
            },
        };
        let Some(known) = known.upgrade() else { return };
        let over = change.is_none();
        match change {
            Some(Change::Silent) | None => {
                if known.healthy() {
                    known.apply(&Change::Silent);
                    lapse = Instant::now().checked_add(grace);
                    tracing::warn!("the store is silent: known sessions hold for {grace:?}");
                }
            }
            Some(Change::Telling) => {
                lapse = None;
                known.apply(&Change::Telling);
                tracing::info!("the store tells again");
            }
            Some(change) => known.apply(&change),
        }
        if over {
            break;
        }
    }
    // Nothing will ever be told again.
    if let Some(at) = lapse {
        tokio::time::sleep_until(at).await;
    }
    if let Some(known) = known.upgrade() {
        known.silent_since.store(LAPSED, Ordering::Release);
    }
}
