//! What the shell tells the machine.

use serde::{Deserialize, Serialize};

use super::definition::StepIndex;
use super::effect::Timer;
use super::event::StepDirection;
use super::json::Json;

/// The circumstances of an input: all that is not in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Wall time in microseconds.
    pub now_us: u64,
    /// The epoch under which this node owns the saga's shard.
    pub epoch: u64,
    /// A uniformly drawn number.
    pub jitter: u64,
}

/// How a call ended, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It happened.
    Succeeded(Json),
    /// It did not happen: a business answer.
    Rejected {
        /// The participant's code.
        code: String,
        /// The participant's words.
        reason: String,
    },
    /// It may have happened.
    Unknown {
        /// What went wrong.
        cause: String,
        /// The participant asks not to be called again before this.
        retry_after_ms: Option<u64>,
    },
}

/// A participant's answer to the question whether something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// It did, with this result.
    Happened(Json),
    /// It did not.
    DidNotHappen,
    /// There is no probe, or it did not answer.
    CannotTell,
}

/// An operator's verb. Each is an event and goes through the same append as everything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Verb {
    /// Try again what the saga is parked at, or waits for, at once; the policy's attempts and deadline
    /// count anew. A poisoned saga is worked on again.
    Retry,
    /// Take what the saga is parked at as done, without a result. Not the pivot. When the saga goes back
    /// later, a skipped step is undone like one whose outcome is in doubt.
    Skip,
    /// Go back, if the pivot has not succeeded.
    Compensate,
    /// What the saga is parked at happened, with this result.
    ResolveSucceeded {
        /// The result a succeeding call would have given.
        result: Json,
    },
    /// What the saga is parked at did not happen: it goes back. Not behind the pivot, and not for an undo.
    ResolveRejected,
    /// Start nothing new.
    Pause,
    /// Go on.
    Resume,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stimulus {
    /// A call came back.
    Returned {
        /// The step.
        step: StepIndex,
        /// Doing or undoing.
        direction: StepDirection,
        /// The attempt it belongs to; another one than the current is a late answer.
        attempt: u32,
        /// How it ended.
        outcome: Outcome,
    },
    /// A probe came back.
    Probed {
        /// The step.
        step: StepIndex,
        /// The attempt whose outcome is in doubt.
        attempt: u32,
        /// The answer.
        answer: Probe,
        /// What went wrong with that attempt.
        cause: String,
        /// The participant asks not to be called again before this.
        retry_after_ms: Option<u64>,
    },
    /// A timer is due. A stale one changes nothing.
    TimerFired(Timer),
    /// Somebody wants the saga undone.
    Cancel {
        /// Their words.
        reason: String,
        /// Who.
        actor: String,
    },
    /// An operator's verb.
    Operate {
        /// What to do.
        verb: Verb,
        /// Their words.
        reason: String,
        /// Who.
        actor: String,
    },
    /// The shell found that it cannot work on this saga.
    Poisoned {
        /// What is wrong with it.
        cause: String,
    },
}

/// An input: what happened, and when and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The circumstances.
    pub moment: Moment,
    /// What happened.
    pub stimulus: Stimulus,
}

/// Why a request of a person cannot be met. Results, timers and probes are never refused: what is
/// late or double changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The pivot has succeeded: the saga only goes forward.
    #[error("the pivot `{pivot}` has succeeded, so the saga can only go forward")]
    BehindPivot {
        /// The pivot's name.
        pivot: String,
    },
    /// It goes back already.
    #[error("the saga is being compensated already")]
    AlreadyCompensating,
    /// It is at its end.
    #[error("the saga has ended as {end}")]
    Ended {
        /// `completed` or `compensated`.
        end: &'static str,
    },
    /// The verb needs a parked saga.
    #[error("`{verb}` needs a parked saga, this one is {status}")]
    NotParked {
        /// The verb.
        verb: &'static str,
        /// What the saga is.
        status: &'static str,
    },
    /// It is paused already, or not paused.
    #[error("the saga is {status}")]
    PauseUnchanged {
        /// `paused` or `not paused`.
        status: &'static str,
    },
    /// A pivot or a retriable step cannot be skipped or declared rejected in this state.
    #[error("`{verb}` is not possible at step `{step}`: {why}")]
    NotPossible {
        /// The verb.
        verb: &'static str,
        /// The step.
        step: String,
        /// Why.
        why: &'static str,
    },
    /// A newer node works on the saga: ask that one.
    #[error("this node's epoch is {presented} and the saga has been worked on under {current}")]
    StaleEpoch {
        /// The epoch of the input.
        presented: u64,
        /// The newest in the log.
        current: u64,
    },
    /// The saga runs under another definition: ask a node that knows it.
    #[error("the saga runs under definition {expected}, this node has {actual}")]
    OtherDefinition {
        /// The hash in the log.
        expected: String,
        /// The hash of the definition at hand.
        actual: String,
    },
    /// The history has grown to its limit.
    #[error("the saga's history has reached its limit of {limit} events")]
    HistoryFull {
        /// The limit.
        limit: u64,
    },
}
