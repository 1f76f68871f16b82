//! Lists come in pages: the store counts, sorts and searches, so that a hundred thousand records are no trouble.

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Records before it.
    pub offset: u64,
    /// Records in it at most.
    pub limit: u32,
}

/// A part of a list, and how long the whole is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The records.
    pub items: Vec<T>,
    /// How many there are in all pages together.
    pub total: u64,
}
