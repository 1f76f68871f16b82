//! MAY THEY? Pure: no I/O, no clock, no HTTP (but for [`live`], which reloads the file).
//!
//! A request becomes a [`Target`](target::Target) (the only normaliser), the [`Policy`] finds the one rule that
//! speaks about it, and that rule decides about the [`Caller`](decision::Caller).
//!
//! From file to policy: `yaml` (a tree with places) → `document` (the grammar) → `compile` (rules, checked
//! against each other) → `matcher` (the index). Every fault on the way is a [`Fault`] with its place.

mod compile;
pub mod decision;
mod document;
mod explain;
mod fault;
mod fields;
mod found;
pub mod live;
mod matcher;
mod names;
mod openapi;
mod pattern;
mod people;
mod services;
mod table;
pub mod target;
mod trial;
mod yaml;

#[cfg(test)]
mod tests;

pub use compile::{Policy, Rule};
pub use explain::{Explanation, NearMiss};
pub use fault::{Fault, Place};
pub use found::{Found, Question, Upgrade, WholeHost};
pub use names::{ADMIN_ROLE, is_role};
pub use openapi::{Comparison, Described, MAX_OPENAPI, Operation};
pub use people::Facts;
pub use table::{AccessRow, AccessTable};
pub use trial::TestResult;
