//! Short words for the suite's requests.

use bytes::Bytes;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::event::{AppendId, CorrelationId, EventId, EventType, NewEvent, NodeId};
use crate::event_store::{
    AppendRequest, Claim, ClaimChange, Epoch, ExpectedVersion, Fence, Shard, StreamWrite,
};
use crate::stream::StreamVersion;

use super::stream;

/// The events and claims of the append with this number. Equal calls make equal requests.
pub(super) fn append(number: u128) -> Request {
    Request(AppendRequest {
        append_id: AppendId(Uuid::from_u128(number)),
        node_id: NodeId::new("node-1").expect("a sound name"),
        fence: None,
        writes: Vec::new(),
        claims: Vec::new(),
    })
}

pub(super) fn exact(version: u64) -> ExpectedVersion {
    ExpectedVersion::Exact(StreamVersion(version))
}

pub(super) struct Request(pub(super) AppendRequest);

impl Request {
    /// Writes `events` to a stream.
    pub(super) fn to(mut self, name: &str, expected: ExpectedVersion, events: usize) -> Self {
        let first = self.0.writes.iter().map(|write| write.events.len()).sum::<usize>();
        let events = (first..first + events).map(|at| self.event(at, "Happened", "corr")).collect();
        self.0.writes.push(StreamWrite { stream: stream(name), expected, events });
        self
    }

    /// Writes one event of a type and correlation id to a stream.
    pub(super) fn typed(mut self, name: &str, event_type: &str, correlation: &str) -> Self {
        let at = self.0.writes.iter().map(|write| write.events.len()).sum();
        let event = self.event(at, event_type, correlation);
        let write = StreamWrite {
            stream: stream(name),
            expected: ExpectedVersion::Any,
            events: vec![event],
        };
        self.0.writes.push(write);
        self
    }

    pub(super) fn take(self, key: &str, owner: &str) -> Self {
        self.change(ClaimChange::Take { claim: Claim::new("sku", key), owner: stream(owner) })
    }

    pub(super) fn release(self, key: &str, owner: &str) -> Self {
        self.change(ClaimChange::Release { claim: Claim::new("sku", key), owner: stream(owner) })
    }

    pub(super) fn release_at(self, key: &str, owner: &str, at: Timestamp) -> Self {
        let claim = Claim::new("sku", key);
        self.change(ClaimChange::ReleaseAt { claim, owner: stream(owner), at })
    }

    pub(super) fn fenced(mut self, shard: u32, epoch: Epoch) -> Self {
        self.0.fence = Some(Fence { shard: Shard(shard), epoch });
        self
    }

    pub(super) fn done(self) -> AppendRequest {
        self.0
    }

    fn change(mut self, change: ClaimChange) -> Self {
        self.0.claims.push(change);
        self
    }

    fn event(&self, at: usize, event_type: &str, correlation: &str) -> NewEvent {
        let id = Uuid::from_u128((self.0.append_id.0.as_u128() << 32) + at as u128);
        NewEvent {
            id: EventId(id),
            event_type: EventType::new(event_type).expect("a sound name"),
            schema_version: 1,
            correlation_id: CorrelationId::new(correlation).expect("a sound name"),
            causation_id: None,
            payload: Bytes::from(format!("{{\"n\":\"{id}\"}}")),
        }
    }
}
