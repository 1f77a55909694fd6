//! The small port under the log and the views: an ordered store with atomic batches and a sync.
//!
//! RocksDB, memory and the simulation's faulty disk implement it; [`crate::log`] is written against it
//! once. All keys of a space are ordered by their bytes.

use std::future::Future;

use bytes::Bytes;

use crate::error::StorageError;

/// A separate, ordered key space. The numbers are stored; never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Space {
    /// The log's records by position.
    Events = 1,
    /// Everything by which the log is searched and checked.
    Index = 2,
    /// Read models and checkpoints: may lose its tail at a crash, and is rebuilt from the log.
    Views = 3,
}

impl Space {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Events, Self::Index, Self::Views];
}

/// What survives a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Durability {
    /// When the write returns, it and every synced write before it survive.
    Synced,
    /// It may be lost at a crash until the next [`Kv::flush`]. Of the buffered writes to a space a prefix
    /// survives: never a later one without an earlier one. Only for batches that stay within one space.
    Buffered,
}

/// Puts and deletes that happen together. Later entries win over earlier ones with the same key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteBatch {
    /// The changes, in order: `None` deletes.
    pub changes: Vec<(Space, Bytes, Option<Bytes>)>,
}

impl WriteBatch {
    /// `key` holds `value` afterwards.
    pub fn put(&mut self, space: Space, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.changes.push((space, key.into(), Some(value.into())));
    }

    /// `key` holds nothing afterwards.
    pub fn delete(&mut self, space: Space, key: impl Into<Bytes>) {
        self.changes.push((space, key.into(), None));
    }
}

/// A range of keys: `from` with itself, `to` without. Empty `to`: to the end of the space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// First key.
    pub from: Bytes,
    /// Behind the last key.
    pub to: Bytes,
    /// Biggest key first.
    pub backward: bool,
    /// At most this many entries come back.
    pub limit: usize,
}

/// A key with its value.
pub type Entry = (Bytes, Bytes);

/// What a store holds in this process's memory of its own accord.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// Bytes of what was read, kept to be read again.
    pub cache_bytes: u64,
    /// Bytes of what was written and is not in tables yet.
    pub write_buffer_bytes: u64,
}

/// An ordered store. One process opens it at a time.
pub trait Kv: Clone + Send + Sync + 'static {
    /// Applies the batch atomically; see [`Durability`]. After an error of a synced write the store must
    /// be taken as broken: whether the batch survives is not known, and nothing may be written on top.
    /// The calling task's thread may be blocked for the length of the sync.
    fn write(
        &self,
        batch: WriteBatch,
        durability: Durability,
    ) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// The value under `key`.
    fn get(
        &self,
        space: Space,
        key: &[u8],
    ) -> impl Future<Output = Result<Option<Bytes>, StorageError>> + Send;

    /// The values under `keys`, in their order, all of one moment.
    fn get_many(
        &self,
        space: Space,
        keys: Vec<Bytes>,
    ) -> impl Future<Output = Result<Vec<Option<Bytes>>, StorageError>> + Send;

    /// The entries of a range, all of one moment.
    fn scan(
        &self,
        space: Space,
        range: Range,
    ) -> impl Future<Output = Result<Vec<Entry>, StorageError>> + Send;

    /// Makes buffered writes to `space` survive a crash.
    fn flush(&self, space: Space) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// What was written under `key` before, and was replaced or deleted since, is in no file that the store
    /// needs when this returns, and the others are being deleted. For secrets: it may take seconds. A store that
    /// keeps nothing of what was replaced has nothing to do; that is the default.
    fn purge(
        &self,
        _space: Space,
        _key: &[u8],
    ) -> impl Future<Output = Result<(), StorageError>> + Send {
        std::future::ready(Ok(()))
    }

    /// What it holds in memory; none, which is the default: it has no such bounds, or does not know.
    fn memory(&self) -> Result<Option<MemoryUse>, StorageError> {
        Ok(None)
    }
}
