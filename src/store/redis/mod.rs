//! Redis or Valkey, shared by any number of gateways: one server, a master that sentinels watch, or a cluster.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`dial`] | how the servers are reached |
//! | [`link`] | the connection that calls go over: deadlines, and connecting again |
//! | [`feed`] | what changes, told within a second |
//! | [`names`], [`fields`], [`script`] | keys, signed records, Lua |
//! | [`users`], [`sessions`], [`tokens`], [`activity`], [`small`] | what is kept |
//! | [`lists`], [`listing`] | pages and searches |
//!
//! Who can write to Redis can delete, and can bring back what was deleted, but can make nobody: users, sessions and
//! tokens are signed together with their keys by the session keys, and what does not verify is
//! [`StoreError::Corrupt`](super::StoreError::Corrupt).

mod activity;
mod dial;
mod feed;
mod fields;
mod link;
mod listing;
mod lists;
mod names;
mod script;
mod sessions;
mod small;
mod tokens;
mod users;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::dial::Dial;
use self::feed::Feed;
use self::link::{Link, State};
use self::listing::Listing;
use self::names::Names;
use super::activity::{Activity, ActivityFilter};
use super::page::{Page, Slice};
use super::rate::{Limit, Taken};
use super::record_keys::RecordKeys;
use super::token::{Rotated, TokenDigest, TokenFilter, TokenOrder, TokenRecord, Used};
use super::{
    Change, Once, Result, SessionId, SessionRecord, SignIn, Store, StoreError, UserOrder, UserRecord,
};
use crate::clock::Timestamp;
use crate::config::RedisUrl;

/// What several scripts share.
const LIB: &str = include_str!("lua/lib.lua");
/// Searches at once; each keeps Redis busy for a while.
const SEARCHES: usize = 4;
/// Changes that may wait for the reader.
const BACKLOG: usize = 1024;

/// The shared store.
pub struct RedisStore {
    names: Names,
    keys: RecordKeys,
    dial: Arc<Dial>,
    link: Arc<Link>,
    listing: Arc<Listing>,
    searches: Semaphore,
    changes: Mutex<Option<mpsc::Receiver<Change>>>,
    _stop: DropGuard,
}

impl RedisStore {
    /// Begins to connect, and waits for the first attempt. A server that is away is no error: it is tried again and
    /// again, and until then every call is refused. Call within a Tokio runtime; the tasks end when the store is
    /// dropped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] for what no waiting mends: a wrong password or certificate, the wrong kind of
    /// server, records signed with other keys.
    pub async fn open(url: RedisUrl, keys: RecordKeys) -> Result<Self> {
        let names = Names::new(&url.prefix);
        let dial = Arc::new(Dial::new(url)?);
        let stop = CancellationToken::new();
        let link = Link::start(Arc::clone(&dial), &names, keys.names(), stop.clone());
        let (to, changes) = mpsc::channel(BACKLOG);
        let listing = Arc::new(Listing::default());
        let feed = Feed {
            link: Arc::clone(&link),
            dial: Arc::clone(&dial),
            names: names.clone(),
            listing: Arc::clone(&listing),
            to,
        };
        let (tried, first) = oneshot::channel();
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = feed.tell(tried) => {}
            }
        });
        let store = Self {
            names,
            keys,
            dial,
            link,
            listing,
            searches: Semaphore::new(SEARCHES),
            changes: Mutex::new(Some(changes)),
            _stop: stop.drop_guard(),
        };
        // Dropped when the first attempt was made.
        let _ = first.await;
        if let State::Down(fault) = &*store.link.watch().borrow()
            && fault.lasting
        {
            return Err(StoreError::Unavailable(format!("{}: {}", store.dial.shown(), fault.reason)));
        }
        Ok(store)
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn ping(&self) -> Result<()> {
        self.try_it().await
    }

    async fn sign_in(&self, who: &SignIn, now: Timestamp) -> Result<UserRecord> {
        self.sign_in_user(who, now).await
    }

    async fn user(&self, id: &str) -> Result<Option<UserRecord>> {
        self.one_user(id).await
    }

    async fn users_named(&self, id_or_email: &str) -> Result<Vec<UserRecord>> {
        self.named_users(id_or_email).await
    }

    async fn users(&self, search: &str, order: UserOrder, slice: Slice) -> Result<Page<UserRecord>> {
        self.page_of_users(search, order, slice).await
    }

    async fn grant(&self, user_id: &str, role: &str) -> Result<bool> {
        self.grant_role(user_id, role).await
    }

    async fn ungrant(&self, user_id: &str, role: &str) -> Result<bool> {
        self.ungrant_role(user_id, role).await
    }

    async fn set_disabled(&self, user_id: &str, disabled: bool) -> Result<bool> {
        self.disable_user(user_id, disabled).await
    }

    async fn open_session(&self, session: &SessionRecord) -> Result<()> {
        self.begin_session(session).await
    }

    async fn session(&self, id: &SessionId, now: Timestamp) -> Result<Option<SessionRecord>> {
        self.one_session(id, now).await
    }

    async fn sessions_of(&self, user_id: &str, now: Timestamp) -> Result<Vec<SessionRecord>> {
        self.sessions_of_user(user_id, now).await
    }

    async fn sessions(&self, search: &str, slice: Slice, now: Timestamp) -> Result<Page<SessionRecord>> {
        self.page_of_sessions(search, slice, now).await
    }

    async fn touch(&self, seen: &[(Used, Timestamp)]) -> Result<()> {
        self.touch_all(seen).await
    }

    async fn end_session(&self, id: &SessionId) -> Result<bool> {
        self.end_one(id).await
    }

    async fn end_sessions_of(&self, user_id: &str) -> Result<Vec<SessionId>> {
        self.end_of_user(user_id).await
    }

    async fn end_sessions_at(
        &self,
        provider: &str,
        subject: Option<&str>,
        provider_sid: Option<&str>,
    ) -> Result<Vec<SessionId>> {
        self.end_at_provider(provider, subject, provider_sid).await
    }

    async fn claim_once(&self, kind: Once, name: &str, until: Timestamp) -> Result<bool> {
        self.claim(kind, name, until).await
    }

    async fn put_handover(&self, digest: &[u8; 32], sealed: &[u8], until: Timestamp) -> Result<()> {
        self.keep_handover(digest, sealed, until).await
    }

    async fn take_handover(&self, digest: &[u8; 32], now: Timestamp) -> Result<Option<Vec<u8>>> {
        self.give_handover(digest, now).await
    }

    async fn put_token(&self, token: &TokenRecord) -> Result<()> {
        self.write_token(token).await
    }

    async fn token(&self, digest: &TokenDigest, now: Timestamp) -> Result<Option<TokenRecord>> {
        Ok(self.find_token(digest, now).await?.map(|found| found.token))
    }

    async fn tokens(
        &self,
        filter: &TokenFilter,
        order: TokenOrder,
        slice: Slice,
        now: Timestamp,
    ) -> Result<Page<TokenRecord>> {
        self.page_of_tokens(filter, order, slice, now).await
    }

    async fn revoke_token(&self, digest: &TokenDigest) -> Result<bool> {
        self.delete_token(digest).await
    }

    async fn rotate_token(
        &self,
        old: &TokenDigest,
        new: &TokenRecord,
        old_until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Rotated> {
        self.replace_token(old, new, old_until, now).await
    }

    async fn redigest_token(&self, old: &TokenDigest, new: &TokenDigest) -> Result<bool> {
        self.rename_token(old, new).await
    }

    async fn take(&self, bucket: &str, limit: Limit, want: u32, now: Timestamp) -> Result<Taken> {
        self.take_of(bucket, limit, want, now).await
    }

    async fn note(&self, activity: &[Activity]) -> Result<()> {
        self.write_activity(activity).await
    }

    async fn activity(&self, filter: &ActivityFilter, slice: Slice) -> Result<Page<Activity>> {
        self.read_activity(filter, slice).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<()> {
        self.sweep_all(now).await
    }

    fn changes(&self) -> mpsc::Receiver<Change> {
        let taken = self.changes.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Taken before: closed from the start.
        taken.unwrap_or_else(|| mpsc::channel(1).1)
    }
}
