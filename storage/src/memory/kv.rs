//! A [`Kv`] in memory. It survives nothing.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use crate::error::StorageError;
use crate::kv::{Durability, Entry, Kv, Range, Space, WriteBatch};

/// Ordered maps, one a space. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryKv {
    spaces: Arc<RwLock<BTreeMap<Space, BTreeMap<Bytes, Bytes>>>>,
}

impl Kv for MemoryKv {
    async fn write(&self, batch: WriteBatch, _: Durability) -> Result<(), StorageError> {
        let mut spaces = self.spaces.write();
        for (space, key, value) in batch.changes {
            let entries = spaces.entry(space).or_default();
            match value {
                Some(value) => entries.insert(key, value),
                None => entries.remove(&key),
            };
        }
        Ok(())
    }

    async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        Ok(self.spaces.read().get(&space).and_then(|entries| entries.get(key).cloned()))
    }

    async fn get_many(
        &self,
        space: Space,
        keys: Vec<Bytes>,
    ) -> Result<Vec<Option<Bytes>>, StorageError> {
        let spaces = self.spaces.read();
        let entries = spaces.get(&space);
        Ok(keys.iter().map(|key| entries.and_then(|entries| entries.get(key).cloned())).collect())
    }

    async fn scan(&self, space: Space, range: Range) -> Result<Vec<Entry>, StorageError> {
        let to = match range.to.is_empty() {
            true => Bound::Unbounded,
            false => Bound::Excluded(range.to.clone()),
        };
        if !range.to.is_empty() && range.from >= range.to {
            return Ok(Vec::new());
        }
        let spaces = self.spaces.read();
        let Some(entries) = spaces.get(&space) else { return Ok(Vec::new()) };
        let found = entries.range((Bound::Included(range.from), to));
        let own = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        Ok(match range.backward {
            true => found.rev().take(range.limit).map(own).collect(),
            false => found.take(range.limit).map(own).collect(),
        })
    }

    async fn flush(&self, _: Space) -> Result<(), StorageError> {
        Ok(())
    }
}
