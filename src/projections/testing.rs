//! Recorded events for tests of projections: what aggregates decide, as the log would hold it.

use sagaline_storage::{
    CorrelationId, EventId, EventType, GlobalPosition, NodeId, RecordedEvent, StreamId,
    StreamVersion, Timestamp,
};
use serde::Serialize;
use uuid::Uuid;

use crate::codec;
use crate::domain::{Aggregate, Order};

/// A log that grows; each event comes a second after the one before.
#[derive(Default)]
pub(super) struct TestLog {
    pub(super) events: Vec<RecordedEvent>,
}

impl TestLog {
    /// Appends what an aggregate decides; `true` when it was not refused.
    pub(super) fn execute<A: Aggregate>(&mut self, id: &str, command: A::Command) -> bool {
        let stream = format!("{}-{id}", A::CATEGORY);
        let mut aggregate = A::default();
        for event in self.events.iter().filter(|event| event.stream.as_str() == stream) {
            let event = codec::decode(event.event_type.as_str(), &event.payload).unwrap();
            aggregate.evolve(&event);
        }
        let Ok(events) = aggregate.decide(command) else { return false };
        events.iter().for_each(|event| self.append(&stream, event));
        true
    }

    /// Appends an event to a stream.
    pub(super) fn append(&mut self, stream: &str, event: &impl Serialize) {
        let encoded = codec::encode(event).unwrap();
        let position = self.events.len() as u64 + 1;
        let version = self.events.iter().filter(|event| event.stream.as_str() == stream).count();
        self.events.push(RecordedEvent {
            position: GlobalPosition(position),
            stream: StreamId::new(stream).unwrap(),
            version: StreamVersion(version as u64 + 1),
            id: EventId(Uuid::from_u128(u128::from(position))),
            event_type: EventType::new(encoded.event_type.as_str()).unwrap(),
            schema_version: Order::schema_version(&encoded.event_type),
            correlation_id: CorrelationId::new("request-1").unwrap(),
            causation_id: None,
            node_id: NodeId::new("node-1").unwrap(),
            recorded_at: Timestamp(position * 1_000_000),
            payload: encoded.payload,
            chain: [0; 32],
        });
    }
}
