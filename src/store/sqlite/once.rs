//! What may be used once: names, and sealed hand-overs.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::{Once, Result};
use crate::clock::Timestamp;

pub(super) fn claim(c: &Connection, kind: Once, name: &str, until: Timestamp) -> Result<bool> {
    let first = c
        .prepare_cached(
            "INSERT INTO used_once (kind, name, until) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?
        .execute(params![kind.as_str(), name, until.millis()])?;
    Ok(first == 1)
}

pub(super) fn put_handover(c: &Connection, digest: &[u8; 32], sealed: &[u8], until: Timestamp) -> Result<()> {
    c.prepare_cached("INSERT INTO handovers (digest, sealed, until) VALUES (?1, ?2, ?3)")?
        .execute(params![digest, sealed, until.millis()])?;
    Ok(())
}

/// Gone after the first look, in time or late.
pub(super) fn take_handover(c: &Connection, digest: &[u8; 32], now: Timestamp) -> Result<Option<Vec<u8>>> {
    let taken: Option<(Vec<u8>, i64)> = c
        .prepare_cached("DELETE FROM handovers WHERE digest = ?1 RETURNING sealed, until")?
        .query_row([digest], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(taken.filter(|(_, until)| *until > now.millis()).map(|(sealed, _)| sealed))
}

pub(super) fn sweep(c: &Connection, now: Timestamp) -> Result<()> {
    c.execute("DELETE FROM used_once WHERE until <= ?1", [now.millis()])?;
    c.execute("DELETE FROM handovers WHERE until <= ?1", [now.millis()])?;
    Ok(())
}
