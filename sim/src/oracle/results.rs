//! What a step returned, or an operator said that it did, is given to the steps that read it, and to its own
//! undo, as the log has it, and it is what its participant answered first, however often it was asked. The trips
//! and visits of the simulation are looked at: the events by which they take effect say what they were given, and
//! those of visits with what they were answered.

use serde_json::{Map, Value};

use crate::evidence::LogEntry;
use crate::trip::TRIP;
use crate::visit::VISIT;

use super::case::Case;
use super::naive::json::{number, text};
use super::naive::saga::Saga;
use super::naive::steps::Key;
use super::{Finding, Oracle};

/// The streams in which they write down what they were given.
const CATEGORIES: [&str; 2] = ["museum-", "account-"];

/// See the module.
#[derive(Debug)]
pub struct Results;

impl Oracle for Results {
    fn name(&self) -> &'static str {
        "results"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        readers(case).next().is_some()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        for Reader { entry, saga, reads } in readers(case) {
            let wanted: Map<_, _> =
                reads.into_iter().filter_map(|step| result(case, saga, step)).collect();
            let wanted = Value::Object(wanted);
            let given = entry.payload.get("given").unwrap_or(&Value::Null);
            finding.expect(*given == wanted, "a step was not given what another returned", || {
                format!("saga {} at {}: {given} and not {wanted}", saga.id, entry.position)
            });
        }
        for (entry, saga, step) in entered(case) {
            // Who says that a step was done may say with what.
            let returned = result(case, saga, step).filter(|_| !saga.is_overruled);
            let Some((_, returned)) = returned else { continue };
            let guests = entry.payload.get("guests").unwrap_or(&Value::Null);
            finding.expect(returned == *guests, "a step returned what it was not answered", || {
                format!("saga {} at {step}: {returned} and not {guests}", saga.id)
            });
        }
        finding
    }
}

/// What visits did, each with the first answer that its call was given.
fn entered<'a>(case: &'a Case<'a>) -> impl Iterator<Item = (&'a LogEntry, &'a Saga<'a>, &'a str)> {
    let entered = noted(case).filter(|entry| entry.event_type == "GuestEntered");
    entered.filter_map(|entry| {
        let key = Key::parse(text(&entry.payload, "key")?)?;
        let saga = case.sagas.get(key.saga).filter(|saga| saga.saga_type == VISIT)?;
        Some((entry, saga, key.step))
    })
}

/// A call that says what it was given.
struct Reader<'a> {
    entry: &'a LogEntry,
    saga: &'a Saga<'a>,
    /// The steps whose results it is to be given.
    reads: Vec<&'a str>,
}

/// All of them. Beside the orders trips and visits are the simulation's own; what a user calls so is the
/// user's.
fn readers<'a>(case: &'a Case<'a>) -> impl Iterator<Item = Reader<'a>> {
    noted(case).filter_map(|entry| reader(case, entry))
}

/// What they have written down.
fn noted<'a>(case: &'a Case<'a>) -> impl Iterator<Item = &'a LogEntry> {
    let streams = CATEGORIES.into_iter().filter(|_| case.places_orders()).flat_map(|category| {
        let from = case.streams.range(category..);
        from.take_while(move |(name, _)| name.starts_with(category))
    });
    streams.flat_map(|(_, entries)| entries.iter().copied())
}

fn reader<'a>(case: &'a Case<'a>, entry: &'a LogEntry) -> Option<Reader<'a>> {
    let said = |field| text(&entry.payload, field);
    let (saga, reads) = match entry.event_type.as_str() {
        "MilesAdded" => (said("trip")?, vec!["room", "charge"]),
        "GuestEntered" => {
            let key = Key::parse(said("key")?)?;
            let reads = if key.step == "entry" { vec!["guide", "locker"] } else { Vec::new() };
            (key.saga, reads)
        }
        "GuestLeft" => {
            let key = Key::parse(said("of")?)?;
            (key.saga, vec![key.step])
        }
        _ => return None,
    };
    let saga = case.sagas.get(saga)?;
    [TRIP, VISIT].contains(&saga.saga_type).then_some(Reader { entry, saga, reads })
}

/// What a step returned, if it is known to have been done. Who skips it says nothing, and who says that it was
/// done may not say with what: then there is nothing that could be read.
fn result(case: &Case<'_>, saga: &Saga<'_>, step: &str) -> Option<(String, Value)> {
    let shape = case.evidence.plan.sagas.iter().find(|shape| shape.name == saga.saga_type)?;
    let place = shape.steps.iter().position(|other| other.name == step)?;
    let succeeded = saga.entries.iter().find(|entry| {
        let number = number(&entry.payload, "step").and_then(|step| usize::try_from(step).ok());
        entry.event_type == "StepSucceeded" && number == Some(place)
    })?;
    let result = succeeded.payload.get("result")?;
    let is_left_open = saga.is_overruled && result.is_null();
    (!is_left_open).then(|| (step.to_owned(), result.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::{History, caught, clean};

    const WHAT: &str = "a step was not given what another returned";

    /// A visit that was let in, beside orders.
    fn visited(given: &Value) -> History {
        let mut history = begun();
        history.say("saga-v", "StepSucceeded", json!({ "step": 2, "result": 3, "atUs": 4 }));
        let entered = json!({ "key": "v/entry/action", "guests": 3, "given": given });
        history.say("museum-1", "GuestEntered", entered);
        history.say("saga-v", "SagaCompleted", json!({}));
        history
    }

    /// A visit of which guide and locker were taken back; whether the locker was had was not known.
    fn undone(guide: &Value, locker: &Value) -> History {
        let mut history = begun();
        for (step, given) in [("guide", guide), ("locker", locker)] {
            let of = format!("v/{step}/action");
            history.say("museum-1", "GuestLeft", json!({ "of": of, "guests": 0, "given": given }));
        }
        history
    }

    fn begun() -> History {
        let mut history = History::good();
        history.evidence.plan.sagas.extend(crate::visit::shape());
        let started = json!({ "sagaType": VISIT, "steps": 3, "pivot": 2, "input": {}, "epoch": 1 });
        history.say("saga-v", "SagaStarted", started);
        for (step, result) in [(0, 1), (1, 2)] {
            let said = json!({ "step": step, "result": result, "atUs": 4 });
            history.say("saga-v", "StepSucceeded", said);
        }
        history
    }

    #[test]
    fn what_was_returned_is_given() {
        let finding = clean(&Results, &visited(&json!({ "guide": 1, "locker": 2 })));
        assert_eq!(finding.examined, 2);
        let finding = clean(&Results, &undone(&json!({ "guide": 1 }), &json!({ "locker": 2 })));
        assert_eq!(finding.examined, 2);
    }

    #[test]
    fn results_that_are_mixed_up_or_missing_are_caught() {
        for given in [json!({ "guide": 2, "locker": 1 }), json!({ "guide": 1 }), json!({})] {
            caught(&Results, &visited(&given), WHAT);
        }
        caught(&Results, &undone(&json!({}), &json!({ "locker": 2 })), WHAT);
        caught(&Results, &undone(&json!({ "guide": 1 }), &json!({ "locker": 1 })), WHAT);
    }

    #[test]
    fn a_result_that_is_not_the_first_answer_is_caught() {
        let mut history = visited(&json!({ "guide": 1, "locker": 2 }));
        for entry in &mut history.evidence.log {
            if entry.event_type == "GuestEntered" {
                entry.payload["guests"] = json!(4);
            }
        }
        caught(&Results, &history, "a step returned what it was not answered");
    }

    /// An operator said that the locker was had, and what that returned.
    fn told(result: &Value, given: &Value) -> History {
        let mut history = visited(given);
        for entry in &mut history.evidence.log {
            let of_visit = entry.stream == "saga-v" && entry.event_type == "StepSucceeded";
            if of_visit && entry.payload["step"] == 1 {
                entry.payload["result"] = result.clone();
            }
        }
        let by = json!({ "step": 1, "direction": "action", "reason": "r", "actor": "a" });
        history.say("saga-v", "StepResolved", by);
        history
    }

    #[test]
    fn what_an_operator_said_is_given_and_what_they_did_not_say_is_not() {
        clean(&Results, &told(&json!(7), &json!({ "guide": 1, "locker": 7 })));
        clean(&Results, &told(&Value::Null, &json!({ "guide": 1 })));
        for given in [json!({ "guide": 1 }), json!({ "guide": 1, "locker": 2 })] {
            caught(&Results, &told(&json!(7), &given), WHAT);
        }
        caught(&Results, &told(&Value::Null, &json!({ "guide": 1, "locker": 2 })), WHAT);
    }

    #[test]
    fn what_never_returned_is_given_to_nobody() {
        let mut history = undone(&json!({ "guide": 1 }), &json!({}));
        let is_locker =
            |entry: &LogEntry| entry.event_type == "StepSucceeded" && entry.payload["step"] == 1;
        history.evidence.log.retain(|entry| !is_locker(entry));
        clean(&Results, &history);
    }
}
