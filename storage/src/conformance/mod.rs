//! The ports' promises as public test functions: an adapter's test file only calls them.
//!
//! Every function is one promise, named as such; it panics when the promise is broken. `run_all` of a
//! port keeps them all. Nothing here knows an adapter.

pub mod bus;

pub mod clock;

pub mod lock;

pub mod views;

mod turn;
