//! An event as one line of JSON: what `log cat --json` prints and `export` writes, and `import` reads.
//!
//! The payload stands in it byte by byte, so that a record made of the line has the hash that it had.

use bytes::Bytes;
use sagaline_storage::{
    CorrelationId, EventId, EventType, GlobalPosition, NewEvent, NodeId, RecordedEvent, StreamId,
    StreamVersion, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::domain::WallTime;

/// One event of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EventLine {
    /// Its place in the log.
    pub(super) position: u64,
    /// Its stream.
    pub(super) stream: StreamId,
    /// Its place in the stream.
    pub(super) version: u64,
    /// Its identity.
    pub(super) id: Uuid,
    /// What happened.
    #[serde(rename = "type")]
    pub(super) event_type: EventType,
    /// The version of the payload's shape.
    pub(super) schema_version: u16,
    /// The request that set this in motion.
    pub(super) correlation_id: CorrelationId,
    /// The event that directly led to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) causation_id: Option<Uuid>,
    /// The node that appended it.
    pub(super) node_id: NodeId,
    /// When the log took it.
    pub(super) recorded_at: WallTime,
    /// The payload, where it is JSON on one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    /// The payload as text, where it is anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_text: Option<String>,
}

/// Why an event cannot be written as a line, or a line is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    /// The payload is not even text.
    #[error("event {position}: the payload is not UTF-8")]
    NotText {
        /// Where.
        position: GlobalPosition,
    },
    /// A line has both or neither of `payload` and `payloadText`.
    #[error("event {position}: wants one of payload and payloadText")]
    NoPayload {
        /// Where.
        position: u64,
    },
    /// A time that has no RFC 3339 form.
    #[error("event {position}: recorded after the year 9999")]
    Time {
        /// Where.
        position: GlobalPosition,
    },
}

impl EventLine {
    /// The line of an event.
    pub(super) fn of(event: &RecordedEvent) -> Result<Self, LineError> {
        let position = event.position;
        let text = std::str::from_utf8(&event.payload);
        let text = text.map_err(|_| LineError::NotText { position })?;
        let (payload, payload_text) = match one_line(text) {
            Some(json) => (Some(json), None),
            None => (None, Some(text.to_owned())),
        };
        if event.recorded_at.0 > WallTime::LAST_US {
            return Err(LineError::Time { position });
        }
        Ok(Self {
            position: position.0,
            stream: event.stream.clone(),
            version: event.version.0,
            id: event.id.0,
            event_type: event.event_type.clone(),
            schema_version: event.schema_version,
            correlation_id: event.correlation_id.clone(),
            causation_id: event.causation_id.map(|id| id.0),
            node_id: event.node_id.clone(),
            recorded_at: WallTime(event.recorded_at.0),
            payload,
            payload_text,
        })
    }

    /// The payload as text.
    pub(super) fn payload(&self) -> &str {
        let json = self.payload.as_deref().map(RawValue::get);
        json.or(self.payload_text.as_deref()).unwrap_or_default()
    }

    /// Where it stood in its stream.
    pub(super) fn version(&self) -> StreamVersion {
        StreamVersion(self.version)
    }

    /// When the log took it.
    pub(super) fn recorded_at(&self) -> Timestamp {
        Timestamp(self.recorded_at.0)
    }

    /// The event as it was handed to the log.
    pub(super) fn into_new_event(self) -> Result<NewEvent, LineError> {
        let payload = match (self.payload, self.payload_text) {
            (Some(json), None) => String::from(Box::<str>::from(json)),
            (None, Some(text)) => text,
            (Some(_), Some(_)) | (None, None) => {
                return Err(LineError::NoPayload { position: self.position });
            }
        };
        Ok(NewEvent {
            id: EventId(self.id),
            event_type: self.event_type,
            schema_version: self.schema_version,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id.map(EventId),
            payload: Bytes::from(payload),
        })
    }
}

/// JSON that keeps every byte as a part of a line: no line end in it, no space around it. A `null` would
/// be read as a field that is not there.
fn one_line(text: &str) -> Option<Box<RawValue>> {
    if text.contains(['\n', '\r']) || text == "null" {
        return None;
    }
    let json: Box<RawValue> = serde_json::from_str(text).ok()?;
    (json.get() == text).then_some(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(payload: &'static [u8]) -> RecordedEvent {
        RecordedEvent {
            position: GlobalPosition(7),
            stream: StreamId::new("order-1").unwrap(),
            version: StreamVersion(2),
            id: EventId(Uuid::from_u128(1)),
            event_type: EventType::new("OrderPlaced").unwrap(),
            schema_version: 3,
            correlation_id: CorrelationId::new("c-1").unwrap(),
            causation_id: None,
            node_id: NodeId::new("n1").unwrap(),
            recorded_at: Timestamp(1_795_374_245_000_123),
            payload: Bytes::from_static(payload),
            chain: [0; 32],
        }
    }

    #[test]
    fn every_byte_of_a_payload_comes_back() {
        let payloads: [&'static [u8]; 6] = [
            br#"{"b":1.50,"a":[ 1,2 ]}"#,
            b" {\"a\":1} ",
            b"{\n  \"a\": 1\n}",
            b"not json",
            b"null",
            b"",
        ];
        for payload in payloads {
            let line = serde_json::to_string(&EventLine::of(&event(payload)).unwrap()).unwrap();
            assert!(!line.contains('\n'), "{line}");
            let back: EventLine = serde_json::from_str(&line).unwrap();
            assert_eq!(back.payload().as_bytes(), payload, "{line}");
            assert_eq!(back.into_new_event().unwrap().payload, payload, "{line}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_position() {
        let error = EventLine::of(&event(b"\xff")).unwrap_err();
        assert_eq!(error.to_string(), "event 7: the payload is not UTF-8");
        let mut line = serde_json::to_value(EventLine::of(&event(b"1")).unwrap()).unwrap();
        line["payloadText"] = "1".into();
        let both: EventLine = serde_json::from_str(&line.to_string()).unwrap();
        assert_eq!(both.into_new_event().unwrap_err(), LineError::NoPayload { position: 7 });
    }
}
