//! The view store over any [`Kv`]: read models that may lose their tail, never their consistency.
//!
//! A commit is one buffered batch of one space: documents, index entries, counts and the checkpoint
//! become visible together, and what a crash takes is a tail of whole commits. The log brings it back.
//!
//! ```text
//! commit ─ check + encode ─> writer's turn: read old rows, diff ─> one WriteBatch ─> (flush when due)
//! query  ─ index entries ──> their documents, no commit in between ─> page + cursor
//! ```
//!
//! Called by the projections' runner and the read side of the engine. Stored bytes: [`keys`].
//! Architecture invariant: one `Views` owns the views' space of a store; its clones share it. It never
//! touches another space, and nothing here decides anything about sagas: all of it can be rebuilt.

mod changes;
mod cursor;
mod kept;
mod keys;
pub mod limits;
mod query;
mod settings;
mod verify;
mod writer;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::StorageError;
use crate::kv::{Kv, Space};
use crate::stream::GlobalPosition;
use crate::views::{ViewBatch, ViewError, ViewPage, ViewQuery, ViewStore};

use keys::{checkpoint, count, document, place};
use limits::{KEY_BYTES_MAX, PARTITION_BYTES_MAX, check_at_most, check_between};
use writer::Writer;

pub use kept::{Kept, subscriptions};
pub use settings::ViewSettings;

/// [`ViewStore`] over `K`. Cheap to clone; clones are one store.
pub struct Views<K> {
    writer: Arc<Writer<K>>,
}

impl<K: Kv> Views<K> {
    /// Takes over the views' space of `kv`. Nobody else may write to it.
    pub fn new(kv: K, settings: ViewSettings) -> Self {
        Self { writer: Arc::new(Writer::new(kv, settings)) }
    }

    /// In what indexes and counts differ from the documents, in words; nothing, when all is well. Meant for
    /// tests: it takes memory for every index entry, and nobody may write meanwhile.
    pub async fn verify(&self) -> Result<Vec<String>, StorageError> {
        verify::verify(self.writer.kv()).await
    }

    async fn value(&self, key: Bytes) -> Result<Option<Bytes>, StorageError> {
        self.writer.kv().get(Space::Views, &key).await
    }
}

impl<K> Clone for Views<K> {
    fn clone(&self) -> Self {
        Self { writer: Arc::clone(&self.writer) }
    }
}

impl<K> fmt::Debug for Views<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views").finish_non_exhaustive()
    }
}

impl<K: Kv> ViewStore for Views<K> {
    async fn commit(&self, batch: ViewBatch) -> Result<(), ViewError> {
        self.writer.commit(batch).await
    }

    async fn get(&self, view: &str, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        keys::check("view", view)?;
        check_between("bytes of the primary key asked for", key.len(), 1, KEY_BYTES_MAX)?;
        let value = self.value(document::key(view, key)).await?;
        Ok(value.as_ref().map(document::row).transpose()?.map(|row| row.document))
    }

    async fn query(&self, query: ViewQuery) -> Result<ViewPage, StorageError> {
        query::query(&self.writer, query).await
    }

    async fn scan(
        &self,
        view: &str,
        after: Option<Bytes>,
        limit: usize,
    ) -> Result<ViewPage, StorageError> {
        query::scan(self.writer.kv(), view, after, limit).await
    }

    async fn count(&self, view: &str, index: &str, partition: &[u8]) -> Result<u64, StorageError> {
        keys::check("view", view)?;
        keys::check("index", index)?;
        check_at_most("bytes of the partition asked for", partition.len(), PARTITION_BYTES_MAX)?;
        let value = self.value(count::key(view, &place::group(index, partition))).await?;
        count::count(value.as_ref())
    }

    async fn checkpoint(&self, subscription: &str) -> Result<Option<GlobalPosition>, StorageError> {
        keys::check("subscription", subscription)?;
        let value = self.value(checkpoint::key(subscription)).await?;
        value.as_ref().map(checkpoint::position).transpose()
    }

    async fn clear(&self, view: &str, subscription: Option<&str>) -> Result<(), StorageError> {
        keys::check("view", view)?;
        subscription.map_or(Ok(()), |name| keys::check("subscription", name))?;
        self.writer.clear(view, subscription).await
    }

    async fn flush(&self) -> Result<(), StorageError> {
        self.writer.flush().await
    }
}
