//! The world around the product behaves as the real one does, and every fault of it bites.
#![cfg(madsim)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod clocks;
mod connections;
mod disks;
mod faults;
mod http;
mod log;
mod machines;
mod stage;
mod twice;
