//! What only the embedded store promises: about its file, and about other hands in it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use doorward::config::StoreUrl;
use doorward::store::sqlite::SqliteStore;
use doorward::store::{self, Change, RecordKeys, Store, StoreError};
use rusqlite::Connection;
use tokio::sync::mpsc::Receiver;

use super::{Backend, NOW, at, sid, user_with};

/// A file in a folder of its own, which goes with it.
pub(super) struct File {
    folder: tempfile::TempDir,
}

impl File {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("data/doorward.db")
    }

    /// The hand of somebody who is not Doorward.
    fn by_hand(&self, sql: &str) {
        Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }
}

#[async_trait::async_trait]
impl Backend for File {
    async fn open(&self) -> Arc<dyn Store> {
        let url = StoreUrl::Sqlite("doorward.db".into());
        store::open(&url, &self.folder.path().join("data"), &RecordKeys::new([])).await.unwrap()
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn next(changes: &mut Receiver<Change>) -> Change {
    tokio::time::timeout(Duration::from_secs(1), changes.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn nobody_else_can_read_the_files() {
    let file = File::new();
    let store = file.open().await;
    user_with(&*store, "ada", &[1]).await;
    assert_eq!(mode(file.path().parent().unwrap()), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(file.path().parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{path:?}");
        files += 1;
    }
    assert!(files >= 2, "the log is there too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_open_a_new_file_at_once() {
    let file = Arc::new(File::new());
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let file = Arc::clone(&file);
        opening.spawn(async move { file.open().await.ping().await.unwrap() });
    }
    opening.join_all().await;
}

#[tokio::test]
async fn a_record_that_makes_no_sense_is_corrupt_and_harms_no_other() {
    let file = File::new();
    let store = file.open().await;
    user_with(&*store, "ada", &[1]).await;
    user_with(&*store, "bob", &[2]).await;
    file.by_hand("UPDATE users SET name = CAST(x'ff' AS TEXT) WHERE id = 'ada'");
    file.by_hand("UPDATE sessions SET agent = CAST(x'c328' AS TEXT) WHERE id = '0000000000000000000001'");
    file.by_hand(
        "INSERT INTO sessions SELECT 'short', user_id, provider, subject, provider_sid, 1, 1, expires_at,
        address, agent, logout_hint FROM sessions WHERE user_id = 'bob'",
    );

    assert!(matches!(store.user("ada").await, Err(StoreError::Corrupt(_))));
    assert!(matches!(store.session(&sid(1), at(5)).await, Err(StoreError::Corrupt(_))));
    assert!(matches!(store.sessions_of("bob", at(5)).await, Err(StoreError::Corrupt(_))));
    assert!(store.user("bob").await.unwrap().is_some());
    assert!(store.session(&sid(2), at(5)).await.unwrap().is_some());
    assert_eq!(store.end_sessions_of("bob").await.unwrap(), [sid(2)], "what cannot be read can be ended");
    assert_eq!(store.sessions_of("bob", at(5)).await.unwrap(), []);
    assert!(store.end_session(&sid(1)).await.unwrap());
}

#[tokio::test]
async fn a_file_of_another_kind_or_time_is_refused() {
    let junk = File::new();
    std::fs::create_dir(junk.path().parent().unwrap()).unwrap();
    std::fs::write(junk.path(), "not a database, but long enough to be taken for one ".repeat(100)).unwrap();
    assert!(matches!(SqliteStore::open(&junk.path()).await, Err(StoreError::Corrupt(_))));

    let newer = File::new();
    drop(newer.open().await);
    newer.by_hand("PRAGMA user_version = 999");
    assert!(matches!(SqliteStore::open(&newer.path()).await, Err(StoreError::Corrupt(_))));

    let folder = File::new();
    std::fs::create_dir_all(folder.path()).unwrap();
    assert!(matches!(SqliteStore::open(&folder.path()).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_cannot_be_made_is_reported_in_time_and_leaves_nothing() {
    let file = File::new();
    let store = file.open().await;
    user_with(&*store, "ada", &[1, 2]).await;
    let other = Connection::open(file.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = std::time::Instant::now();
    assert!(matches!(store.end_session(&sid(1)).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    assert!(begun.elapsed() < Duration::from_secs(5));

    // Who gave up while waiting in the queue was told nothing: nothing may happen later either.
    let ahead = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.ping().await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let given_up = tokio::time::timeout(Duration::from_millis(50), store.end_session(&sid(2))).await;
    assert!(given_up.is_err());
    assert!(store.session(&sid(1), at(5)).await.unwrap().is_some(), "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    ahead.await.unwrap().unwrap();
    store.ping().await.unwrap();
    assert!(store.session(&sid(2), at(5)).await.unwrap().is_some());
    assert!(store.end_session(&sid(1)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_told_is_told_so() {
    let file = File::new();
    let store = file.open().await;
    user_with(&*store, "ada", &[1, 2]).await;
    let mut changes = store.changes();
    file.by_hand("ALTER TABLE changes RENAME TO elsewhere");
    assert_eq!(next(&mut changes).await, Change::Silent);
    store.end_session(&sid(1)).await.unwrap();
    file.by_hand("ALTER TABLE elsewhere RENAME TO changes");
    assert_eq!(next(&mut changes).await, Change::Everything);
    assert_eq!(next(&mut changes).await, Change::Telling);
    store.end_session(&sid(2)).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Session(sid(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_missed_changes_is_told_that_anything_may_have_changed() {
    let file = File::new();
    let store = file.open().await;
    user_with(&*store, "ada", &[1]).await;
    let mut changes = store.changes();
    // One transaction, so that no look falls in between.
    file.by_hand(
        "BEGIN; INSERT INTO changes (kind, name) VALUES ('user', 'x'), ('user', 'y');
         DELETE FROM changes WHERE name = 'x'; COMMIT",
    );
    assert_eq!(next(&mut changes).await, Change::Everything);
    file.by_hand("INSERT INTO changes (kind, name) VALUES ('something new', 'x')");
    assert_eq!(next(&mut changes).await, Change::Everything);
    store.end_session(&sid(1)).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Session(sid(1)));
}

#[tokio::test]
async fn old_changes_are_swept() {
    let file = File::new();
    let store = file.open().await;
    file.by_hand(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10100)
         INSERT INTO changes (kind, name) SELECT 'user', i FROM n",
    );
    store.sweep(NOW).await.unwrap();
    let left: (i64, i64) = Connection::open(file.path())
        .unwrap()
        .query_row("SELECT count(*), max(seq) FROM changes", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(left, (10_000, 10_100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_replaced_underneath_is_an_outage() {
    let file = File::new();
    let store = file.open().await;
    let mut changes = store.changes();
    let aside = file.path().with_extension("aside");
    std::fs::rename(file.path(), &aside).unwrap();
    std::fs::copy(&aside, file.path()).unwrap();
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    assert_eq!(next(&mut changes).await, Change::Silent);
}

#[tokio::test]
async fn a_backup_is_whole_private_and_opens() {
    let file = File::new();
    let store = SqliteStore::open(&file.path()).await.unwrap();
    user_with(&store, "ada", &[1]).await;
    let copy = file.folder.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    store.end_session(&sid(1)).await.unwrap();
    assert_eq!(mode(&copy), 0o600);
    assert!(store.backup(&copy).await.is_err(), "what is there is not written over");

    let restored = SqliteStore::open(&copy).await.unwrap();
    assert!(restored.session(&sid(1), at(5)).await.unwrap().is_some());
    assert!(restored.user("ada").await.unwrap().is_some());
}
