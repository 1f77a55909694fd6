//! What is owed in a state: to a running shell the difference that an input makes, to a restarted
//! shell all of it. One rule for both, so a crash cannot forget or invent an effect.

use super::definition::{Definition, StepIndex};
use super::effect::{Effect, Timer};
use super::event::StepDirection;
use super::state::{Phase, Progress, SagaState};
use crate::canary::planted;

/// Every effect that is owed in `state`: the calls that were announced and have no answer, the probes,
/// the timers. In a fixed order: step by step, then the saga's own.
///
/// The beginning of a retry is not an event, so here it is owed as its timer, which may be due already.
/// A poisoned saga, one that has ended, and one of another definition owe nothing.
pub fn pending_effects(definition: &Definition, state: &SagaState) -> Vec<Effect> {
    if !is_worked_on(definition, state) {
        return Vec::new();
    }
    let mut effects = Vec::with_capacity(2 * state.steps.len());
    for step in (0..state.steps.len()).map(StepIndex::of) {
        effects.extend(owed_by_step(definition, state, step).into_iter().flatten());
    }
    effects.extend(owed_by_saga(state));
    if super::decide::is_unfinished(definition, state) {
        let timer = Timer::Continue;
        effects.push(Effect::SetTimer { timer, due_at_us: state.updated_at_us });
    }
    if planted("timer-forgotten-at-recovery") {
        effects.retain(|effect| !matches!(effect, Effect::SetTimer { .. }));
    }
    effects
}

/// Whether anything can be owed at all.
pub(super) fn is_worked_on(definition: &Definition, state: &SagaState) -> bool {
    !state.has_ended() && !state.is_poisoned() && is_of(definition, state)
}

/// Whether the saga runs under this definition.
pub(super) fn is_of(definition: &Definition, state: &SagaState) -> bool {
    state.definition == *definition.hash()
        && state.steps.len() == definition.steps().len()
        && state.pivot == definition.pivot()
}

/// The call, question or retry timer of a step, and its deadline.
pub(super) fn owed_by_step(
    definition: &Definition,
    state: &SagaState,
    step: StepIndex,
) -> [Option<Effect>; 2] {
    [owed_progress(state, step), owed_deadline(definition, state, step)]
}

/// The saga's deadline.
pub(super) fn owed_by_saga(state: &SagaState) -> Option<Effect> {
    let due_at_us = state.deadline_at_us.filter(|_| may_abort(state))?;
    if planted("deadline-forgotten") {
        return None;
    }
    Some(Effect::SetTimer { timer: Timer::SagaDeadline, due_at_us })
}

/// When this timer is due, if it is owed at all.
pub(super) fn owed_timer(definition: &Definition, state: &SagaState, timer: Timer) -> Option<u64> {
    let owed = match timer {
        Timer::Retry { step, .. } => owed_progress(state, step),
        Timer::StepDeadline { step } => owed_deadline(definition, state, step),
        Timer::SagaDeadline => owed_by_saga(state),
        Timer::Continue => return Some(0),
    };
    match owed {
        Some(Effect::SetTimer { timer: owed, due_at_us }) if owed == timer => Some(due_at_us),
        Some(Effect::SetTimer { .. } | Effect::Invoke { .. } | Effect::Probe { .. }) | None => None,
    }
}

/// The longest that this timer may still have to wait, however the clocks of nodes disagree: a pause before
/// an attempt never becomes longer than it was when it was decided. None: its time is a time of day.
pub fn longest_wait_us(state: &SagaState, timer: Timer) -> Option<u64> {
    match timer {
        Timer::Retry { step, direction, .. } => match *state.step(step)?.progress(direction) {
            Progress::Waiting { from_us, due_at_us, .. } => Some(due_at_us.saturating_sub(from_us)),
            Progress::NotStarted
            | Progress::Started { .. }
            | Progress::Succeeded
            | Progress::Rejected { .. }
            | Progress::Skipped => None,
        },
        Timer::Continue => Some(0),
        Timer::StepDeadline { .. } | Timer::SagaDeadline => None,
    }
}

/// Whether the clock stands before the moment at which this timer was set: then it does not tell when the
/// timer is due.
pub(super) fn is_set_in_the_future(state: &SagaState, timer: Timer, now_us: u64) -> bool {
    let Timer::Retry { step, direction, .. } = timer else { return false };
    let progress = state.step(step).map(|step| step.progress(direction));
    matches!(progress, Some(Progress::Waiting { from_us, .. }) if now_us < *from_us)
}

/// When a step's deadline passes, in microseconds of wall time.
pub(super) fn deadline_at_us(
    definition: &Definition,
    state: &SagaState,
    step: StepIndex,
) -> Option<u64> {
    let deadline_ms = definition.step(step)?.policy.deadline_ms?;
    let from_us = state.step(step)?.deadline_from_us?;
    if planted("step-deadline-ignored") {
        return None;
    }
    let unit_us = if planted("step-deadline-halved") { 500 } else { 1_000 };
    Some(from_us.saturating_add(deadline_ms.saturating_mul(unit_us)))
}

/// How the attempt in doubt of a step is carried out: by asking, while an abort waits for the pivot and
/// nobody has refused to revoke it; else by calling.
pub(super) fn carry_out(
    state: &SagaState,
    step: StepIndex,
    direction: StepDirection,
    attempt: u32,
) -> Effect {
    let undo = state.step(step).map(|step| &step.compensation);
    let asks = direction == StepDirection::Action
        && state.is_settling(step)
        && undo == Some(&Progress::NotStarted);
    if asks { Effect::Probe { step, attempt } } else { Effect::Invoke { step, direction, attempt } }
}

fn owed_progress(state: &SagaState, step: StepIndex) -> Option<Effect> {
    let direction = state.direction_under_way(step)?;
    if state.is_parked_at(step, direction) {
        return None;
    }
    match *state.step(step)?.progress(direction) {
        Progress::Started { attempt } => Some(carry_out(state, step, direction, attempt)),
        Progress::Waiting { attempt, due_at_us, .. } if !state.paused => {
            let timer = Timer::Retry { step, direction, attempt };
            Some(Effect::SetTimer { timer, due_at_us })
        }
        Progress::Waiting { .. }
        | Progress::NotStarted
        | Progress::Succeeded
        | Progress::Rejected { .. }
        | Progress::Skipped => None,
    }
}

// Behind the pivot a deadline is looked at when an attempt has failed: no timer is needed.
fn owed_deadline(definition: &Definition, state: &SagaState, step: StepIndex) -> Option<Effect> {
    let in_doubt = state.step(step)?.action.is_in_doubt();
    if !in_doubt || !may_abort(state) {
        return None;
    }
    let due_at_us = deadline_at_us(definition, state, step)?;
    Some(Effect::SetTimer { timer: Timer::StepDeadline { step }, due_at_us })
}

fn may_abort(state: &SagaState) -> bool {
    let may = state.phase == Phase::Running
        || (state.phase == Phase::Committing && planted("deadline-behind-the-pivot"));
    may && state.abort_requested.is_none()
}
