//! A log as a projection sees it, written by a test.

use sagaline_storage::{
    CorrelationId, EventId, EventType, GlobalPosition, NodeId, RecordedEvent, StreamId,
    StreamVersion, Timestamp,
};
use serde::Serialize;
use uuid::Uuid;

use crate::codec;
use crate::domain::Aggregate;
use crate::engine::{Recorded, saga_stream};
use crate::saga::SagaEvent;

/// Events in the order in which they became durable; each a second after the one before, and the first
/// one a second after the beginning of time.
#[derive(Debug, Clone, Default)]
pub struct Log {
    events: Vec<RecordedEvent>,
}

impl Log {
    /// Nothing has happened.
    pub fn new() -> Self {
        Self::default()
    }

    /// This happened to an aggregate, and is written under today's schema version.
    ///
    /// # Panics
    /// When the event cannot be stored, or the category or the id is none.
    #[must_use]
    #[track_caller]
    pub fn event<A: Aggregate>(mut self, id: &str, event: A::Event) -> Self {
        self.write(&stream::<A>(id), &event, A::schema_version);
        self
    }

    /// This happened to a saga.
    ///
    /// # Panics
    /// When the event cannot be stored.
    #[must_use]
    #[track_caller]
    pub fn saga(mut self, id: Uuid, events: impl IntoIterator<Item = SagaEvent>) -> Self {
        let stream = saga_stream(id);
        events.into_iter().for_each(|event| self.push(stream.as_str(), &event));
        self
    }

    /// An aggregate decided on a command, by its past in this log. True: it was not refused.
    ///
    /// # Panics
    /// When its past cannot be read, or what it decides cannot be stored.
    #[track_caller]
    pub fn execute<A: Aggregate>(&mut self, id: &str, command: A::Command) -> bool {
        let stream = stream::<A>(id);
        let mut aggregate = A::default();
        for event in self.events.iter().filter(|event| event.stream.as_str() == stream) {
            match Recorded::new(event).of::<A>() {
                Ok(past) => past.iter().for_each(|event| aggregate.evolve(event)),
                Err(error) => panic!("the past of {stream}: {error}"),
            }
        }
        let Ok(events) = aggregate.decide(command) else { return false };
        events.iter().for_each(|event| self.write(&stream, event, A::schema_version));
        true
    }

    /// Everything in it.
    pub fn events(&self) -> &[RecordedEvent] {
        &self.events
    }

    /// Appends an event to a stream, under schema version 1.
    ///
    /// # Panics
    /// When the event cannot be stored, or the stream's name is none.
    #[track_caller]
    pub fn push(&mut self, stream: &str, event: &impl Serialize) {
        self.write(stream, event, |_| 1);
    }

    #[track_caller]
    fn write(&mut self, stream: &str, event: &impl Serialize, version: fn(&str) -> u16) {
        match self.recorded(stream, event, version) {
            Ok(event) => self.events.push(event),
            Err(problem) => panic!("an event of stream `{stream}` cannot be stored: {problem}"),
        }
    }

    fn recorded(
        &self,
        stream: &str,
        event: &impl Serialize,
        schema_version: fn(&str) -> u16,
    ) -> Result<RecordedEvent, String> {
        let said = |error: sagaline_storage::StorageError| error.to_string();
        let encoded = codec::encode(event).map_err(|error| error.to_string())?;
        let position = self.events.len() as u64 + 1;
        let version = self.events.iter().filter(|event| event.stream.as_str() == stream).count();
        Ok(RecordedEvent {
            position: GlobalPosition(position),
            stream: StreamId::new(stream).map_err(said)?,
            version: StreamVersion(version as u64 + 1),
            id: EventId(Uuid::from_u128(u128::from(position))),
            event_type: EventType::new(encoded.event_type.as_str()).map_err(said)?,
            schema_version: schema_version(&encoded.event_type),
            correlation_id: CorrelationId::new("request-1").map_err(said)?,
            causation_id: None,
            node_id: NodeId::new("node-1").map_err(said)?,
            recorded_at: Timestamp(position * 1_000_000),
            payload: encoded.payload,
            chain: [0; 32],
        })
    }
}

/// The name of an aggregate's stream.
#[track_caller]
fn stream<A: Aggregate>(id: &str) -> String {
    let category = A::CATEGORY;
    let is_one = !category.is_empty() && !category.contains('-');
    assert!(is_one, "aggregate category {category:?}: a category has no `-`, and is not empty");
    format!("{category}-{id}")
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
