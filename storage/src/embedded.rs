//! The worlds of one process: on RocksDB in a data folder, and in memory with a clock of one's own.
//!
//! `main.rs` opens the first; tests and the test kit the second. Both run the same log and the same
//! views; they differ in the [`Kv`](crate::kv::Kv) below and in what survives. Locks and bus live in the
//! process in both.

#[cfg(feature = "rocksdb")]
use std::path::Path;

use crate::backend::Parts;
use crate::clock::{Clock, Entropy, SystemEntropy};
use crate::error::StorageError;
use crate::log::{Log, LogSettings};
use crate::memory::{BusSettings, LocalBus, LocalLocks, MemoryKv};
use crate::view_store::{ViewSettings, Views};

#[cfg(feature = "rocksdb")]
use crate::{
    clock::SystemClock,
    rocksdb::{RocksKv, RocksSettings},
};

/// One process on one machine, on RocksDB. Not shared and not replicated.
#[cfg(feature = "rocksdb")]
pub type Embedded = Local<RocksKv, SystemClock, SystemEntropy>;

/// One process without a disk. Nothing survives it.
pub type InMemory<C, R = SystemEntropy> = Local<MemoryKv, C, R>;

/// The parts that worlds of one process have in common.
pub type Local<K, C, R> = Parts<Log<K, C>, Views<K>, LocalLocks<C>, LocalBus, C, R>;

/// How a world of one process is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LocalSettings {
    /// The log's bounds.
    pub log: LogSettings,
    /// What a crash may cost the views.
    pub views: ViewSettings,
    /// How much the bus keeps.
    pub bus: BusSettings,
}

/// Opens the store in the data folder `path`, or creates it there. Refused, naming the folder: one that
/// another process has open, one of a newer format, a damaged one. It is free again when all clones
/// of the world are dropped and its log is [closed](Log::close).
#[cfg(feature = "rocksdb")]
pub async fn open_embedded(
    path: impl AsRef<Path>,
    rocks: &RocksSettings,
    settings: &LocalSettings,
) -> Result<Embedded, StorageError> {
    let kv = RocksKv::open(path, rocks)?;
    open("embedded", kv, SystemClock::default(), SystemEntropy, settings).await
}

/// Opens what `kv` holds. Opened again over a clone of it, it is the world after a restart.
pub async fn open_in_memory<C: Clock, R: Entropy>(
    kv: MemoryKv,
    clock: C,
    entropy: R,
    settings: &LocalSettings,
) -> Result<InMemory<C, R>, StorageError> {
    open("memory", kv, clock, entropy, settings).await
}

async fn open<K: crate::kv::Kv, C: Clock, R: Entropy>(
    name: &'static str,
    kv: K,
    clock: C,
    entropy: R,
    settings: &LocalSettings,
) -> Result<Local<K, C, R>, StorageError> {
    let events = Log::open(kv.clone(), clock.clone(), &entropy, settings.log).await?;
    let views = Views::new(kv, settings.views);
    let (locks, bus) = (LocalLocks::new(clock.clone()), LocalBus::new(settings.bus));
    Ok(Parts { name, shared: false, events, views, locks, bus, clock, entropy })
}
