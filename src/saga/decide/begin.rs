//! The first decision of a saga.

use super::draft::Draft;
use super::settle;
use crate::canary::planted;
use crate::saga::definition::Definition;
use crate::saga::effect::Decision;
use crate::saga::event::SagaEvent;
use crate::saga::input::Moment;
use crate::saga::json::Json;

/// The decision that begins a saga: `SagaStarted` and the first steps. `state` after these events is
/// [`crate::saga::evolve()`]'s.
pub fn begin(definition: &Definition, input: Json, moment: Moment) -> Decision {
    let unit_us = if planted("deadline-halved") { 500 } else { 1_000 };
    let deadline_us = definition.deadline_ms().map(|ms| ms.saturating_mul(unit_us));
    let started = SagaEvent::SagaStarted {
        saga_type: definition.name().clone(),
        definition: definition.hash().clone(),
        // A checked definition has at most 64 steps.
        steps: u32::try_from(definition.steps().len()).unwrap_or(u32::MAX),
        pivot: definition.pivot(),
        input,
        started_at_us: moment.now_us,
        deadline_at_us: deadline_us.map(|us| moment.now_us.saturating_add(us)),
        epoch: moment.epoch,
    };
    let state = crate::saga::evolve::evolve(None, &started)
        .expect("a checked definition has 1 to 64 steps and its pivot among them");
    let mut draft = Draft::new(definition, &state, moment);
    settle::settle(&mut draft);
    draft.begin(started)
}
