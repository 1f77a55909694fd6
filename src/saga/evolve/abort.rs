//! Going back, and the ends.

use super::{Legal, must};
use crate::canary::planted;
use crate::saga::definition::StepIndex;
use crate::saga::event::{AbortReason, StepDirection};
use crate::saga::state::{Phase, Progress, SagaState};

impl SagaState {
    pub(super) fn abort_requested(&mut self, reason: &AbortReason) -> Legal {
        must(self.phase == Phase::Running, "the saga can no longer go back")?;
        must(self.abort_requested.is_none(), "an abort was requested before")?;
        let Some(pivot) = self.pivot_in_doubt() else {
            return Err("the pivot is not in doubt".to_owned());
        };
        let attempt = self.attempt_in_doubt(pivot, StepDirection::Action)?;
        // A parked attempt has had its answer; one that is under way may still have it, and it counts.
        let is_answered = self.is_parked_at(pivot, StepDirection::Action);
        let attempt = attempt.saturating_add(u32::from(is_answered));
        self.abort_requested = Some(reason.clone());
        // A call that waits to leave must not leave any more: the attempt is asked about at once.
        self.step_mut(pivot)?.action = Progress::Started { attempt };
        self.unpark_all();
        Ok(())
    }

    pub(super) fn saga_aborted(&mut self, reason: &AbortReason) -> Legal {
        let forward = self.phase == Phase::Committing
            && (planted("deadline-behind-the-pivot") || planted("compensated-behind-the-pivot"));
        must(self.phase == Phase::Running || forward, "the saga can no longer go back")?;
        let first = self.abort_requested.as_ref().is_none_or(|requested| requested == reason);
        must(first, "an abort was requested before for another reason")?;
        let settled = self.pivot_in_doubt().is_none_or(|pivot| self.is_revoked(pivot));
        let settled = settled || planted("abort-while-the-pivot-is-in-doubt");
        must(settled, "the pivot is in doubt")?;
        self.phase = Phase::Compensating;
        self.aborted = Some(reason.clone());
        self.abort_requested = None;
        self.unpark_all();
        Ok(())
    }

    pub(super) fn revocation_rejected(
        &mut self,
        step: StepIndex,
        code: &str,
        reason: &str,
        attempt: u32,
        at_us: u64,
    ) -> Legal {
        must(self.is_settling(step), "no abort waits for this step")?;
        self.attempt_in_doubt(step, StepDirection::Compensation)?;
        self.next_attempt(step, StepDirection::Action, attempt)?;
        let cause = format!("{code}: {reason}");
        let state = self.step_mut(step)?;
        state.compensation =
            Progress::Rejected { code: code.to_owned(), reason: reason.to_owned() };
        let (from_us, due_at_us) = (at_us, at_us);
        state.action = Progress::Waiting { attempt, from_us, due_at_us, cause: cause.clone() };
        state.last_error = Some(cause);
        self.unpark(step, StepDirection::Compensation);
        Ok(())
    }

    pub(super) fn saga_completed(&mut self) -> Legal {
        let forward = match self.phase {
            Phase::Running => self.pivot.is_none(),
            Phase::Committing => true,
            Phase::Compensating | Phase::Completed | Phase::Compensated => false,
        };
        must(forward, "the saga does not go forward, or its pivot has not succeeded")?;
        let done = self.steps.iter().all(|step| step.action.is_done());
        must(done, "a step has not succeeded")?;
        self.phase = Phase::Completed;
        Ok(())
    }

    pub(super) fn saga_compensated(&mut self) -> Legal {
        must(self.phase == Phase::Compensating, "the saga does not go back")?;
        let undone = !self.steps.iter().any(|step| step.is_to_be_undone());
        must(undone, "a step is not undone")?;
        self.phase = Phase::Compensated;
        Ok(())
    }

    /// Whether the pivot is known not to stand, though its call has had no answer.
    pub(in crate::saga) fn is_revoked(&self, pivot: StepIndex) -> bool {
        self.step(pivot).is_some_and(|pivot| pivot.compensation == Progress::Succeeded)
    }
}
