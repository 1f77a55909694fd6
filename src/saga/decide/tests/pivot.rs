//! A pivot in doubt is settled before the saga goes back.

use super::going_back::cancel;
use super::*;
use crate::saga::testing::{rejected, returned, succeeded, undone, unknown};
use crate::saga::{AbortReason, Json, Outcome, Phase, Probe, Refusal, Stimulus};

fn at_pivot(definition: &Definition) -> Given<'_> {
    saga(definition).after(succeeded(A, 1, &0)).after(succeeded(B, 1, &0))
}

fn probed(attempt: u32, answer: Probe) -> Stimulus {
    Stimulus::Probed { step: C, attempt, answer, cause: "lost".to_owned(), retry_after_ms: None }
}

fn will_not_revoke(attempt: u32) -> Stimulus {
    let outcome = Outcome::Rejected { code: "STANDS".to_owned(), reason: "no".to_owned() };
    returned(C, Compensation, attempt, outcome)
}

#[test]
fn a_cancel_while_the_pivot_is_in_doubt_asks_first() {
    let definition = list();
    let asked = at_pivot(&definition)
        .when(cancel())
        .then_events(&["AbortRequested"])
        .then_effects(&[Effect::Probe { step: C, attempt: 1 }])
        .go_on();
    assert_eq!(asked.state().phase, Phase::Running);
    asked.when(cancel()).then_refused(&Refusal::AlreadyCompensating);
}

#[test]
fn a_pivot_that_backs_off_is_asked_about_at_once_and_not_called_again() {
    let definition = list();
    let backing_off = at_pivot(&definition).after(unknown(C, Action, 1));
    let asked =
        backing_off.when(cancel()).then_effects(&[Effect::Probe { step: C, attempt: 2 }]).go_on();
    asked.when(Stimulus::TimerFired(retry(C, Action, 2))).then_nothing();
}

#[test]
fn a_pivot_that_happened_wins_over_the_abort() {
    let definition = list();
    for answer in [probed(1, Probe::Happened(Json::null())), succeeded(C, 1, &0)] {
        let forward = at_pivot(&definition)
            .after(cancel())
            .when(answer)
            .then_events(&["StepSucceeded", "StepStarted"])
            .then_effects(&[invoke(D, Action, 1)])
            .go_on();
        assert_eq!(forward.state().phase, Phase::Committing);
        assert_eq!(forward.state().abort_requested, None);
    }
}

#[test]
fn a_pivot_that_is_rejected_lets_the_first_reason_abort() {
    let definition = list();
    let back = at_pivot(&definition)
        .after(cancel())
        .when(rejected(C, 1, "DECLINED"))
        .then_events(&["StepRejected", "SagaAborted", "CompensationStarted"])
        .then_effects(&[invoke(B, Compensation, 1)])
        .go_on();
    assert!(matches!(back.state().aborted, Some(AbortReason::Cancelled { .. })));
}

#[test]
fn a_pivot_that_did_not_happen_is_revoked_before_anything_is_undone() {
    let definition = list();
    for answer in [Probe::DidNotHappen, Probe::CannotTell] {
        at_pivot(&definition)
            .after(cancel())
            .when(probed(1, answer))
            .then_events(&["CompensationStarted"])
            .then_effects(&[invoke(C, Compensation, 1)])
            .go_on()
            .when(undone(C, 1))
            .then_events(&["CompensationSucceeded", "SagaAborted", "CompensationStarted"])
            .then_effects(&[invoke(B, Compensation, 1)]);
    }
}

#[test]
fn answers_of_the_pivot_are_late_once_it_is_being_revoked() {
    let definition = list();
    let revoking = at_pivot(&definition).after(cancel()).after(probed(1, Probe::CannotTell));
    let revoking = revoking.when(succeeded(C, 1, &0)).then_nothing();
    let revoking = revoking.when(rejected(C, 1, "NO")).then_nothing();
    revoking.when(probed(1, Probe::Happened(Json::null()))).then_nothing();
}

#[test]
fn a_pivot_that_cannot_be_revoked_is_called_once_more_and_that_decides() {
    let definition = list();
    let timer = retry(C, Action, 2);
    let again = || {
        at_pivot(&definition)
            .after(cancel())
            .after(probed(1, Probe::CannotTell))
            .when(will_not_revoke(1))
            .then_events(&["RevocationRejected"])
            .then_effects(&[set(timer, NOW)])
            .go_on()
            .when(Stimulus::TimerFired(timer))
            .then(&[], &[invoke(C, Action, 2)])
    };
    again().when(succeeded(C, 2, &0)).then_events(&["StepSucceeded", "StepStarted"]);
    again().when(rejected(C, 2, "NO")).then_events(&[
        "StepRejected",
        "SagaAborted",
        "CompensationStarted",
    ]);
    again().when(unknown(C, Action, 2)).then_events(&["RetryScheduled"]);
}

#[test]
fn a_rejection_that_is_not_final_does_not_settle_a_pivot() {
    let definition = list();
    at_pivot(&definition)
        .after(cancel())
        .when(rejected(C, 1, "BUSY"))
        .then_events(&["CompensationStarted"])
        .then_effects(&[invoke(C, Compensation, 1)]);
}

#[test]
fn a_revocation_is_tried_as_often_as_its_policy_allows_and_then_parked() {
    let definition = list();
    let parked = at_pivot(&definition)
        .after(cancel())
        .after(probed(1, Probe::CannotTell))
        .after(unknown(C, Compensation, 1))
        .when(unknown(C, Compensation, 2))
        .then_events(&["SagaParked"])
        .go_on();
    assert_eq!(parked.state().phase, Phase::Running);
    parked.when(cancel()).then_refused(&Refusal::AlreadyCompensating);
}

#[test]
fn the_deadline_of_a_parked_pivot_asks_about_an_attempt_of_its_own() {
    let definition = list();
    let parked = at_pivot(&definition)
        .after(unknown(C, Action, 1))
        .after(unknown(C, Action, 2))
        .after(unknown(C, Action, 3));
    let asked = parked
        .at(DEADLINE)
        .when(Stimulus::TimerFired(Timer::SagaDeadline))
        .then_events(&["AbortRequested"])
        .then_effects(&[Effect::Probe { step: C, attempt: 4 }])
        .go_on();
    assert_eq!(asked.state().parked, None);
    asked.when(unknown(C, Action, 3)).then_nothing();
}
