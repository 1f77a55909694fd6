//! RocksDB by itself: what a hand-made log is, and what ours is measured beside.
//!
//! [`store`] opens it, [`gather`] is the one appender that writes what waits together. The twin and
//! the append measure use both.

pub(crate) mod store;

pub(crate) mod gather;
