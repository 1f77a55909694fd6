//! Adapters without a disk: the simplest thing that is right, for tests, the test kit and first steps.
//!
//! They keep every promise of their port except survival of the process.

pub mod kv;

pub use kv::MemoryKv;
