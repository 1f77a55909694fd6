//! What the shell must do once the events are durable. Data only: nothing here is carried out.

use super::definition::StepIndex;
use super::event::{SagaEvent, StepDirection};

/// Something that becomes due. Carries what it belongs to; when that has moved on it is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timer {
    /// An attempt begins.
    Retry {
        /// The step.
        step: StepIndex,
        /// Doing or undoing.
        direction: StepDirection,
        /// The attempt that begins.
        attempt: u32,
    },
    /// A step's own deadline.
    StepDeadline {
        /// The step.
        step: StepIndex,
    },
    /// The saga's deadline.
    SagaDeadline,
    /// The log ends inside a decision: what is left of it is to be decided. Never owed while the events
    /// of a decision are appended together; it lets any prefix of a log be gone on with.
    Continue,
}

/// A thing to do in the world. Every one may be done again after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Call the step's action or compensation; answer with `Returned`. When the outcome of an action is
    /// unknown and the step has a probe, the shell answers with `Probed` instead. One that is on its way
    /// already (same step, direction and attempt) need not be made twice.
    ///
    /// The compensation of the **pivot** is its revocation: it is called only while the pivot is in doubt
    /// and the saga is to go back. `Succeeded`: the pivot does not stand and never will, also when its call
    /// arrives later. `Rejected`: it stands, or it cannot be revoked; then its call is made once more under
    /// the same key and the answer to that decides. A pivot without a compensation is to answer `Rejected`.
    Invoke {
        /// The step.
        step: StepIndex,
        /// Doing or undoing.
        direction: StepDirection,
        /// The attempt.
        attempt: u32,
    },
    /// Ask whether a step in doubt happened, without calling it; answer with `Probed`, without a probe with
    /// `CannotTell`. Calls of that step that wait to leave must not leave any more; when an answer to one
    /// that has left comes first, it counts.
    Probe {
        /// The step.
        step: StepIndex,
        /// The attempt in doubt.
        attempt: u32,
    },
    /// Answer with `TimerFired` at `due_at_us` or later; but when [`super::longest_wait_us`] has passed also
    /// before, because then clocks disagree.
    SetTimer {
        /// What becomes due.
        timer: Timer,
        /// When.
        due_at_us: u64,
    },
}

/// What the machine decided: events to append, and effects to run after that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// Append these together. None: nothing changes.
    pub events: Vec<SagaEvent>,
    /// Run these once the events are durable.
    pub effects: Vec<Effect>,
}
