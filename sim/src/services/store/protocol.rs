//! What can be asked of the store machine. Each request's answer is what the port's method returns.

use std::sync::Arc;

use bytes::Bytes;
use sagaline_storage::views::{ViewBatch, ViewQuery};
use sagaline_storage::{
    AllQuery, AppendRequest, Claim, Direction, GlobalPosition, Shard, StreamId, StreamVersion,
};
use serde::{Deserialize, Serialize};

/// A request to the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum StoreRequest {
    Append(AppendRequest),
    ReadStream {
        stream: StreamId,
        from: StreamVersion,
        direction: Direction,
        limit: usize,
    },
    ReadAll(AllQuery),
    Head,
    /// Answered with the head, when it is behind this position or some time has passed.
    AwaitAfter(GlobalPosition),
    ClaimHolder(Claim),
    Claims {
        kind: Arc<str>,
        after: Option<Arc<str>>,
        limit: usize,
    },
    Epoch(Shard),
    RaiseEpochs(Vec<Shard>),
    Commit(ViewBatch),
    Get {
        view: Arc<str>,
        key: Bytes,
    },
    Query(ViewQuery),
    Scan {
        view: Arc<str>,
        after: Option<Bytes>,
        limit: usize,
    },
    Count {
        view: Arc<str>,
        index: Arc<str>,
        partition: Bytes,
    },
    Checkpoint(Arc<str>),
    Clear {
        view: Arc<str>,
        subscription: Option<Arc<str>>,
    },
    Flush,
}
