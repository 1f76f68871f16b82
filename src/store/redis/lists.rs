//! Pages of what indexes hold: by rank where nothing is searched for, else by looking through the index a part at a
//! time, so that no script holds Redis up for long.

use std::collections::HashMap;

use tokio::time::{Instant, timeout_at};

use super::super::page::{Page, Slice};
use super::super::{Result, StoreError};
use super::fields::Fields;
use super::link::as_store_error;
use super::script::{Call, Script};
use super::{LIB, RedisStore};
use crate::clock::Timestamp;

static PAGE: Script = Script::new(&[LIB, include_str!("lua/page.lua")]);

/// Entries looked at in one go: a millisecond or two of Redis.
const PART: i64 = 500;
/// How long a search may take in all.
const SEARCH: std::time::Duration = std::time::Duration::from_secs(10);
/// Where a list ends for everybody.
pub(super) const FAR: u64 = 1 << 40;

/// How a list is looked through.
pub(super) struct Scan<'a> {
    pub(super) script: &'static Script,
    pub(super) index: &'a str,
    /// The last arguments of the script.
    pub(super) last: &'a [String],
}

/// When entries of an index end.
pub(super) struct Ends {
    pub(super) index: String,
    /// Where names of what ended lead to members, when those are not the names.
    pub(super) entries: Option<String>,
}

impl RedisStore {
    /// A page by rank, less what ended. Nothing when too much ended since it was last swept.
    pub(super) async fn page_of(
        &self,
        index: &str,
        ends: Option<&Ends>,
        slice: Slice,
        now: Timestamp,
    ) -> Result<Option<Page<Vec<u8>>>> {
        let mut call = Call::new(&PAGE).key(index);
        if let Some(ends) = ends {
            call = call.key(ends.index.as_str());
            if let Some(entries) = &ends.entries {
                call = call.key(entries.as_str());
            }
        }
        let call = call.arg(slice.offset.min(FAR)).arg(slice.limit).arg(now.millis());
        let page: Option<(i64, Vec<Vec<u8>>)> = self.link.call(&call).await?;
        Ok(page.map(|(total, items)| Page { items, total: u64::try_from(total).unwrap_or(0) }))
    }

    /// A page of what holds the needle.
    pub(super) async fn scan(&self, scan: &Scan<'_>, needle: &str, slice: Slice) -> Result<Page<Vec<u8>>> {
        let deadline = Instant::now() + SEARCH;
        let late = || StoreError::Unavailable("the search took too long".into());
        let _one_of_few = timeout_at(deadline, self.searches.acquire()).await.map_err(|_| late())?;
        let (mut from, mut total, mut items) = (0_i64, 0_u64, Vec::new());
        loop {
            let call = Call::new(scan.script)
                .key(scan.index)
                .arg(self.names.space())
                .arg(from)
                .arg(PART)
                .arg(needle)
                .arg(scan.last);
            let asked = timeout_at(deadline, self.link.call(&call)).await;
            let (seen, found): (i64, Vec<Vec<u8>>) = asked.map_err(|_| late())??;
            for member in found {
                if total >= slice.offset && total - slice.offset < u64::from(slice.limit) {
                    items.push(member);
                }
                total += 1;
            }
            from += seen;
            if seen < PART {
                return Ok(Page { items, total });
            }
        }
    }

    /// Hashes under our prefix, read in one go; what is no hash is corrupt.
    pub(super) async fn hashes(&self, keys: Vec<String>) -> Result<Vec<Option<Fields>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut ask = redis::pipe();
        for key in &keys {
            ask.cmd("HGETALL").arg(key);
        }
        ask.ignore_errors();
        let all: Vec<redis::RedisResult<HashMap<String, Vec<u8>>>> =
            self.link.run(async |mut wire| ask.query_async(&mut wire).await).await?;
        let mut read = Vec::with_capacity(keys.len());
        for (key, answer) in keys.into_iter().zip(all) {
            match answer.map_err(|error| as_store_error(&error)) {
                Ok(fields) => read.push(Fields::read(key, fields)),
                Err(error) => {
                    readable::<()>(Err(error))?;
                    read.push(None);
                }
            }
        }
        Ok(read)
    }
}

/// In a list, what cannot be read is left out and logged: one bad record must not hide all the others.
pub(super) fn readable<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(record) => Ok(Some(record)),
        Err(error @ StoreError::Corrupt(_)) => {
            tracing::warn!(%error, "left out of a list");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What members of an index by text begin with, for this text; see `lua/lib.lua`.
pub(super) fn text_member(text: &str) -> Vec<u8> {
    let mut member = vec![b'1'];
    for byte in text.bytes() {
        member.push(byte);
        if byte == 0 {
            member.push(0xff);
        }
    }
    member.push(0);
    member
}

/// The id in a member of an index by text.
pub(super) fn id_of(member: &[u8]) -> Option<String> {
    let (kind, rest) = member.split_first()?;
    let id = match kind {
        b'2' => rest,
        _ => {
            let mut from = 0;
            loop {
                let nul = from + rest.get(from..)?.iter().position(|byte| *byte == 0)?;
                match rest.get(nul + 1) {
                    Some(0xff) => from = nul + 2,
                    _ => break rest.get(nul + 1..)?,
                }
            }
        }
    };
    String::from_utf8(id.to_vec()).ok()
}
