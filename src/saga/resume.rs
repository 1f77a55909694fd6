//! What a restarted shell must do again.

use super::definition::Definition;
use super::effect::Effect;
use super::state::SagaState;

/// Every effect that is owed in `state`: the calls that were announced and have no answer, the probes,
/// the timers. In a fixed order.
pub fn pending_effects(definition: &Definition, state: &SagaState) -> Vec<Effect> {
    let _ = (definition, state);
    todo!()
}
