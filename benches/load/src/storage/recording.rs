//! A `Kv` that remembers every synced batch: so raw RocksDB can be given the very keys and bytes that
//! our log writes for the same appends.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use sagaline_storage::StorageError;
use sagaline_storage::kv::{Durability, Entry, Kv, Range, Space, WriteBatch};

use crate::raw::store::Put;

/// Passes everything on to another `Kv` and keeps a copy of what is synced.
#[derive(Clone)]
pub(crate) struct RecordingKv<K> {
    inner: K,
    batches: Arc<Mutex<Vec<WriteBatch>>>,
}

/// What a log wrote: one list of puts per append, and what every batch holds once however many appends
/// it gathers.
pub(crate) struct Recorded {
    /// Puts of each append, in order.
    pub(crate) appends: Vec<Vec<Put>>,
    /// Puts of each batch.
    pub(crate) per_batch: Vec<Put>,
}

impl<K> RecordingKv<K> {
    /// Records what is written to `inner` from now on.
    pub(crate) fn over(inner: K) -> Self {
        Self { inner, batches: Arc::default() }
    }

    /// The batches since the last call.
    pub(crate) fn take(&self) -> Vec<WriteBatch> {
        std::mem::take(&mut self.batches.lock())
    }
}

impl Recorded {
    /// From batches of one append each. A key that most batches write is the log's own, not an append's.
    pub(crate) fn from_batches(batches: Vec<WriteBatch>) -> Self {
        let mut written: HashMap<(Space, Bytes), usize> = HashMap::new();
        for (space, key, _) in batches.iter().flat_map(|batch| &batch.changes) {
            *written.entry((*space, key.clone())).or_default() += 1;
        }
        let shared = |put: &(Space, Bytes, Option<Bytes>)| {
            batches.len() > 2 && written[&(put.0, put.1.clone())] * 2 > batches.len()
        };
        let last = batches.last().map(|batch| batch.changes.as_slice()).unwrap_or_default();
        let per_batch = last.iter().filter(|change| shared(change)).map(put).collect();
        let own =
            |batch: &WriteBatch| batch.changes.iter().filter(|c| !shared(c)).map(put).collect();
        Self { appends: batches.iter().map(own).collect(), per_batch }
    }
}

fn put((space, key, value): &(Space, Bytes, Option<Bytes>)) -> Put {
    Put {
        column: column(*space),
        key: key.to_vec(),
        value: value.as_ref().map(|value| value.to_vec()),
    }
}

/// The column family that stands for a space: its place in [`Space::ALL`].
fn column(space: Space) -> usize {
    match space {
        Space::Events => 0,
        Space::Index => 1,
        Space::Views => 2,
    }
}

impl<K: Kv> Kv for RecordingKv<K> {
    async fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), StorageError> {
        if durability == Durability::Synced {
            self.batches.lock().push(batch.clone());
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_batch_writes_is_kept_apart_from_what_an_append_writes() {
        let batch = |number: u8| {
            let mut batch = WriteBatch::default();
            batch.put(Space::Events, vec![number], vec![1]);
            batch.put(Space::Index, vec![b'h'], vec![number]);
            batch
        };
        let recorded = Recorded::from_batches((1..=4).map(batch).collect());
        assert_eq!(recorded.appends.len(), 4);
        assert!(recorded.appends.iter().all(|puts| puts.len() == 1 && puts[0].column == 0));
        assert_eq!(recorded.per_batch.len(), 1);
        assert_eq!(recorded.per_batch[0].value, Some(vec![4]));
    }
}
