//! The saga machine: pure. No async, no clock, no randomness, no bytes of the store.
//!
//! ```text
//! Running ──pivot succeeded──> Committing ──> Completed
//!    │ rejected | deadline | cancel | operator   (a pivot in doubt is settled first)
//!    └──> Compensating ──> Compensated
//! any of the three ── attempts used up ──> parked, until an operator's verb, a cancel or the deadline
//! ```
//!
//! The shell's contract is one sentence: *append the events; only if that succeeded run the effects,
//! and turn each result into the next input; after a crash run [`pending_effects`] of the folded log
//! instead.* The same [`evolve()`] serves the run, the recovery, the API and the simulator.
//!
//! Architecture invariant: imports [`crate::domain`] at most; never tokio, the store or the codec.

pub mod definition;
pub mod policy;

pub mod event;
pub mod evolve;
pub mod state;

pub mod effect;
pub mod input;

pub mod decide;
pub mod resume;

pub mod breaker;
pub mod retry_budget;

pub mod testing;

mod json;

pub use breaker::{Admit, Breaker, BreakerPolicy};
pub use decide::{HISTORY_EVENTS_MAX, begin, decide, decide_and_fold};
pub use definition::{
    Definition, DefinitionDocument, DefinitionError, STEPS_MAX, StepIndex, StepKind, StepSpec,
};
pub use effect::{Decision, Effect, Timer};
pub use event::{AbortReason, ParkReason, SagaEvent, StepDirection};
pub use evolve::{EvolveError, evolve};
pub use input::{Input, Moment, Outcome, Probe, Refusal, Stimulus, Verb};
pub use json::Json;
pub use policy::{Policy, TimeUnits};
pub use resume::{longest_wait_us, pending_effects};
pub use retry_budget::{RetryBudget, RetryBudgetPolicy};
pub use state::{End, Parked, Phase, Progress, SagaState, StepState};
