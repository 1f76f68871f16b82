//! The last hour, minute by minute, and today: for people who look at the overview, where no Prometheus is at hand.
//!
//! Nothing is counted twice: once a minute the counters that there are anyway are read, and their growth is kept.

use std::collections::VecDeque;

use super::metrics::Outcome;
use crate::clock::Timestamp;

/// Whole minutes kept.
pub const MINUTES: usize = 60;
const DAY: i64 = 86_400;

/// What the counters say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// By [`Outcome`], in the order of [`Outcome::ALL`].
    pub decisions: [u64; Outcome::ALL.len()],
    /// Sign-ins completed.
    pub sign_ins: u64,
    /// Sign-ins that ended in a refusal, here or at the provider.
    pub sign_ins_refused: u64,
}

impl Totals {
    /// Decisions of any of these outcomes.
    #[must_use]
    pub fn of(&self, outcomes: &[Outcome]) -> u64 {
        outcomes.iter().filter_map(|outcome| self.decisions.get(*outcome as usize)).sum()
    }

    fn since(&self, before: &Self) -> Self {
        let mut grown = *self;
        for (now, then) in grown.decisions.iter_mut().zip(before.decisions) {
            *now = now.saturating_sub(then);
        }
        grown.sign_ins = self.sign_ins.saturating_sub(before.sign_ins);
        grown.sign_ins_refused = self.sign_ins_refused.saturating_sub(before.sign_ins_refused);
        grown
    }
}

/// What happened lately in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lately {
    /// The last hour, oldest first; the last one is the minute that is not over yet.
    pub minutes: Vec<Totals>,
    /// Since [`Self::since`].
    pub today: Totals,
    /// Midnight (UTC), or the start of the process if that was later.
    pub since: Timestamp,
}

/// Keeps it.
#[derive(Debug)]
pub(super) struct Recent {
    minutes: VecDeque<Totals>,
    last: Totals,
    day_began_with: Totals,
    day_began: Timestamp,
}

impl Recent {
    pub(super) fn new(started: Timestamp) -> Self {
        let nothing = Totals::default();
        Self {
            minutes: VecDeque::with_capacity(MINUTES),
            last: nothing,
            day_began_with: nothing,
            day_began: started,
        }
    }

    /// A minute is over.
    pub(super) fn tick(&mut self, totals: Totals, now: Timestamp) {
        if self.minutes.len() == MINUTES {
            self.minutes.pop_front();
        }
        self.minutes.push_back(totals.since(&self.last));
        if now.secs().div_euclid(DAY) != self.day_began.secs().div_euclid(DAY) {
            // The minute in which the day changed is the new day's.
            self.day_began_with = self.last;
            self.day_began = Timestamp::from_secs(now.secs().div_euclid(DAY) * DAY);
        }
        self.last = totals;
    }

    pub(super) fn lately(&self, totals: Totals) -> Lately {
        let mut minutes: Vec<Totals> = self.minutes.iter().copied().collect();
        minutes.push(totals.since(&self.last));
        Lately { minutes, today: totals.since(&self.day_began_with), since: self.day_began }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(allowed: u64, sign_ins: u64) -> Totals {
        let mut totals = Totals { sign_ins, ..Totals::default() };
        totals.decisions[Outcome::Allowed as usize] = allowed;
        totals
    }

    #[test]
    fn an_hour_is_kept_and_the_present_minute_beside_it() {
        let start = Timestamp::from_secs(1_795_600_000);
        let mut recent = Recent::new(start);
        assert_eq!(recent.lately(totals(3, 0)).minutes, [totals(3, 0)]);
        for minute in 1..=100 {
            recent.tick(totals(minute * 10, minute), start);
        }
        let lately = recent.lately(totals(1007, 100));
        assert_eq!(lately.minutes.len(), MINUTES + 1);
        assert_eq!(
            (lately.minutes.first(), lately.minutes.last()),
            (Some(&totals(10, 1)), Some(&totals(7, 0)))
        );
        assert_eq!((lately.today, lately.since), (totals(1007, 100), start));
        assert_eq!(lately.today.of(&[Outcome::Allowed, Outcome::Forbidden]), 1007);
    }

    #[test]
    fn a_new_day_begins_at_midnight() {
        let evening = Timestamp::from_secs(DAY * 20_000 - 30);
        let mut recent = Recent::new(evening);
        recent.tick(totals(5, 1), evening);
        recent.tick(totals(9, 2), Timestamp::from_secs(DAY * 20_000 + 30));
        let lately = recent.lately(totals(10, 2));
        assert_eq!((lately.today, lately.since), (totals(5, 1), Timestamp::from_secs(DAY * 20_000)));
    }
}
