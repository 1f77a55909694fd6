//! What operators do, and what waits for them.

use super::{Legal, must};
use crate::canary::planted;
use crate::saga::definition::StepIndex;
use crate::saga::event::{ParkReason, StepDirection};
use crate::saga::state::{Parked, Progress, SagaState};

impl SagaState {
    pub(super) fn saga_parked(
        &mut self,
        step: Option<StepIndex>,
        direction: StepDirection,
        reason: &ParkReason,
        at_us: u64,
    ) -> Legal {
        must(!self.is_poisoned(), "the saga is poisoned already")?;
        let parked = Parked { step, direction, reason: reason.clone(), at_us };
        let Some(step) = step else {
            return self.poison(parked);
        };
        let poisoned = matches!(reason, ParkReason::Poisoned { .. });
        must(!poisoned, "poison belongs to no step")?;
        must(self.direction_under_way(step) == Some(direction), "the step is not under way")?;
        must(!self.is_parked_at(step, direction), "the saga is parked there already")?;
        self.step_mut(step)?.last_error = Some(cause_of(reason));
        match self.parked {
            None => self.parked = Some(parked),
            Some(_) => self.also_parked.push(parked),
        }
        Ok(())
    }

    /// Poison comes before every step that is parked: nothing can be done about those under it.
    fn poison(&mut self, parked: Parked) -> Legal {
        let poisoned = matches!(parked.reason, ParkReason::Poisoned { .. });
        must(poisoned, "a saga is parked at a step, or poisoned")?;
        if let Some(first) = self.parked.replace(parked) {
            self.also_parked.insert(0, first);
        }
        Ok(())
    }

    pub(super) fn saga_unparked(&mut self) -> Legal {
        must(self.is_poisoned(), "the saga is not poisoned")?;
        self.next_parked();
        Ok(())
    }

    pub(super) fn retry_requested(
        &mut self,
        step: StepIndex,
        direction: StepDirection,
        attempt: u32,
        at_us: u64,
    ) -> Legal {
        must(self.direction_under_way(step) == Some(direction), "the step is not under way")?;
        self.next_attempt(step, direction, attempt)?;
        let parked = self.is_parked_at(step, direction);
        let state = self.step_mut(step)?;
        let waits = matches!(state.progress(direction), Progress::Waiting { .. });
        must(parked || waits, "the step neither waits nor is parked")?;
        let cause = state.last_error.clone().unwrap_or_default();
        let (from_us, due_at_us) = (at_us, at_us);
        *state.progress_mut(direction) = Progress::Waiting { attempt, from_us, due_at_us, cause };
        match direction {
            StepDirection::Action => {
                state.action_forgiven = attempt - 1;
                state.deadline_from_us = Some(at_us);
            }
            StepDirection::Compensation if planted("parked-undo-tried-once-more") => {}
            StepDirection::Compensation => state.compensation_forgiven = attempt - 1,
        }
        self.unpark(step, direction);
        Ok(())
    }

    pub(super) fn step_skipped(
        &mut self,
        step: StepIndex,
        direction: StepDirection,
        at_us: u64,
    ) -> Legal {
        self.step_resolved(step, direction)?;
        must(self.pivot != Some(step), "a pivot decides and cannot be skipped")?;
        let state = self.step_mut(step)?;
        *state.progress_mut(direction) = Progress::Skipped;
        if direction == StepDirection::Action {
            state.ended_at_us = Some(at_us);
        }
        self.unpark(step, direction);
        Ok(())
    }

    /// Changes nothing: the outcome follows as an event of its own.
    pub(super) fn step_resolved(&mut self, step: StepIndex, direction: StepDirection) -> Legal {
        must(self.is_parked_at(step, direction), "the saga is not parked there")?;
        self.attempt_in_doubt(step, direction).map(drop)
    }

    pub(super) fn pause(&mut self, paused: bool) -> Legal {
        must(self.paused != paused, "the saga is paused already, or not paused")?;
        self.paused = paused;
        Ok(())
    }

    pub(super) fn unpark(&mut self, step: StepIndex, direction: StepDirection) {
        if self.parked.is_none() {
            return;
        }
        let here = |parked: &Parked| parked.step == Some(step) && parked.direction == direction;
        self.also_parked.retain(|parked| !here(parked));
        if self.parked.as_ref().is_some_and(here) {
            self.next_parked();
        }
    }

    /// An abort takes up everything that waited for an operator.
    pub(super) fn unpark_all(&mut self) {
        self.parked = None;
        self.also_parked.clear();
    }

    fn next_parked(&mut self) {
        self.parked = (!self.also_parked.is_empty()).then(|| self.also_parked.remove(0));
    }
}

fn cause_of(reason: &ParkReason) -> String {
    match reason {
        ParkReason::AttemptsUsedUp { cause, .. }
        | ParkReason::DeadlinePassed { cause }
        | ParkReason::Poisoned { cause } => cause.clone(),
    }
}
