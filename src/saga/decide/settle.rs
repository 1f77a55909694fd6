//! What follows from the state alone: aborts that are certain, steps and undos that are ready, the end.
//! Run after every input, so that nothing ready is left behind.

use super::abort;
use super::draft::Draft;
use crate::canary::planted;
use crate::saga::definition::{StepIndex, bit};
use crate::saga::event::{AbortReason, SagaEvent};
use crate::saga::state::{Phase, Progress, SagaState, StepState};

pub(super) fn settle(draft: &mut Draft<'_>) {
    if draft.state().is_poisoned() {
        return;
    }
    if draft.state().phase == Phase::Running {
        settle_abort(draft);
    }
    match draft.state().phase {
        Phase::Running if draft.state().abort_requested.is_some() => {}
        Phase::Running | Phase::Committing => go_forward(draft),
        Phase::Compensating => go_back(draft),
        Phase::Completed | Phase::Compensated => {}
    }
}

/// A rejection aborts; an abort that was requested happens once the pivot is known not to stand. Behind the
/// saga's deadline nothing new begins, also when its timer has not been heard yet: a saga that was taken up
/// again has its calls' answers before.
fn settle_abort(draft: &mut Draft<'_>) {
    let state = draft.state();
    let requested = state.abort_requested.as_ref().filter(|_| match state.pivot_in_doubt() {
        Some(pivot) => state.is_revoked(pivot),
        None => true,
    });
    let reason = requested.cloned().or_else(|| rejection(state)).or_else(|| overdue(draft));
    if let Some(reason) = reason {
        abort::record(draft, reason);
    }
}

fn overdue(draft: &Draft<'_>) -> Option<AbortReason> {
    let begins = may_begin(draft.state()) && ready(draft) != 0;
    abort::passed_deadline(draft, None).filter(|_| begins)
}

/// The steps that can begin: everything before them is done.
fn ready(draft: &Draft<'_>) -> u64 {
    let done = set_of(draft.state(), |step| step.action.is_done());
    let new = set_of(draft.state(), |step| step.action == Progress::NotStarted);
    let waits = |step: &StepIndex| draft.definition.steps_before(*step) & !done != 0;
    new & !places(new).filter(waits).fold(0, |set, step| set | bit(step.0 as usize))
}

fn rejection(state: &SagaState) -> Option<AbortReason> {
    state.steps.iter().enumerate().find_map(|(place, step)| match &step.action {
        Progress::Rejected { code, reason } => Some(AbortReason::Rejected {
            step: StepIndex::of(place),
            code: code.clone(),
            reason: reason.clone(),
        }),
        Progress::NotStarted
        | Progress::Started { .. }
        | Progress::Waiting { .. }
        | Progress::Succeeded
        | Progress::Skipped => None,
    })
}

fn go_forward(draft: &mut Draft<'_>) {
    let open = set_of(draft.state(), |step| !step.action.is_done());
    let at_us = draft.now_us();
    if open == 0 {
        draft.record(SagaEvent::SagaCompleted { at_us });
        return;
    }
    if !may_begin(draft.state()) {
        return;
    }
    let epoch = draft.epoch();
    for step in places(ready(draft)) {
        draft.record(SagaEvent::StepStarted { step, at_us, epoch });
    }
}

/// A step is undone when everything that came directly after it is: that is the graph in reverse.
fn go_back(draft: &mut Draft<'_>) {
    let open = set_of(draft.state(), StepState::is_to_be_undone);
    let at_us = draft.now_us();
    if open == 0 {
        draft.record(SagaEvent::SagaCompensated { at_us });
        return;
    }
    if !may_begin(draft.state()) {
        return;
    }
    let epoch = draft.epoch();
    let new = set_of(draft.state(), |step| step.compensation == Progress::NotStarted);
    let again = set_of(draft.state(), |step| step.compensation == Progress::Succeeded);
    let again = if planted("compensation-twice") { again } else { 0 };
    for step in places(open & new | again) {
        let first = match planted("compensation-in-forward-order") {
            true => draft.definition.steps_before(step),
            false => draft.definition.steps_behind(step),
        };
        if first & open == 0 {
            draft.record(SagaEvent::CompensationStarted { step, at_us, epoch });
        }
    }
}

fn may_begin(state: &SagaState) -> bool {
    (!state.paused || planted("paused-saga-goes-on")) && state.parked.is_none()
}

fn set_of(state: &SagaState, belongs: impl Fn(&StepState) -> bool) -> u64 {
    let places = state.steps.iter().enumerate().filter(|(_, step)| belongs(step));
    places.fold(0, |set, (place, _)| set | bit(place))
}

fn places(mut set: u64) -> impl Iterator<Item = StepIndex> {
    std::iter::from_fn(move || {
        let place = (set != 0).then(|| StepIndex(set.trailing_zeros()))?;
        set &= set - 1;
        Some(place)
    })
}
