//! The decision: what follows from an input. One file for each kind of input.
//!
//! ```text
//! guard ──> one of returned, probed, timer, cancel, operate ──> settle ──> the draft's end
//!           records what happened                               records what follows from it
//! ```
//!
//! Every event is recorded through a [`draft::Draft`], which folds it at once: a decision is made on the
//! state it leads to, and an event that could not be read back is never handed out.

mod abort;
mod begin;
mod draft;
mod failed;
mod guard;
mod operate;
mod probed;
mod returned;
mod settle;
mod timer;

pub use begin::begin;

use self::draft::Draft;
use self::guard::Guarded;
use super::definition::Definition;
use super::effect::Decision;
use super::event::{AbortReason, ParkReason, SagaEvent, StepDirection};
use super::input::{Input, Refusal, Stimulus};
use super::state::SagaState;

/// The most events a saga may have. A saga that needs more runs in a circle (a retry without a pause, a
/// script that pauses and resumes): it is parked as poisoned before it costs everybody's recovery time.
/// The last event is kept for that.
pub const HISTORY_EVENTS_MAX: u64 = 10_000;

/// What follows from `input`. Never panics, on any state and input; late and double results, probes and
/// timers give an empty decision. Only people's requests are refused.
///
/// A timer that comes before its time is set again. The timer of a retry begins the attempt, and that is
/// no event: the same timer twice would call twice under one key, which participants answer alike.
pub fn decide(
    definition: &Definition,
    state: &SagaState,
    input: Input,
) -> Result<Decision, Refusal> {
    decide_and_fold(definition, state, input).map(|(decision, _)| decision)
}

/// [`decide`], and the state after the decision's events; none when there are none.
pub fn decide_and_fold(
    definition: &Definition,
    state: &SagaState,
    input: Input,
) -> Result<(Decision, Option<SagaState>), Refusal> {
    if guard::guard(definition, state, &input)? == Guarded::Late {
        return Ok((Decision::default(), None));
    }
    let by_person = guard::is_by_person(&input.stimulus);
    let mut draft = Draft::new(definition, state, input.moment);
    record(&mut draft, input.stimulus)?;
    settle::settle(&mut draft);
    draft.end(by_person)
}

/// Whether the log of `state` ends inside a decision, so that something follows without any input.
pub(super) fn is_unfinished(definition: &Definition, state: &SagaState) -> bool {
    let moment = super::input::Moment { now_us: 0, epoch: state.epoch, jitter: 0 };
    let mut draft = Draft::new(definition, state, moment);
    settle::settle(&mut draft);
    draft.has_events()
}

fn record(draft: &mut Draft<'_>, stimulus: Stimulus) -> Result<(), Refusal> {
    match stimulus {
        Stimulus::Returned { step, direction, attempt, outcome } => {
            returned::returned(draft, step, direction, attempt, outcome);
        }
        Stimulus::Probed { step, attempt, answer, cause, retry_after_ms } => {
            probed::probed(draft, step, attempt, answer, cause, retry_after_ms);
        }
        Stimulus::TimerFired(timer) => timer::fired(draft, timer),
        Stimulus::Cancel { reason, actor } => {
            abort::request(draft, AbortReason::Cancelled { reason, actor })?;
        }
        Stimulus::Operate { verb, reason, actor } => {
            operate::operate(draft, verb, operate::By { reason, actor })?;
        }
        Stimulus::Poisoned { cause } => {
            let at_us = draft.now_us();
            let reason = ParkReason::Poisoned { cause };
            let direction = StepDirection::Action;
            draft.record(SagaEvent::SagaParked { step: None, direction, reason, at_us });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
