//! An attempt without a usable answer: the next one, counted before it begins, or an operator.

use super::abort;
use super::draft::Draft;
use crate::canary::planted;
use crate::saga::definition::StepIndex;
use crate::saga::effect::{Effect, Timer};
use crate::saga::event::{ParkReason, SagaEvent, StepDirection};
use crate::saga::policy::Policy;
use crate::saga::resume;
use crate::saga::state::{Phase, StepState};

pub(super) fn failed(
    draft: &mut Draft<'_>,
    step: StepIndex,
    direction: StepDirection,
    cause: String,
    retry_after_ms: Option<u64>,
) {
    // An attempt that was on its way when the step was parked changes nothing about that.
    if draft.state().is_parked_at(step, direction) {
        return;
    }
    let Some((spec, state)) = draft.definition.step(step).zip(draft.state().step(step)) else {
        return;
    };
    let Some(attempt) = state.progress(direction).attempt() else {
        return;
    };
    // Before the pivot a deadline aborts, and what it has passed is not tried again.
    if let Some(reason) = abort::instead_of_trying(draft, step, direction) {
        abort::record(draft, reason);
        return;
    }
    let made = attempt.saturating_sub(state.forgiven(direction));
    let policy = match planted("policy-of-the-first-step") {
        true => draft.definition.steps().first().map_or(&spec.policy, |first| &first.policy),
        false => &spec.policy,
    };
    let unbounded = planted("attempts-not-bounded");
    let made_so_far = made.saturating_add(u32::from(planted("gives-up-one-attempt-early")));
    let may_go_on = unbounded || made_so_far < policy.attempts_of(direction);
    let Some(next) = attempt.checked_add(1).filter(|_| may_go_on) else {
        park(draft, step, direction, ParkReason::AttemptsUsedUp { attempts: made, cause });
        return;
    };
    if is_past_deadline(draft, step, direction) {
        park(draft, step, direction, ParkReason::DeadlinePassed { cause });
        return;
    }
    let pause_ms = pause_ms(policy, state, direction, next, draft.jitter(), retry_after_ms);
    let due_at_us = draft.now_us().saturating_add(pause_ms.saturating_mul(1_000));
    schedule(draft, step, direction, next, due_at_us, cause);
}

/// The next attempt of a pivot that is being settled, counted on without a limit: it only waits for the
/// saga to be resumed.
pub(super) fn try_again_at(draft: &mut Draft<'_>, pivot: StepIndex, due_at_us: u64, cause: String) {
    let direction = StepDirection::Action;
    let attempt = draft.state().step(pivot).and_then(|pivot| pivot.action.attempt());
    if let Some(next) = attempt.and_then(|attempt| attempt.checked_add(1)) {
        schedule(draft, pivot, direction, next, due_at_us, cause);
    }
}

fn park(draft: &mut Draft<'_>, step: StepIndex, direction: StepDirection, reason: ParkReason) {
    let at_us = draft.now_us();
    draft.record(SagaEvent::SagaParked { step: Some(step), direction, reason, at_us });
}

/// Whether a step that can only go forward may make no further attempt.
fn is_past_deadline(draft: &Draft<'_>, step: StepIndex, direction: StepDirection) -> bool {
    direction == StepDirection::Action
        && draft.state().phase == Phase::Committing
        && resume::deadline_at_us(draft.definition, draft.state(), step)
            .is_some_and(|deadline_us| deadline_us <= draft.now_us())
}

fn pause_ms(
    policy: &Policy,
    state: &StepState,
    direction: StepDirection,
    next: u32,
    jitter: u64,
    retry_after_ms: Option<u64>,
) -> u64 {
    if planted("retry-without-backoff") {
        return 0;
    }
    let counted = next.saturating_sub(state.forgiven(direction));
    let retry_after_ms = retry_after_ms.filter(|_| !planted("retry-after-ignored"));
    policy.backoff_ms(counted, jitter, retry_after_ms)
}

/// Behind the pivot the last attempt begins at the step's deadline at the latest.
fn schedule(
    draft: &mut Draft<'_>,
    step: StepIndex,
    direction: StepDirection,
    attempt: u32,
    due_at_us: u64,
    cause: String,
) {
    let forward = draft.state().phase == Phase::Committing;
    let deadline_us = resume::deadline_at_us(draft.definition, draft.state(), step)
        .filter(|_| forward && direction == StepDirection::Action);
    let due_at_us = due_at_us.min(deadline_us.unwrap_or(u64::MAX));
    if planted("timer-outside-the-batch") {
        let timer = Timer::Retry { step, direction, attempt: attempt - 1 };
        return draft.again(Effect::SetTimer { timer, due_at_us });
    }
    let at_us = draft.now_us();
    draft.record(SagaEvent::RetryScheduled { step, direction, attempt, due_at_us, cause, at_us });
}
