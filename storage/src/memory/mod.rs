//! The reference adapters: the simplest thing that is right, in this process.

pub mod bus;

pub mod clock;

pub mod kv;

pub mod lock;

pub use bus::{BusSettings, LocalBus, LocalConsumer};
pub use clock::ManualClock;
pub use kv::MemoryKv;
pub use lock::LocalLocks;
