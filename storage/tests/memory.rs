//! The log over memory keeps every promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::conformance::event_store::{self, Factory};
use sagaline_storage::log::{Log, LogSettings};
use sagaline_storage::memory::MemoryKv;

struct Memory;

impl Factory for Memory {
    type Store = Log<MemoryKv, SystemClock>;
    type Place = MemoryKv;
    type Clock = SystemClock;

    const REOPENS: bool = true;

    fn place(&self) -> MemoryKv {
        MemoryKv::new()
    }

    async fn open(&self, place: &MemoryKv) -> Self::Store {
        let settings = LogSettings::default();
        Log::open(place.clone(), self.clock(), &SystemEntropy, settings).await.unwrap()
    }

    async fn close(&self, store: Self::Store) {
        store.close().await;
    }

    fn clock(&self) -> SystemClock {
        SystemClock::default()
    }
}

#[tokio::test]
async fn the_log_over_memory_keeps_every_promise() {
    event_store::run_all(&Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_log_over_memory_keeps_every_promise_on_many_threads() {
    event_store::run_all(&Memory).await;
}
