//! Something became due.

use super::abort;
use super::draft::Draft;
use crate::canary::planted;
use crate::saga::effect::{Effect, Timer};
use crate::saga::event::AbortReason;
use crate::saga::resume;

/// A timer that is not owed any more is stale and changes nothing.
pub(super) fn fired(draft: &mut Draft<'_>, timer: Timer) {
    let unlogged = matches!(timer, Timer::Retry { .. }) && planted("timer-outside-the-batch");
    let owed = resume::owed_timer(draft.definition, draft.state(), timer);
    let Some(due_at_us) = owed.or_else(|| unlogged.then_some(0)) else {
        return;
    };
    let now_us = draft.now_us();
    let is_early = now_us < due_at_us && !planted("stale-timer-accepted");
    // The clock was set back, or nodes disagree: the timer is spent, so it is set again. When the clock
    // stands before its beginning, the pause has been waited for by another measure.
    if is_early && !resume::is_set_in_the_future(draft.state(), timer, now_us) {
        draft.again(Effect::SetTimer { timer, due_at_us });
        return;
    }
    match timer {
        Timer::Retry { step, direction, attempt } => {
            match abort::instead_of_trying(draft, step, direction) {
                Some(reason) => abort::record(draft, reason),
                None => {
                    draft.again(resume::carry_out(draft.state(), step, direction, attempt));
                }
            }
        }
        Timer::StepDeadline { step } => {
            abort::record(draft, AbortReason::Deadline { step: Some(step) });
        }
        Timer::SagaDeadline => abort::record(draft, AbortReason::Deadline { step: None }),
        // What is left to do follows from the state.
        Timer::Continue => {}
    }
}
