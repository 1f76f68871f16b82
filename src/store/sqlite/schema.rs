//! The layout, as numbered steps. A step that was released is never edited; the next one is appended.

use rusqlite::{Connection, TransactionBehavior};

use super::super::{Result, StoreError};

/// Step `n` brings a file from `user_version` n to n + 1.
const STEPS: &[&str] = &[
    // Times are milliseconds since the epoch. Ended sessions are deleted, not marked: what is not there
    // cannot be let in by a forgotten condition.
    "
    CREATE TABLE users (
        id TEXT NOT NULL PRIMARY KEY,
        provider TEXT NOT NULL,
        subject TEXT NOT NULL,
        email TEXT,
        name TEXT,
        disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
        first_seen INTEGER NOT NULL,
        last_seen INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX users_by_email ON users (email, id);

    CREATE TABLE grants (
        user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        role TEXT NOT NULL,
        PRIMARY KEY (user_id, role)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE sessions (
        id TEXT NOT NULL PRIMARY KEY,
        user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        provider TEXT NOT NULL,
        subject TEXT NOT NULL,
        provider_sid TEXT,
        created_at INTEGER NOT NULL,
        last_seen_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        address TEXT,
        agent TEXT,
        logout_hint BLOB
    ) STRICT;
    CREATE INDEX sessions_newest ON sessions (created_at DESC, id);
    CREATE INDEX sessions_of_user ON sessions (user_id, created_at DESC, id);
    CREATE INDEX sessions_of_subject ON sessions (provider, subject);
    CREATE INDEX sessions_of_sid ON sessions (provider, provider_sid) WHERE provider_sid IS NOT NULL;
    CREATE INDEX sessions_by_expiry ON sessions (expires_at);

    CREATE TABLE used_once (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        until INTEGER NOT NULL,
        PRIMARY KEY (kind, name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX used_once_by_expiry ON used_once (until);

    CREATE TABLE handovers (
        digest BLOB NOT NULL PRIMARY KEY,
        sealed BLOB NOT NULL,
        until INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX handovers_by_expiry ON handovers (until);

    CREATE TABLE changes (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        name TEXT NOT NULL
    ) STRICT;
    CREATE TRIGGER tell_session_ended AFTER DELETE ON sessions BEGIN
        INSERT INTO changes (kind, name) VALUES ('session', old.id);
    END;
    CREATE TRIGGER tell_user AFTER UPDATE OF email, name, disabled ON users
    WHEN old.email IS NOT new.email OR old.name IS NOT new.name OR old.disabled IS NOT new.disabled BEGIN
        INSERT INTO changes (kind, name) VALUES ('user', new.id);
    END;
    CREATE TRIGGER tell_user_gone AFTER DELETE ON users BEGIN
        INSERT INTO changes (kind, name) VALUES ('user', old.id);
    END;
    CREATE TRIGGER tell_granted AFTER INSERT ON grants BEGIN
        INSERT INTO changes (kind, name) VALUES ('user', new.user_id);
    END;
    CREATE TRIGGER tell_ungranted AFTER DELETE ON grants BEGIN
        INSERT INTO changes (kind, name) VALUES ('user', old.user_id);
    END;
    ",
    // Lists in a token are JSON: they are read whole, never joined.
    "
    CREATE TABLE tokens (
        digest TEXT NOT NULL PRIMARY KEY,
        id TEXT,
        name TEXT,
        email TEXT,
        comment TEXT,
        hosts TEXT NOT NULL,
        roles TEXT NOT NULL,
        scopes TEXT NOT NULL,
        owner TEXT,
        vested TEXT NOT NULL,
        rate INTEGER,
        created_at INTEGER,
        expires_at INTEGER,
        last_used_at INTEGER
    ) STRICT;
    CREATE INDEX tokens_newest ON tokens (created_at DESC, digest);
    CREATE INDEX tokens_by_name ON tokens (lower(name), digest);
    CREATE INDEX tokens_of_owner ON tokens (owner) WHERE owner IS NOT NULL;
    CREATE INDEX tokens_by_expiry ON tokens (expires_at) WHERE expires_at IS NOT NULL;
    CREATE TRIGGER tell_token_gone AFTER DELETE ON tokens BEGIN
        INSERT INTO changes (kind, name) VALUES ('token', old.digest);
    END;
    CREATE TRIGGER tell_token_renamed AFTER UPDATE OF digest ON tokens BEGIN
        INSERT INTO changes (kind, name) VALUES ('token', old.digest);
    END;
    CREATE TRIGGER tell_token_replaced
    AFTER UPDATE OF name, email, hosts, roles, scopes, owner, vested, rate, expires_at ON tokens BEGIN
        INSERT INTO changes (kind, name) VALUES ('token', new.digest);
    END;

    CREATE TABLE activity (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        event TEXT NOT NULL,
        what TEXT NOT NULL,
        who TEXT,
        decision_id TEXT,
        line TEXT NOT NULL
    ) STRICT;
    CREATE INDEX activity_of_decision ON activity (decision_id) WHERE decision_id IS NOT NULL;
    CREATE INDEX users_by_last_seen ON users (last_seen DESC, id);
    ",
    "
    ALTER TABLE tokens ADD COLUMN replaced_at INTEGER;
    CREATE INDEX tokens_by_end ON tokens (expires_at IS NULL, expires_at, digest);

    ALTER TABLE activity ADD COLUMN share INTEGER NOT NULL DEFAULT 2;
    CREATE INDEX activity_of_share ON activity (share, seq);
    ",
];

/// Brings the file to this version's layout, all steps or none; two processes may try at once.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let have: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(have).unwrap_or(usize::MAX);
    if done > STEPS.len() {
        return Err(StoreError::Corrupt(format!("layout {have} is newer than this version knows")));
    }
    for step in STEPS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    let now = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    transaction.pragma_update(None, "user_version", now)?;
    transaction.commit()?;
    Ok(())
}
