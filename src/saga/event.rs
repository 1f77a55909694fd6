//! What can happen to a saga: the events of its stream. Their names and fields are stored.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::definition::StepIndex;
use super::json::Json;

/// Whether a step is being done or undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepDirection {
    /// Doing it.
    Action,
    /// Undoing it.
    Compensation,
}

/// Why a saga goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum AbortReason {
    /// A step's participant said no.
    Rejected {
        /// The step.
        step: StepIndex,
        /// The participant's code.
        code: String,
        /// The participant's words.
        reason: String,
    },
    /// The saga's deadline passed, or a step's (then it is named).
    Deadline {
        /// The step whose deadline it was.
        step: Option<StepIndex>,
    },
    /// Somebody cancelled it.
    Cancelled {
        /// Their words.
        reason: String,
        /// Who.
        actor: String,
    },
    /// An operator asked for compensation.
    Operator {
        /// Their words.
        reason: String,
        /// Who.
        actor: String,
    },
}

impl std::fmt::Display for AbortReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rejected { code, reason, .. } => write!(f, "{reason} ({code})"),
            Self::Deadline { .. } => f.write_str("its deadline has passed"),
            Self::Cancelled { reason, .. } | Self::Operator { reason, .. } => f.write_str(reason),
        }
    }
}

/// Why a saga waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ParkReason {
    /// The policy allows no further attempt.
    AttemptsUsedUp {
        /// How many were made.
        attempts: u32,
        /// The last failure.
        cause: String,
    },
    /// A step that can only go forward passed its deadline.
    DeadlinePassed {
        /// The last failure, when there was one.
        cause: String,
    },
    /// The saga cannot be worked on: undecodable, too long, a definition that contradicts its log.
    Poisoned {
        /// What is wrong with it.
        cause: String,
    },
}

/// An event of a saga's stream. Times are microseconds of wall time, as the deciding node saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum SagaEvent {
    /// It exists. Always the first event and nowhere else.
    SagaStarted {
        /// The definition's name.
        saga_type: Arc<str>,
        /// The definition's hash, hexadecimal: this saga stays with it.
        definition: Arc<str>,
        /// How many steps the definition has: the state is built without it.
        steps: u32,
        /// The step that decides, if there is one: the phase is told without the definition.
        pivot: Option<StepIndex>,
        /// The input.
        input: Json,
        /// When.
        started_at_us: u64,
        /// When it aborts unless the pivot has succeeded.
        deadline_at_us: Option<u64>,
        /// The fencing epoch of the starting node.
        epoch: u64,
    },
    /// A call is announced: it may leave from now on.
    StepStarted {
        /// The step.
        step: StepIndex,
        /// When.
        at_us: u64,
        /// The fencing epoch of the deciding node; never falls within a saga.
        epoch: u64,
    },
    /// The participant did it.
    StepSucceeded {
        /// The step.
        step: StepIndex,
        /// Its result, for later steps and for the undo.
        result: Json,
        /// When.
        at_us: u64,
    },
    /// The participant said no, for good: it did not happen.
    StepRejected {
        /// The step.
        step: StepIndex,
        /// The participant's code.
        code: String,
        /// The participant's words.
        reason: String,
        /// When.
        at_us: u64,
    },
    /// An attempt to do or undo a step did not bring a usable answer; the next one begins at `due_at_us`
    /// and is already counted: its beginning is no event of its own, so a retry costs one write.
    RetryScheduled {
        /// The step.
        step: StepIndex,
        /// Doing or undoing.
        direction: StepDirection,
        /// The number of the coming attempt; 2 is the first retry.
        attempt: u32,
        /// When it begins.
        due_at_us: u64,
        /// What went wrong.
        cause: String,
        /// When this was decided.
        at_us: u64,
    },
    /// The saga is to go back, but its pivot is in doubt: that is settled first. The first reason wins.
    /// When the pivot turns out to have succeeded the request is moot.
    AbortRequested {
        /// Why.
        reason: AbortReason,
        /// When.
        at_us: u64,
    },
    /// The saga goes back. At most once in a saga, and never after the pivot has succeeded.
    SagaAborted {
        /// Why; the first reason wins.
        reason: AbortReason,
        /// When.
        at_us: u64,
    },
    /// An undo is announced. Of a pivot, only while an abort is requested, it is the revocation: it makes
    /// sure that the pivot does not stand and never will.
    CompensationStarted {
        /// The step.
        step: StepIndex,
        /// When.
        at_us: u64,
        /// The fencing epoch of the deciding node.
        epoch: u64,
    },
    /// The step is undone, or never happened and never will.
    CompensationSucceeded {
        /// The step.
        step: StepIndex,
        /// When.
        at_us: u64,
    },
    /// The participant would not revoke a pivot in doubt: it stands, or cannot be revoked. Its call is
    /// made once more under the same key, and the answer to that decides.
    RevocationRejected {
        /// The pivot.
        step: StepIndex,
        /// The participant's code.
        code: String,
        /// The participant's words.
        reason: String,
        /// The number of the coming attempt of the action.
        attempt: u32,
        /// When; the attempt is due at once.
        at_us: u64,
        /// The fencing epoch of the deciding node.
        epoch: u64,
    },
    /// The saga waits for an operator. A step that stops while another is parked already is recorded
    /// with one more of these.
    SagaParked {
        /// The step it is parked at; none for a poisoned saga.
        step: Option<StepIndex>,
        /// Doing or undoing.
        direction: StepDirection,
        /// Why.
        reason: ParkReason,
        /// When.
        at_us: u64,
    },
    /// Nothing new is started until it is resumed; calls that have left come back.
    SagaPaused {
        /// The operator's words.
        reason: String,
        /// Who.
        actor: String,
        /// When.
        at_us: u64,
    },
    /// It goes on.
    SagaResumed {
        /// The operator's words.
        reason: String,
        /// Who.
        actor: String,
        /// When.
        at_us: u64,
    },
    /// An operator lets a poisoned saga be worked on again.
    SagaUnparked {
        /// The operator's words.
        reason: String,
        /// Who.
        actor: String,
        /// When.
        at_us: u64,
        /// The fencing epoch of the deciding node.
        epoch: u64,
    },
    /// An operator lets a step, or its undo, be tried again at once; the policy's attempts and deadline
    /// count anew.
    RetryRequested {
        /// The step.
        step: StepIndex,
        /// Doing or undoing.
        direction: StepDirection,
        /// The number of the coming attempt. It goes on where the last one was, so that no late answer
        /// can be taken for an answer to this one.
        attempt: u32,
        /// The operator's words.
        reason: String,
        /// Who.
        actor: String,
        /// When.
        at_us: u64,
        /// The fencing epoch of the deciding node.
        epoch: u64,
    },
    /// An operator declares a step, or its undo, done without it having been done.
    StepSkipped {
        /// The step.
        step: StepIndex,
        /// Doing or undoing.
        direction: StepDirection,
        /// The operator's words.
        reason: String,
        /// Who.
        actor: String,
        /// When.
        at_us: u64,
    },
    /// An operator knows how a step in doubt ended. A `StepSucceeded`, `StepRejected` or
    /// `CompensationSucceeded` with the outcome follows in the same append.
    StepResolved {
        /// The step.
        step: StepIndex,
        /// Doing or undoing.
        direction: StepDirection,
        /// The operator's words.
        reason: String,
        /// Who.
        actor: String,
        /// When.
        at_us: u64,
    },
    /// Every step succeeded. The end.
    SagaCompleted {
        /// When.
        at_us: u64,
    },
    /// Everything that was done is undone. The end.
    SagaCompensated {
        /// When.
        at_us: u64,
    },
}

impl SagaEvent {
    /// The names of all of them.
    pub const NAMES: [&'static str; 19] = [
        "SagaStarted",
        "StepStarted",
        "StepSucceeded",
        "StepRejected",
        "RetryScheduled",
        "AbortRequested",
        "SagaAborted",
        "CompensationStarted",
        "CompensationSucceeded",
        "RevocationRejected",
        "SagaParked",
        "SagaPaused",
        "SagaResumed",
        "SagaUnparked",
        "RetryRequested",
        "StepSkipped",
        "StepResolved",
        "SagaCompleted",
        "SagaCompensated",
    ];

    /// Its name: the type under which it is stored.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SagaStarted { .. } => "SagaStarted",
            Self::StepStarted { .. } => "StepStarted",
            Self::StepSucceeded { .. } => "StepSucceeded",
            Self::StepRejected { .. } => "StepRejected",
            Self::RetryScheduled { .. } => "RetryScheduled",
            Self::AbortRequested { .. } => "AbortRequested",
            Self::SagaAborted { .. } => "SagaAborted",
            Self::CompensationStarted { .. } => "CompensationStarted",
            Self::CompensationSucceeded { .. } => "CompensationSucceeded",
            Self::RevocationRejected { .. } => "RevocationRejected",
            Self::SagaParked { .. } => "SagaParked",
            Self::SagaPaused { .. } => "SagaPaused",
            Self::SagaResumed { .. } => "SagaResumed",
            Self::SagaUnparked { .. } => "SagaUnparked",
            Self::RetryRequested { .. } => "RetryRequested",
            Self::StepSkipped { .. } => "StepSkipped",
            Self::StepResolved { .. } => "StepResolved",
            Self::SagaCompleted { .. } => "SagaCompleted",
            Self::SagaCompensated { .. } => "SagaCompensated",
        }
    }

    /// When it happened, in microseconds of wall time.
    pub fn at_us(&self) -> u64 {
        match self {
            Self::StepStarted { at_us, .. }
            | Self::StepSucceeded { at_us, .. }
            | Self::StepRejected { at_us, .. }
            | Self::RetryScheduled { at_us, .. }
            | Self::AbortRequested { at_us, .. }
            | Self::SagaAborted { at_us, .. }
            | Self::CompensationStarted { at_us, .. }
            | Self::CompensationSucceeded { at_us, .. }
            | Self::RevocationRejected { at_us, .. }
            | Self::SagaParked { at_us, .. }
            | Self::SagaPaused { at_us, .. }
            | Self::SagaResumed { at_us, .. }
            | Self::SagaUnparked { at_us, .. }
            | Self::RetryRequested { at_us, .. }
            | Self::StepSkipped { at_us, .. }
            | Self::StepResolved { at_us, .. }
            | Self::SagaCompleted { at_us }
            | Self::SagaCompensated { at_us } => *at_us,
            Self::SagaStarted { started_at_us, .. } => *started_at_us,
        }
    }

    /// The fencing epoch it carries, if it announces something.
    pub fn epoch(&self) -> Option<u64> {
        match self {
            Self::SagaStarted { epoch, .. }
            | Self::StepStarted { epoch, .. }
            | Self::CompensationStarted { epoch, .. }
            | Self::RevocationRejected { epoch, .. }
            | Self::SagaUnparked { epoch, .. }
            | Self::RetryRequested { epoch, .. } => Some(*epoch),
            Self::StepSucceeded { .. }
            | Self::StepRejected { .. }
            | Self::RetryScheduled { .. }
            | Self::AbortRequested { .. }
            | Self::SagaAborted { .. }
            | Self::CompensationSucceeded { .. }
            | Self::SagaParked { .. }
            | Self::SagaPaused { .. }
            | Self::SagaResumed { .. }
            | Self::StepSkipped { .. }
            | Self::StepResolved { .. }
            | Self::SagaCompleted { .. }
            | Self::SagaCompensated { .. } => None,
        }
    }
}
