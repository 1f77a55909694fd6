//! An operator's verb. Each is an event with its reason and its actor.

use super::draft::Draft;
use super::{abort, returned};
use crate::canary::planted;
use crate::saga::definition::StepIndex;
use crate::saga::event::{AbortReason, SagaEvent, StepDirection};
use crate::saga::input::{Refusal, Verb};
use crate::saga::json::Json;
use crate::saga::state::{Phase, Progress};

/// Who does it and why.
pub(super) struct By {
    pub(super) reason: String,
    pub(super) actor: String,
}

/// The code of a rejection that an operator declared.
pub(super) const RESOLVED_CODE: &str = "RESOLVED_BY_OPERATOR";

pub(super) fn operate(draft: &mut Draft<'_>, verb: Verb, by: By) -> Result<(), Refusal> {
    let By { mut reason, actor } = by;
    if planted("operator-without-reason") {
        reason.clear();
    }
    match verb {
        Verb::Retry => retry(draft, By { reason, actor }),
        Verb::Skip => skip(draft, By { reason, actor }),
        Verb::Compensate => abort::request(draft, AbortReason::Operator { reason, actor }),
        Verb::ResolveSucceeded { result } => resolve(draft, Some(result), By { reason, actor }),
        Verb::ResolveRejected => resolve(draft, None, By { reason, actor }),
        Verb::Pause => pause(draft, true, By { reason, actor }),
        Verb::Resume => pause(draft, false, By { reason, actor }),
    }
}

fn retry(draft: &mut Draft<'_>, by: By) -> Result<(), Refusal> {
    let (at_us, epoch) = (draft.now_us(), draft.epoch());
    if draft.state().is_poisoned() {
        let By { reason, actor } = by;
        draft.record(SagaEvent::SagaUnparked { reason, actor, at_us, epoch });
        return Ok(());
    }
    let stopped = stopped(draft);
    if stopped.is_empty() {
        return Err(not_parked(draft, "retry"));
    }
    for (step, direction, attempt) in stopped {
        let (reason, actor) = (by.reason.clone(), by.actor.clone());
        draft.record(SagaEvent::RetryRequested {
            step,
            direction,
            attempt,
            reason,
            actor,
            at_us,
            epoch,
        });
    }
    Ok(())
}

/// Everything that waits, for its time or for an operator, with its next attempt.
fn stopped(draft: &Draft<'_>) -> Vec<(StepIndex, StepDirection, u32)> {
    let state = draft.state();
    let stopped = |(step, direction): (StepIndex, StepDirection)| {
        let progress = state.step(step)?.progress(direction);
        let waits = matches!(progress, Progress::Waiting { .. });
        if !waits && !state.is_parked_at(step, direction) {
            return None;
        }
        Some((step, direction, progress.attempt()?.checked_add(1)?))
    };
    state.current_steps().filter_map(stopped).collect()
}

fn skip(draft: &mut Draft<'_>, by: By) -> Result<(), Refusal> {
    let (step, direction) = parked_at(draft, "skip")?;
    if draft.state().pivot == Some(step) {
        let why = "it decides whether the saga goes forward or back: resolve it as succeeded or \
                   rejected instead";
        return Err(not_possible(draft, "skip", Some(step), why));
    }
    let (at_us, By { reason, actor }) = (draft.now_us(), by);
    draft.record(SagaEvent::StepSkipped { step, direction, reason, actor, at_us });
    Ok(())
}

fn resolve(draft: &mut Draft<'_>, result: Option<Json>, by: By) -> Result<(), Refusal> {
    let result = match planted("decided-otherwise") {
        true => result.xor(Some(Json::null())),
        false => result,
    };
    let verb = if result.is_some() { "resolve as succeeded" } else { "resolve as rejected" };
    let (step, direction) = parked_at(draft, verb)?;
    if result.is_none() {
        check_rejectable(draft, verb, step, direction)?;
    }
    let at_us = draft.now_us();
    let By { reason, actor } = by;
    let words = reason.clone();
    draft.record(SagaEvent::StepResolved { step, direction, reason, actor, at_us });
    match (direction, result) {
        (StepDirection::Action, Some(_)) if planted("resolved-without-its-result") => {
            returned::succeeded(draft, step, Json::null());
        }
        (StepDirection::Action, Some(result)) => returned::succeeded(draft, step, result),
        (StepDirection::Action, None) => {
            let code = RESOLVED_CODE.to_owned();
            draft.record(SagaEvent::StepRejected { step, code, reason: words, at_us });
        }
        (StepDirection::Compensation, Some(_)) => {
            draft.record(SagaEvent::CompensationSucceeded { step, at_us });
        }
        (StepDirection::Compensation, None) => {
            returned::revocation_rejected(draft, step, RESOLVED_CODE.to_owned(), words);
        }
    }
    Ok(())
}

fn check_rejectable(
    draft: &Draft<'_>,
    verb: &'static str,
    step: StepIndex,
    direction: StepDirection,
) -> Result<(), Refusal> {
    match direction {
        StepDirection::Action if draft.state().phase == Phase::Committing => {
            let why = "it stands behind the pivot and the saga can only go forward: retry it, skip \
                       it, or resolve it as succeeded";
            Err(not_possible(draft, verb, Some(step), why))
        }
        StepDirection::Compensation if !draft.state().is_settling(step) => {
            let why =
                "an undo cannot end as rejected: retry it, skip it, or resolve it as succeeded";
            Err(not_possible(draft, verb, Some(step), why))
        }
        StepDirection::Action | StepDirection::Compensation => Ok(()),
    }
}

fn pause(draft: &mut Draft<'_>, paused: bool, by: By) -> Result<(), Refusal> {
    if draft.state().paused == paused {
        let status = if paused { "paused" } else { "not paused" };
        return Err(Refusal::PauseUnchanged { status });
    }
    if planted("pause-acknowledged-and-lost") {
        return Ok(());
    }
    let at_us = draft.now_us();
    let By { reason, actor } = by;
    draft.record(match paused {
        true => SagaEvent::SagaPaused { reason, actor, at_us },
        false => SagaEvent::SagaResumed { reason, actor, at_us },
    });
    Ok(())
}

fn parked_at(draft: &Draft<'_>, verb: &'static str) -> Result<(StepIndex, StepDirection), Refusal> {
    let Some(parked) = &draft.state().parked else {
        let current = draft.state().current_steps().next();
        if let Some(current) = current.filter(|_| planted("skipped-whatever-the-state")) {
            return Ok(current);
        }
        return Err(not_parked(draft, verb));
    };
    let why = "the saga is poisoned and parked at no step: retry it once the cause is mended, or \
               compensate it";
    let step = parked.step.ok_or_else(|| not_possible(draft, verb, None, why))?;
    Ok((step, parked.direction))
}

fn not_parked(draft: &Draft<'_>, verb: &'static str) -> Refusal {
    Refusal::NotParked { verb, status: draft.state().status() }
}

fn not_possible(
    draft: &Draft<'_>,
    verb: &'static str,
    step: Option<StepIndex>,
    why: &'static str,
) -> Refusal {
    let name = step.and_then(|step| draft.definition.step(step)).map(|spec| spec.name.to_string());
    Refusal::NotPossible { verb, step: name.unwrap_or_else(|| "none".to_owned()), why }
}
