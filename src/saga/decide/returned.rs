//! A call came back.

use super::draft::Draft;
use super::{abort, failed};
use crate::canary::planted;
use crate::saga::definition::StepIndex;
use crate::saga::event::{SagaEvent, StepDirection};
use crate::saga::input::Outcome;
use crate::saga::json::Json;
use crate::saga::state::{Phase, Progress};

/// Records what an answer means. An answer to another attempt than the one in doubt is late, and one to
/// a call whose undo was announced too: from then on only the undo's answer counts.
pub(super) fn returned(
    draft: &mut Draft<'_>,
    step: StepIndex,
    direction: StepDirection,
    attempt: u32,
    outcome: Outcome,
) {
    let state = draft.state().step(step);
    let in_doubt = state.and_then(|state| state.progress(direction).attempt());
    if in_doubt != Some(attempt) {
        return;
    }
    match direction {
        StepDirection::Action => action(draft, step, outcome),
        StepDirection::Compensation => compensation(draft, step, outcome),
    }
}

/// It happened: also when the saga goes back by now, so that the undo knows the result.
pub(super) fn succeeded(draft: &mut Draft<'_>, step: StepIndex, result: Json) {
    let at_us = draft.now_us();
    draft.record(SagaEvent::StepSucceeded { step, result, at_us });
}

/// Whether an answer to the action of this step can still count.
pub(super) fn is_awaited(draft: &Draft<'_>, step: StepIndex) -> bool {
    draft.state().step(step).is_some_and(|step| {
        matches!(step.compensation, Progress::NotStarted | Progress::Rejected { .. })
    })
}

fn action(draft: &mut Draft<'_>, step: StepIndex, outcome: Outcome) {
    if !is_awaited(draft, step) {
        return;
    }
    match outcome {
        Outcome::Succeeded(result) => succeeded(draft, step, result),
        Outcome::Rejected { code, reason } => rejected(draft, step, code, reason),
        Outcome::Unknown { cause, retry_after_ms } => unknown(draft, step, cause, retry_after_ms),
    }
}

pub(super) fn rejected(draft: &mut Draft<'_>, step: StepIndex, code: String, reason: String) {
    let policy = draft.definition.step(step).map(|spec| &spec.policy);
    let is_final = policy
        .is_some_and(|policy| policy.is_final(&code) || planted("retried-no-taken-for-final"));
    let is_final = is_final && !planted("no-taken-for-unknown");
    if is_final && draft.state().phase != Phase::Committing {
        let at_us = draft.now_us();
        draft.record(SagaEvent::StepRejected { step, code, reason, at_us });
        return;
    }
    let cause = format!("{code}: {reason}");
    // The key is still open at the participant: an earlier attempt may yet arrive.
    if is_asked_about(draft, step) {
        abort::revoke(draft, step, cause);
        return;
    }
    unknown(draft, step, cause, None);
}

pub(super) fn unknown(
    draft: &mut Draft<'_>,
    step: StepIndex,
    cause: String,
    retry_after_ms: Option<u64>,
) {
    let goes_back = draft.state().phase == Phase::Compensating;
    // A pivot that is being settled has a probe on its way, and that will tell.
    if goes_back || is_asked_about(draft, step) {
        return;
    }
    failed::failed(draft, step, StepDirection::Action, cause, retry_after_ms);
}

/// Whether an abort waits for the answer to a probe of this step.
pub(super) fn is_asked_about(draft: &Draft<'_>, step: StepIndex) -> bool {
    let state = draft.state();
    let undo = state.step(step).map(|step| &step.compensation);
    state.is_settling(step) && undo == Some(&Progress::NotStarted)
}

fn compensation(draft: &mut Draft<'_>, step: StepIndex, outcome: Outcome) {
    let at_us = draft.now_us();
    match outcome {
        Outcome::Succeeded(_) => draft.record(SagaEvent::CompensationSucceeded { step, at_us }),
        Outcome::Rejected { code, reason } if draft.state().is_settling(step) => {
            revocation_rejected(draft, step, code, reason);
        }
        Outcome::Rejected { code, reason } => {
            let cause = format!("{code}: {reason}");
            failed::failed(draft, step, StepDirection::Compensation, cause, None);
        }
        Outcome::Unknown { cause, retry_after_ms } => {
            let retry_after_ms = retry_after_ms.filter(|_| !planted("undo-not-left-alone"));
            failed::failed(draft, step, StepDirection::Compensation, cause, retry_after_ms);
        }
    }
}

pub(super) fn revocation_rejected(
    draft: &mut Draft<'_>,
    step: StepIndex,
    code: String,
    reason: String,
) {
    let (at_us, epoch) = (draft.now_us(), draft.epoch());
    let attempt = draft.state().step(step).and_then(|step| step.action.attempt());
    let Some(attempt) = attempt.and_then(|attempt| attempt.checked_add(1)) else {
        let cause = format!("{code}: {reason}");
        failed::failed(draft, step, StepDirection::Compensation, cause, None);
        return;
    };
    draft.record(SagaEvent::RevocationRejected { step, code, reason, attempt, at_us, epoch });
}
