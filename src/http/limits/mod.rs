//! How often who may: requests of one user or token, failed credentials of one client, the administrator's password.
//!
//! Windows slide, and are shared through the store between all that use it. Neither the hot path nor a flood may cost
//! a question to the store each, so there is something before it:
//!
//! - requests are spent from a **lease**: a small batch taken from the shared window at once ([`lease`]). Whatever the
//!   number of replicas, the total never exceeds the limit; it may end a batch below it.
//! - failures are counted **in the process first**: a client that is over the limit there is told so without the store.
//!
//! Where the store does not answer, the same windows go on in the process alone: a limit is never without one.

pub mod admin;
mod lease;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use tokio::sync::Semaphore;

use self::admin::Admins;
use self::lease::{Lease, Leases, Spent};
use crate::clock::Timestamp;
use crate::config::RateLimit;
use crate::store::Store;
use crate::store::rate::{Limit, Taken};
use crate::store::windows::Windows;

/// The window of failed credentials.
const MINUTE: Duration = Duration::from_secs(60);
/// Failures that ask the store at the same time; those beyond count in the process alone, so that a flood from many
/// clients is no flood of questions.
const ASKING: usize = 64;
/// After the store did not answer, it is not asked again for so long.
const PAUSE: Duration = Duration::from_secs(1);

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Failed credentials of one client.
    Client,
    /// Requests of one user.
    User,
    /// Requests of one API token.
    Token,
    /// Failed sign-ins as an administrator.
    Admin,
}

/// Somebody is over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which.
    pub whose: Whose,
    /// The limit they are over.
    pub limit: Limit,
    /// When one more is to be had.
    pub again_in: Duration,
}

impl Refused {
    /// Whole seconds until it is worth another try; at least one.
    #[must_use]
    pub fn secs(&self) -> u32 {
        u32::try_from(self.again_in.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
    }

    /// `Retry-After` (RFC 9110 10.2.3), and the fields of draft-ietf-httpapi-ratelimit-headers in the form that is
    /// deployed (its versions 03 to 07): three numbers, and the policy with its window in seconds.
    #[must_use]
    pub fn headers(&self) -> [(HeaderName, HeaderValue); 5] {
        const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
        const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
        const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
        const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
        let window = self.limit.window.as_millis().div_ceil(1000);
        let policy = HeaderValue::from_str(&format!("{};w={window}", self.limit.max));
        [
            (RETRY_AFTER, HeaderValue::from(self.secs())),
            (LIMIT, HeaderValue::from(self.limit.max)),
            (REMAINING, HeaderValue::from(0)),
            (RESET, HeaderValue::from(self.secs())),
            (POLICY, policy.unwrap_or_else(|_| HeaderValue::from_static(""))),
        ]
    }

    /// Why, in words for the log.
    #[must_use]
    pub fn reason(&self) -> String {
        let what = match self.whose {
            Whose::Client => "failed credentials of this client",
            Whose::User => "requests of this user",
            Whose::Token => "requests of this token",
            Whose::Admin => "failed sign-ins as administrator",
        };
        format!("over the limit of {} {what} in {} s", self.limit.max, self.limit.window.as_secs())
    }
}

/// See the module.
pub struct Limits {
    store: Arc<dyn Store>,
    failures: Limit,
    users: Limit,
    tokens: Limit,
    /// Failures as this process saw them. Apart from the other windows, so that a flood of clients pushes out none of
    /// those.
    failed: Windows,
    /// What the store would count while it does not answer.
    alone: Windows,
    of_users: Leases,
    of_tokens: Leases,
    asking: Semaphore,
    /// The store is not asked before this time, in milliseconds.
    pause_until: AtomicI64,
    admins: Admins,
}

impl Limits {
    /// With nothing counted yet.
    #[must_use]
    pub fn new(config: &RateLimit, store: Arc<dyn Store>) -> Self {
        Self {
            store,
            failures: Limit { max: config.failures, window: MINUTE },
            users: Limit { max: config.user_max, window: config.window },
            tokens: Limit { max: config.max, window: config.window },
            failed: Windows::default(),
            alone: Windows::default(),
            of_users: Leases::new(),
            of_tokens: Leases::new(),
            asking: Semaphore::new(ASKING),
            pause_until: AtomicI64::new(i64::MIN),
            admins: Admins::default(),
        }
    }

    /// One more request of a user, by session or JWT.
    pub async fn user(&self, user_id: &str, now: Timestamp) -> Option<Refused> {
        if self.users.max == 0 {
            return None;
        }
        let lease = self.of_users.of(user_id);
        self.request(&lease, Whose::User, self.users, now, || format!("user:{user_id}")).await
    }

    /// One more request with an API token of this stable id; `own` is the token's own limit ([`TokenRecord::limit`]).
    ///
    /// [`TokenRecord::limit`]: crate::store::token::TokenRecord::limit
    pub async fn token(&self, id: &str, own: Option<u32>, now: Timestamp) -> Option<Refused> {
        let limit = Limit { max: own.unwrap_or(self.tokens.max), ..self.tokens };
        if limit.max == 0 {
            return None;
        }
        let lease = self.of_tokens.of(id);
        self.request(&lease, Whose::Token, limit, now, || format!("token:{id}")).await
    }

    /// A credential of this client was not valid. Called after it was checked: whoever brings a good one is never
    /// asked about the bad ones before it.
    pub async fn failed(&self, client: IpAddr, now: Timestamp) -> Option<Refused> {
        let limit = self.failures;
        if limit.max == 0 {
            return None;
        }
        let bucket = format!("failed:{}", place(client));
        let counted = self.count(&self.failed, &bucket, limit, now).await;
        (counted.granted == 0).then_some(Refused { whose: Whose::Client, limit, again_in: counted.again_in })
    }

    /// Forgets what ran out.
    pub fn sweep(&self, now: Timestamp) {
        self.failed.sweep(now);
        self.alone.sweep(now);
        self.admins.sweep(now);
    }

    /// Counts one in the process, then, unless it is over the limit there already, in the store.
    async fn count(&self, here: &Windows, bucket: &str, limit: Limit, now: Timestamp) -> Taken {
        let local = here.take(bucket, limit, 1, now);
        if local.granted == 0 {
            return local;
        }
        let Ok(_asking) = self.asking.try_acquire() else { return local };
        self.ask(bucket, limit, 1, now).await.unwrap_or(local)
    }

    async fn request(
        &self,
        lease: &Lease,
        whose: Whose,
        limit: Limit,
        now: Timestamp,
        bucket: impl FnOnce() -> String,
    ) -> Option<Refused> {
        let spent = match lease.spend(now) {
            // Boxed, so that the path that nearly every request takes does not carry this one's state.
            Spent::Ask => Box::pin(self.refill(lease, bucket(), limit, now)).await,
            known => known,
        };
        match spent {
            Spent::Over(again_in) => Some(Refused { whose, limit, again_in }),
            Spent::Fine | Spent::Ask => None,
        }
    }

    /// Takes the next batch; one request of a bucket at a time, the others wait and then spend from it.
    async fn refill(&self, lease: &Lease, bucket: String, limit: Limit, now: Timestamp) -> Spent {
        let _turn = lease.turn().await;
        match lease.spend(now) {
            Spent::Ask => {}
            known => return known,
        }
        let want = lease::batch(limit);
        let taken = match self.ask(&bucket, limit, want, now).await {
            Some(taken) => taken,
            None => self.alone.take(&bucket, limit, want, now),
        };
        lease.fill(taken, limit, now)
    }

    /// The store's word; `None` when it has none.
    async fn ask(&self, bucket: &str, limit: Limit, want: u32, now: Timestamp) -> Option<Taken> {
        let paused = self.pause_until.load(Ordering::Relaxed);
        // A pause in the far future is one of a clock that was set back since.
        if now.millis() < paused && now.plus(PAUSE).millis() >= paused {
            return None;
        }
        match self.store.take(bucket, limit, want, now).await {
            Ok(taken) => Some(taken),
            Err(error) => {
                self.pause_until.store(now.plus(PAUSE).millis(), Ordering::Relaxed);
                tracing::warn!(%error, "rate limits go on in this process alone");
                None
            }
        }
    }
}

/// What counts as one client: an IPv4 address; of IPv6 the /64, all of which a single line is given (RFC 6177).
fn place(client: IpAddr) -> String {
    match client.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}
