//! The view of sagas and what the API shows of it: given events, then documents.

use super::*;
use crate::projections::{SagaPage, StepNames, fold};
use crate::saga::testing::{given_log, rejected, succeeded, undone, unknown};
use crate::saga::{
    Definition, Policy, SagaEvent, StepDirection, StepIndex, StepKind, StepSpec, Stimulus, begin,
};
use crate::testing::Log;

const KEY: &str = "00000000-0000-0000-0000-000000000001";

fn definition() -> Definition {
    let step = |name: &str, kind, after: &[&str]| StepSpec {
        name: name.into(),
        kind,
        after: after.iter().map(|name| (*name).into()).collect(),
        policy: Policy { compensation_attempts: 1, ..Policy::default() },
    };
    let steps = vec![
        step("book", StepKind::Compensable, &[]),
        step("pay", StepKind::Pivot, &["book"]),
        step("tell", StepKind::Retriable, &["pay"]),
    ];
    Definition::new("trip", steps, None).unwrap()
}

/// The log of a saga with this input after these stimuli.
fn log(input: &str, stimuli: Vec<Stimulus>) -> Vec<SagaEvent> {
    let definition = definition();
    let input = serde_json::from_str(input).unwrap();
    let begun = begin(&definition, input, crate::saga::testing::MOMENT).events;
    let given = stimuli
        .into_iter()
        .fold(given_log(&definition, begun), |given, stimulus| given.when(stimulus).go_on());
    given.log().to_vec()
}

fn document(input: &str, stimuli: Vec<Stimulus>) -> SagaDocument {
    let mut recorded = Log::new();
    log(input, stimuli).iter().for_each(|event| recorded.push(&format!("saga-{KEY}"), event));
    fold(&Sagas, KEY, recorded.events()).unwrap().unwrap()
}

fn page(stimuli: Vec<Stimulus>) -> serde_json::Value {
    let saga = document(r#"{"userId":"u1","city":"Rome"}"#, stimuli);
    serde_json::to_value(SagaPage::new(&saga, &StepNames::of([&definition()]))).unwrap()
}

const BOOK: StepIndex = StepIndex(0);
const PAY: StepIndex = StepIndex(1);
const TELL: StepIndex = StepIndex(2);

#[test]
fn a_saga_is_shown_with_the_names_of_its_steps() {
    let page = page(vec![succeeded(BOOK, 1, &"room 4")]);
    assert_eq!(page["id"], KEY);
    assert_eq!(page["sagaType"], "trip");
    assert_eq!(page["correlationId"], "request-1");
    assert_eq!(page["status"], "started");
    assert_eq!(page["currentStep"], "pay");
    assert_eq!(page["completedSteps"], serde_json::json!(["book"]));
    assert_eq!(page["compensationSteps"], serde_json::json!([]));
    assert_eq!(page["data"]["city"], "Rome");
    assert_eq!(page["errorMessage"], serde_json::Value::Null);
    assert_eq!(page["steps"][1]["action"], "started");
    assert_eq!(page["steps"][1]["attempt"], 1);
}

#[test]
fn every_end_has_its_word() {
    let done = vec![succeeded(BOOK, 1, &1), succeeded(PAY, 1, &2), succeeded(TELL, 1, &3)];
    assert_eq!(page(done)["status"], "completed");
    let undone = vec![succeeded(BOOK, 1, &1), rejected(PAY, 1, "NO_FUNDS"), undone(BOOK, 1)];
    let page = page(undone);
    assert_eq!(page["status"], "compensated");
    assert_eq!(page["compensationSteps"], serde_json::json!(["book"]));
    assert_eq!(page["currentStep"], serde_json::Value::Null);
    assert_eq!(page["aborted"]["rejected"]["code"], "NO_FUNDS");
}

#[test]
fn a_parked_saga_says_where_and_why() {
    let stuck = unknown(BOOK, StepDirection::Compensation, 1);
    let page = page(vec![succeeded(BOOK, 1, &1), rejected(PAY, 1, "NO_FUNDS"), stuck]);
    assert_eq!(page["status"], "parked");
    assert_eq!(page["currentStep"], "book");
    assert_eq!(page["parked"]["attemptsUsedUp"]["attempts"], 1);
    assert!(page["errorMessage"].is_string(), "{page}");
}

#[test]
fn steps_of_a_definition_that_is_not_known_are_numbered() {
    let saga = document("{}", vec![]);
    let page = SagaPage::new(&saga, &StepNames::default());
    assert_eq!(page.current_step.as_deref(), Some("step-1"));
}

#[test]
fn a_document_is_the_fold_of_its_stream_and_survives_storing() {
    // What returns nothing returned `null`.
    for booked in [succeeded(BOOK, 1, &"room 4"), succeeded(BOOK, 1, &())] {
        let stimuli = vec![booked, unknown(PAY, StepDirection::Action, 1)];
        let saga = document("null", stimuli.clone());
        assert_eq!(Some(saga.state.clone()), SagaState::fold(&log("null", stimuli)).unwrap());
        let stored = serde_json::to_vec(&saga).unwrap();
        assert_eq!(serde_json::from_slice::<SagaDocument>(&stored).unwrap(), saga);
    }
}

#[test]
fn a_saga_belongs_to_the_user_its_input_names() {
    for (input, user) in [
        (r#"{"userId":"u1"}"#, Some("u1")),
        (r#"{"userId":7}"#, None),
        (r#"{"userId":"a\u0000b"}"#, None),
        (r#"{"user":"u1"}"#, None),
        ("[1]", None),
        ("null", None),
    ] {
        let saga = document(input, vec![]);
        assert_eq!(saga.user_id.as_deref(), user, "{input}");
        let by_user = Sagas.index(KEY, &saga).iter().any(|key| key.index.starts_with("by_user"));
        assert_eq!(by_user, user.is_some(), "{input}");
    }
    let of_long_user = |bytes: usize| {
        let input = format!(r#"{{"userId":"{}"}}"#, "u".repeat(bytes));
        document(&input, vec![]).user_id
    };
    assert!(of_long_user(USER_BYTES_MAX).is_some());
    assert_eq!(of_long_user(USER_BYTES_MAX + 1), None);
}

#[test]
fn a_saga_is_found_by_user_type_and_status_together() {
    let keys = Sagas.index(KEY, &document(r#"{"userId":"u1"}"#, vec![]));
    let found = |index: &str| keys.iter().find(|key| key.index == index).unwrap().partition.clone();
    assert_eq!(found("by_user_type_status"), "u1\0trip\0started");
    assert_eq!(found("by_type_status"), "trip\0started");
    assert_eq!(found("by_correlation"), "request-1");
    assert_eq!(found("by_user_correlation"), "u1\0request-1");
}
