//! The state of a saga: `fold(log)` and nothing else. Made by [`super::evolve()`] alone; read by the
//! decision, the API and the simulator's oracles.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use super::definition::StepIndex;
use super::event::{AbortReason, ParkReason, StepDirection};
use super::json::Json;
use crate::canary::planted;

/// Where a saga is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
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
        /// Since when it waits, in microseconds of wall time.
        from_us: u64,
        /// When it begins, in microseconds of wall time.
        due_at_us: u64,
        /// Why the one before failed.
        cause: String,
    },
    /// Done (or undone, or known never to have happened).
    Succeeded,
    /// The participant said no: it did not happen.
    Rejected {
        /// The participant's code.
        code: String,
        /// The participant's words.
        reason: String,
    },
    /// An operator took it as done.
    Skipped,
}

impl Progress {
    /// The attempt that is on its way or comes next; none when nothing is in doubt.
    pub fn attempt(&self) -> Option<u32> {
        match self {
            Self::Started { attempt } | Self::Waiting { attempt, .. } => Some(*attempt),
            Self::NotStarted | Self::Succeeded | Self::Rejected { .. } | Self::Skipped => None,
        }
    }

    /// Announced and without an outcome: it may or may not have happened.
    pub fn is_in_doubt(&self) -> bool {
        self.attempt().is_some()
    }

    /// Succeeded, or taken as done by an operator.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Skipped)
    }
}

/// A step of one saga. What it has not come to yet is not written: most steps of most sagas have hardly
/// anything to tell.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StepState {
    /// The doing.
    #[serde(skip_serializing_if = "is_default")]
    pub action: Progress,
    /// The undoing; of the pivot its revocation.
    #[serde(skip_serializing_if = "is_default")]
    pub compensation: Progress,
    /// The attempts of the action before an operator's last retry: the policy does not count them.
    #[serde(skip_serializing_if = "is_default")]
    pub action_forgiven: u32,
    /// The same of the compensation.
    #[serde(skip_serializing_if = "is_default")]
    pub compensation_forgiven: u32,
    /// What the action returned; `null` is a result.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub result: Option<Json>,
    /// When the action was first announced, in microseconds of wall time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at_us: Option<u64>,
    /// From when the step's deadline counts: from then, or from an operator's last retry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_from_us: Option<u64>,
    /// When it had its outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at_us: Option<u64>,
    /// The last failure or rejection, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// A field that is there, also as `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// Whether a field says no more than its absence.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl StepState {
    /// How far a direction has come.
    pub fn progress(&self, direction: StepDirection) -> &Progress {
        match direction {
            StepDirection::Action => &self.action,
            StepDirection::Compensation => &self.compensation,
        }
    }

    /// The attempts that the policy does not count.
    pub fn forgiven(&self, direction: StepDirection) -> u32 {
        match direction {
            StepDirection::Action => self.action_forgiven,
            StepDirection::Compensation => self.compensation_forgiven,
        }
    }

    /// Whether it may have had an effect that stands: announced, not rejected, not undone.
    pub fn is_to_be_undone(&self) -> bool {
        if planted("undo-of-what-never-happened") && self.action == Progress::NotStarted {
            return !self.compensation.is_done();
        }
        if planted("doubt-not-undone") && self.action != Progress::Succeeded {
            return false;
        }
        !matches!(self.action, Progress::NotStarted | Progress::Rejected { .. })
            && !self.compensation.is_done()
    }
}

/// Why and where a saga waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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

/// How a saga has come to rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Everything was done.
    Completed,
    /// Everything that was done is undone.
    Compensated(AbortReason),
    /// It waits for an operator's verb.
    Parked(ParkReason),
    /// An operator paused it.
    Paused,
}

/// A saga as its log tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaState {
    /// The definition's name.
    pub saga_type: Arc<str>,
    /// The definition's hash, hexadecimal.
    pub definition: Arc<str>,
    /// The step that decides, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pivot: Option<StepIndex>,
    /// The input.
    pub input: Json,
    /// Where it is.
    pub phase: Phase,
    /// The steps, as in the definition.
    pub steps: Vec<StepState>,
    /// The abort that waits for the pivot to be settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_requested: Option<AbortReason>,
    /// Why it went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted: Option<AbortReason>,
    /// It waits for an operator: what the verbs act on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Parked>,
    /// Steps that stopped while it was parked already; the first of them is next in `parked`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_parked: Vec<Parked>,
    /// It starts nothing new.
    #[serde(default, skip_serializing_if = "is_default")]
    pub paused: bool,
    /// When it started.
    pub started_at_us: u64,
    /// When its last event happened.
    pub updated_at_us: u64,
    /// When it aborts unless the pivot has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_at_us: Option<u64>,
    /// The newest epoch in its events.
    pub epoch: u64,
    /// How many events it has had: the version of its stream.
    pub events: u64,
}

impl SagaState {
    /// Whether it has ended as completed or compensated. A parked saga has not ended.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Completed | Phase::Compensated)
    }

    /// How it has come to rest; none while it is under way.
    pub fn end(&self) -> Option<End> {
        match (&self.parked, self.phase, &self.aborted) {
            (Some(parked), ..) => Some(End::Parked(parked.reason.clone())),
            (None, Phase::Completed, _) => Some(End::Completed),
            (None, Phase::Compensated, Some(reason)) => Some(End::Compensated(reason.clone())),
            (None, ..) => self.paused.then_some(End::Paused),
        }
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

    /// A step by its place.
    pub fn step(&self, step: StepIndex) -> Option<&StepState> {
        self.steps.get(step.place())
    }

    /// The steps under way: announced and without an outcome, or being undone.
    pub fn current_steps(&self) -> impl Iterator<Item = (StepIndex, StepDirection)> + '_ {
        self.places().filter_map(|step| Some((step, self.direction_under_way(step)?)))
    }

    /// The steps whose action succeeded or was taken as done, also when they are undone by now.
    pub fn completed_steps(&self) -> impl Iterator<Item = StepIndex> + '_ {
        self.places().filter(|step| self.steps[step.place()].action.is_done())
    }

    /// The steps that are undone.
    pub fn compensated_steps(&self) -> impl Iterator<Item = StepIndex> + '_ {
        self.places().filter(|step| self.steps[step.place()].compensation.is_done())
    }

    /// The steps that are still to be undone: none before the saga goes back.
    pub fn steps_to_undo(&self) -> impl Iterator<Item = StepIndex> + '_ {
        let goes_back = self.phase == Phase::Compensating;
        self.places().filter(move |step| goes_back && self.steps[step.place()].is_to_be_undone())
    }

    /// The last failure or rejection of the step that is under way, parked, or failed last.
    pub fn last_error(&self) -> Option<&str> {
        let parked = self.parked.as_ref().and_then(|parked| parked.step);
        let of = |step: StepIndex| self.step(step)?.last_error.as_deref();
        let current = || self.current_steps().find_map(|(step, _)| of(step));
        parked.and_then(of).or_else(current).or_else(|| self.places().rev().find_map(of))
    }

    /// Parked because the shell cannot work on it: only operators' verbs change it.
    pub fn is_poisoned(&self) -> bool {
        matches!(self.parked, Some(Parked { reason: ParkReason::Poisoned { .. }, .. }))
    }

    /// Whether this direction of this step waits for an operator.
    pub fn is_parked_at(&self, step: StepIndex, direction: StepDirection) -> bool {
        let here = |parked: &Parked| parked.step == Some(step) && parked.direction == direction;
        self.parked.as_ref().is_some_and(|first| here(first) || self.also_parked.iter().any(here))
    }

    /// The pivot while it is announced without a result.
    pub fn pivot_in_doubt(&self) -> Option<StepIndex> {
        self.pivot.filter(|pivot| self.step(*pivot).is_some_and(|pivot| pivot.action.is_in_doubt()))
    }

    /// Whether the saga is to go back and this step, its pivot, is being settled first.
    pub fn is_settling(&self, step: StepIndex) -> bool {
        self.abort_requested.is_some() && self.pivot == Some(step)
    }

    /// Which direction of a step is in doubt and worked on: none when there is nothing to wait for.
    pub fn direction_under_way(&self, step: StepIndex) -> Option<StepDirection> {
        let state = self.step(step)?;
        let direction = match self.phase {
            Phase::Running | Phase::Committing if !state.compensation.is_in_doubt() => {
                StepDirection::Action
            }
            Phase::Running | Phase::Committing | Phase::Compensating => StepDirection::Compensation,
            Phase::Completed | Phase::Compensated => return None,
        };
        // A revoked pivot never happened, though its call has had no answer.
        let is_revoked = state.compensation.is_done();
        (state.progress(direction).is_in_doubt() && !is_revoked).then_some(direction)
    }

    fn places(&self) -> impl DoubleEndedIterator<Item = StepIndex> + use<> {
        (0..self.steps.len()).map(StepIndex::of)
    }
}
