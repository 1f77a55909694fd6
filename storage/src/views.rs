//! The view store: documents of read models with secondary keys, committed with their checkpoint.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::StorageError;
use crate::event_store::Direction;
use crate::stream::GlobalPosition;

/// One entry of a document in a secondary index: `(partition, sort)`. A query reads one partition in
/// the order of `sort`; documents of a partition are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecondaryKey {
    /// The index, for instance `by_user`.
    pub index: Arc<str>,
    /// The value looked for, for instance the user's id.
    pub partition: Bytes,
    /// The order within the partition, for instance the big-endian time.
    pub sort: Bytes,
}

/// A change to a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ViewChange {
    /// The document under `key` is this one afterwards, found by these secondary keys and no others.
    Put {
        /// Primary key, 1 to 512 bytes.
        key: Bytes,
        /// The document.
        document: Bytes,
        /// Where else it is found. At most 16.
        secondary: Vec<SecondaryKey>,
    },
    /// There is no document under `key` afterwards.
    Delete {
        /// Primary key.
        key: Bytes,
    },
}

/// How far a subscription has come, stored with its effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The subscription.
    pub subscription: Arc<str>,
    /// Where it stood before; the commit is refused when it does not. None: it never started.
    pub before: Option<GlobalPosition>,
    /// Where it stands after.
    pub after: GlobalPosition,
}

/// Changes that become visible together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ViewBatch {
    /// Changes, in order: a view's name and what happens in it.
    pub changes: Vec<(Arc<str>, ViewChange)>,
    /// What subscriptions come to with them, one checkpoint for each: when one does not stand where it is
    /// said to, nothing is changed. One whose `after` is its `before` is only compared. At most 16.
    pub checkpoints: Vec<Checkpoint>,
}

/// Why a batch of changes was not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ViewError {
    /// The subscription stands elsewhere: somebody else is running it. Read the checkpoint again.
    #[error("subscription {subscription} stands at {actual:?}, not at {expected:?}")]
    CheckpointMoved {
        /// The subscription.
        subscription: Arc<str>,
        /// Where it was believed to stand.
        expected: Option<GlobalPosition>,
        /// Where it stands.
        actual: Option<GlobalPosition>,
    },
    /// The store failed; nothing was changed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A query of one partition of a secondary index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewQuery {
    /// The view.
    pub view: Arc<str>,
    /// The index.
    pub index: Arc<str>,
    /// The partition.
    pub partition: Bytes,
    /// By `sort`, upwards or downwards.
    pub direction: Direction,
    /// The cursor of the page before.
    pub after: Option<Bytes>,
    /// The list whose cursors are taken and given; none: the view's own. Views that hold one list in turn,
    /// with the same documents in the same order, say so by one name, and a reader goes on in the next.
    pub list: Option<Arc<str>>,
    /// Documents passed over at the start; at most 1,000,000. They are read, so prefer a cursor.
    pub skip: usize,
    /// At most this many documents come back; 1 to 1,000.
    pub limit: usize,
}

/// Documents, and where the next page starts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ViewPage {
    /// Primary keys and documents, in order.
    pub documents: Vec<(Bytes, Bytes)>,
    /// Give this as `after` to go on; none: that was all.
    pub cursor: Option<Bytes>,
}

/// Read models. A commit may be lost at a crash together with all later commits (never without them):
/// the checkpoint is lost with it, and the log brings it back.
pub trait ViewStore: Clone + Send + Sync + 'static {
    /// After `Ok` the changes and the checkpoint are visible together.
    fn commit(&self, batch: ViewBatch) -> impl Future<Output = Result<(), ViewError>> + Send;

    /// The document under a primary key.
    fn get(
        &self,
        view: &str,
        key: &[u8],
    ) -> impl Future<Output = Result<Option<Bytes>, StorageError>> + Send;

    /// Documents by a secondary key.
    fn query(
        &self,
        query: ViewQuery,
    ) -> impl Future<Output = Result<ViewPage, StorageError>> + Send;

    /// Documents in primary-key order behind `after`; for exports and comparisons.
    fn scan(
        &self,
        view: &str,
        after: Option<Bytes>,
        limit: usize,
    ) -> impl Future<Output = Result<ViewPage, StorageError>> + Send;

    /// How many documents a partition of an index holds.
    fn count(
        &self,
        view: &str,
        index: &str,
        partition: &[u8],
    ) -> impl Future<Output = Result<u64, StorageError>> + Send;

    /// Where a subscription stands.
    fn checkpoint(
        &self,
        subscription: &str,
    ) -> impl Future<Output = Result<Option<GlobalPosition>, StorageError>> + Send;

    /// Deletes a view with its indexes and counts, and the given subscription's checkpoint.
    fn clear(
        &self,
        view: &str,
        subscription: Option<&str>,
    ) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Makes every commit so far survive a crash.
    fn flush(&self) -> impl Future<Output = Result<(), StorageError>> + Send;
}
