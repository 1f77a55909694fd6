//! What a consumer is given: an event, and the circumstances of this attempt.

use sagaline_storage::RecordedEvent;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::domain::Aggregate;
use crate::engine::outcome::{Failure, Outcome};
use crate::engine::projection::Recorded;

/// One attempt to have a consumer act on an event.
#[derive(Debug, Clone)]
pub struct Delivery {
    id: String,
    event: RecordedEvent,
    attempt: u32,
}

impl Delivery {
    pub(super) fn new(consumer: &str, event: RecordedEvent, attempt: u32) -> Self {
        let id = format!("{consumer}/{}", event.id.0);
        Self { id, event, attempt }
    }

    /// An attempt at an event; for tests of consumers.
    pub fn of<C: super::Consumer>(event: RecordedEvent, attempt: u32) -> Self {
        Self::new(C::NAME, event, attempt)
    }

    /// The same for every attempt at this event by this consumer, on whatever node and after whatever
    /// crash: an idempotency key for what the consumer sets in motion.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// 1 is the first since the event was first delivered or last replayed.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The event as the log has it: position, stream, ids, time, payload.
    pub fn envelope(&self) -> &RecordedEvent {
        &self.event
    }

    /// The event as projections see it, for what they and consumers have in common.
    pub fn recorded(&self) -> Recorded<'_> {
        Recorded::new(&self.event)
    }

    /// The event as an enum of one's own, from its type and its payload as they were written. One that does
    /// not fit is an attempt that failed: a newer program may understand it.
    pub fn decode<E: DeserializeOwned>(&self) -> Outcome<E> {
        let decoded = codec::decode(self.event.event_type.as_str(), &self.event.payload);
        decoded.map_err(|error| Failure::unknown(error.to_string()))
    }

    /// The event of an aggregate's stream, in today's shape; `None` when the stream is not `A`'s.
    pub fn aggregate<A: Aggregate>(&self) -> Outcome<Option<A::Event>> {
        self.recorded().of::<A>().map_err(|error| Failure::unknown(error.to_string()))
    }
}
