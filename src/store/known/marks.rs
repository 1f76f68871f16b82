//! Marks that move when something changes: the only thing a confirmation looks at.
//!
//! Names share a fixed number of counters by their hash, so that nothing grows, nothing is evicted, and moving
//! a mark needs no look-up of who holds what. Two names that share one cost a look at the store too
//! many, never one too few.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters; 512 KiB.
const SLOTS: usize = 1 << 16;

/// What a name's mark was at one moment.
#[derive(Debug)]
pub(super) struct Mark {
    slot: usize,
    count: u64,
    all: u64,
}

pub(super) struct Marks {
    slots: Box<[AtomicU64]>,
    all: AtomicU64,
    hasher: RandomState,
}

impl Marks {
    pub(super) fn new() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            all: AtomicU64::new(0),
            hasher: RandomState::new(),
        }
    }

    /// The mark of a name as it is now; to be taken before the name's record is read.
    pub(super) fn of(&self, name: &str) -> Mark {
        // SLOTS is a power of two, far below what either type holds.
        let slot = (self.hasher.hash_one(name) as usize) & (SLOTS - 1);
        Mark { slot, count: self.count(slot), all: self.all.load(Ordering::Acquire) }
    }

    /// Whether nothing changed since the mark was taken.
    pub(super) fn hold(&self, mark: &Mark) -> bool {
        self.count(mark.slot) == mark.count && self.all.load(Ordering::Acquire) == mark.all
    }

    /// Something about this name changed.
    pub(super) fn move_on(&self, name: &str) {
        let slot = self.of(name).slot;
        if let Some(slot) = self.slots.get(slot) {
            slot.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Anything may have changed.
    pub(super) fn move_all_on(&self) {
        self.all.fetch_add(1, Ordering::AcqRel);
    }

    fn count(&self, slot: usize) -> u64 {
        self.slots.get(slot).map_or(0, |slot| slot.load(Ordering::Acquire))
    }
}
