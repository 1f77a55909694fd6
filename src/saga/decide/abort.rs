//! Going back: one abort wins, and a pivot in doubt is settled first.
//!
//! ```text
//! AbortRequested ──probe──> it happened ─────────────────────────> forward, the abort is moot
//!                           it did not, or nobody can tell ──> revoke
//!      revoke ──> succeeded: it does not stand and never will ──> SagaAborted
//!             └─> rejected: it stands, or cannot be revoked ──> the same call once more decides
//! ```
//!
//! So `SagaAborted` is only ever recorded when nothing behind it can turn out to be paid, and a pivot
//! that stands is always gone on from.

use super::draft::Draft;
use crate::canary::planted;
use crate::saga::definition::{Definition, StepIndex};
use crate::saga::effect::Timer;
use crate::saga::event::{AbortReason, SagaEvent, StepDirection};
use crate::saga::input::Refusal;
use crate::saga::resume;
use crate::saga::state::{Phase, SagaState};

/// A person's wish to go back.
pub(super) fn request(draft: &mut Draft<'_>, reason: AbortReason) -> Result<(), Refusal> {
    let state = draft.state();
    match state.phase {
        Phase::Running if state.abort_requested.is_none() => {
            record(draft, reason);
            Ok(())
        }
        Phase::Running | Phase::Compensating => Err(Refusal::AlreadyCompensating),
        Phase::Committing if planted("compensated-behind-the-pivot") => {
            record(draft, reason);
            Ok(())
        }
        Phase::Committing => Err(behind_pivot(draft.definition, state)),
        Phase::Completed | Phase::Compensated => Err(Refusal::Ended { end: state.status() }),
    }
}

/// Aborts a running saga, or asks for it while the pivot is in doubt.
pub(super) fn record(draft: &mut Draft<'_>, reason: AbortReason) {
    let at_us = draft.now_us();
    let state = draft.state();
    let in_doubt = state.pivot_in_doubt().is_some_and(|pivot| !state.is_revoked(pivot));
    draft.record(match in_doubt && !planted("abort-while-the-pivot-is-in-doubt") {
        true => SagaEvent::AbortRequested { reason, at_us },
        false => SagaEvent::SagaAborted { reason, at_us },
    });
}

/// The abort that takes the place of one more attempt, when a deadline of the step or of its saga has passed.
pub(super) fn instead_of_trying(
    draft: &Draft<'_>,
    step: StepIndex,
    direction: StepDirection,
) -> Option<AbortReason> {
    passed_deadline(draft, Some(step)).filter(|_| direction == StepDirection::Action)
}

/// The deadline of the saga, or of this step, that has passed though nobody has heard its timer yet: whoever
/// was away hears answers and timers at the same time. Whatever would begin or try something asks for it.
pub(super) fn passed_deadline(draft: &Draft<'_>, step: Option<StepIndex>) -> Option<AbortReason> {
    let of_step = step.map(|step| (Timer::StepDeadline { step }, Some(step)));
    let passed = |(timer, step): (Timer, Option<StepIndex>)| {
        let due_at_us = resume::owed_timer(draft.definition, draft.state(), timer)?;
        (due_at_us <= draft.now_us()).then_some(AbortReason::Deadline { step })
    };
    passed((Timer::SagaDeadline, None)).or_else(|| of_step.and_then(passed))
}

/// Makes sure that a pivot in doubt never happens. Paused, it is asked about again on resuming.
pub(super) fn revoke(draft: &mut Draft<'_>, pivot: StepIndex, cause: String) {
    let (at_us, epoch) = (draft.now_us(), draft.epoch());
    if draft.state().paused || draft.state().parked.is_some() {
        super::failed::try_again_at(draft, pivot, at_us, cause);
        return;
    }
    draft.record(SagaEvent::CompensationStarted { step: pivot, at_us, epoch });
}

pub(super) fn behind_pivot(definition: &Definition, state: &SagaState) -> Refusal {
    let pivot = state.pivot.and_then(|pivot| definition.step(pivot));
    Refusal::BehindPivot { pivot: pivot.map_or_else(String::new, |pivot| pivot.name.to_string()) }
}
