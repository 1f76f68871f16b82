//! Users and the roles granted to them.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::page::{Page, Slice};
use super::super::{Result, SignIn, StoreError, UserOrder, UserRecord};
use super::search::containing;
use super::sessions;
use crate::clock::Timestamp;

const SELECT: &str = "SELECT id, provider, subject, email, name, disabled, first_seen, last_seen,
    (SELECT json_group_array(role) FROM grants WHERE user_id = users.id) FROM users";

fn record(row: &Row<'_>) -> Result<UserRecord> {
    let granted: String = row.get(8)?;
    let mut granted: Vec<String> = serde_json::from_str(&granted)
        .map_err(|_| StoreError::Corrupt("the roles granted to a user".into()))?;
    granted.sort_unstable();
    Ok(UserRecord {
        id: row.get(0)?,
        provider: row.get(1)?,
        subject: row.get(2)?,
        email: row.get(3)?,
        name: row.get(4)?,
        granted,
        disabled: row.get(5)?,
        first_seen: Timestamp::from_millis(row.get(6)?),
        last_seen: Timestamp::from_millis(row.get(7)?),
    })
}

pub(super) fn sign_in(c: &Connection, who: &SignIn, now: Timestamp) -> Result<UserRecord> {
    c.prepare_cached(
        "INSERT INTO users (id, provider, subject, email, name, first_seen, last_seen)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
         ON CONFLICT (id) DO UPDATE SET provider = excluded.provider, subject = excluded.subject,
            email = excluded.email, name = excluded.name, last_seen = max(last_seen, excluded.last_seen)",
    )?
    .execute(params![who.user_id, who.provider, who.subject, who.email, who.name, now.millis()])?;
    one(c, &who.user_id)?.ok_or_else(|| StoreError::Corrupt("a user was written and is not there".into()))
}

pub(super) fn one(c: &Connection, id: &str) -> Result<Option<UserRecord>> {
    let mut query = c.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
    let mut rows = query.query([id])?;
    rows.next()?.map(record).transpose()
}

pub(super) fn named(c: &Connection, name: &str) -> Result<Vec<UserRecord>> {
    let mut query = c.prepare_cached(&format!("{SELECT} WHERE id = ?1 OR email = ?1 ORDER BY id"))?;
    query.query_and_then([name], record)?.collect()
}

pub(super) fn page(c: &Connection, search: &str, order: UserOrder, slice: Slice) -> Result<Page<UserRecord>> {
    let order = match order {
        UserOrder::Email => "email NULLS LAST, id",
        UserOrder::LastSeen => "last_seen DESC, id",
    };
    // Without a search the pages come from the order's index.
    let (condition, value) = match search {
        "" => ("?1 = ''".to_owned(), String::new()),
        _ => containing(search, &["id", "email", "name"], 1),
    };
    let total: i64 = c
        .prepare_cached(&format!("SELECT count(*) FROM users WHERE {condition}"))?
        .query_row([&value], |row| row.get(0))?;
    let mut query =
        c.prepare_cached(&format!("{SELECT} WHERE {condition} ORDER BY {order} LIMIT ?2 OFFSET ?3"))?;
    let offset = i64::try_from(slice.offset).unwrap_or(i64::MAX);
    let items = query.query_and_then(params![value, slice.limit, offset], record)?.collect::<Result<_>>()?;
    Ok(Page { items, total: total.unsigned_abs() })
}

fn exists(c: &Connection, id: &str) -> Result<bool> {
    let found = c.prepare_cached("SELECT 1 FROM users WHERE id = ?1")?.query_row([id], |_| Ok(()));
    Ok(found.optional()?.is_some())
}

pub(super) fn grant(c: &Connection, user: &str, role: &str) -> Result<bool> {
    if !exists(c, user)? {
        return Ok(false);
    }
    c.prepare_cached("INSERT INTO grants (user_id, role) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute([user, role])?;
    Ok(true)
}

pub(super) fn ungrant(c: &Connection, user: &str, role: &str) -> Result<bool> {
    if !exists(c, user)? {
        return Ok(false);
    }
    c.prepare_cached("DELETE FROM grants WHERE user_id = ?1 AND role = ?2")?.execute([user, role])?;
    Ok(true)
}

pub(super) fn set_disabled(c: &Connection, user: &str, disabled: bool) -> Result<bool> {
    let known =
        c.prepare_cached("UPDATE users SET disabled = ?2 WHERE id = ?1")?.execute(params![user, disabled])?;
    if known > 0 && disabled {
        sessions::end_of_user(c, user)?;
    }
    Ok(known > 0)
}
