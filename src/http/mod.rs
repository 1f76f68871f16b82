//! SPEAKS HTTP, DECIDES NOTHING.

pub mod pages;
