//! MAY THEY? Pure: no I/O, no clock, no HTTP (but for [`live`], which reloads the file).

pub mod decision;
