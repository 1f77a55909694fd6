//! The log over RocksDB keeps every promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::conformance::event_store::{self, Factory};
use sagaline_storage::log::{Log, LogSettings};
use sagaline_storage::rocksdb::{RocksKv, RocksSettings};
use tempfile::TempDir;

struct Rocks;

impl Factory for Rocks {
    type Store = Log<RocksKv, SystemClock>;
    type Place = TempDir;
    type Clock = SystemClock;

    const REOPENS: bool = true;

    fn place(&self) -> TempDir {
        tempfile::tempdir().unwrap()
    }

    async fn open(&self, place: &TempDir) -> Self::Store {
        let kv = RocksKv::open(place.path(), &RocksSettings::default()).unwrap();
        Log::open(kv, self.clock(), &SystemEntropy, LogSettings::default()).await.unwrap()
    }

    async fn close(&self, store: Self::Store) {
        store.close().await;
    }

    fn clock(&self) -> SystemClock {
        SystemClock::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_log_over_rocksdb_keeps_every_promise() {
    event_store::run_all(&Rocks).await;
}
