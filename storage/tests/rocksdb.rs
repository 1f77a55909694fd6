//! The log over RocksDB keeps every promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::PathBuf;

use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::conformance::event_store::{self, Factory};
use sagaline_storage::log::{Log, LogSettings};
use sagaline_storage::rocksdb::{RocksKv, RocksSettings};
use tempfile::TempDir;

/// All places lie in one folder: what a store still has open when its promise was kept is gone with the
/// runtime, and the folder is deleted after it.
struct Rocks {
    folder: TempDir,
}

impl Factory for Rocks {
    type Store = Log<RocksKv, SystemClock>;
    type Place = PathBuf;
    type Clock = SystemClock;

    const REOPENS: bool = true;

    fn place(&self) -> PathBuf {
        tempfile::tempdir_in(&self.folder).unwrap().keep()
    }

    async fn open(&self, place: &PathBuf) -> Self::Store {
        let kv = RocksKv::open(place, &RocksSettings::default()).unwrap();
        Log::open(kv, self.clock(), &SystemEntropy, LogSettings::default()).await.unwrap()
    }

    async fn close(&self, store: Self::Store) {
        store.close().await;
    }

    fn clock(&self) -> SystemClock {
        SystemClock::default()
    }
}

#[test]
fn the_log_over_rocksdb_keeps_every_promise() {
    let rocks = Rocks { folder: tempfile::tempdir().unwrap() };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(event_store::run_all(&rocks));
}
