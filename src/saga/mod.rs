//! The saga machine: pure. No async, no clock, no randomness, no bytes of the store.
//!
//! ```text
//! Running ──pivot succeeded──> Committing ──> Completed
//!    │ rejected | deadline | cancel | operator
//!    └──> Compensating ──> Compensated
//! any of the three ── attempts used up ──> parked, until an operator's verb
//! ```
//!
//! The shell's contract is one sentence: *append the events; only if that succeeded run the effects,
//! and turn each result into the next input; after a crash run [`pending_effects`] of the folded log
//! instead.* The same [`evolve`] serves the run, the recovery, the API and the simulator.
//!
//! Architecture invariant: imports [`crate::domain`] at most; never tokio, the store or the codec.

pub mod definition;
pub mod policy;

pub mod event;
pub mod state;

pub mod input;
pub mod effect;

pub mod decide;
pub mod resume;

pub mod breaker;

mod json;

pub use decide::decide;
pub use definition::{Definition, DefinitionError, StepIndex, StepKind, StepSpec};
pub use effect::{Decision, Effect, Timer};
pub use event::{AbortReason, ParkReason, SagaEvent, StepDirection};
pub use input::{Input, Moment, Outcome, Probe, Refusal, Stimulus, Verb};
pub use json::Json;
pub use policy::Policy;
pub use resume::pending_effects;
pub use state::{EvolveError, Phase, Progress, SagaState, StepState, evolve};
