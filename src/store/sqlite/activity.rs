//! What happened lately.

use rusqlite::{Connection, Row, params, params_from_iter};

use super::super::Result;
use super::super::activity::{Activity, ActivityFilter, Share};
use super::super::page::{Page, Slice};
use super::search::containing;
use crate::clock::Timestamp;

fn record(row: &Row<'_>) -> Result<Activity> {
    Ok(Activity {
        at: Timestamp::from_millis(row.get(0)?),
        event: row.get(1)?,
        what: row.get(2)?,
        who: row.get(3)?,
        decision_id: row.get(4)?,
        line: row.get(5)?,
    })
}

pub(super) fn note(c: &Connection, activity: &[Activity]) -> Result<()> {
    let mut insert = c.prepare_cached(
        "INSERT INTO activity (at, event, what, who, decision_id, line, share) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for one in activity {
        let share = one.share() as u8;
        insert.execute(params![
            one.at.millis(),
            one.event,
            one.what,
            one.who,
            one.decision_id,
            one.line,
            share
        ])?;
    }
    Ok(())
}

pub(super) fn page(c: &Connection, filter: &ActivityFilter, slice: Slice) -> Result<Page<Activity>> {
    let mut conditions = vec!["true".to_owned()];
    let mut with: Vec<rusqlite::types::Value> = Vec::new();
    let exact = [("event", &filter.event), ("what", &filter.what), ("decision_id", &filter.decision_id)];
    for (column, value) in exact {
        if let Some(value) = value {
            with.push(value.clone().into());
            conditions.push(format!("{column} = ?{}", with.len()));
        }
    }
    if !filter.search.is_empty() {
        let (found, value) = containing(&filter.search, &["who", "line"], with.len() + 1);
        with.push(value.into());
        conditions.push(found);
    }
    let condition = conditions.join(" AND ");
    let total: i64 = c
        .prepare_cached(&format!("SELECT count(*) FROM activity WHERE {condition}"))?
        .query_row(params_from_iter(&with), |row| row.get(0))?;
    let (limit, offset) = (slice.limit, i64::try_from(slice.offset).unwrap_or(i64::MAX));
    let mut query = c.prepare_cached(&format!(
        "SELECT at, event, what, who, decision_id, line FROM activity WHERE {condition}
         ORDER BY seq DESC LIMIT {limit} OFFSET {offset}"
    ))?;
    let items = query.query_and_then(params_from_iter(&with), record)?.collect::<Result<_>>()?;
    Ok(Page { items, total: total.unsigned_abs() })
}

pub(super) fn sweep(c: &Connection) -> Result<()> {
    for share in Share::ALL {
        c.prepare_cached(
            "DELETE FROM activity WHERE share = ?1 AND seq <=
                (SELECT seq FROM activity WHERE share = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![share as u8, share.kept()])?;
    }
    Ok(())
}
