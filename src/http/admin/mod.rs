//! For administrators: the site. Actions are in [`crate::admin`].

mod guard;
pub mod pages;
