//! Sagas, and events of the log, as the API shows them.

use std::cmp::Ordering;

use serde_json::{Value, json};

use crate::evidence::LogEntry;
use crate::oracle::naive::time;

const STEPS: [&str; 4] = ["place_order", "authorize_payment", "capture_payment", "confirm_order"];

/// The saga of an order of which so many steps are done and the next, if there is one, is under way.
pub(in crate::oracle) fn saga_shown(id: &str, done: usize) -> Value {
    let step = |(place, name): (usize, &&str)| {
        let (action, attempt) = match place.cmp(&done) {
            Ordering::Less => ("succeeded", Value::Null),
            Ordering::Equal => ("started", json!(1)),
            Ordering::Greater => ("notStarted", Value::Null),
        };
        json!({"name": name, "action": action, "compensation": "notStarted", "attempt": attempt})
    };
    let steps: Vec<Value> = STEPS.iter().enumerate().map(step).collect();
    let (status, phase) = match done {
        4 => ("completed", "completed"),
        3 => ("started", "committing"),
        _ => ("started", "running"),
    };
    json!({"id": id, "sagaType": "order-processing", "status": status, "phase": phase,
        "paused": false, "currentStep": STEPS.get(done), "completedSteps": &STEPS[..done],
        "compensationSteps": [], "errorMessage": null, "steps": steps,
        "correlationId": format!("c-{id}"), "createdAt": time::written(0)})
}

/// The saga of an order whose capture was declined, and which was undone.
pub(in crate::oracle) fn saga_undone(id: &str) -> Value {
    let mut saga = saga_shown(id, 2);
    for (field, value) in [
        ("status", json!("compensated")),
        ("phase", json!("compensated")),
        ("currentStep", Value::Null),
        ("compensationSteps", json!(["place_order", "authorize_payment"])),
        ("errorMessage", json!("NO: no")),
    ] {
        saga[field] = value;
    }
    for undone in 0..2_usize {
        saga["steps"][undone]["compensation"] = json!("succeeded");
    }
    saga["steps"][2]["action"] = json!("rejected");
    saga["steps"][2]["attempt"] = Value::Null;
    saga["steps"][2]["errorMessage"] = json!("NO: no");
    saga
}

/// Events of the log, one behind the other.
pub(in crate::oracle) fn events_shown<'a>(entries: impl Iterator<Item = &'a LogEntry>) -> Value {
    let mut before_us = None;
    let shown = |entry: &LogEntry| {
        let at_us = entry.recorded_at_us;
        let since_us = before_us.replace(at_us).map_or(0, |before_us| at_us - before_us);
        json!({"position": entry.position, "eventId": entry.id, "eventType": entry.event_type,
            "stream": entry.stream, "version": entry.version,
            "correlationId": entry.correlation_id, "causationId": entry.causation_id,
            "nodeId": entry.node, "recordedAt": time::written(at_us),
            "sincePreviousUs": since_us})
    };
    Value::Array(entries.map(shown).collect())
}
