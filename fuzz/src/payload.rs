//! Any text as the payloads of a stream: each is lifted, decoded, written again, and followed by the
//! state; a state that is kept as a snapshot comes back as it was.

use sagaline::codec::{decode, encode, lift};
use sagaline::domain::{Aggregate, Order, Payment, Session, User};
use sagaline::saga::{SagaEvent, SagaState, evolve};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The first line names the kind of stream; each further one is an event: type, schema version, payload.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.lines();
    let events = |line: &'_ str| -> Option<(String, u16, Vec<u8>)> {
        let mut parts = line.splitn(3, ' ');
        let event_type = parts.next()?.to_owned();
        // The log takes no other names.
        sagaline_storage::EventType::new(event_type.as_str()).ok()?;
        Some((event_type, parts.next()?.parse().ok()?, parts.next()?.as_bytes().to_vec()))
    };
    let kind = lines.next();
    let events: Vec<_> = lines.filter_map(events).collect();
    match kind {
        Some("order") => aggregate::<Order>(&events),
        Some("payment") => aggregate::<Payment>(&events),
        Some("user") => aggregate::<User>(&events),
        Some("session") => aggregate::<Session>(&events),
        Some("door") => aggregate::<Door>(&events),
        Some("saga") => saga(&events),
        _ => {}
    }
}

fn aggregate<A: Aggregate>(events: &[(String, u16, Vec<u8>)]) {
    let mut state = A::default();
    for (event_type, version, payload) in events {
        let Ok(lifted) = lift::<A>(event_type, *version, payload) else { continue };
        let Ok(event) = decode::<A::Event>(event_type, &lifted) else { continue };
        comes_back(&event);
        drop(state.claims(&event));
        state.evolve(&event);
        let kept = serde_json::to_string(&state).unwrap();
        let back: A = serde_json::from_str(&kept).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), kept);
    }
}

fn saga(events: &[(String, u16, Vec<u8>)]) {
    let mut state: Option<SagaState> = None;
    for (event_type, _, payload) in events {
        let Ok(event) = decode::<SagaEvent>(event_type, payload) else { continue };
        assert_eq!(event.name(), event_type);
        comes_back(&event);
        let Ok(next) = evolve(state.clone(), &event) else { continue };
        let kept = serde_json::to_string(&next).unwrap();
        let back: SagaState = serde_json::from_str(&kept).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), kept);
        state = Some(next);
    }
}

/// Written and read again it is the same, to the last byte.
fn comes_back<E: Serialize + for<'de> Deserialize<'de>>(event: &E) {
    let written = encode(event).unwrap();
    let back: E = decode(&written.event_type, &written.payload).unwrap();
    assert_eq!(encode(&back).unwrap(), written);
}

/// With two older shapes, which today's reference application does not have.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Door {
    opened: u64,
}

#[derive(Serialize, Deserialize)]
enum DoorEvent {
    Opened { by: String, floor: u8 },
    Shut,
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

    fn evolve(&mut self, _: &DoorEvent) {
        self.opened = self.opened.wrapping_add(1);
    }

    fn schema_version(_: &str) -> u16 {
        3
    }

    fn upcast(event_type: &str, version: u16, payload: Value) -> Value {
        match (event_type, version, payload) {
            ("Opened", 1, Value::Object(mut old)) => {
                let who = old.remove("who").unwrap_or(Value::Null);
                old.insert("by".to_owned(), who);
                Value::Object(old)
            }
            ("Opened", 2, Value::Object(mut old)) => {
                old.insert("floor".to_owned(), json!(0));
                Value::Object(old)
            }
            (_, _, payload) => payload,
        }
    }
}
