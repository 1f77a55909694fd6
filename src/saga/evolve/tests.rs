//! Events that cannot follow are refused, and change nothing.

use super::*;
use crate::saga::testing::{MOMENT, given, rejected, started, succeeded};
use crate::saga::{
    AbortReason, Definition, Json, ParkReason, Policy, StepDirection::Action, StepKind, StepSpec,
};

const A: StepIndex = StepIndex(0);
const B: StepIndex = StepIndex(1);
const AT: u64 = MOMENT.now_us;

fn definition() -> Definition {
    let step = |name: &str, kind, after: &[&str]| StepSpec {
        name: name.into(),
        kind,
        after: after.iter().map(|name| (*name).into()).collect(),
        policy: Policy::default(),
    };
    let steps = vec![step("a", StepKind::Compensable, &[]), step("b", StepKind::Pivot, &["a"])];
    Definition::new("trip", steps, None).unwrap()
}

#[track_caller]
fn refused(state: &SagaState, event: SagaEvent, why: &str) {
    let error = evolve(Some(state.clone()), &event).unwrap_err();
    assert_eq!((error.number, error.event), (state.events + 1, event.name()));
    assert!(error.why.contains(why), "`{}` does not say `{why}`", error.why);
    let mut unchanged = state.clone();
    assert!(unchanged.apply(&event).is_err());
    assert_eq!(&unchanged, state);
}

fn step_started(step: StepIndex, epoch: u64) -> SagaEvent {
    SagaEvent::StepStarted { step, at_us: AT, epoch }
}

fn step_succeeded(step: StepIndex) -> SagaEvent {
    SagaEvent::StepSucceeded { step, result: Json::null(), at_us: AT }
}

fn aborted() -> SagaEvent {
    SagaEvent::SagaAborted { reason: AbortReason::Deadline { step: None }, at_us: AT }
}

#[test]
fn a_log_begins_with_its_first_event_and_has_it_once() {
    let error = evolve(None, &aborted()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "event 1 (SagaAborted) cannot follow: a saga begins with SagaStarted"
    );
    let definition = definition();
    let first = started(&definition).log()[0].clone();
    refused(&started(&definition).state(), first, "started already");
}

#[test]
fn a_damaged_first_event_is_refused_before_anything_is_allocated() {
    let event = |steps, pivot| SagaEvent::SagaStarted {
        saga_type: "t".into(),
        definition: "d".into(),
        steps,
        pivot,
        input: Json::null(),
        started_at_us: 0,
        deadline_at_us: None,
        epoch: 0,
    };
    for (steps, pivot) in [(0, None), (65, None), (u32::MAX, None), (2, Some(StepIndex(2)))] {
        assert!(evolve(None, &event(steps, pivot)).is_err());
    }
    assert!(evolve(None, &event(64, Some(StepIndex(63)))).is_ok());
}

#[test]
fn epochs_never_fall() {
    let definition = definition();
    let state = given(&definition, [step_succeeded(A), step_started(B, 5)]).state();
    let undo = SagaEvent::CompensationStarted { step: A, at_us: AT, epoch: 4 };
    refused(&state, undo, "its epoch 4 is older than 5");
}

#[test]
fn steps_are_those_of_the_saga() {
    let definition = definition();
    let state = started(&definition).state();
    for step in [StepIndex(2), StepIndex(u32::MAX)] {
        refused(&state, step_started(step, 1), "and the saga has 2");
        refused(&state, step_succeeded(step), "and the saga has 2");
    }
}

#[test]
fn a_step_has_one_beginning_and_one_outcome() {
    let definition = definition();
    let state = started(&definition).state();
    refused(&state, step_started(A, 1), "announced before");
    refused(&state, step_succeeded(B), "no outcome to wait for");
    let done = given(&definition, [step_succeeded(A)]).state();
    refused(&done, step_succeeded(A), "no outcome to wait for");
}

#[test]
fn attempts_are_counted_one_by_one() {
    let definition = definition();
    let retry = |attempt| SagaEvent::RetryScheduled {
        step: A,
        direction: Action,
        attempt,
        due_at_us: 0,
        cause: "lost".to_owned(),
        at_us: AT,
    };
    let state = started(&definition).state();
    refused(&state, retry(1), "attempt 1 of step 0 does not follow on 1");
    refused(&state, retry(3), "does not follow on 1");
    assert!(evolve(Some(state), &retry(2)).is_ok());
}

#[test]
fn a_saga_does_not_go_back_while_its_pivot_is_in_doubt_or_has_succeeded() {
    let definition = definition();
    let in_doubt = started(&definition).after(succeeded(A, 1, &0)).state();
    refused(&in_doubt, aborted(), "the pivot is in doubt");
    let committing =
        given(&definition, [step_succeeded(A), step_started(B, 1), step_succeeded(B)]).state();
    assert_eq!(committing.phase, Phase::Committing);
    refused(&committing, aborted(), "can no longer go back");
    let no = SagaEvent::StepRejected {
        step: B,
        code: "NO".to_owned(),
        reason: "no".to_owned(),
        at_us: AT,
    };
    refused(&committing, no, "behind the pivot");
}

#[test]
fn nothing_is_undone_before_the_abort_or_twice() {
    let definition = definition();
    let undo = || SagaEvent::CompensationStarted { step: A, at_us: AT, epoch: 1 };
    refused(&started(&definition).state(), undo(), "does not go back");
    let back = started(&definition).after(succeeded(A, 1, &0)).after(rejected(B, 1, "NO"));
    refused(&back.state(), undo(), "announced before");
    let never = SagaEvent::CompensationStarted { step: B, at_us: AT, epoch: 1 };
    refused(&back.state(), never, "not to be undone");
}

#[test]
fn an_end_is_true_and_final() {
    let definition = definition();
    let state = started(&definition).state();
    refused(&state, SagaEvent::SagaCompleted { at_us: AT }, "its pivot has not succeeded");
    refused(&state, SagaEvent::SagaCompensated { at_us: AT }, "does not go back");
    let back = started(&definition).after(succeeded(A, 1, &0)).after(rejected(B, 1, "NO"));
    refused(&back.state(), SagaEvent::SagaCompensated { at_us: AT }, "a step is not undone");
    let ended = started(&definition).after(rejected(A, 1, "NO")).state();
    refused(&ended, aborted(), "has ended");
}

#[test]
fn a_saga_is_parked_at_a_step_that_is_under_way_or_poisoned() {
    let definition = definition();
    let state = started(&definition).state();
    let parked =
        |step, reason| SagaEvent::SagaParked { step, direction: Action, reason, at_us: AT };
    let poison = || ParkReason::Poisoned { cause: "p".to_owned() };
    let used_up = || ParkReason::AttemptsUsedUp { attempts: 1, cause: "c".to_owned() };
    refused(&state, parked(Some(B), used_up()), "not under way");
    refused(&state, parked(Some(A), poison()), "poison belongs to no step");
    refused(&state, parked(None, used_up()), "parked at a step, or poisoned");
    let poisoned = evolve(Some(state), &parked(None, poison())).unwrap();
    refused(&poisoned, parked(Some(A), used_up()), "poisoned already");
}

#[test]
fn poison_comes_before_a_parked_step_and_gives_way_to_it() {
    let definition = definition();
    let parked =
        |step, reason| SagaEvent::SagaParked { step, direction: Action, reason, at_us: AT };
    let first = parked(Some(A), ParkReason::DeadlinePassed { cause: "c".to_owned() });
    let poison = parked(None, ParkReason::Poisoned { cause: "p".to_owned() });
    let poisoned = given(&definition, [first, poison]).state();
    assert!(poisoned.is_poisoned() && poisoned.is_parked_at(A, Action));
    let unparked = SagaEvent::SagaUnparked {
        reason: "mended".to_owned(),
        actor: "op".to_owned(),
        at_us: AT,
        epoch: 1,
    };
    let mended = evolve(Some(poisoned), &unparked).unwrap();
    assert_eq!(mended.parked.as_ref().and_then(|parked| parked.step), Some(A));
    refused(&mended, unparked, "not poisoned");
}
