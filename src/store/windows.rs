//! Sliding windows in the process: two fixed windows a bucket, the older one weighed by how much of it the sliding
//! window still covers (the estimate that Cloudflare and nginx-plus document for such counters).
//!
//! Bounded: past [`KEPT`] buckets those that ran out are dropped, then those that are emptiest, so that a flood of
//! new names costs memory for none and a limit for nobody who has earned one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::rate::{Limit, Taken};
use crate::clock::Timestamp;

/// Buckets kept at most.
const KEPT: usize = 100_000;

/// Windows by bucket.
#[derive(Default)]
pub struct Windows(Mutex<HashMap<String, Window>>);

#[derive(Clone, Copy)]
struct Window {
    /// Which fixed window `now` counts for: time divided by the window's length.
    number: i64,
    length: i64,
    before: u32,
    now: u32,
}

impl Windows {
    /// See [`super::Store::take`]. A `want` of 0 only looks.
    pub fn take(&self, bucket: &str, limit: Limit, want: u32, now: Timestamp) -> Taken {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= KEPT && !windows.contains_key(bucket) {
            make_room(&mut windows, now);
        }
        let length = i64::try_from(limit.window.as_millis()).unwrap_or(i64::MAX).max(1);
        let fresh = Window { number: i64::MIN, length, before: 0, now: 0 };
        let window = windows.entry(bucket.to_owned()).or_insert(fresh);
        window.take(limit, want, now)
    }

    /// Forgets what ran out.
    pub fn sweep(&self, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, window| !window.is_over(now));
    }
}

impl Window {
    fn take(&mut self, limit: Limit, want: u32, now: Timestamp) -> Taken {
        let length = i64::try_from(limit.window.as_millis()).unwrap_or(i64::MAX).max(1);
        // A clock set back counts on in the window it has.
        let number =
            now.millis().div_euclid(length).max(if self.length == length { self.number } else { i64::MIN });
        if self.length != length || number > self.number.saturating_add(1) {
            (self.before, self.now) = (0, 0);
        } else if number > self.number {
            (self.before, self.now) = (self.now, 0);
        }
        (self.number, self.length) = (number, length);
        let into = (now.millis() - number.saturating_mul(length)).clamp(0, length - 1);
        let left = limit.max.saturating_sub(self.estimate(into, length));
        let granted = want.min(left);
        self.now = self.now.saturating_add(granted);
        let left = left - granted;
        Taken {
            granted,
            left,
            again_in: if left > 0 { Duration::ZERO } else { self.again_in(limit, into, length) },
        }
    }

    /// What the sliding window that ends `into` milliseconds in this fixed one holds; rounded up.
    fn estimate(&self, into: i64, length: i64) -> u32 {
        let weighed = u128::from(self.before) * u128::from((length - into).unsigned_abs());
        let before = weighed.div_ceil(u128::from(length.unsigned_abs()).max(1));
        self.now.saturating_add(u32::try_from(before).unwrap_or(u32::MAX))
    }

    /// When the estimate will have come down to one below the limit: in this fixed window, as the one before moves
    /// out, or in the next one, as this one does.
    fn again_in(&self, limit: Limit, into: i64, length: i64) -> Duration {
        let Some(room) = limit.max.checked_sub(1) else { return limit.window };
        let leaves = |count: u32, room: u32| -> i64 {
            // The first moment at which ceil(count * (length - moment) / length) is within the room.
            let covered = i128::from(room) * i128::from(length) / i128::from(count.max(1));
            i64::try_from(i128::from(length) - covered).unwrap_or(length).max(0)
        };
        let wait = match room.checked_sub(self.now) {
            Some(room) => leaves(self.before, room) - into,
            None => length - into + leaves(self.now, room),
        };
        Duration::from_millis(wait.max(1).unsigned_abs())
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now.millis().div_euclid(self.length.max(1)) > self.number.saturating_add(1)
    }
}

fn make_room(windows: &mut HashMap<String, Window>, now: Timestamp) {
    windows.retain(|_, window| !window.is_over(now));
    let mut least = 1;
    while windows.len() >= KEPT {
        windows.retain(|_, window| window.now.max(window.before) > least);
        least = least.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { max: 10, window: Duration::from_secs(1) };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + millis)
    }

    #[test]
    fn a_full_window_says_when_it_opens_and_then_does() {
        let windows = Windows::default();
        let taken = windows.take("a", LIMIT, 10, at(100));
        assert_eq!((taken.granted, taken.left), (10, 0));
        let mut moment = 100;
        for _ in 0..50 {
            let taken = windows.take("a", LIMIT, 1, at(moment));
            if taken.granted == 0 {
                let wait = i64::try_from(taken.again_in.as_millis()).unwrap();
                assert!(wait > 0 && wait <= 2000, "{taken:?}");
                assert_eq!(
                    windows.take("a", LIMIT, 1, at(moment + wait - 1)).granted,
                    0,
                    "at {moment} + {wait} - 1"
                );
                moment += wait;
                assert_eq!(windows.take("a", LIMIT, 1, at(moment)).granted, 1, "at {moment}");
            }
        }
    }

    #[test]
    fn never_more_than_twice_the_limit_in_two_windows_and_all_of_it_is_to_be_had() {
        let windows = Windows::default();
        let granted: u32 = (0..2000).map(|ms| windows.take("a", LIMIT, 1, at(ms)).granted).sum();
        assert!((18..=20).contains(&granted), "{granted}");
        assert_eq!(windows.take("b", LIMIT, 99, at(0)).granted, 10);
    }

    #[test]
    fn a_clock_set_back_gives_nothing_anew() {
        let windows = Windows::default();
        assert_eq!(windows.take("a", LIMIT, 10, at(5000)).granted, 10);
        assert_eq!(windows.take("a", LIMIT, 1, at(0)).granted, 0);
    }

    #[test]
    fn a_flood_of_names_is_bounded_and_spares_who_is_limited() {
        let windows = Windows::default();
        windows.take("limited", LIMIT, 10, at(0));
        for n in 0..KEPT + 10 {
            windows.take(&n.to_string(), LIMIT, 1, at(1));
        }
        assert!(windows.0.lock().unwrap().len() <= KEPT);
        assert_eq!(windows.take("limited", LIMIT, 1, at(2)).granted, 0);
    }
}
