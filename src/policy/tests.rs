//! The module's tests, by what they prove.
