//! A `Kv` that counts what is synced: how many keys and bytes the node under test writes, so that the
//! twin can be made to write the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use sagaline_storage::StorageError;
use sagaline_storage::kv::{Durability, Entry, Kv, MemoryUse, Range, Space, WriteBatch};

/// Passes everything on to another `Kv`.
#[derive(Debug, Clone)]
pub(crate) struct CountingKv<K> {
    inner: K,
    counts: Arc<Counts>,
}

/// What was synced so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    syncs: AtomicU64,
    puts: AtomicU64,
    bytes: AtomicU64,
}

impl<K> CountingKv<K> {
    /// Counts what is written to `inner` from now on.
    pub(crate) fn over(inner: K) -> Self {
        Self { inner, counts: Arc::default() }
    }

    /// The counts, which go on.
    pub(crate) fn counts(&self) -> Arc<Counts> {
        self.counts.clone()
    }
}

impl Counts {
    /// Synced writes.
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Keys put or deleted by them.
    pub(crate) fn puts(&self) -> u64 {
        self.puts.load(Ordering::Relaxed)
    }

    /// Bytes of these keys and their values.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn count(&self, batch: &WriteBatch) {
        let size = |(_, key, value): &(Space, Bytes, Option<Bytes>)| {
            key.len() + value.as_ref().map_or(0, Bytes::len)
        };
        let bytes: usize = batch.changes.iter().map(size).sum();
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.puts.fetch_add(batch.changes.len() as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl<K: Kv> Kv for CountingKv<K> {
    async fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), StorageError> {
        match durability {
            Durability::Synced => self.counts.count(&batch),
            Durability::Buffered => {}
        }
        self.inner.write(batch, durability).await
    }

    async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.inner.get(space, key).await
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

    fn memory(&self) -> Result<Option<MemoryUse>, StorageError> {
        self.inner.memory()
    }
}

#[cfg(test)]
mod tests {
    use sagaline_storage::memory::MemoryKv;

    use super::*;

    #[tokio::test]
    async fn only_what_is_synced_is_counted() {
        let kv = CountingKv::over(MemoryKv::new());
        let mut batch = WriteBatch::default();
        batch.put(Space::Events, vec![1, 2], vec![3, 4, 5]);
        batch.delete(Space::Index, vec![6]);
        kv.write(batch.clone(), Durability::Buffered).await.expect("written");
        kv.write(batch, Durability::Synced).await.expect("written");
        let counts = kv.counts();
        assert_eq!((counts.syncs(), counts.puts(), counts.bytes()), (1, 2, 6));
    }
}
