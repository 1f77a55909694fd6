//! [`Kv`] on ordered maps in memory. The reference for every other one: what they answer, this answers.
//!
//! Clones share the maps, so a log "reopened" over a clone finds what the first one wrote. It never
//! loses a buffered write, and it counts the synced ones.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;

use crate::error::StorageError;
use crate::kv::{Durability, Entry, Kv, Range, Space, WriteBatch};

type Map = BTreeMap<Bytes, Bytes>;

/// An ordered store in memory; clones are the same store.
#[derive(Debug, Clone, Default)]
pub struct MemoryKv {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// One lock over all spaces: a batch becomes visible at once, and a read is of one moment.
    spaces: RwLock<[Map; Space::ALL.len()]>,
    synced_writes: AtomicU64,
}

impl MemoryKv {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many writes asked to be synced.
    pub fn synced_writes(&self) -> u64 {
        self.inner.synced_writes.load(Ordering::Relaxed)
    }

    fn read<T>(&self, space: Space, read: impl FnOnce(&Map) -> T) -> T {
        read(&self.inner.spaces.read()[slot(space)])
    }
}

fn slot(space: Space) -> usize {
    match space {
        Space::Events => 0,
        Space::Index => 1,
        Space::Views => 2,
    }
}

impl Kv for MemoryKv {
    async fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), StorageError> {
        let mut spaces = self.inner.spaces.write();
        for (space, key, value) in batch.changes {
            match value {
                Some(value) => spaces[slot(space)].insert(key, value),
                None => spaces[slot(space)].remove(&key),
            };
        }
        match durability {
            Durability::Synced => self.inner.synced_writes.fetch_add(1, Ordering::Relaxed),
            Durability::Buffered => 0,
        };
        Ok(())
    }

    async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        Ok(self.read(space, |map| map.get(key).cloned()))
    }

    async fn get_many(
        &self,
        space: Space,
        keys: Vec<Bytes>,
    ) -> Result<Vec<Option<Bytes>>, StorageError> {
        Ok(self.read(space, |map| keys.iter().map(|key| map.get(key).cloned()).collect()))
    }

    async fn scan(&self, space: Space, range: Range) -> Result<Vec<Entry>, StorageError> {
        if !range.to.is_empty() && range.to <= range.from {
            return Ok(Vec::new());
        }
        let to =
            if range.to.is_empty() { Bound::Unbounded } else { Bound::Excluded(range.to.as_ref()) };
        let own = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        Ok(self.read(space, |map| {
            let entries = map.range::<[u8], _>((Bound::Included(range.from.as_ref()), to));
            if range.backward {
                entries.rev().take(range.limit).map(own).collect()
            } else {
                entries.take(range.limit).map(own).collect()
            }
        }))
    }

    async fn flush(&self, _space: Space) -> Result<(), StorageError> {
        Ok(())
    }
}
