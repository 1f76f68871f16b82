//! Lists of tokens. Other programs write and delete tokens without a word, so the indexes are brought up to date when
//! a list is asked for: with what the server told of since the last time, or with all of `tokens:*` when nobody
//! listened or too much happened.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{ConnectionAddr, Value};
use tokio::time::Instant;

use super::super::page::{Page, Slice};
use super::super::token::{TokenDigest, TokenFilter, TokenOrder, TokenRecord};
use super::super::{Result, StoreError};
use super::dial::Wire;
use super::lists::{self, Ends, FAR, Scan};
use super::names::TOKENS;
use super::script::Script;
use super::{LIB, RedisStore};
use crate::clock::Timestamp;

static SCAN: Script = Script::new(&[LIB, include_str!("lua/scan_tokens.lua")]);

/// Tokens kept to be looked at; with more, all are.
const KEPT: usize = 2000;
/// How long what was told is taken for all that happened.
const FRESH: Duration = Duration::from_secs(600);
/// Keys named in one go.
const PART: usize = 1000;
/// Tokens read at the same time.
const AT_ONCE: usize = 64;

/// What lists do not know yet.
#[derive(Default)]
pub(super) struct Listing {
    todo: Mutex<Todo>,
    one_at_a_time: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Todo {
    look_at: HashSet<TokenDigest>,
    all_read: Option<Instant>,
}

impl Listing {
    /// Something about this token changed.
    pub(super) fn look_at(&self, digest: TokenDigest) {
        let mut todo = self.todo();
        if todo.look_at.len() >= KEPT {
            todo.look_at.clear();
            todo.all_read = None;
        }
        if todo.all_read.is_some() {
            todo.look_at.insert(digest);
        }
    }

    /// Anything may have changed.
    pub(super) fn look_at_all(&self) {
        self.todo().all_read = None;
    }

    fn todo(&self) -> MutexGuard<'_, Todo> {
        self.todo.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RedisStore {
    pub(super) async fn page_of_tokens(
        &self,
        filter: &TokenFilter,
        order: TokenOrder,
        slice: Slice,
        now: Timestamp,
    ) -> Result<Page<TokenRecord>> {
        self.catch_up(now).await?;
        if let Some(owner) = &filter.owner {
            return self.tokens_of(owner, filter, order, slice, now).await;
        }
        let mut page = self.listed(filter, order, slice, now).await?;
        let mut items = self.read_listed(&page.items, now).await?;
        if items.len() < page.items.len() {
            // What is gone without a word was taken out of the index: what follows moves up.
            page = self.listed(filter, order, slice, now).await?;
            items = self.read_listed(&page.items, now).await?;
        }
        Ok(Page { items, total: page.total })
    }

    async fn listed(
        &self,
        filter: &TokenFilter,
        order: TokenOrder,
        slice: Slice,
        now: Timestamp,
    ) -> Result<Page<TokenDigest>> {
        let (index, entries) = match order {
            TokenOrder::Newest => (self.names.of("tokens:new"), None),
            TokenOrder::Name => (self.names.of("tokens:name"), Some(self.names.of("tokens:entry"))),
            TokenOrder::Ends => (self.names.of("tokens:end"), None),
        };
        let ends = Ends { index: self.names.of("tokens:end"), entries };
        let page = match (filter.search.as_str(), filter.ends_before, order) {
            ("", None, _) => self.page_of(&index, Some(&ends), slice, now).await?,
            ("", Some(before), TokenOrder::Ends) => Some(self.ending(before, slice, now).await?),
            _ => None,
        };
        let page = match page {
            Some(page) => page,
            None => {
                let before = filter.ends_before.map_or_else(String::new, |at| at.millis().to_string());
                let last = [now.millis().to_string(), before];
                let scan = Scan { script: &SCAN, index: &index, last: &last };
                self.scan(&scan, &filter.search.to_ascii_lowercase(), slice).await?
            }
        };
        let digest = |member: &Vec<u8>| {
            let hex = member.get(member.len().checked_sub(64)?..)?;
            TokenDigest::parse(std::str::from_utf8(hex).ok()?)
        };
        Ok(Page { items: page.items.iter().filter_map(digest).collect(), total: page.total })
    }

    /// Those that end between now and then, the first to end first.
    async fn ending(&self, before: Timestamp, slice: Slice, now: Timestamp) -> Result<Page<Vec<u8>>> {
        let index = self.names.of("tokens:end");
        let (from, to) = (format!("({}", now.millis()), format!("({}", before.millis()));
        let mut ask = redis::pipe();
        ask.cmd("ZCOUNT").arg(&index).arg(&from).arg(&to);
        ask.cmd("ZRANGEBYSCORE").arg(&index).arg(from).arg(to);
        ask.arg("LIMIT").arg(slice.offset.min(FAR)).arg(slice.limit);
        let (total, items) = self.link.run(async |mut wire| ask.query_async(&mut wire).await).await?;
        Ok(Page { items, total })
    }

    /// The tokens in this order that have not ended; those that are not there any more leave the index.
    async fn read_listed(&self, digests: &[TokenDigest], now: Timestamp) -> Result<Vec<TokenRecord>> {
        let read: Vec<Option<TokenRecord>> = stream::iter(digests.to_vec())
            .map(move |digest| async move {
                let found = lists::readable(self.find_kept(&digest, now).await)?.flatten();
                if found.is_none() {
                    self.unindex_token(&digest).await?;
                }
                let lives = |token: &TokenRecord| token.expires_at.is_none_or(|at| at > now);
                Ok::<_, StoreError>(found.map(|found| found.token).filter(lives))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// One person's tokens are few: they are read whole.
    async fn tokens_of(
        &self,
        owner: &str,
        filter: &TokenFilter,
        order: TokenOrder,
        slice: Slice,
        now: Timestamp,
    ) -> Result<Page<TokenRecord>> {
        let mut ask = redis::cmd("SMEMBERS");
        ask.arg(self.names.of(&format!("tokens:of:{owner}")));
        let hex: Vec<String> = self.link.run(async |mut wire| ask.query_async(&mut wire).await).await?;
        let digests: Vec<TokenDigest> = hex.iter().filter_map(|hex| TokenDigest::parse(hex)).collect();
        let mut tokens = self.read_listed(&digests, now).await?;
        let needle = filter.search.to_ascii_lowercase();
        tokens.retain(|token| {
            let digest = token.digest.to_string();
            let hosts = token.hosts.iter().map(String::as_str);
            let texts = [&token.name, &token.email, &token.comment, &token.id]
                .into_iter()
                .flatten()
                .map(String::as_str);
            let ends = |before| token.expires_at.is_some_and(|end| end < before);
            token.owner.as_deref() == Some(owner)
                && filter.ends_before.is_none_or(ends)
                && hosts
                    .chain(texts)
                    .chain([digest.as_str()])
                    .any(|text| text.to_ascii_lowercase().contains(&needle))
        });
        let name = |token: &TokenRecord| token.name.as_ref().map(|name| name.to_ascii_lowercase());
        match order {
            TokenOrder::Newest => {
                tokens.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(a.digest.cmp(&b.digest)));
            }
            TokenOrder::Name => tokens.sort_by_cached_key(|token| {
                let name = name(token);
                (name.is_none(), name, token.digest)
            }),
            TokenOrder::Ends => {
                tokens.sort_by_key(|token| (token.expires_at.is_none(), token.expires_at, token.digest));
            }
        }
        let total = tokens.len() as u64;
        let from = usize::try_from(slice.offset).unwrap_or(usize::MAX);
        let items = tokens.into_iter().skip(from).take(slice.limit as usize).collect();
        Ok(Page { items, total })
    }

    /// Brings the indexes up to date.
    async fn catch_up(&self, now: Timestamp) -> Result<()> {
        let _turn = self.listing.one_at_a_time.lock().await;
        let begun = Instant::now();
        let (some, all) = {
            let mut todo = self.listing.todo();
            let all = todo.all_read.is_none_or(|at| at.elapsed() > FRESH);
            // From here on what is told counts for the next time.
            todo.all_read = Some(begun);
            (std::mem::take(&mut todo.look_at), all)
        };
        let done = self.bring_up_to_date(some, all, now).await;
        if done.is_err() {
            self.listing.look_at_all();
        }
        done
    }

    async fn bring_up_to_date(
        &self,
        mut some: HashSet<TokenDigest>,
        all: bool,
        now: Timestamp,
    ) -> Result<()> {
        if all {
            let mut listed = self.all_listed().await?;
            for digest in self.all_there().await? {
                if !listed.remove(&digest) {
                    some.insert(digest);
                }
            }
            // Listed, and not there: looked at again, as it may have come a moment ago.
            some.extend(listed);
        }
        stream::iter(some)
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, move |digest| async move {
                match lists::readable(self.find_kept(&digest, now).await)?.flatten() {
                    Some(found) => self.index_token(&found.token).await,
                    None => self.unindex_token(&digest).await,
                }
            })
            .await
    }

    async fn all_listed(&self) -> Result<HashSet<TokenDigest>> {
        let mut listed = HashSet::new();
        let mut from = 0;
        loop {
            let mut ask = redis::cmd("ZRANGE");
            ask.arg(self.names.of("tokens:end")).arg(from).arg(from + PART * 5 - 1);
            let part: Vec<String> = self.link.run(async |mut wire| ask.query_async(&mut wire).await).await?;
            listed.extend(part.iter().filter_map(|hex| TokenDigest::parse(hex)));
            if part.len() < PART * 5 {
                return Ok(listed);
            }
            from += part.len();
        }
    }

    /// Every token there is, on every server.
    async fn all_there(&self) -> Result<HashSet<TokenDigest>> {
        let servers: Vec<Option<(String, u16)>> = self
            .link
            .run(async |wire| {
                let masters = self.dial.masters(&wire, &self.names.ring()).await?;
                let address = |addr: &ConnectionAddr| match addr {
                    ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                        Some((host.clone(), *port))
                    }
                    _ => None,
                };
                Ok(masters.iter().map(|master| address(master.addr())).collect())
            })
            .await?;
        let servers = if servers.is_empty() { vec![None] } else { servers };
        let mut there = HashSet::new();
        for server in servers {
            let mut cursor = 0_u64;
            loop {
                let (next, keys) = self.scan_keys(server.clone(), cursor).await?;
                let digests =
                    keys.iter().filter_map(|key| key.strip_prefix(TOKENS)).filter_map(TokenDigest::parse);
                there.extend(digests);
                if next == 0 {
                    break;
                }
                cursor = next;
            }
        }
        Ok(there)
    }

    async fn scan_keys(&self, server: Option<(String, u16)>, cursor: u64) -> Result<(u64, Vec<String>)> {
        let mut ask = redis::cmd("SCAN");
        ask.arg(cursor).arg("MATCH").arg(format!("{TOKENS}*")).arg("COUNT").arg(PART).arg("TYPE").arg("hash");
        let answer = self
            .link
            .run(async |wire| match (wire, server) {
                (Wire::Cluster(mut all), Some((host, port))) => {
                    let to = RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress { host, port });
                    all.route_command(ask, to).await
                }
                (mut wire, _) => ask.query_async::<Value>(&mut wire).await,
            })
            .await?;
        let (next, keys): (u64, Vec<Vec<u8>>) = redis::from_redis_value(answer)
            .map_err(|error| StoreError::Corrupt(format!("the answer to SCAN: {error}")))?;
        Ok((next, keys.into_iter().filter_map(|key| String::from_utf8(key).ok()).collect()))
    }
}
