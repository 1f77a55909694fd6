//! Events to payloads and back: pure. The one place that knows how an enum of events is stored.
//!
//! An event enum has struct variants. The variant's name is the event's type in the log and the
//! variant's fields are the JSON payload, so a payload says what it is without its envelope knowing
//! any Rust type. (The envelope around it belongs to the log: `sagaline_storage::log`.)
//! What has another form, by `#[serde(tag)]` for instance, is refused when it is written.

mod form;
pub(crate) mod sealed;
mod time;
mod upcast;

use std::ops::Range;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use form::OnlyVariants;

pub use sealed::Sealed;
pub use time::rfc3339;
pub use upcast::lift;

/// Why an event could not be stored or read. Names the type and the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {event_type}: {problem}")]
pub struct CodecError {
    /// The event's type, as far as it is known.
    pub event_type: String,
    /// What is wrong.
    pub problem: String,
}

/// An event's type and payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The variant's name.
    pub event_type: String,
    /// The variant's fields as JSON; `null` for a variant without fields.
    pub payload: Bytes,
}

/// Splits an event into its type and its payload.
pub fn encode<E: Serialize>(event: &E) -> Result<Encoded, CodecError> {
    let mut text = Vec::with_capacity(128);
    let (name, payload) = write(event, &mut text)?;
    let event_type = String::from_utf8_lossy(&text[name]).into_owned();
    Ok(Encoded { event_type, payload: cut(&Bytes::from(text), payload) })
}

/// The payloads of events whose types are known, in their order. They share one piece of memory.
pub fn payloads<E: Serialize>(events: &[E]) -> Result<Vec<Bytes>, CodecError> {
    let mut text = Vec::with_capacity(192 * events.len());
    let places = events.iter().map(|event| Ok(write(event, &mut text)?.1));
    let places = places.collect::<Result<Vec<_>, CodecError>>()?;
    let text = Bytes::from(text);
    Ok(places.into_iter().map(|place| cut(&text, place)).collect())
}

/// Where in a text something stands.
type Place = Range<usize>;

/// Adds an event to `text` and says where its type and its payload stand; none is a payload of `null`.
fn write<E: Serialize>(
    event: &E,
    text: &mut Vec<u8>,
) -> Result<(Place, Option<Place>), CodecError> {
    let refuse = |event_type: &str, problem: &dyn ToString| CodecError {
        event_type: event_type.to_owned(),
        problem: problem.to_string(),
    };
    let start = text.len();
    let mut json = serde_json::Serializer::new(&mut *text);
    event.serialize(OnlyVariants(&mut json)).map_err(|error| refuse("?", &error))?;
    let (name, payload) =
        split(text, start).ok_or_else(|| refuse("?", &"its name is none of a variant"))?;
    if payload.clone().is_some_and(|place| text[place] == *b"null") {
        let name = String::from_utf8_lossy(&text[name]);
        return Err(refuse(
            &name,
            &"has the payload `null`, as only a variant without fields has: wants named fields",
        ));
    }
    Ok((name, payload))
}

fn cut(text: &Bytes, payload: Option<Place>) -> Bytes {
    payload.map_or(Bytes::from_static(b"null"), |place| text.slice(place))
}

/// Puts an event together from its type and its payload.
pub fn decode<E: DeserializeOwned>(event_type: &str, payload: &[u8]) -> Result<E, CodecError> {
    let mut text = Vec::with_capacity(event_type.len() + payload.len() + 5);
    if payload == b"null" {
        text.extend_from_slice(b"\"");
        text.extend_from_slice(event_type.as_bytes());
        text.extend_from_slice(b"\"");
    } else {
        text.extend_from_slice(b"{\"");
        text.extend_from_slice(event_type.as_bytes());
        text.extend_from_slice(b"\":");
        text.extend_from_slice(payload);
        text.push(b'}');
    }
    serde_json::from_slice(&text).map_err(|error| CodecError {
        event_type: event_type.to_owned(),
        problem: error.to_string(),
    })
}

/// `{"Type":payload}` or `"Type"`, as serde writes an enum, from `start` to the end of `text`.
fn split(text: &[u8], start: usize) -> Option<(Place, Option<Place>)> {
    let end = text.len().checked_sub(1)?;
    match *text.get(start)? {
        b'"' => Some((start + 1..end, None)),
        b'{' => {
            let name = start + 2;
            let length = text.get(name..)?.iter().position(|byte| *byte == b'"')?;
            let payload = name + length + 2;
            (payload <= end).then_some((name..name + length, Some(payload..end)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Event {
        Happened { what: String, times: u64 },
        Ended,
    }

    #[test]
    fn a_variant_is_its_name_and_its_fields() {
        let event = Event::Happened { what: "a \"b\" }".to_owned(), times: 3 };
        let encoded = encode(&event).unwrap();
        assert_eq!(encoded.event_type, "Happened");
        assert_eq!(&encoded.payload[..], br#"{"what":"a \"b\" }","times":3}"#);
        assert_eq!(decode::<Event>("Happened", &encoded.payload).unwrap(), event);
    }

    #[test]
    fn a_variant_without_fields_has_null() {
        let encoded = encode(&Event::Ended).unwrap();
        assert_eq!((encoded.event_type.as_str(), &encoded.payload[..]), ("Ended", &b"null"[..]));
        assert_eq!(decode::<Event>("Ended", b"null").unwrap(), Event::Ended);
    }

    #[test]
    fn payloads_of_several_events_are_those_of_each() {
        let happened = |times| Event::Happened { what: "\"}".to_owned(), times };
        let events = [happened(1), Event::Ended, happened(2)];
        let each = events.iter().map(|event| encode(event).unwrap().payload);
        assert_eq!(payloads(&events).unwrap(), each.collect::<Vec<_>>());
        assert!(payloads(&[1, 2]).is_err());
    }

    #[test]
    fn what_is_no_enum_is_refused() {
        assert!(encode(&17).is_err());
        assert!(encode(&["a"]).is_err());
    }

    #[test]
    fn what_serde_writes_in_another_form_is_refused() {
        #[derive(Serialize)]
        #[serde(tag = "type")]
        enum Tagged {
            Deposited { cents: u64 },
            Closed,
        }
        #[derive(Serialize)]
        #[serde(tag = "type", content = "of")]
        enum Beside {
            Deposited { cents: u64 },
        }
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Bare {
            Deposited { cents: u64 },
        }
        #[derive(Serialize)]
        struct Deposited {
            cents: u64,
        }
        let refusals = [
            encode(&Tagged::Deposited { cents: 5 }),
            encode(&Tagged::Closed),
            encode(&Beside::Deposited { cents: 5 }),
            encode(&Bare::Deposited { cents: 5 }),
            encode(&Deposited { cents: 5 }),
        ];
        for refused in refusals {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("wants an enum with struct variants"), "{error}");
        }
        assert!(payloads(&[Tagged::Closed]).is_err());
    }

    #[test]
    fn a_variant_that_serde_shows_through_something_around_it_is_its_name_and_its_fields() {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Either {
            One(Event),
        }
        #[derive(Serialize)]
        struct Around(Box<Either>);
        let event = || Event::Happened { what: "a".to_owned(), times: 3 };
        assert_eq!(encode(&Around(Box::new(Either::One(event())))), encode(&event()));
    }

    #[test]
    fn a_payload_that_could_not_be_read_again_is_refused() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        enum Loose {
            Moved(Option<u64>),
        }
        let encoded = encode(&Loose::Moved(Some(5))).unwrap();
        assert_eq!(decode::<Loose>("Moved", &encoded.payload).unwrap(), Loose::Moved(Some(5)));
        let error = encode(&Loose::Moved(None)).unwrap_err();
        assert!(error.to_string().starts_with("event Moved: has the payload `null`"), "{error}");
        assert!(payloads(&[Loose::Moved(None)]).is_err());
    }

    #[test]
    fn an_unknown_type_and_a_broken_payload_are_named() {
        let error = decode::<Event>("Vanished", b"{}").unwrap_err();
        assert!(error.to_string().contains("Vanished"), "{error}");
        let error = decode::<Event>("Happened", b"{\"what\":1}").unwrap_err();
        assert!(error.to_string().contains("Happened"), "{error}");
    }
}
