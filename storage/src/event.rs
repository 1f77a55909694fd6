//! Events as they are handed to the log and as they come back.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::error::StorageError;
use crate::stream::{GlobalPosition, Named, StreamId, StreamVersion, check_name};

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $field:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Longest value, in bytes.
            pub const BYTES_MAX: usize = $max;

            /// Checks and takes a value: 1 to `BYTES_MAX` bytes of `[A-Za-z0-9_.:@+-]`.
            pub fn new(value: impl Into<Arc<str>>) -> Result<Self, StorageError> {
                let value: Arc<str> = value.into();
                check_name($field, &value, Self::BYTES_MAX)?;
                Ok(Self(value))
            }

            /// The value.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Named(|text: &str| Self::new(text)))
            }
        }

        impl TryFrom<String> for $name {
            type Error = StorageError;

            fn try_from(value: String) -> Result<Self, StorageError> {
                Self::new(value)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0.as_ref().to_owned()
            }
        }
    };
}

name_type!(
    /// What happened, in the past tense: `OrderPlaced`.
    EventType, "event type", 64
);
name_type!(
    /// Ties together everything that one request set in motion.
    CorrelationId, "correlation id", 64
);
name_type!(
    /// The node that appended an event.
    NodeId, "node id", 64
);

/// The identity of one event: a UUIDv7, drawn by whoever makes the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

/// The identity of one append. The same id with the same content is the same append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AppendId(pub Uuid);

/// An event on its way into the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    /// Drawn by the caller, so that a repeated append is recognisable by content.
    pub id: EventId,
    /// What happened.
    pub event_type: EventType,
    /// The version of the payload's shape, as it is written.
    pub schema_version: u16,
    /// The request that set this in motion.
    pub correlation_id: CorrelationId,
    /// The event that directly led to this one; none for what came from outside.
    pub causation_id: Option<EventId>,
    /// Self-describing JSON.
    pub payload: Bytes,
}

/// An event as the log holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedEvent {
    /// Its place in the whole log.
    pub position: GlobalPosition,
    /// Its stream.
    pub stream: StreamId,
    /// Its place in the stream.
    pub version: StreamVersion,
    /// Its identity.
    pub id: EventId,
    /// What happened.
    pub event_type: EventType,
    /// The version of the payload's shape.
    pub schema_version: u16,
    /// The request that set this in motion.
    pub correlation_id: CorrelationId,
    /// The event that directly led to this one.
    pub causation_id: Option<EventId>,
    /// The node that appended it.
    pub node_id: NodeId,
    /// When the log took it, by the log's own clock. Never an order: that is `position`.
    pub recorded_at: Timestamp,
    /// Self-describing JSON.
    pub payload: Bytes,
    /// The hash chain up to and with this event.
    #[serde(with = "hash_bytes")]
    pub chain: [u8; 32],
}

/// A hash as one piece of bytes where bytes are a thing of their own, else as the list of numbers that it
/// is: one by one they cost as much as all the rest of an event.
mod hash_bytes {
    use std::fmt;

    use serde::de::{self, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    type Hash = [u8; 32];

    pub(super) fn serialize<S: Serializer>(hash: &Hash, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { hash.serialize(to) } else { to.serialize_bytes(hash) }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Hash, D::Error> {
        if from.is_human_readable() {
            Hash::deserialize(from)
        } else {
            from.deserialize_bytes(Bytes)
        }
    }

    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Hash;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("32 bytes")
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Hash, E> {
            bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> RecordedEvent {
        RecordedEvent {
            position: GlobalPosition(7),
            stream: StreamId::new("order-1").unwrap(),
            version: StreamVersion(2),
            id: EventId(Uuid::from_u128(3)),
            event_type: EventType::new("OrderPlaced").unwrap(),
            schema_version: 1,
            correlation_id: CorrelationId::new("c-1").unwrap(),
            causation_id: Some(EventId(Uuid::from_u128(4))),
            node_id: NodeId::new("n1").unwrap(),
            recorded_at: Timestamp(5),
            payload: Bytes::from_static(b"{}"),
            chain: [9; 32],
        }
    }

    #[test]
    fn an_event_comes_back_from_text_as_it_was() {
        let event = event();
        let text = serde_json::to_value(&event).unwrap();
        assert_eq!(text["chain"].as_array().map(Vec::len), Some(32), "a list of numbers");
        assert_eq!(text["stream"], "order-1");
        assert_eq!(serde_json::from_value::<RecordedEvent>(text).unwrap(), event);
    }

    #[test]
    fn a_name_is_checked_when_it_is_read() {
        let refused = serde_json::from_str::<EventType>("\"no name\"").unwrap_err().to_string();
        assert!(refused.contains("event type \"no name\""), "{refused}");
        assert!(serde_json::from_str::<StreamId>("\"\"").is_err());
        assert!(serde_json::from_str::<NodeId>("7").is_err());
    }
}
