//! Failed sign-ins as administrator slow down, by address and by account.
//!
//! - An **address** (IPv6: its /64) that failed [`PER_ADDRESS`] times in five minutes is refused for the rest of them,
//!   and its password is not looked at.
//! - An **account** for which [`PER_ACCOUNT`] sign-ins failed in a quarter of an hour, from wherever, is slow from then
//!   on: every try waits [`SLOW`] before its password is looked at, at most [`SLOW_AT_ONCE`] of them at a time in a
//!   process (one more is asked to come back in a second), and an address has one failure instead of several. That
//!   holds guessing down to a few a second and locks nobody out: the right password from an address that has not
//!   failed itself is accepted a second later. Sessions with the admin role and API tokens are not concerned.
//!
//! All spellings of a name are one account.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Limits, Refused, Whose, place};
use crate::clock::Timestamp;
use crate::store::rate::{Limit, Taken};
use crate::store::windows::Windows;

/// Failures of one address in five minutes.
pub const PER_ADDRESS: u32 = 5;
/// Failures of one account, from all addresses, in a quarter of an hour.
pub const PER_ACCOUNT: u32 = 10;
/// How long a try for a slow account waits.
pub const SLOW: Duration = Duration::from_secs(1);
/// Tries for one slow account that wait at the same time, in one process.
pub const SLOW_AT_ONCE: usize = 8;

const ADDRESS: Limit = Limit { max: PER_ADDRESS, window: Duration::from_secs(300) };
const ACCOUNT: Limit = Limit { max: PER_ACCOUNT, window: Duration::from_secs(900) };
/// Names are a client's to choose.
const LONGEST_NAME: usize = 64;

/// What the process knows of such tries.
pub(super) struct Admins {
    /// [`SLOW`], except in tests.
    pub(super) slow: Duration,
    failed: Windows,
    waiting: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Default for Admins {
    fn default() -> Self {
        Self { slow: SLOW, failed: Windows::default(), waiting: Mutex::default() }
    }
}

impl Admins {
    pub(super) fn sweep(&self, now: Timestamp) {
        self.failed.sweep(now);
    }

    /// A place among those that wait for this account. Accounts for which nobody waits are forgotten.
    fn wait_for(&self, account: &str) -> Option<OwnedSemaphorePermit> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, places| places.available_permits() < SLOW_AT_ONCE);
        let places =
            waiting.entry(account.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(SLOW_AT_ONCE)));
        Arc::clone(places).try_acquire_owned().ok()
    }
}

/// A try whose password may now be looked at. Given to [`Limits::admin_failure`] when it was wrong.
#[derive(Debug)]
#[must_use = "a wrong password is to be told to Limits::admin_failure"]
pub struct Try {
    address: String,
    account: String,
    /// Held until the password was looked at.
    _place: Option<OwnedSemaphorePermit>,
}

impl Limits {
    /// Whether a password for `account`, as the client spelt it, may be looked at. Returns after [`SLOW`] where the
    /// account is slow.
    ///
    /// # Errors
    /// [`Refused`]: the password must not be looked at, be it right or wrong.
    pub async fn admin_allowed(&self, account: &str, client: IpAddr, now: Timestamp) -> Result<Try, Refused> {
        let address = format!("admin-failed:{}", place(client));
        let account = format!("admin-failed-for:{}", name_of(account));
        let slow = self.admin_look(&account, ACCOUNT, now).await.left == 0;
        let mut place = None;
        let of_address = self.admin_look(&address, ADDRESS, now).await;
        refuse_when(of_address.left == 0, of_address.again_in)?;
        if slow {
            place = self.admins.wait_for(&account);
            refuse_when(place.is_none(), SLOW)?;
            refuse_when(of_address.left < PER_ADDRESS, ADDRESS.window)?;
            tokio::time::sleep(self.admins.slow).await;
        }
        // Once more, here and without a pause before the password is looked at: many at once do not slip through.
        let here = self.admins.failed.take(&address, ADDRESS, 0, now);
        refuse_when(here.left == 0 || slow && here.left < PER_ADDRESS, here.again_in)?;
        Ok(Try { address, account, _place: place })
    }

    /// The password was wrong, or there is no such account: both are to look alike.
    pub async fn admin_failure(&self, failed: Try, now: Timestamp) {
        // The count in the process is made before anything is waited for.
        for (bucket, limit) in [(&failed.address, ADDRESS), (&failed.account, ACCOUNT)] {
            self.admins.failed.take(bucket, limit, 1, now);
        }
        for (bucket, limit) in [(&failed.address, ADDRESS), (&failed.account, ACCOUNT)] {
            let Ok(_asking) = self.asking.try_acquire() else { return };
            let _ = self.ask(bucket, limit, 1, now).await;
        }
    }

    /// How full a window is, by the process's own count and the store's; nothing is taken.
    async fn admin_look(&self, bucket: &str, limit: Limit, now: Timestamp) -> Taken {
        let here = self.admins.failed.take(bucket, limit, 0, now);
        if here.left == 0 {
            return here;
        }
        let Ok(_asking) = self.asking.try_acquire() else { return here };
        match self.ask(bucket, limit, 0, now).await {
            Some(there) if there.left < here.left => there,
            _ => here,
        }
    }
}

fn refuse_when(over: bool, again_in: Duration) -> Result<(), Refused> {
    if over { Err(Refused { whose: Whose::Admin, limit: ADDRESS, again_in }) } else { Ok(()) }
}

/// One name for all spellings: case, blanks around it, and what stands behind an `@` are left out.
fn name_of(account: &str) -> String {
    let name = account.split('@').next().unwrap_or_default().trim().to_lowercase();
    name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_are_one_account() {
        for spelling in ["alice", "Alice", "ALICE", "alice ", "\talice", "alice@example.test", "Alice @x"] {
            assert_eq!(name_of(spelling), "alice", "{spelling:?}");
        }
        assert_eq!(name_of(&"x".repeat(10_000)).len(), LONGEST_NAME);
    }
}
