//! The reducer: the state after an event. The same for the run, the recovery, the API and the
//! simulator.
//!
//! An event that cannot follow is a typed error and changes nothing: a damaged log is found when it is
//! read, and a decision that would damage one is found before it is written. The rules that need the
//! definition (which step may start when) are the decision's; the rules here need only the log.

mod abort;
mod operator;
mod step;

use super::definition::{STEPS_MAX, StepIndex};
use super::event::{SagaEvent, StepDirection};
use super::state::{Phase, Progress, SagaState, StepState};

/// An event that cannot follow on what came before: the log is damaged or was written by a bug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {number} ({event}) cannot follow: {why}")]
pub struct EvolveError {
    /// The event's place in the stream, from 1.
    pub number: u64,
    /// The event's name.
    pub event: &'static str,
    /// What is wrong with it.
    pub why: String,
}

/// Why an event cannot follow.
type Legal<T = ()> = Result<T, String>;

/// The state after `event`. `None` is the state before the first event.
pub fn evolve(state: Option<SagaState>, event: &SagaEvent) -> Result<SagaState, EvolveError> {
    match state {
        None => started(event).map_err(|why| EvolveError { number: 1, event: event.name(), why }),
        Some(mut state) => {
            state.apply(event)?;
            Ok(state)
        }
    }
}

impl SagaState {
    /// Folds a whole stream.
    pub fn fold<'a>(
        events: impl IntoIterator<Item = &'a SagaEvent>,
    ) -> Result<Option<Self>, EvolveError> {
        let mut state = None;
        for event in events {
            state = Some(evolve(state, event)?);
        }
        Ok(state)
    }

    /// [`evolve`] in place. After an error the state is as before.
    pub(crate) fn apply(&mut self, event: &SagaEvent) -> Result<(), EvolveError> {
        self.check(event).and_then(|()| self.transition(event)).map_err(|why| EvolveError {
            number: self.events.saturating_add(1),
            event: event.name(),
            why,
        })?;
        self.events = self.events.saturating_add(1);
        self.updated_at_us = event.at_us();
        self.epoch = event.epoch().unwrap_or(self.epoch);
        Ok(())
    }

    /// What holds for every event but the first.
    fn check(&self, event: &SagaEvent) -> Legal {
        must(!self.has_ended(), "the saga has ended")?;
        match event.epoch() {
            Some(epoch) if epoch < self.epoch => {
                Err(format!("its epoch {epoch} is older than {} before it", self.epoch))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn transition(&mut self, event: &SagaEvent) -> Legal {
        use SagaEvent as E;
        match event {
            E::SagaStarted { .. } => Err("the saga has started already".to_owned()),
            E::StepStarted { step, at_us, .. } => self.step_started(*step, *at_us),
            E::StepSucceeded { step, result, at_us } => self.step_succeeded(*step, result, *at_us),
            E::StepRejected { step, code, reason, at_us } => {
                self.step_rejected(*step, code, reason, *at_us)
            }
            E::RetryScheduled { step, direction, attempt, due_at_us, cause, at_us } => {
                self.retry_scheduled(*step, *direction, *attempt, (*at_us, *due_at_us), cause)
            }
            E::AbortRequested { reason, .. } => self.abort_requested(reason),
            E::SagaAborted { reason, .. } => self.saga_aborted(reason),
            E::CompensationStarted { step, .. } => self.compensation_started(*step),
            E::CompensationSucceeded { step, .. } => self.compensation_succeeded(*step),
            E::RevocationRejected { step, code, reason, attempt, at_us, .. } => {
                self.revocation_rejected(*step, code, reason, *attempt, *at_us)
            }
            E::SagaParked { step, direction, reason, at_us } => {
                self.saga_parked(*step, *direction, reason, *at_us)
            }
            E::SagaPaused { .. } => self.pause(true),
            E::SagaResumed { .. } => self.pause(false),
            E::SagaUnparked { .. } => self.saga_unparked(),
            E::RetryRequested { step, direction, attempt, at_us, .. } => {
                self.retry_requested(*step, *direction, *attempt, *at_us)
            }
            E::StepSkipped { step, direction, at_us, .. } => {
                self.step_skipped(*step, *direction, *at_us)
            }
            E::StepResolved { step, direction, .. } => self.step_resolved(*step, *direction),
            E::SagaCompleted { .. } => self.saga_completed(),
            E::SagaCompensated { .. } => self.saga_compensated(),
        }
    }

    fn step_mut(&mut self, step: StepIndex) -> Legal<&mut StepState> {
        let steps = self.steps.len();
        self.steps
            .get_mut(step.place())
            .ok_or_else(|| format!("it names step {} and the saga has {steps}", step.0))
    }

    /// The attempt in doubt of one direction of a step.
    fn attempt_in_doubt(&mut self, step: StepIndex, direction: StepDirection) -> Legal<u32> {
        let attempt = self.step_mut(step)?.progress(direction).attempt();
        attempt.ok_or_else(|| format!("step {} has no outcome to wait for", step.0))
    }

    /// Attempts are counted one by one.
    fn next_attempt(&mut self, step: StepIndex, direction: StepDirection, attempt: u32) -> Legal {
        let before = self.attempt_in_doubt(step, direction)?;
        if before.checked_add(1) == Some(attempt) {
            return Ok(());
        }
        Err(format!("attempt {attempt} of step {} does not follow on {before}", step.0))
    }
}

impl StepState {
    fn progress_mut(&mut self, direction: StepDirection) -> &mut Progress {
        match direction {
            StepDirection::Action => &mut self.action,
            StepDirection::Compensation => &mut self.compensation,
        }
    }
}

fn started(event: &SagaEvent) -> Legal<SagaState> {
    let SagaEvent::SagaStarted {
        saga_type,
        definition,
        steps,
        pivot,
        input,
        started_at_us,
        deadline_at_us,
        epoch,
    } = event
    else {
        return Err("a saga begins with SagaStarted".to_owned());
    };
    // Bounded before it is allocated: the number may come from a damaged log.
    let count = usize::try_from(*steps).unwrap_or(usize::MAX);
    must((1..=STEPS_MAX).contains(&count), "a saga has 1 to 64 steps")?;
    must(pivot.is_none_or(|pivot| pivot.place() < count), "its pivot is none of its steps")?;
    Ok(SagaState {
        saga_type: saga_type.clone(),
        definition: definition.clone(),
        pivot: *pivot,
        input: input.clone(),
        phase: Phase::Running,
        steps: vec![StepState::default(); count],
        abort_requested: None,
        aborted: None,
        parked: None,
        also_parked: Vec::new(),
        paused: false,
        started_at_us: *started_at_us,
        updated_at_us: *started_at_us,
        deadline_at_us: *deadline_at_us,
        epoch: *epoch,
        events: 1,
    })
}

fn must(holds: bool, otherwise: &str) -> Legal {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

#[cfg(test)]
mod tests;
