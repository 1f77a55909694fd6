//! Hand-made pages of sagas: right ones, and each thing that can be wrong with them.

use serde_json::{Value, json};

use super::super::Shown;
use crate::evidence::Role;
use crate::oracle::testing::{History, caught, clean, saga_shown, saga_undone};

const WHAT: &str = "a saga is shown otherwise than its log has it";

/// What an administrator is shown of a saga.
fn look(history: &mut History, saga: &str, page: Value) {
    history.look_at(Role::Admin, 0, None, &format!("GET /sagas/{saga}"), (200, page));
}

/// Each of these fields alone makes a right page a wrong one.
fn each_is_caught(history: &mut History, wrong: &[(&str, Value)]) {
    for (at, wrong) in wrong {
        let right = std::mem::replace(field(history, at), wrong.clone());
        caught(&Shown, history, WHAT);
        *field(history, at) = right;
    }
}

/// A field of the page that was shown last.
fn field<'a>(history: &'a mut History, at: &str) -> &'a mut Value {
    let look = history.evidence.looks.last_mut().expect("a look");
    let page = &mut look.answer.as_mut().expect("an answer").body;
    page.pointer_mut(at).expect("a field")
}

#[test]
fn a_saga_that_did_everything_is_shown_with_all_its_steps() {
    let mut history = History::good();
    let saga = history.orders[0].clone();
    look(&mut history, &saga, saga_shown(&saga, 4));
    clean(&Shown, &history);
    each_is_caught(
        &mut history,
        &[
            ("/phase", json!("committing")),
            ("/paused", json!(true)),
            ("/completedSteps", json!(["authorize_payment", "capture_payment", "confirm_order"])),
            ("/compensationSteps", json!(["place_order"])),
            ("/currentStep", json!("confirm_order")),
            ("/errorMessage", json!("no")),
            ("/steps", json!([])),
            ("/steps/1/name", json!("place_order")),
            ("/steps/3/action", json!("started")),
            ("/steps/3/compensation", json!("succeeded")),
            ("/steps/3/attempt", json!(1)),
        ],
    );
}

#[test]
fn a_saga_that_was_undone_is_shown_with_what_went_wrong() {
    let mut history = History::good();
    let saga = history.orders[2].clone();
    look(&mut history, &saga, saga_undone(&saga));
    clean(&Shown, &history);
    each_is_caught(
        &mut history,
        &[
            ("/completedSteps", json!(["place_order"])),
            ("/compensationSteps", json!(["authorize_payment"])),
            ("/errorMessage", Value::Null),
            ("/steps/2/errorMessage", json!("NO: maybe")),
        ],
    );
}

#[test]
fn a_saga_that_waits_is_shown_at_the_step_that_it_waits_for() {
    let mut history = History::good();
    let saga = history.start_order(4, "key-4", "product-4");
    look(&mut history, &saga, saga_shown(&saga, 1));
    clean(&Shown, &history);
    each_is_caught(
        &mut history,
        &[
            ("/currentStep", json!("place_order")),
            ("/currentStep", Value::Null),
            ("/steps/1/attempt", json!(2)),
        ],
    );
    let stream = format!("saga-{saga}");
    let again = json!({"step": 1, "direction": "action", "attempt": 2, "dueAtUs": 9,
        "cause": "timeout", "atUs": 5});
    history.say(&stream, "RetryScheduled", again);
    let why = json!({"attemptsUsedUp": {"attempts": 2, "cause": "down"}});
    let parked = json!({"step": 1, "direction": "action", "reason": why, "atUs": 9});
    history.say(&stream, "SagaParked", parked);
    let mut page = saga_shown(&saga, 1);
    page["status"] = json!("parked");
    page["errorMessage"] = json!("down");
    page["steps"][1]["action"] = json!("waiting");
    page["steps"][1]["attempt"] = json!(2);
    page["steps"][1]["errorMessage"] = json!("down");
    history.evidence.looks.clear();
    look(&mut history, &saga, page);
    clean(&Shown, &history);
    each_is_caught(
        &mut history,
        &[
            ("/currentStep", Value::Null),
            ("/errorMessage", json!("timeout")),
            ("/steps/1/attempt", json!(1)),
            ("/steps/1/action", json!("succeeded")),
        ],
    );
}
