//! What keeps an input from being looked at: it is late, or it is a request that cannot be met.

use crate::saga::definition::Definition;
use crate::saga::input::{Input, Refusal, Stimulus};
use crate::saga::resume;
use crate::saga::state::SagaState;

#[derive(PartialEq, Eq)]
pub(super) enum Guarded {
    Passed,
    /// It changes nothing.
    Late,
}

pub(super) fn guard(
    definition: &Definition,
    state: &SagaState,
    input: &Input,
) -> Result<Guarded, Refusal> {
    match refusal(definition, state, input) {
        None if state.is_poisoned() && !is_by_person(&input.stimulus) => Ok(Guarded::Late),
        None => Ok(Guarded::Passed),
        Some(refusal) if is_by_person(&input.stimulus) => Err(refusal),
        Some(_) => Ok(Guarded::Late),
    }
}

pub(super) fn is_by_person(stimulus: &Stimulus) -> bool {
    match stimulus {
        Stimulus::Cancel { .. } | Stimulus::Operate { .. } => true,
        Stimulus::Returned { .. }
        | Stimulus::Probed { .. }
        | Stimulus::TimerFired(_)
        | Stimulus::Poisoned { .. } => false,
    }
}

fn refusal(definition: &Definition, state: &SagaState, input: &Input) -> Option<Refusal> {
    if state.has_ended() {
        return Some(Refusal::Ended { end: state.status() });
    }
    // The log holds a newer epoch: this node has lost the saga's shard, and the store would refuse it.
    let presented = input.moment.epoch;
    if presented < state.epoch {
        return Some(Refusal::StaleEpoch { presented, current: state.epoch });
    }
    // What poisons a saga may be that its definition does not fit.
    let needs_definition = !matches!(input.stimulus, Stimulus::Poisoned { .. });
    if needs_definition && !resume::is_of(definition, state) {
        return Some(Refusal::OtherDefinition {
            expected: state.definition.to_string(),
            actual: definition.hash().to_string(),
        });
    }
    None
}
