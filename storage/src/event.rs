//! Events as they are handed to the log and as they come back.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::error::StorageError;
use crate::stream::{GlobalPosition, StreamId, StreamVersion, check_name};

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $field:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
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
    pub chain: [u8; 32],
}
