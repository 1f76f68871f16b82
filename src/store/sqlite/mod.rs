//! The embedded store: one SQLite file in `data_dir`, shared by the server and the command line.
//!
//! Write-ahead logging with `synchronous=FULL`: what was acknowledged survives a crash and a power cut.
//! One thread writes, two read, one watches for changes ([`feed`]); none of them is on the event loop.
//! Every mutation is told by triggers ([`schema`]), in the transaction that makes it, so that no writer can
//! forget to.

mod activity;
mod feed;
mod once;
mod schema;
mod search;
mod sessions;
mod tokens;
mod users;
mod worker;

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use tokio::sync::mpsc;

use self::feed::Feed;
use self::worker::Pool;
use super::activity::{Activity, ActivityFilter};
use super::page::{Page, Slice};
use super::rate::{Limit, Taken};
use super::token::{Rotated, TokenDigest, TokenFilter, TokenOrder, TokenRecord, Used};
use super::windows::Windows;
use super::{
    Change, Once, Result, SessionId, SessionRecord, SignIn, Store, StoreError, UserOrder, UserRecord,
};
use crate::clock::Timestamp;

/// How long SQLite waits for another process's write; under the deadline of a call, so that the reason is told.
const BUSY: Duration = Duration::from_millis(1500);
/// Connections that read.
const READERS: usize = 2;

/// The embedded store.
pub struct SqliteStore {
    place: Place,
    writer: Pool,
    readers: Pool,
    /// Rings when this process wrote something, so that its own changes are told at once.
    bell: SyncSender<()>,
    feed: Mutex<Option<Feed>>,
    /// Rate windows are shared within the process, which is all that serves from this file.
    windows: Windows,
}

impl SqliteStore {
    /// Opens the file, makes it (mode 0600, its folder 0700) when there is none, and brings it to this
    /// version's layout.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it cannot be opened or written, [`StoreError::Corrupt`] when it is
    /// no database of ours or a newer version wrote it.
    pub async fn open(path: &Path) -> Result<Self> {
        let path = path.to_owned();
        blocking(move || Self::open_now(&path)).await
    }

    fn open_now(path: &Path) -> Result<Self> {
        let place = Place::make(path)?;
        let mut writing = connect(&place.path)?;
        schema::migrate(&mut writing)?;
        let reading = (0..READERS)
            .map(|_| {
                let reader = connect(&place.path)?;
                reader.pragma_update(None, "query_only", true)?;
                Ok(reader)
            })
            .collect::<Result<Vec<_>>>()?;
        let (bell, ring) = std::sync::mpsc::sync_channel(1);
        let feed = Feed::new(connect(&place.path)?, place.clone(), ring)?;
        Ok(Self {
            writer: Pool::start("store-write", vec![writing])?,
            readers: Pool::start("store-read", reading)?,
            bell,
            feed: Mutex::new(Some(feed)),
            windows: Windows::default(),
            place,
        })
    }

    /// Copies the whole store, as it is at one moment, into a new file (mode 0600) while it is in use. To
    /// restore, stop every process that uses the store and put the copy in its place.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the copy cannot be made; also when `to` exists already.
    pub async fn backup(&self, to: &Path) -> Result<()> {
        let (from, to) = (self.place.clone(), to.to_owned());
        blocking(move || {
            from.check()?;
            let source = connect(&from.path)?;
            new_file(&to, true).map_err(|error| unavailable("the backup cannot be written", &error))?;
            let done = copy(&source, &to);
            if done.is_err() {
                // Half a copy must not be taken for one; there is nothing else to say if this fails too.
                let _ = std::fs::remove_file(&to);
            }
            done
        })
        .await
    }

    async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    {
        self.readers.run(work).await
    }

    /// Runs `work` as one transaction on the writer's thread.
    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let bell = self.bell.clone();
        self.writer
            .run(move |connection| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let made = work(&transaction)?;
                transaction.commit()?;
                // Full means that it rings already.
                let _ = bell.try_send(());
                Ok(made)
            })
            .await
    }
}

fn copy(source: &Connection, to: &Path) -> Result<()> {
    let mut target = Connection::open_with_flags(to, flags())?;
    let backup = Backup::new(source, &mut target)?;
    // All pages in one step: one snapshot, and in WAL mode a reader holds up nobody.
    match backup.step(-1)? {
        StepResult::Done => Ok(()),
        _ => Err(StoreError::Unavailable("the store was busy all the while".into())),
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn ping(&self) -> Result<()> {
        let place = self.place.clone();
        self.writer
            .run(move |connection| {
                place.check()?;
                // Takes the write lock and gives it back: read-only media and a stuck writer show here.
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                transaction.query_row(
                    "SELECT count(*) FROM (SELECT 1 FROM users LIMIT 1)",
                    [],
                    |_| Ok(()),
                )?;
                transaction.rollback()?;
                Ok(())
            })
            .await
    }

    async fn sign_in(&self, who: &SignIn, now: Timestamp) -> Result<UserRecord> {
        let who = who.clone();
        self.write(move |c| users::sign_in(c, &who, now)).await
    }

    async fn user(&self, id: &str) -> Result<Option<UserRecord>> {
        let id = id.to_owned();
        self.read(move |c| users::one(c, &id)).await
    }

    async fn users_named(&self, id_or_email: &str) -> Result<Vec<UserRecord>> {
        let name = id_or_email.to_owned();
        self.read(move |c| users::named(c, &name)).await
    }

    async fn users(&self, search: &str, order: UserOrder, slice: Slice) -> Result<Page<UserRecord>> {
        let search = search.to_owned();
        self.read(move |c| users::page(c, &search, order, slice)).await
    }

    async fn grant(&self, user_id: &str, role: &str) -> Result<bool> {
        let (user, role) = (user_id.to_owned(), role.to_owned());
        self.write(move |c| users::grant(c, &user, &role)).await
    }

    async fn ungrant(&self, user_id: &str, role: &str) -> Result<bool> {
        let (user, role) = (user_id.to_owned(), role.to_owned());
        self.write(move |c| users::ungrant(c, &user, &role)).await
    }

    async fn set_disabled(&self, user_id: &str, disabled: bool) -> Result<bool> {
        let user = user_id.to_owned();
        self.write(move |c| users::set_disabled(c, &user, disabled)).await
    }

    async fn open_session(&self, session: &SessionRecord) -> Result<()> {
        let session = session.clone();
        self.write(move |c| sessions::open(c, &session)).await
    }

    async fn session(&self, id: &SessionId, now: Timestamp) -> Result<Option<SessionRecord>> {
        let id = id.clone();
        self.read(move |c| sessions::one(c, &id, now)).await
    }

    async fn sessions_of(&self, user_id: &str, now: Timestamp) -> Result<Vec<SessionRecord>> {
        let user = user_id.to_owned();
        self.read(move |c| sessions::of_user(c, &user, now)).await
    }

    async fn sessions(&self, search: &str, slice: Slice, now: Timestamp) -> Result<Page<SessionRecord>> {
        let search = search.to_owned();
        self.read(move |c| sessions::page(c, &search, slice, now)).await
    }

    async fn touch(&self, seen: &[(Used, Timestamp)]) -> Result<()> {
        if seen.is_empty() {
            return Ok(());
        }
        let seen = seen.to_vec();
        self.write(move |c| {
            seen.iter().try_for_each(|(used, at)| match used {
                Used::Session(id) => sessions::seen(c, id, *at),
                Used::Token(digest) => tokens::used(c, digest, *at),
            })
        })
        .await
    }

    async fn end_session(&self, id: &SessionId) -> Result<bool> {
        let id = id.clone();
        self.write(move |c| sessions::end(c, &id)).await
    }

    async fn end_sessions_of(&self, user_id: &str) -> Result<Vec<SessionId>> {
        let user = user_id.to_owned();
        self.write(move |c| sessions::end_of_user(c, &user)).await
    }

    async fn end_sessions_at(
        &self,
        provider: &str,
        subject: Option<&str>,
        provider_sid: Option<&str>,
    ) -> Result<Vec<SessionId>> {
        let provider = provider.to_owned();
        let (subject, sid) = (subject.map(str::to_owned), provider_sid.map(str::to_owned));
        self.write(move |c| sessions::end_at_provider(c, &provider, subject.as_deref(), sid.as_deref())).await
    }

    async fn claim_once(&self, kind: Once, name: &str, until: Timestamp) -> Result<bool> {
        let name = name.to_owned();
        self.write(move |c| once::claim(c, kind, &name, until)).await
    }

    async fn put_handover(&self, digest: &[u8; 32], sealed: &[u8], until: Timestamp) -> Result<()> {
        let (digest, sealed) = (*digest, sealed.to_vec());
        self.write(move |c| once::put_handover(c, &digest, &sealed, until)).await
    }

    async fn take_handover(&self, digest: &[u8; 32], now: Timestamp) -> Result<Option<Vec<u8>>> {
        let digest = *digest;
        self.write(move |c| once::take_handover(c, &digest, now)).await
    }

    async fn put_token(&self, token: &TokenRecord) -> Result<()> {
        let token = token.clone();
        self.write(move |c| tokens::put(c, &token)).await
    }

    async fn token(&self, digest: &TokenDigest, now: Timestamp) -> Result<Option<TokenRecord>> {
        let digest = *digest;
        self.read(move |c| tokens::one(c, &digest, now)).await
    }

    async fn tokens(
        &self,
        filter: &TokenFilter,
        order: TokenOrder,
        slice: Slice,
        now: Timestamp,
    ) -> Result<Page<TokenRecord>> {
        let filter = filter.clone();
        self.read(move |c| tokens::page(c, &filter, order, slice, now)).await
    }

    async fn revoke_token(&self, digest: &TokenDigest) -> Result<bool> {
        let digest = *digest;
        self.write(move |c| tokens::revoke(c, &digest)).await
    }

    async fn rotate_token(
        &self,
        old: &TokenDigest,
        new: &TokenRecord,
        old_until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Rotated> {
        let (old, new) = (*old, new.clone());
        self.write(move |c| tokens::rotate(c, &old, &new, old_until, now)).await
    }

    async fn redigest_token(&self, old: &TokenDigest, new: &TokenDigest) -> Result<bool> {
        let (old, new) = (*old, *new);
        self.write(move |c| tokens::redigest(c, &old, &new)).await
    }

    async fn take(&self, bucket: &str, limit: Limit, want: u32, now: Timestamp) -> Result<Taken> {
        Ok(self.windows.take(bucket, limit, want, now))
    }

    async fn note(&self, activity: &[Activity]) -> Result<()> {
        let activity = activity.to_vec();
        self.write(move |c| activity::note(c, &activity)).await
    }

    async fn activity(&self, filter: &ActivityFilter, slice: Slice) -> Result<Page<Activity>> {
        let filter = filter.clone();
        self.read(move |c| activity::page(c, &filter, slice)).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<()> {
        self.windows.sweep(now);
        self.write(move |c| {
            sessions::sweep(c, now)?;
            once::sweep(c, now)?;
            tokens::sweep(c, now)?;
            activity::sweep(c)?;
            feed::sweep(c)
        })
        .await
    }

    fn changes(&self) -> mpsc::Receiver<Change> {
        let feed = self.feed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        feed::start(feed)
    }
}

/// Which file was opened. A file that was replaced underneath (a backup restored over a running server)
/// is still there for those who have it open, and everything they write into it is lost: an outage.
#[derive(Clone)]
struct Place {
    path: PathBuf,
    file: (u64, u64),
}

impl Place {
    fn make(path: &Path) -> Result<Self> {
        let fault = |error: std::io::Error| unavailable("the store's file cannot be opened", &error);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fault)?;
        }
        new_file(path, false).map_err(fault)?;
        Ok(Self { path: path.to_owned(), file: identity(path).map_err(fault)? })
    }

    fn check(&self) -> Result<()> {
        match identity(&self.path) {
            Ok(file) if file == self.file => Ok(()),
            Ok(_) => Err(StoreError::Unavailable("the store's file was replaced: restart".into())),
            Err(error) => Err(unavailable("the store's file is gone", &error)),
        }
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    let file = std::fs::metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// SQLite gives the log and the index beside the file the file's own mode.
fn new_file(path: &Path, must_be_new: bool) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if must_be_new {
        options.create_new(true)
    } else {
        options.create(true).truncate(false)
    };
    options.open(path).map(|_| ())
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn connect(path: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, flags())?;
    connection.busy_timeout(BUSY)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Unavailable(
            "the store's file system does not support a write-ahead log".into(),
        ));
    }
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

async fn blocking<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(StoreError::Unavailable("the work was interrupted".into())))
}

fn unavailable(what: &str, error: &dyn std::error::Error) -> StoreError {
    StoreError::Unavailable(format!("{what}: {error}"))
}

impl From<rusqlite::Error> for StoreError {
    /// What was read and made no sense is `Corrupt`, told without the value (it may be anybody's); all else is
    /// `Unavailable`.
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        match &error {
            E::FromSqlConversionFailure(column, ..)
            | E::IntegralValueOutOfRange(column, _)
            | E::Utf8Error(column, _)
            | E::InvalidColumnType(column, ..) => Self::Corrupt(format!("column {column}")),
            E::SqliteFailure(fault, _)
                if matches!(fault.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) =>
            {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
