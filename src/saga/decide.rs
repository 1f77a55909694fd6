//! The decision: what follows from an input.

use super::definition::Definition;
use super::effect::Decision;
use super::input::{Input, Moment, Refusal};
use super::json::Json;
use super::state::SagaState;

/// The decision that begins a saga: `SagaStarted` and the first steps. `state` after these events is
/// [`super::evolve`]'s.
pub fn begin(definition: &Definition, input: Json, moment: Moment) -> Decision {
    let _ = (definition, input, moment);
    todo!()
}

/// What follows from `input`. Never panics, on any state and input; late and double results, probes and
/// timers give an empty decision. Only people's requests are refused.
pub fn decide(
    definition: &Definition,
    state: &SagaState,
    input: Input,
) -> Result<Decision, Refusal> {
    let _ = (definition, state, input);
    todo!()
}
