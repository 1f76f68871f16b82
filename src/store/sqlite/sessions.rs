//! The session registry. A session that ended is not there.

use rusqlite::{Connection, Params, Row, params};

use super::super::page::{Page, Slice};
use super::super::{Result, SessionId, SessionRecord, StoreError};
use super::search::containing;
use crate::clock::Timestamp;

const COLUMNS: &str = "id, user_id, provider, subject, provider_sid, created_at, last_seen_at, expires_at,
    address, agent, logout_hint";

fn record(row: &Row<'_>) -> Result<SessionRecord> {
    let id: String = row.get(0)?;
    Ok(SessionRecord {
        id: SessionId::parse(&id).ok_or_else(|| StoreError::Corrupt("the name of a session".into()))?,
        user_id: row.get(1)?,
        provider: row.get(2)?,
        subject: row.get(3)?,
        provider_sid: row.get(4)?,
        created_at: Timestamp::from_millis(row.get(5)?),
        last_seen_at: Timestamp::from_millis(row.get(6)?),
        expires_at: Timestamp::from_millis(row.get(7)?),
        address: row.get(8)?,
        agent: row.get(9)?,
        logout_hint: row.get(10)?,
    })
}

/// One statement with the check for the user in it, so that a sign-in under way while its user is disabled
/// leaves no session behind for the day the user is enabled again.
pub(super) fn open(c: &Connection, s: &SessionRecord) -> Result<()> {
    c.prepare_cached(&format!(
        "INSERT INTO sessions ({COLUMNS})
         SELECT ?1, id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 FROM users WHERE id = ?2 AND disabled = 0"
    ))?
    .execute(params![
        s.id.as_str(),
        s.user_id,
        s.provider,
        s.subject,
        s.provider_sid,
        s.created_at.millis(),
        s.last_seen_at.millis(),
        s.expires_at.millis(),
        s.address,
        s.agent,
        s.logout_hint,
    ])?;
    Ok(())
}

fn select(c: &Connection, rest: &str, with: impl Params) -> Result<Vec<SessionRecord>> {
    let mut query = c.prepare_cached(&format!("SELECT {COLUMNS} FROM sessions {rest}"))?;
    query.query_and_then(with, record)?.collect()
}

pub(super) fn one(c: &Connection, id: &SessionId, now: Timestamp) -> Result<Option<SessionRecord>> {
    let found = select(c, "WHERE id = ?1 AND expires_at > ?2", params![id.as_str(), now.millis()])?;
    Ok(found.into_iter().next())
}

pub(super) fn of_user(c: &Connection, user: &str, now: Timestamp) -> Result<Vec<SessionRecord>> {
    let rest = "WHERE user_id = ?1 AND expires_at > ?2 ORDER BY created_at DESC, id";
    select(c, rest, params![user, now.millis()])
}

pub(super) fn page(
    c: &Connection,
    search: &str,
    slice: Slice,
    now: Timestamp,
) -> Result<Page<SessionRecord>> {
    let (found, search) = if search.is_empty() {
        ("?2 = ''".to_owned(), String::new())
    } else {
        let (own, value) = containing(search, &["user_id", "provider", "address"], 2);
        let (theirs, _) = containing(search, &["email"], 2);
        (format!("({own} OR user_id IN (SELECT id FROM users WHERE {theirs}))"), value)
    };
    let total: i64 = c
        .prepare_cached(&format!("SELECT count(*) FROM sessions WHERE expires_at > ?1 AND {found}"))?
        .query_row(params![now.millis(), search], |row| row.get(0))?;
    // The `+` keeps the planner on the index of the order, which ends after a page.
    let rest = format!("WHERE +expires_at > ?1 AND {found} ORDER BY created_at DESC, id LIMIT ?3 OFFSET ?4");
    let offset = i64::try_from(slice.offset).unwrap_or(i64::MAX);
    let items = select(c, &rest, params![now.millis(), search, slice.limit, offset])?;
    Ok(Page { items, total: total.unsigned_abs() })
}

pub(super) fn seen(c: &Connection, id: &SessionId, at: Timestamp) -> Result<()> {
    c.prepare_cached("UPDATE sessions SET last_seen_at = ?2 WHERE id = ?1 AND last_seen_at < ?2")?
        .execute(params![id.as_str(), at.millis()])?;
    Ok(())
}

fn end_where(c: &Connection, condition: &str, with: impl Params) -> Result<Vec<SessionId>> {
    let mut delete = c.prepare_cached(&format!("DELETE FROM sessions WHERE {condition} RETURNING id"))?;
    // A name that cannot be read is nobody's cookie: gone, and not worth failing the others for.
    let ended = delete.query_map(with, |row| {
        let name = row.get_ref(0)?;
        Ok(name.as_str().ok().and_then(SessionId::parse))
    })?;
    Ok(ended.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

pub(super) fn end(c: &Connection, id: &SessionId) -> Result<bool> {
    Ok(!end_where(c, "id = ?1", [id.as_str()])?.is_empty())
}

pub(super) fn end_of_user(c: &Connection, user: &str) -> Result<Vec<SessionId>> {
    end_where(c, "user_id = ?1", [user])
}

/// With a `sid` and a subject both must match (OpenID Connect Back-Channel Logout 1.0, section 2.6): a `sid`
/// is only unique together with its issuer, and a logout token must not end somebody else's session.
pub(super) fn end_at_provider(
    c: &Connection,
    provider: &str,
    subject: Option<&str>,
    sid: Option<&str>,
) -> Result<Vec<SessionId>> {
    match (sid, subject) {
        (Some(sid), Some(subject)) => {
            end_where(c, "provider = ?1 AND provider_sid = ?2 AND subject = ?3", [provider, sid, subject])
        }
        (Some(sid), None) => end_where(c, "provider = ?1 AND provider_sid = ?2", [provider, sid]),
        (None, Some(subject)) => end_where(c, "provider = ?1 AND subject = ?2", [provider, subject]),
        (None, None) => Ok(Vec::new()),
    }
}

pub(super) fn sweep(c: &Connection, now: Timestamp) -> Result<()> {
    c.execute("DELETE FROM sessions WHERE expires_at <= ?1", [now.millis()])?;
    Ok(())
}
