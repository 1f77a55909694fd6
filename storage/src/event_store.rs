//! The event store: the log that is the truth. Everything else can be rebuilt from it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::StorageError;
use crate::event::{AppendId, CorrelationId, EventType, NewEvent, NodeId, RecordedEvent};
use crate::kv::MemoryUse;
use crate::stream::{GlobalPosition, StreamId, StreamVersion};

/// What the caller believes of a stream; checked where the data lives, inside the append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExpectedVersion {
    /// No check.
    Any,
    /// The stream has no events.
    NoStream,
    /// The stream has at least one event.
    StreamExists,
    /// The stream's last event has this version.
    Exact(StreamVersion),
}

impl ExpectedVersion {
    /// Whether a stream at `actual` is as expected.
    pub fn admits(self, actual: StreamVersion) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => actual == StreamVersion::NONE,
            Self::StreamExists => actual != StreamVersion::NONE,
            Self::Exact(version) => actual == version,
        }
    }
}

impl fmt::Display for ExpectedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any version"),
            Self::NoStream => f.write_str("no stream"),
            Self::StreamExists => f.write_str("an existing stream"),
            Self::Exact(version) => write!(f, "version {version}"),
        }
    }
}

/// Events for one stream. Without events it only checks the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamWrite {
    /// The stream. It may stand in a request once.
    pub stream: StreamId,
    /// What must be true of it.
    pub expected: ExpectedVersion,
    /// What is added to it, in order.
    pub events: Vec<NewEvent>,
}

/// Something of which there is one: an e-mail address, an idempotency key, a reserved product.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Claim {
    /// Its kind, a short name: `email`.
    pub kind: Arc<str>,
    /// Unique within the kind. Any UTF-8 of 1 to 512 bytes.
    pub key: Arc<str>,
}

impl Claim {
    /// Longest kind, in bytes.
    pub const KIND_BYTES_MAX: usize = 64;
    /// Longest key, in bytes.
    pub const KEY_BYTES_MAX: usize = 512;

    /// A claim by its kind and key; `append` checks their lengths.
    pub fn new(kind: impl Into<Arc<str>>, key: impl Into<Arc<str>>) -> Self {
        Self { kind: kind.into(), key: key.into() }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.key)
    }
}

/// A claim taken or given up as part of an append.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ClaimChange {
    /// `owner` holds the claim after this; refused while another stream holds it.
    Take {
        /// What is claimed.
        claim: Claim,
        /// The stream that holds it.
        owner: StreamId,
    },
    /// Nobody holds the claim after this; refused unless `owner` holds it.
    Release {
        /// What is given up.
        claim: Claim,
        /// The stream that held it.
        owner: StreamId,
    },
    /// `owner` goes on holding it until `at` (by the log's clock), then nobody does; refused unless
    /// `owner` holds it. With `at` in the past this is a release.
    ReleaseAt {
        /// What is given up.
        claim: Claim,
        /// The stream that holds it.
        owner: StreamId,
        /// When it becomes free.
        at: Timestamp,
    },
}

impl ClaimChange {
    /// What is taken or given up.
    pub fn claim(&self) -> &Claim {
        match self {
            Self::Take { claim, .. }
            | Self::Release { claim, .. }
            | Self::ReleaseAt { claim, .. } => claim,
        }
    }

    /// The stream that takes it or gives it up.
    pub fn owner(&self) -> &StreamId {
        match self {
            Self::Take { owner, .. }
            | Self::Release { owner, .. }
            | Self::ReleaseAt { owner, .. } => owner,
        }
    }
}

/// Who holds a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimHolder {
    /// The claim.
    pub claim: Claim,
    /// The stream that holds it.
    pub owner: StreamId,
    /// When it becomes free by itself; none: when it is released.
    pub until: Option<Timestamp>,
}

/// A part of all sagas, owned by one node at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard(pub u32);

/// How often a shard has changed hands: the fencing token. 0: it never had an owner.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The proof of ownership that an append carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fence {
    /// The shard written for.
    pub shard: Shard,
    /// The epoch under which the writer owns it.
    pub epoch: Epoch,
}

/// One atomic batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendRequest {
    /// The same id with the same content is answered with the first result.
    pub append_id: AppendId,
    /// The node that asks; stored with every event. Not part of the content.
    pub node_id: NodeId,
    /// Refused as `Fenced` when older than the shard's epoch. Not part of the content.
    pub fence: Option<Fence>,
    /// Streams written and checked, each at most once. Positions are given in this order.
    pub writes: Vec<StreamWrite>,
    /// Claims taken and released, one after the other: a later change sees the earlier ones.
    pub claims: Vec<ClaimChange>,
}

/// Where an append's events went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    /// Position of the last event; the events of an append stand side by side. The head of the log at
    /// the time, when the append had no events.
    pub position: GlobalPosition,
    /// How many events there were.
    pub events: u32,
    /// Each write's stream version afterwards, in the order of the request's writes.
    pub versions: Vec<StreamVersion>,
}

/// Why an append was not made, or is not known to have been made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AppendError {
    /// A stream is not as expected. Load it again and decide again.
    #[error("stream {stream}: expected {expected}, is at version {actual}")]
    WrongExpectedVersion {
        /// The stream.
        stream: StreamId,
        /// What was believed.
        expected: ExpectedVersion,
        /// What is.
        actual: StreamVersion,
    },
    /// Another stream holds a claim that was to be taken.
    #[error("claim {claim} is held by {owner}")]
    ClaimTaken {
        /// What was wanted.
        claim: Claim,
        /// Who has it.
        owner: StreamId,
    },
    /// A claim was to be released by a stream that does not hold it.
    #[error("claim {claim} is not held by {owner}")]
    ClaimNotHeld {
        /// What was to be released.
        claim: Claim,
        /// Who wanted to release it.
        owner: StreamId,
    },
    /// The shard has a new owner. Stop working for it.
    #[error("shard {}: epoch {presented} was presented, {current} is current", shard.0)]
    Fenced {
        /// The shard.
        shard: Shard,
        /// The writer's epoch.
        presented: Epoch,
        /// The shard's.
        current: Epoch,
    },
    /// The id was used before with other content. A bug in the caller.
    #[error("append id {} was used before with other content", append_id.0)]
    AppendIdReused {
        /// The id.
        append_id: AppendId,
    },
    /// The request breaks a limit or contradicts itself. Fix the caller.
    #[error("{0}")]
    Invalid(String),
    /// It may or may not have been made: append the same request again to learn which. When that one is refused the
    /// first may still arrive and be made; an append of nothing under the same id (a check of any version) ends that.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(StorageError),
    /// It was not made.
    #[error("{0}")]
    Unavailable(StorageError),
}

/// Which way a read goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// Oldest first.
    Forward,
    /// Newest first.
    Backward,
}

/// Which events of the log are wanted. Given parts must all match.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Filter {
    /// One of these types; empty: all.
    pub event_types: Vec<EventType>,
    /// Streams of one of these categories; empty: all.
    pub categories: Vec<Arc<str>>,
    /// This correlation id.
    pub correlation_id: Option<CorrelationId>,
    /// Recorded at or after this time.
    pub recorded_from: Option<Timestamp>,
    /// Recorded before this time.
    pub recorded_to: Option<Timestamp>,
}

impl Filter {
    /// Everything.
    pub const ALL: Self = Self {
        event_types: Vec::new(),
        categories: Vec::new(),
        correlation_id: None,
        recorded_from: None,
        recorded_to: None,
    };

    /// Whether `event` is wanted. The indexes may narrow a read; this decides.
    pub fn admits(&self, event: &RecordedEvent) -> bool {
        let names =
            [event.stream.as_str(), event.event_type.as_str(), event.correlation_id.as_str()];
        let [stream, event_type, correlation_id] = names.map(str::as_bytes);
        self.admits_names(stream, event_type, correlation_id, event.recorded_at)
    }

    /// The same of an event of which no more is known than this.
    pub(crate) fn admits_names(
        &self,
        stream: &[u8],
        event_type: &[u8],
        correlation_id: &[u8],
        recorded_at: Timestamp,
    ) -> bool {
        let category = || stream.split(|byte| *byte == b'-').next().unwrap_or(stream);
        let of_type = |wanted: &EventType| wanted.as_str().as_bytes() == event_type;
        let of_category = |wanted: &Arc<str>| wanted.as_bytes() == category();
        let correlated = |wanted: &CorrelationId| wanted.as_str().as_bytes() == correlation_id;
        (self.event_types.is_empty() || self.event_types.iter().any(of_type))
            && (self.categories.is_empty() || self.categories.iter().any(of_category))
            && self.correlation_id.as_ref().is_none_or(correlated)
            && self.recorded_from.is_none_or(|from| recorded_at >= from)
            && self.recorded_to.is_none_or(|to| recorded_at < to)
    }
}

/// A page of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllQuery {
    /// Forward: events behind this position. Backward: events before it.
    pub from: GlobalPosition,
    /// Which way.
    pub direction: Direction,
    /// At most this many events come back; 1 to 10,000.
    pub limit: usize,
    /// Which events.
    pub filter: Filter,
}

impl AllQuery {
    /// Everything behind `after`, oldest first.
    pub fn after(after: GlobalPosition, limit: usize) -> Self {
        Self { from: after, direction: Direction::Forward, limit, filter: Filter::ALL }
    }
}

/// What a page of the log holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllPage {
    /// The matching events, in the direction of the read.
    pub events: Vec<RecordedEvent>,
    /// Where the next page starts: behind everything examined, also when nothing matched. A store may
    /// examine a bounded part and come back with few or no events.
    pub next: GlobalPosition,
    /// Nothing is left in this direction as of now.
    pub end: bool,
}

/// The log. Cheap to clone; clones are the same log.
pub trait EventStore: Clone + Send + Sync + 'static {
    /// After `Ok`: durable, atomic, visible to every reader in order, with no gap before it that can
    /// later fill. Dropping the future does not take the append back.
    fn append(
        &self,
        request: AppendRequest,
    ) -> impl Future<Output = Result<Appended, AppendError>> + Send;

    /// Up to `limit` events. Forward: from version `from` on (0 and 1 both mean the first). Backward:
    /// from version `from` down (`u64::MAX` means the last). An unknown stream is an empty one.
    fn read_stream(
        &self,
        stream: &StreamId,
        from: StreamVersion,
        direction: Direction,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<RecordedEvent>, StorageError>> + Send;

    /// A page of the whole log. A reader that has seen position p has seen all below p, for ever.
    fn read_all(
        &self,
        query: AllQuery,
    ) -> impl Future<Output = Result<AllPage, StorageError>> + Send;

    /// The last committed position.
    fn head(&self) -> impl Future<Output = Result<GlobalPosition, StorageError>> + Send;

    /// Returns when something behind `position` may exist. May return early; never late for ever.
    fn await_after(&self, position: GlobalPosition) -> impl Future<Output = ()> + Send;

    /// Who holds `claim` now.
    fn claim_holder(
        &self,
        claim: &Claim,
    ) -> impl Future<Output = Result<Option<ClaimHolder>, StorageError>> + Send;

    /// Up to `limit` held claims of `kind` with keys behind `after`, by key.
    fn claims(
        &self,
        kind: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<ClaimHolder>, StorageError>> + Send;

    /// [`Kv::purge`](crate::kv::Kv::purge) of who held `claim` before. By default there is nothing to do.
    fn purge_claim(&self, _claim: &Claim) -> impl Future<Output = Result<(), StorageError>> + Send {
        std::future::ready(Ok(()))
    }

    /// [`Kv::memory`](crate::kv::Kv::memory) of the store that the log is in. By default nobody knows.
    fn memory(&self) -> Result<Option<MemoryUse>, StorageError> {
        Ok(None)
    }

    /// The shard's current epoch.
    fn epoch(&self, shard: Shard) -> impl Future<Output = Result<Epoch, StorageError>> + Send;

    /// Raises the epochs of `shards` by one, durably, and returns the new ones in order. From then on
    /// every append under an older epoch is refused, also one that was waiting.
    fn raise_epochs(
        &self,
        shards: &[Shard],
    ) -> impl Future<Output = Result<Vec<Epoch>, StorageError>> + Send;
}
