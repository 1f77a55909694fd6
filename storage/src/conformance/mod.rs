//! The ports' promises as public test functions: an adapter's test file only calls them.
//!
//! Every function is one promise, named as such; it panics when the promise is broken. `run_all` of a
//! port keeps them all. Nothing here knows an adapter.

#![allow(clippy::unwrap_used, reason = "a promise that is broken panics, as a test does")]

pub mod event_store;

pub mod bus;

pub mod clock;

pub mod lock;

pub mod views;

mod turn;
