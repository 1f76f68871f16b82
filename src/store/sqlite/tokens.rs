//! API tokens. One that was revoked is not there.

use rusqlite::{Connection, Row, params, params_from_iter};

use super::super::page::{Page, Slice};
use super::super::token::{Rotated, TokenDigest, TokenFilter, TokenOrder, TokenRecord};
use super::super::{Result, StoreError};
use super::search::containing;
use crate::clock::Timestamp;

const COLUMNS: &str = "digest, name, email, comment, hosts, roles, scopes, owner, vested, rate, created_at, \
    expires_at, last_used_at, id, replaced_at";

fn record(row: &Row<'_>) -> Result<TokenRecord> {
    let digest: String = row.get(0)?;
    let list = |column: usize| -> Result<Vec<String>> {
        let text: String = row.get(column)?;
        serde_json::from_str(&text).map_err(|_| StoreError::Corrupt(format!("column {column} of a token")))
    };
    let time = |column: usize| -> Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
    };
    Ok(TokenRecord {
        digest: TokenDigest::parse(&digest)
            .ok_or_else(|| StoreError::Corrupt("the digest of a token".into()))?,
        name: row.get(1)?,
        email: row.get(2)?,
        comment: row.get(3)?,
        hosts: list(4)?,
        roles: list(5)?,
        scopes: list(6)?,
        owner: row.get(7)?,
        vested: list(8)?,
        limit: row.get(9)?,
        created_at: time(10)?,
        expires_at: time(11)?,
        last_used_at: time(12)?,
        id: row.get(13)?,
        replaced_at: time(14)?,
    })
}

pub(super) fn put(c: &Connection, token: &TokenRecord) -> Result<()> {
    let list = |texts: &[String]| serde_json::Value::from(texts).to_string();
    c.prepare_cached(&format!(
        "INSERT INTO tokens ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT (digest) DO UPDATE SET name = excluded.name, email = excluded.email,
            comment = excluded.comment, hosts = excluded.hosts, roles = excluded.roles,
            scopes = excluded.scopes, owner = excluded.owner, vested = excluded.vested, rate = excluded.rate,
            created_at = excluded.created_at, expires_at = excluded.expires_at,
            last_used_at = excluded.last_used_at, id = excluded.id, replaced_at = excluded.replaced_at"
    ))?
    .execute(params![
        token.digest.to_string(),
        token.name,
        token.email,
        token.comment,
        list(&token.hosts),
        list(&token.roles),
        list(&token.scopes),
        token.owner,
        list(&token.vested),
        token.limit,
        token.created_at.map(Timestamp::millis),
        token.expires_at.map(Timestamp::millis),
        token.last_used_at.map(Timestamp::millis),
        token.id,
        token.replaced_at.map(Timestamp::millis),
    ])?;
    Ok(())
}

pub(super) fn one(c: &Connection, digest: &TokenDigest, now: Timestamp) -> Result<Option<TokenRecord>> {
    let mut query = c.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM tokens WHERE digest = ?1 AND (expires_at IS NULL OR expires_at > ?2)"
    ))?;
    let mut rows = query.query(params![digest.to_string(), now.millis()])?;
    rows.next()?.map(record).transpose()
}

pub(super) fn page(
    c: &Connection,
    filter: &TokenFilter,
    order: TokenOrder,
    slice: Slice,
    now: Timestamp,
) -> Result<Page<TokenRecord>> {
    let order = match order {
        TokenOrder::Newest => "created_at DESC, digest",
        TokenOrder::Name => "lower(name) NULLS LAST, digest",
        // As the index has them.
        TokenOrder::Ends if filter.ends_before.is_some() => "expires_at, digest",
        TokenOrder::Ends => "expires_at IS NULL, expires_at, digest",
    };
    let mut condition = "(expires_at IS NULL OR +expires_at > ?1)".to_owned();
    let mut with: Vec<rusqlite::types::Value> = vec![now.millis().into()];
    if let Some(owner) = &filter.owner {
        with.push(owner.clone().into());
        condition += &format!(" AND owner = ?{}", with.len());
    }
    if let Some(before) = filter.ends_before {
        with.push(before.millis().into());
        condition += &format!(" AND (expires_at IS NULL) = 0 AND expires_at < ?{}", with.len());
    }
    if !filter.search.is_empty() {
        let columns = ["name", "email", "comment", "hosts", "digest", "id"];
        let (found, value) = containing(&filter.search, &columns, with.len() + 1);
        with.push(value.into());
        condition += &format!(" AND {found}");
    }
    let total: i64 = c
        .prepare_cached(&format!("SELECT count(*) FROM tokens WHERE {condition}"))?
        .query_row(params_from_iter(&with), |row| row.get(0))?;
    let (limit, offset) = (slice.limit, i64::try_from(slice.offset).unwrap_or(i64::MAX));
    let mut query = c.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM tokens WHERE {condition} ORDER BY {order} LIMIT {limit} OFFSET {offset}"
    ))?;
    let items = query.query_and_then(params_from_iter(&with), record)?.collect::<Result<_>>()?;
    Ok(Page { items, total: total.unsigned_abs() })
}

pub(super) fn revoke(c: &Connection, digest: &TokenDigest) -> Result<bool> {
    Ok(c.prepare_cached("DELETE FROM tokens WHERE digest = ?1")?.execute([digest.to_string()])? > 0)
}

pub(super) fn rotate(
    c: &Connection,
    old: &TokenDigest,
    new: &TokenRecord,
    old_until: Option<Timestamp>,
    now: Timestamp,
) -> Result<Rotated> {
    let Some(found) = one(c, old, now)? else { return Ok(Rotated::Absent) };
    if found.replaced_at.is_some() {
        return Ok(Rotated::Before);
    }
    put(c, new)?;
    match old_until {
        Some(until) => put(c, &found.replaced(until, now))?,
        None => {
            revoke(c, old)?;
        }
    }
    Ok(Rotated::Done)
}

pub(super) fn redigest(c: &Connection, old: &TokenDigest, new: &TokenDigest) -> Result<bool> {
    let (old, new) = (old.to_string(), new.to_string());
    let moved = c
        .prepare_cached(
            "UPDATE OR IGNORE tokens SET digest = ?2, id = coalesce(id, substr(?1, 1, 16)) WHERE digest = ?1",
        )?
        .execute([&old, &new])?;
    Ok(moved > 0)
}

pub(super) fn used(c: &Connection, digest: &TokenDigest, at: Timestamp) -> Result<()> {
    c.prepare_cached(
        "UPDATE tokens SET last_used_at = ?2 WHERE digest = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)",
    )?
    .execute(params![digest.to_string(), at.millis()])?;
    Ok(())
}

pub(super) fn sweep(c: &Connection, now: Timestamp) -> Result<()> {
    c.execute("DELETE FROM tokens WHERE expires_at <= ?1", [now.millis()])?;
    Ok(())
}
