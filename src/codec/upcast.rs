//! Old payloads lifted to today's shape when they are read; nothing stored is ever rewritten.

use std::borrow::Cow;

use crate::domain::Aggregate;

use super::CodecError;

/// The payload of an event of `A` in today's shape, from the version it was written under.
pub fn lift<'a, A: Aggregate>(
    event_type: &str,
    written: u16,
    payload: &'a [u8],
) -> Result<Cow<'a, [u8]>, CodecError> {
    let today = A::schema_version(event_type);
    if written == today {
        return Ok(Cow::Borrowed(payload));
    }
    let refuse = |problem| CodecError { event_type: event_type.to_owned(), problem };
    if written > today {
        return Err(refuse(format!(
            "was written under schema version {written}, this program knows up to {today}: \
             run the newer program"
        )));
    }
    let mut value = serde_json::from_slice(payload).map_err(|error| refuse(error.to_string()))?;
    for version in written..today {
        value = A::upcast(event_type, version, value);
    }
    serde_json::to_vec(&value).map(Cow::Owned).map_err(|error| refuse(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

    use super::*;

    #[derive(Default, Clone, Serialize, Deserialize)]
    struct Door;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum DoorEvent {
        Opened { by: String, floor: u8 },
    }

    #[derive(Debug, thiserror::Error)]
    #[error("no")]
    struct No;

    impl Aggregate for Door {
        const CATEGORY: &'static str = "door";
        type Command = ();
        type Event = DoorEvent;
        type Refusal = No;

        fn decide(&self, (): ()) -> Result<Vec<DoorEvent>, No> {
            Err(No)
        }

        fn evolve(&mut self, _: &DoorEvent) {}

        fn schema_version(_: &str) -> u16 {
            3
        }

        fn upcast(_: &str, version: u16, mut payload: Value) -> Value {
            match version {
                1 => payload["by"] = payload["who"].take(),
                _ => payload["floor"] = json!(0),
            }
            payload
        }
    }

    #[test]
    fn an_old_payload_climbs_every_version() {
        let lifted = lift::<Door>("Opened", 1, br#"{"who":"ada"}"#).unwrap();
        let event: DoorEvent = super::super::decode("Opened", &lifted).unwrap();
        assert_eq!(event, DoorEvent::Opened { by: "ada".to_owned(), floor: 0 });
    }

    #[test]
    fn a_payload_of_today_is_not_touched() {
        let payload = br#"{"by":"ada","floor":2}"#;
        assert!(matches!(lift::<Door>("Opened", 3, payload).unwrap(), Cow::Borrowed(_)));
    }

    #[test]
    fn a_payload_from_the_future_is_refused_with_the_way_out() {
        let error = lift::<Door>("Opened", 4, b"{}").unwrap_err();
        assert!(error.to_string().contains("newer program"), "{error}");
    }
}
