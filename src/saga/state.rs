//! The state of a saga: `fold(log)` and nothing else.

use super::definition::StepIndex;
use super::event::{AbortReason, ParkReason, SagaEvent, StepDirection};
use super::json::Json;

/// Where a saga is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It may still go either way.
    Running,
    /// The pivot has succeeded: only forward.
    Committing,
    /// It goes back.
    Compensating,
    /// The end: everything was done.
    Completed,
    /// The end: everything that was done is undone.
    Compensated,
}

/// How far the doing, or the undoing, of a step has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Progress {
    /// Not announced.
    #[default]
    NotStarted,
    /// Announced: this attempt may be on its way.
    Started {
        /// 1 is the first.
        attempt: u32,
    },
    /// The attempt before failed; this one begins later. Whether the step happened is in doubt.
    Waiting {
        /// The coming attempt.
        attempt: u32,
        /// When it begins, in microseconds of wall time.
        due_at_us: u64,
        /// Why the one before failed.
        cause: String,
    },
    /// Done (or undone, or known never to have happened).
    Succeeded,
    /// The participant said no: it did not happen.
    Rejected,
    /// An operator took it as done.
    Skipped,
}

/// A step of one saga.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepState {
    /// The doing.
    pub action: Progress,
    /// The undoing.
    pub compensation: Progress,
    /// What the action returned.
    pub result: Option<Json>,
    /// When the action was first announced, in microseconds of wall time.
    pub started_at_us: Option<u64>,
    /// When it had its outcome.
    pub ended_at_us: Option<u64>,
    /// The last failure or rejection, for people.
    pub last_error: Option<String>,
}

/// Why and where a saga waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The step; none for a poisoned saga.
    pub step: Option<StepIndex>,
    /// Doing or undoing.
    pub direction: StepDirection,
    /// Why.
    pub reason: ParkReason,
    /// Since when.
    pub at_us: u64,
}

/// A saga as its log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaState {
    /// The definition's name.
    pub saga_type: String,
    /// The definition's hash, hexadecimal.
    pub definition: String,
    /// The input.
    pub input: Json,
    /// Where it is.
    pub phase: Phase,
    /// The steps, as in the definition.
    pub steps: Vec<StepState>,
    /// The abort that waits for the pivot to be settled.
    pub abort_requested: Option<AbortReason>,
    /// Why it went back.
    pub aborted: Option<AbortReason>,
    /// It waits for an operator.
    pub parked: Option<Parked>,
    /// It starts nothing new.
    pub paused: bool,
    /// When it started.
    pub started_at_us: u64,
    /// When its last event happened.
    pub updated_at_us: u64,
    /// When it aborts unless the pivot has succeeded.
    pub deadline_at_us: Option<u64>,
    /// The newest epoch in its events.
    pub epoch: u64,
    /// How many events it has had: the version of its stream.
    pub events: u64,
}

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

/// The state after `event`. `None` is the state before the first event.
pub fn evolve(state: Option<SagaState>, event: &SagaEvent) -> Result<SagaState, EvolveError> {
    let _ = (state, event);
    todo!()
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

    /// Whether it has ended as completed or compensated. A parked saga has not ended.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Completed | Phase::Compensated)
    }

    /// The word of the API: `started`, `compensating`, `completed`, `compensated`, `parked`.
    pub fn status(&self) -> &'static str {
        if self.parked.is_some() {
            return "parked";
        }
        match self.phase {
            Phase::Running | Phase::Committing => "started",
            Phase::Compensating => "compensating",
            Phase::Completed => "completed",
            Phase::Compensated => "compensated",
        }
    }
}
