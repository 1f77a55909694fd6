//! Aborts and undo.

use super::*;
use crate::saga::testing::{rejected, returned, succeeded, undone, unknown};
use crate::saga::{AbortReason, Json, Outcome, Phase, Refusal, Stimulus};

pub(super) fn cancel() -> Stimulus {
    Stimulus::Cancel { reason: "changed my mind".to_owned(), actor: "ann".to_owned() }
}

fn by_ann() -> AbortReason {
    AbortReason::Cancelled { reason: "changed my mind".to_owned(), actor: "ann".to_owned() }
}

#[test]
fn a_rejection_before_the_pivot_aborts_and_undoes_in_reverse() {
    let definition = list();
    saga(&definition)
        .after(succeeded(A, 1, &0))
        .after(succeeded(B, 1, &0))
        .when(rejected(C, 1, "DECLINED"))
        .then_events(&["StepRejected", "SagaAborted", "CompensationStarted"])
        .then_effects(&[invoke(B, Compensation, 1)])
        .go_on()
        .when(undone(B, 1))
        .then_events(&["CompensationSucceeded", "CompensationStarted"])
        .then_effects(&[invoke(A, Compensation, 1)])
        .go_on()
        .when(undone(A, 1))
        .then_events(&["CompensationSucceeded", "SagaCompensated"])
        .then_effects(&[]);
}

#[test]
fn a_saga_with_nothing_to_undo_ends_at_once() {
    let definition = list();
    let end = saga(&definition)
        .when(rejected(A, 1, "NO"))
        .then_events(&["StepRejected", "SagaAborted", "SagaCompensated"])
        .then_effects(&[])
        .go_on();
    let reason = AbortReason::Rejected { step: A, code: "NO".to_owned(), reason: "no".to_owned() };
    assert_eq!(end.state().aborted, Some(reason));
}

#[test]
fn a_step_in_doubt_is_undone_at_once_when_its_neighbour_is_rejected() {
    let definition = graph();
    let back = saga(&definition)
        .after(unknown(B, Action, 1))
        .when(rejected(A, 1, "NO"))
        .then_events(&["StepRejected", "SagaAborted", "CompensationStarted"])
        .then_effects(&[invoke(B, Compensation, 1)])
        .go_on();
    // Its own answers are late from here on.
    let back = back.when(succeeded(B, 2, &0)).then_nothing();
    let back = back.when(Stimulus::TimerFired(retry(B, Action, 2))).then_nothing();
    back.when(undone(B, 1)).then_events(&["CompensationSucceeded", "SagaCompensated"]);
}

#[test]
fn independent_steps_are_undone_side_by_side() {
    let definition = graph();
    saga(&definition)
        .after(succeeded(A, 1, &0))
        .after(succeeded(B, 1, &0))
        .when(rejected(C, 1, "NO"))
        .then_effects(&[invoke(A, Compensation, 1), invoke(B, Compensation, 1)]);
}

#[test]
fn a_cancel_acts_while_a_step_backs_off() {
    saga(&list())
        .after(unknown(A, Action, 1))
        .when(cancel())
        .then_events(&["SagaAborted", "CompensationStarted"])
        .then_effects(&[invoke(A, Compensation, 1)]);
}

#[test]
fn the_first_abort_wins() {
    let definition = list();
    let back = saga(&definition).after(succeeded(A, 1, &0)).after(cancel());
    let back = back.when(cancel()).then_refused(&Refusal::AlreadyCompensating);
    let back = back.when(Stimulus::TimerFired(Timer::SagaDeadline)).then_nothing();
    assert_eq!(back.state().aborted, Some(by_ann()));
}

#[test]
fn the_sagas_deadline_aborts_before_the_pivot_only() {
    let definition = list();
    let fired = || Stimulus::TimerFired(Timer::SagaDeadline);
    let before = saga(&definition).after(succeeded(A, 1, &0)).at(DEADLINE);
    let aborted = before.when(fired()).then_events(&["SagaAborted", "CompensationStarted"]).go_on();
    assert_eq!(aborted.state().aborted, Some(AbortReason::Deadline { step: None }));
    let behind = saga(&definition)
        .after(succeeded(A, 1, &0))
        .after(succeeded(B, 1, &0))
        .after(succeeded(C, 1, &0));
    assert_eq!(behind.pending(), [invoke(D, Action, 1)]);
    behind.at(DEADLINE).when(fired()).then_nothing();
}

#[test]
fn behind_the_deadline_an_answer_begins_nothing_though_the_timer_was_not_heard_yet() {
    let definition = list();
    let late = saga(&definition).at(DEADLINE).when(succeeded(A, 1, &0));
    let aborted =
        late.then_events(&["StepSucceeded", "SagaAborted", "CompensationStarted"]).go_on();
    assert_eq!(aborted.state().aborted, Some(AbortReason::Deadline { step: None }));
    let in_time = saga(&definition).at(DEADLINE - 1).when(succeeded(A, 1, &0));
    in_time.then_events(&["StepSucceeded", "StepStarted"]);
}

#[test]
fn behind_the_deadline_a_failed_attempt_is_not_made_again_though_the_timer_was_not_heard_yet() {
    let definition = list();
    let late = saga(&definition).at(DEADLINE).when(unknown(A, Action, 1));
    let aborted = late.then_events(&["SagaAborted", "CompensationStarted"]).go_on();
    assert_eq!(aborted.state().aborted, Some(AbortReason::Deadline { step: None }));
    let in_time = saga(&definition).at(DEADLINE - 1).when(unknown(A, Action, 1));
    in_time.then_events(&["RetryScheduled"]);
    // Nor is the pause before it waited for, when the timers of both are heard in the other order.
    let paused = saga(&definition).after(unknown(A, Action, 1)).at(DEADLINE);
    let paused = paused.when(Stimulus::TimerFired(retry(A, Action, 2)));
    paused.then_events(&["SagaAborted", "CompensationStarted"]);
    // A pivot that may have happened is asked about first.
    let at_pivot = saga(&definition).after(succeeded(A, 1, &0)).after(succeeded(B, 1, &0));
    at_pivot.at(DEADLINE).when(unknown(C, Action, 1)).then_events(&["AbortRequested"]);
}

#[test]
fn a_steps_deadline_before_the_pivot_aborts() {
    let mut steps = list().steps().to_vec();
    steps[1].policy.deadline_ms = Some(5);
    let definition = define(steps);
    let timer = Timer::StepDeadline { step: B };
    let begun = saga(&definition)
        .when(succeeded(A, 1, &0))
        .then_effects(&[invoke(B, Action, 1), set(timer, NOW + 5_000)])
        .go_on();
    let back = begun.at(NOW + 5_000).after(Stimulus::TimerFired(timer));
    assert_eq!(back.state().aborted, Some(AbortReason::Deadline { step: Some(B) }));
    assert_eq!(back.pending(), [invoke(B, Compensation, 1)]);
}

#[test]
fn behind_the_pivot_a_cancel_is_refused() {
    let definition = list();
    let behind = saga(&definition)
        .after(succeeded(A, 1, &0))
        .after(succeeded(B, 1, &0))
        .after(succeeded(C, 1, &0));
    let behind =
        behind.when(cancel()).then_refused(&Refusal::BehindPivot { pivot: "c".to_owned() });
    behind
        .after(succeeded(D, 1, &0))
        .when(cancel())
        .then_refused(&Refusal::Ended { end: "completed" });
}

#[test]
fn an_undo_is_tried_as_often_as_its_policy_allows_and_then_parked() {
    let definition = list();
    let no = Outcome::Rejected { code: "NO".to_owned(), reason: "no".to_owned() };
    let parked = saga(&definition)
        .after(succeeded(A, 1, &0))
        .after(rejected(B, 1, "NO"))
        .when(unknown(A, Compensation, 1))
        .then_events(&["RetryScheduled"])
        .then_effects(&[set(retry(A, Compensation, 2), NOW)])
        .go_on()
        .when(returned(A, Compensation, 2, no))
        .then_events(&["SagaParked"])
        .go_on();
    assert_eq!(parked.state().phase, Phase::Compensating);
    assert!(parked.pending().is_empty());
}

#[test]
fn a_late_result_is_kept_for_the_undo_while_a_pause_holds_it_back() {
    use crate::saga::Verb;
    let operate = |verb| Stimulus::Operate { verb, reason: "r".to_owned(), actor: "op".to_owned() };
    let definition = list();
    let held = saga(&definition)
        .after(operate(Verb::Pause))
        .when(cancel())
        .then_events(&["SagaAborted"])
        .then_effects(&[])
        .go_on();
    let held = held.when(succeeded(A, 1, &"room")).then_events(&["StepSucceeded"]).go_on();
    assert_eq!(held.state().steps[0].result, Some(Json::of(&"room").unwrap()));
    held.when(operate(Verb::Resume))
        .then_events(&["SagaResumed", "CompensationStarted"])
        .then_effects(&[invoke(A, Compensation, 1)]);
}
