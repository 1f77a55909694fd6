//! Operators' verbs, poison and the limit of a history.

use super::going_back::cancel;
use super::*;
use crate::saga::testing::{given_log, succeeded, undone, unknown};
use crate::saga::{
    HISTORY_EVENTS_MAX, Json, ParkReason, Phase, Progress, Refusal, SagaEvent, Stimulus, Verb,
};

fn operate(verb: Verb) -> Stimulus {
    Stimulus::Operate { verb, reason: "known to work".to_owned(), actor: "op".to_owned() }
}

fn resolve_succeeded() -> Verb {
    Verb::ResolveSucceeded { result: Json::of(&"by hand").unwrap() }
}

fn poisoned() -> Stimulus {
    Stimulus::Poisoned { cause: "cannot decode".to_owned() }
}

fn parked_at(step: StepIndex, before: Given<'_>) -> Given<'_> {
    let attempts = 1..4;
    let parked = attempts.fold(before, |saga, attempt| saga.after(unknown(step, Action, attempt)));
    assert_eq!(parked.state().parked.as_ref().and_then(|parked| parked.step), Some(step));
    parked
}

fn at_pivot(definition: &Definition) -> Given<'_> {
    saga(definition).after(succeeded(A, 1, &0)).after(succeeded(B, 1, &0))
}

#[test]
fn a_retry_begins_anew_with_an_attempt_of_its_own() {
    let definition = list();
    let timer = retry(A, Action, 4);
    let again = parked_at(A, saga(&definition))
        .when(operate(Verb::Retry))
        .then_events(&["RetryRequested"])
        .then_effects(&[set(timer, NOW)])
        .go_on();
    // Answers from before are late, and the policy counts from the beginning.
    let again = again.when(unknown(A, Action, 3)).then_nothing();
    again
        .after(Stimulus::TimerFired(timer))
        .when(unknown(A, Action, 4))
        .then_events(&["RetryScheduled"]);
}

#[test]
fn a_retry_makes_a_waiting_step_due_at_once() {
    let definition = list();
    let waiting = saga(&definition).after(unknown(A, Action, 1));
    waiting
        .when(operate(Verb::Retry))
        .then_events(&["RetryRequested"])
        .then_effects(&[set(retry(A, Action, 3), NOW)]);
    saga(&definition)
        .when(operate(Verb::Retry))
        .then_refused(&Refusal::NotParked { verb: "retry", status: "started" });
}

#[test]
fn a_step_that_stops_while_another_is_parked_waits_its_turn() {
    let definition = graph();
    let both = parked_at(A, saga(&definition))
        .after(unknown(B, Action, 1))
        .after(unknown(B, Action, 2))
        .when(unknown(B, Action, 3))
        .then_events(&["SagaParked"])
        .go_on();
    assert_eq!(both.state().also_parked.len(), 1);
    let one = both.when(operate(Verb::Skip)).then_events(&["StepSkipped"]).go_on();
    assert_eq!(one.state().parked.unwrap().step, Some(B));
    let one = both_skipped(one);
    assert_eq!(one.pending()[0], invoke(C, Action, 1));
}

fn both_skipped(one: Given<'_>) -> Given<'_> {
    one.when(operate(Verb::Skip)).then_events(&["StepSkipped", "StepStarted"]).go_on()
}

#[test]
fn nothing_new_starts_while_the_saga_is_parked() {
    let definition = define(vec![
        step("a", StepKind::Compensable, &[]),
        step("b", StepKind::Compensable, &[]),
        step("c", StepKind::Compensable, &["b"]),
    ]);
    let parked = parked_at(A, saga(&definition));
    let parked = parked.when(succeeded(B, 1, &0)).then_events(&["StepSucceeded"]).go_on();
    parked
        .when(operate(Verb::Retry))
        .then_events(&["RetryRequested", "StepStarted"])
        .then_effects(&[set(retry(A, Action, 4), NOW), invoke(C, Action, 1)]);
}

#[test]
fn a_skipped_step_is_undone_like_one_in_doubt() {
    let definition = list();
    parked_at(B, saga(&definition).after(succeeded(A, 1, &0)))
        .after(operate(Verb::Skip))
        .after(crate::saga::testing::rejected(C, 1, "NO"))
        .when(undone(B, 1))
        .then_events(&["CompensationSucceeded", "CompensationStarted"]);
}

#[test]
fn a_pivot_cannot_be_skipped_but_resolved() {
    let definition = list();
    let parked = parked_at(C, at_pivot(&definition));
    let refused = parked.clone().when(operate(Verb::Skip));
    let refusal = Refusal::NotPossible {
        verb: "skip",
        step: "c".to_owned(),
        why: "it decides whether the saga goes forward or back: resolve it as succeeded or rejected \
              instead",
    };
    refused.then_refused(&refusal);
    let forward = parked.clone().when(operate(resolve_succeeded()));
    forward.then_events(&["StepResolved", "StepSucceeded", "StepStarted"]);
    let back = parked.when(operate(Verb::ResolveRejected));
    back.then_events(&["StepResolved", "StepRejected", "SagaAborted", "CompensationStarted"]);
}

#[test]
fn behind_the_pivot_nothing_is_resolved_as_rejected() {
    let definition = list();
    let parked = parked_at(D, at_pivot(&definition).after(succeeded(C, 1, &0)));
    let refused = parked.clone().when(operate(Verb::ResolveRejected));
    let refusal = Refusal::NotPossible {
        verb: "resolve as rejected",
        step: "d".to_owned(),
        why: "it stands behind the pivot and the saga can only go forward: retry it, skip it, or \
              resolve it as succeeded",
    };
    refused.then_refused(&refusal);
    let skipped = parked.when(operate(Verb::Skip)).then_events(&["StepSkipped", "SagaCompleted"]);
    assert_eq!(skipped.go_on().state().steps[3].action, Progress::Skipped);
}

#[test]
fn an_undo_that_is_parked_can_be_skipped_or_resolved_but_not_rejected() {
    let definition = list();
    let parked = saga(&definition)
        .after(cancel())
        .after(unknown(A, Compensation, 1))
        .after(unknown(A, Compensation, 2));
    let rejected = parked.clone().when(operate(Verb::ResolveRejected));
    let why = "an undo cannot end as rejected: retry it, skip it, or resolve it as succeeded";
    let (verb, step) = ("resolve as rejected", "a".to_owned());
    rejected.then_refused(&Refusal::NotPossible { verb, step, why });
    parked.clone().when(operate(Verb::Skip)).then_events(&["StepSkipped", "SagaCompensated"]);
    parked.when(operate(resolve_succeeded())).then_events(&[
        "StepResolved",
        "CompensationSucceeded",
        "SagaCompensated",
    ]);
}

#[test]
fn a_parked_saga_can_be_compensated_or_cancelled() {
    let definition = list();
    for request in [operate(Verb::Compensate), cancel()] {
        let back = parked_at(A, saga(&definition))
            .when(request)
            .then_events(&["SagaAborted", "CompensationStarted"])
            .then_effects(&[invoke(A, Compensation, 1)])
            .go_on();
        assert_eq!(back.state().status(), "compensating");
        back.when(operate(Verb::Compensate)).then_refused(&Refusal::AlreadyCompensating);
    }
}

#[test]
fn a_paused_saga_records_results_and_starts_nothing() {
    let definition = graph();
    let paused = saga(&definition)
        .after(operate(Verb::Pause))
        .when(unknown(A, Action, 1))
        .then_events(&["RetryScheduled"])
        .then_effects(&[])
        .go_on();
    let paused = paused.when(succeeded(B, 1, &0)).then_events(&["StepSucceeded"]).go_on();
    let paused = paused.when(Stimulus::TimerFired(retry(A, Action, 2))).then_nothing();
    let refusal = Refusal::PauseUnchanged { status: "paused" };
    let paused = paused.when(operate(Verb::Pause)).then_refused(&refusal);
    let resumed = paused
        .when(operate(Verb::Resume))
        .then_events(&["SagaResumed"])
        .then_effects(&[set(retry(A, Action, 2), NOW)])
        .go_on();
    let refusal = Refusal::PauseUnchanged { status: "not paused" };
    resumed.when(operate(Verb::Resume)).then_refused(&refusal);
}

#[test]
fn a_poisoned_saga_is_left_alone_until_an_operator_says_so() {
    let definition = list();
    let left = saga(&definition).when(poisoned()).then_events(&["SagaParked"]).go_on();
    assert!(left.pending().is_empty());
    let left = left.when(succeeded(A, 1, &0)).then_nothing();
    let left = left.when(poisoned()).then_nothing();
    let left = left.at(DEADLINE).when(Stimulus::TimerFired(Timer::SagaDeadline)).then_nothing();
    left.when(operate(Verb::Retry))
        .then_events(&["SagaUnparked"])
        .then_effects(&[invoke(A, Action, 1), set(Timer::SagaDeadline, DEADLINE)]);
}

#[test]
fn a_full_history_parks_the_saga_and_refuses_people() {
    let definition = define(vec![step("a", StepKind::Compensable, &[])]);
    let mut log = saga(&definition).log().to_vec();
    let retries = (log.len() as u64 + 1..HISTORY_EVENTS_MAX).zip(2..);
    log.extend(retries.map(|(_, attempt)| SagaEvent::RetryScheduled {
        step: A,
        direction: Action,
        attempt,
        due_at_us: 0,
        cause: "again".to_owned(),
        at_us: NOW,
    }));
    let attempt = u32::try_from(log.len() - 1).unwrap();
    let full = given_log(&definition, log);
    let refusal = Refusal::HistoryFull { limit: HISTORY_EVENTS_MAX };
    let full = full.when(operate(Verb::Pause)).then_refused(&refusal);
    let end = full.clone().when(succeeded(A, attempt, &0));
    assert_eq!(end.go_on().state().phase, Phase::Completed, "an end always finds room");
    let parked = full.when(unknown(A, Action, attempt)).then_events(&["SagaParked"]).go_on();
    assert_eq!(parked.state().events, HISTORY_EVENTS_MAX);
    let reason = parked.state().parked.unwrap().reason;
    assert_eq!(reason, ParkReason::Poisoned { cause: "its history has 10000 events".to_owned() });
    parked.when(operate(Verb::Retry)).then_refused(&refusal);
}

#[test]
fn another_definition_is_refused_by_name() {
    let definition = list();
    let other = graph();
    let log = saga(&definition).log().to_vec();
    let refusal = Refusal::OtherDefinition {
        expected: definition.hash().to_string(),
        actual: other.hash().to_string(),
    };
    let stray = given_log(&other, log).when(cancel()).then_refused(&refusal);
    stray.when(poisoned()).then_events(&["SagaParked"]);
}
