//! A store whose index cannot be read when a test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use sagaline::app::gateway::Ledger;
use sagaline_storage::backend::Parts;
use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::embedded::LocalSettings;
use sagaline_storage::kv::{Durability, Entry, Kv, Range, Space, WriteBatch};
use sagaline_storage::memory::{LocalBus, LocalLocks, MemoryKv};
use sagaline_storage::view_store::Views;
use sagaline_storage::{Log, StorageError};

use crate::app::{Setup, TestApp};

/// A store in memory. Clones are the same one.
#[derive(Clone)]
pub(crate) struct BlindKv {
    inner: MemoryKv,
    blind: Arc<AtomicBool>,
}

impl BlindKv {
    /// A node over it.
    pub(crate) async fn node() -> (TestApp, Self) {
        let kv = Self { inner: MemoryKv::new(), blind: Arc::default() };
        let (clock, entropy, local) =
            (SystemClock::default(), SystemEntropy, LocalSettings::default());
        let events = Log::open(kv.clone(), clock, &entropy, local.log).await.unwrap();
        let backend = Parts {
            name: "memory",
            shared: false,
            events,
            views: Views::new(kv.clone(), local.views),
            locks: LocalLocks::new(clock),
            bus: LocalBus::new(local.bus),
            clock,
            entropy,
        };
        let app = TestApp::over(backend, Ledger::in_memory(), Setup::default()).await;
        (app.with_admin().await, kv)
    }

    /// Whether its index can be read from now on.
    pub(crate) fn sees(&self, sees: bool) {
        self.blind.store(!sees, Ordering::SeqCst);
    }
}

impl Kv for BlindKv {
    async fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), StorageError> {
        self.inner.write(batch, durability).await
    }

    async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        match space {
            Space::Index if self.blind.load(Ordering::SeqCst) => {
                Err(StorageError::unavailable("the index cannot be read"))
            }
            space => self.inner.get(space, key).await,
        }
    }

    async fn get_many(
        &self,
        space: Space,
        keys: Vec<Bytes>,
    ) -> Result<Vec<Option<Bytes>>, StorageError> {
        self.inner.get_many(space, keys).await
    }

    async fn scan(&self, space: Space, range: Range) -> Result<Vec<Entry>, StorageError> {
        self.inner.scan(space, range).await
    }

    async fn flush(&self, space: Space) -> Result<(), StorageError> {
        self.inner.flush(space).await
    }
}
