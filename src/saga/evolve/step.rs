//! What calls bring about: steps begun, done, rejected, tried again, undone.

use super::{Legal, must};
use crate::canary::planted;
use crate::saga::definition::StepIndex;
use crate::saga::event::StepDirection;
use crate::saga::json::Json;
use crate::saga::state::{Phase, Progress, SagaState};

impl SagaState {
    pub(super) fn step_started(&mut self, step: StepIndex, at_us: u64) -> Legal {
        let forward = match self.phase {
            Phase::Running => self.abort_requested.is_none(),
            Phase::Committing => true,
            Phase::Compensating | Phase::Completed | Phase::Compensated => false,
        };
        must(forward, "the saga does not go forward")?;
        self.must_begin_new()?;
        let state = self.step_mut(step)?;
        must(state.action == Progress::NotStarted, "the step was announced before")?;
        state.action = Progress::Started { attempt: 1 };
        state.started_at_us = Some(at_us);
        state.deadline_from_us = Some(at_us);
        Ok(())
    }

    pub(super) fn step_succeeded(&mut self, step: StepIndex, result: &Json, at_us: u64) -> Legal {
        self.must_await_outcome(step)?;
        let state = self.step_mut(step)?;
        state.action = Progress::Succeeded;
        state.result = Some(result.clone());
        state.ended_at_us = Some(at_us);
        self.unpark(step, StepDirection::Action);
        let honoured = self.abort_requested.is_some() && planted("cancel-honoured-after-the-pivot");
        if self.pivot == Some(step) && !honoured {
            self.phase = Phase::Committing;
            self.abort_requested = None;
        }
        Ok(())
    }

    pub(super) fn step_rejected(
        &mut self,
        step: StepIndex,
        code: &str,
        reason: &str,
        at_us: u64,
    ) -> Legal {
        must(self.phase != Phase::Committing, "behind the pivot no rejection is final")?;
        self.must_await_outcome(step)?;
        let state = self.step_mut(step)?;
        state.action = Progress::Rejected { code: code.to_owned(), reason: reason.to_owned() };
        state.ended_at_us = Some(at_us);
        state.last_error = Some(format!("{code}: {reason}"));
        self.unpark(step, StepDirection::Action);
        Ok(())
    }

    pub(super) fn retry_scheduled(
        &mut self,
        step: StepIndex,
        direction: StepDirection,
        attempt: u32,
        (from_us, due_at_us): (u64, u64),
        cause: &str,
    ) -> Legal {
        must(self.direction_under_way(step) == Some(direction), "the step is not under way")?;
        must(!self.is_parked_at(step, direction), "the saga is parked at the step")?;
        self.next_attempt(step, direction, attempt)?;
        let state = self.step_mut(step)?;
        let cause = cause.to_owned();
        state.last_error = Some(cause.clone());
        *state.progress_mut(direction) = Progress::Waiting { attempt, from_us, due_at_us, cause };
        Ok(())
    }

    pub(super) fn compensation_started(&mut self, step: StepIndex) -> Legal {
        self.must_begin_new()?;
        let goes_back = self.phase == Phase::Compensating
            || (self.is_settling(step) && self.pivot_in_doubt() == Some(step));
        must(goes_back, "the saga does not go back")?;
        let state = self.step_mut(step)?;
        let again = planted("compensation-twice") && state.compensation == Progress::Succeeded;
        must(state.is_to_be_undone() || again, "the step is not to be undone")?;
        let new = state.compensation == Progress::NotStarted || again;
        must(new, "its undo was announced before")?;
        state.compensation = Progress::Started { attempt: 1 };
        Ok(())
    }

    pub(super) fn compensation_succeeded(&mut self, step: StepIndex) -> Legal {
        self.attempt_in_doubt(step, StepDirection::Compensation)?;
        self.step_mut(step)?.compensation = Progress::Succeeded;
        self.unpark(step, StepDirection::Compensation);
        Ok(())
    }

    /// An outcome of an action counts while nothing was done to undo it.
    fn must_await_outcome(&mut self, step: StepIndex) -> Legal {
        self.attempt_in_doubt(step, StepDirection::Action)?;
        let undo = &self.step_mut(step)?.compensation;
        let untouched = matches!(undo, Progress::NotStarted | Progress::Rejected { .. });
        must(untouched, "the step is being undone")
    }

    fn must_begin_new(&self) -> Legal {
        must(!self.paused, "the saga is paused")?;
        must(self.parked.is_none(), "the saga is parked")
    }
}
