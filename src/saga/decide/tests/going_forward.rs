//! From the first step to completion.

use super::*;
use crate::saga::testing::{MOMENT, rejected, succeeded, unknown};
use crate::saga::{Json, Outcome, Phase, Probe, Progress, Stimulus, begin, longest_wait_us};

#[test]
fn a_saga_begins_with_every_step_that_waits_for_none() {
    let definition = graph();
    let decision = begin(&definition, Json::null(), MOMENT);
    let names: Vec<&str> = decision.events.iter().map(|event| event.name()).collect();
    assert_eq!(names, ["SagaStarted", "StepStarted", "StepStarted"]);
    let deadline = set(Timer::SagaDeadline, DEADLINE);
    assert_eq!(decision.effects, [invoke(A, Action, 1), invoke(B, Action, 1), deadline]);
}

#[test]
fn a_success_starts_what_became_ready_in_the_same_decision() {
    saga(&list())
        .when(succeeded(A, 1, &"x"))
        .then_events(&["StepSucceeded", "StepStarted"])
        .then_effects(&[invoke(B, Action, 1)]);
}

#[test]
fn a_step_waits_for_all_steps_it_is_after() {
    let definition = graph();
    saga(&definition)
        .when(succeeded(B, 1, &0))
        .then_events(&["StepSucceeded"])
        .go_on()
        .when(succeeded(A, 1, &0))
        .then_events(&["StepSucceeded", "StepStarted"])
        .then_effects(&[invoke(C, Action, 1)]);
}

#[test]
fn the_last_success_completes_the_saga() {
    let definition = list();
    let before_last = saga(&definition)
        .after(succeeded(A, 1, &0))
        .after(succeeded(B, 1, &0))
        .after(succeeded(C, 1, &0));
    assert_eq!(before_last.state().phase, Phase::Committing);
    let end = before_last
        .when(succeeded(D, 1, &0))
        .then_events(&["StepSucceeded", "SagaCompleted"])
        .then_effects(&[])
        .go_on();
    assert_eq!(end.state().phase, Phase::Completed);
    assert_eq!(end.state().events, end.log().len() as u64);
    assert!(end.pending().is_empty());
}

#[test]
fn a_saga_without_a_pivot_can_complete() {
    let definition = define(vec![step("a", Compensable, &[])]);
    saga(&definition).when(succeeded(A, 1, &0)).then_events(&["StepSucceeded", "SagaCompleted"]);
}

#[test]
fn an_unknown_outcome_is_tried_again_under_the_next_attempt() {
    let definition = list();
    let timer = retry(A, Action, 2);
    let waiting = saga(&definition)
        .when(unknown(A, Action, 1))
        .then_events(&["RetryScheduled"])
        .then_effects(&[set(timer, NOW)])
        .go_on();
    let begun = waiting.when(Stimulus::TimerFired(timer)).then(&[], &[invoke(A, Action, 2)]);
    begun.when(succeeded(A, 2, &0)).then_events(&["StepSucceeded", "StepStarted"]);
}

#[test]
fn a_step_is_tried_as_often_as_its_policy_allows_and_then_parked() {
    let definition = list();
    let parked = saga(&definition)
        .after(unknown(A, Action, 1))
        .after(unknown(A, Action, 2))
        .when(unknown(A, Action, 3))
        .then_events(&["SagaParked"])
        .then_effects(&[])
        .go_on();
    assert_eq!(parked.state().status(), "parked");
    assert_eq!(parked.state().last_error(), Some("timeout"));
    assert_eq!(parked.pending(), [set(Timer::SagaDeadline, DEADLINE)]);
}

#[test]
fn a_participant_that_asks_for_a_pause_gets_it() {
    let outcome = Outcome::Unknown { cause: "503".to_owned(), retry_after_ms: Some(2_000) };
    let stimulus = Stimulus::Returned { step: A, direction: Action, attempt: 1, outcome };
    saga(&list()).when(stimulus).then_effects(&[set(retry(A, Action, 2), NOW + 2_000_000)]);
}

#[test]
fn a_rejection_that_the_policy_names_is_tried_again() {
    saga(&list()).when(rejected(A, 1, "BUSY")).then_events(&["RetryScheduled"]);
}

#[test]
fn behind_the_pivot_a_rejection_is_a_failed_attempt() {
    let definition = list();
    let behind = saga(&definition)
        .after(succeeded(A, 1, &0))
        .after(succeeded(B, 1, &0))
        .after(succeeded(C, 1, &0));
    behind
        .when(rejected(D, 1, "NO"))
        .then_events(&["RetryScheduled"])
        .go_on()
        .after(rejected(D, 2, "NO"))
        .when(rejected(D, 3, "NO"))
        .then_events(&["SagaParked"]);
}

#[test]
fn a_probe_that_found_it_happened_counts_as_success() {
    let probed = |answer| Stimulus::Probed {
        step: A,
        attempt: 1,
        answer,
        cause: "timeout".to_owned(),
        retry_after_ms: None,
    };
    let definition = list();
    let happened = saga(&definition).when(probed(Probe::Happened(Json::null())));
    happened.then_events(&["StepSucceeded", "StepStarted"]);
    for answer in [Probe::DidNotHappen, Probe::CannotTell] {
        saga(&definition).when(probed(answer)).then_events(&["RetryScheduled"]);
    }
}

#[test]
fn late_and_double_answers_change_nothing() {
    let definition = list();
    let ahead = saga(&definition).after(unknown(A, Action, 1));
    let ahead = ahead.when(succeeded(A, 1, &0)).then_nothing();
    let ahead = ahead.when(unknown(A, Action, 1)).then_nothing();
    let ahead = ahead.when(succeeded(StepIndex(77), 1, &0)).then_nothing();
    let ahead = ahead.after(succeeded(A, 2, &1));
    let ahead = ahead.when(succeeded(A, 2, &2)).then_nothing();
    assert_eq!(ahead.state().steps[0].result, Some(Json::of(&1).unwrap()));
}

#[test]
fn a_timer_that_comes_too_early_is_set_again() {
    let definition = list();
    let timer = Timer::SagaDeadline;
    saga(&definition)
        .at(DEADLINE - 1)
        .when(Stimulus::TimerFired(timer))
        .then(&[], &[set(timer, DEADLINE)]);
}

#[test]
fn a_pause_that_a_clock_ahead_of_this_one_began_does_not_become_longer() {
    /// The saga's deadline lies behind it.
    const AHEAD_US: u64 = 50_000_000;
    let (definition, timer) = (list(), retry(A, Action, 2));
    let outcome = Outcome::Unknown { cause: "503".to_owned(), retry_after_ms: Some(2_000) };
    let asked_to_wait = Stimulus::Returned { step: A, direction: Action, attempt: 1, outcome };
    let (from_us, due_at_us) = (NOW + AHEAD_US, NOW + AHEAD_US + 2_000_000);
    let saga = saga(&definition).at(from_us).after(asked_to_wait);
    assert_eq!(longest_wait_us(&saga.state(), timer), Some(2_000_000));
    // A clock that stands within the pause still tells what is left of it.
    let within = saga.at(due_at_us - 1).when(Stimulus::TimerFired(timer));
    let saga = within.then(&[], &[set(timer, due_at_us)]);
    saga.at(NOW + 1).when(Stimulus::TimerFired(timer)).then(&[], &[invoke(A, Action, 2)]);
}

#[test]
fn a_stale_timer_changes_nothing() {
    let definition = list();
    let saga = saga(&definition).after(unknown(A, Action, 1)).after(unknown(A, Action, 2));
    let saga = saga.when(Stimulus::TimerFired(retry(A, Action, 2))).then_nothing();
    let saga = saga.when(Stimulus::TimerFired(retry(A, Compensation, 2))).then_nothing();
    saga.when(Stimulus::TimerFired(Timer::StepDeadline { step: A })).then_nothing();
}

#[test]
fn a_retriable_step_begins_its_last_attempt_at_its_deadline() {
    let mut steps = list().steps().to_vec();
    steps[3].policy.deadline_ms = Some(10);
    steps[3].policy.attempts = 100;
    let definition = define(steps);
    let behind = saga(&definition)
        .after(succeeded(A, 1, &0))
        .after(succeeded(B, 1, &0))
        .after(succeeded(C, 1, &0));
    let deadline = NOW + 10_000;
    let waiting = behind.after(Stimulus::Returned {
        step: D,
        direction: Action,
        attempt: 1,
        outcome: Outcome::Unknown { cause: "503".to_owned(), retry_after_ms: Some(60_000) },
    });
    assert_eq!(waiting.pending(), [set(retry(D, Action, 2), deadline)]);
    let last = waiting
        .at(deadline)
        .when(Stimulus::TimerFired(retry(D, Action, 2)))
        .then(&[], &[invoke(D, Action, 2)]);
    let parked = last.when(unknown(D, Action, 2)).then_events(&["SagaParked"]).go_on();
    // The truth un-parks: the call was made twice, and the other one has an answer after all.
    let end = parked.when(succeeded(D, 2, &0)).then_events(&["StepSucceeded", "SagaCompleted"]);
    assert_eq!(end.go_on().state().steps[3].action, Progress::Succeeded);
}
