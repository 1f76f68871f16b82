//! A store for unit tests: it has rate windows and notes what happened, counts how often it is asked, and can be away.
//! Everything else it does not answer.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::windows::Windows;
use super::*;

#[derive(Default)]
pub(crate) struct Shared {
    windows: Windows,
    away: AtomicBool,
    asked: AtomicUsize,
    noted: Mutex<Vec<Activity>>,
}

impl Shared {
    /// From now on it does not answer, or does again.
    pub(crate) fn away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// What was noted.
    pub(crate) fn noted(&self) -> Vec<Activity> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ask(&self) -> Result<()> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) { unanswered() } else { Ok(()) }
    }
}

fn unanswered<T>() -> Result<T> {
    Err(StoreError::Unavailable("it is away".to_owned()))
}

#[async_trait]
impl Store for Shared {
    async fn take(&self, bucket: &str, limit: Limit, want: u32, now: Timestamp) -> Result<Taken> {
        self.ask()?;
        Ok(self.windows.take(bucket, limit, want, now))
    }
    async fn note(&self, activity: &[Activity]) -> Result<()> {
        self.ask()?;
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(activity);
        Ok(())
    }
    fn changes(&self) -> mpsc::Receiver<Change> {
        mpsc::channel(1).1
    }

    async fn ping(&self) -> Result<()> {
        unanswered()
    }
    async fn sign_in(&self, _: &SignIn, _: Timestamp) -> Result<UserRecord> {
        unanswered()
    }
    async fn user(&self, _: &str) -> Result<Option<UserRecord>> {
        unanswered()
    }
    async fn users_named(&self, _: &str) -> Result<Vec<UserRecord>> {
        unanswered()
    }
    async fn users(&self, _: &str, _: UserOrder, _: Slice) -> Result<Page<UserRecord>> {
        unanswered()
    }
    async fn grant(&self, _: &str, _: &str) -> Result<bool> {
        unanswered()
    }
    async fn ungrant(&self, _: &str, _: &str) -> Result<bool> {
        unanswered()
    }
    async fn set_disabled(&self, _: &str, _: bool) -> Result<bool> {
        unanswered()
    }
    async fn open_session(&self, _: &SessionRecord) -> Result<()> {
        unanswered()
    }
    async fn session(&self, _: &SessionId, _: Timestamp) -> Result<Option<SessionRecord>> {
        unanswered()
    }
    async fn sessions_of(&self, _: &str, _: Timestamp) -> Result<Vec<SessionRecord>> {
        unanswered()
    }
    async fn sessions(&self, _: &str, _: Slice, _: Timestamp) -> Result<Page<SessionRecord>> {
        unanswered()
    }
    async fn touch(&self, _: &[(Used, Timestamp)]) -> Result<()> {
        unanswered()
    }
    async fn end_session(&self, _: &SessionId) -> Result<bool> {
        unanswered()
    }
    async fn end_sessions_of(&self, _: &str) -> Result<Vec<SessionId>> {
        unanswered()
    }
    async fn end_sessions_at(&self, _: &str, _: Option<&str>, _: Option<&str>) -> Result<Vec<SessionId>> {
        unanswered()
    }
    async fn claim_once(&self, _: Once, _: &str, _: Timestamp) -> Result<bool> {
        unanswered()
    }
    async fn put_handover(&self, _: &[u8; 32], _: &[u8], _: Timestamp) -> Result<()> {
        unanswered()
    }
    async fn take_handover(&self, _: &[u8; 32], _: Timestamp) -> Result<Option<Vec<u8>>> {
        unanswered()
    }
    async fn put_token(&self, _: &TokenRecord) -> Result<()> {
        unanswered()
    }
    async fn token(&self, _: &TokenDigest, _: Timestamp) -> Result<Option<TokenRecord>> {
        unanswered()
    }
    async fn tokens(
        &self,
        _: &TokenFilter,
        _: TokenOrder,
        _: Slice,
        _: Timestamp,
    ) -> Result<Page<TokenRecord>> {
        unanswered()
    }
    async fn revoke_token(&self, _: &TokenDigest) -> Result<bool> {
        unanswered()
    }
    async fn rotate_token(
        &self,
        _: &TokenDigest,
        _: &TokenRecord,
        _: Option<Timestamp>,
        _: Timestamp,
    ) -> Result<Rotated> {
        unanswered()
    }
    async fn redigest_token(&self, _: &TokenDigest, _: &TokenDigest) -> Result<bool> {
        unanswered()
    }
    async fn activity(&self, _: &ActivityFilter, _: Slice) -> Result<Page<Activity>> {
        unanswered()
    }
    async fn sweep(&self, _: Timestamp) -> Result<()> {
        unanswered()
    }
}
