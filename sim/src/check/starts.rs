//! A user's sagas as a check starts them: their shapes, and inputs drawn from the seed.

use serde::Serialize;
use serde_json::Value;

#[cfg(madsim)]
use crate::fate::Fate;
#[cfg(madsim)]
use crate::machine::Machine;
#[cfg(madsim)]
use crate::plan::{Operation, Planned};
use crate::seed::Random;
use crate::shape::SagaShape;

/// Draws an input.
type Draw = Box<dyn Fn(&mut Random) -> Value>;

/// A saga that is started.
#[cfg_attr(not(madsim), allow(dead_code, reason = "it is the other build that starts it"))]
pub(super) struct Start {
    pub(super) shape: SagaShape,
    input: Draw,
}

impl Start {
    /// Starts sagas of this shape with these inputs.
    pub(super) fn new<T: Serialize>(
        shape: SagaShape,
        input: impl Fn(&mut Random) -> T + 'static,
    ) -> Self {
        let input = move |random: &mut Random| {
            let written = serde_json::to_value(input(random));
            written.unwrap_or_else(|error| panic!("an input cannot be written as JSON: {error}"))
        };
        Self { shape, input: Box::new(input) }
    }

    /// A start at a moment.
    #[cfg(madsim)]
    pub(super) fn planned(&self, id: u32, at_ms: u64, random: &mut Random, fate: Fate) -> Planned {
        let input = (self.input)(random);
        let saga_type = self.shape.name.clone();
        Planned {
            id,
            at_ms,
            customer: 0,
            to: Machine::Balancer,
            gives_up_after_ms: None,
            operation: Operation::StartSaga { saga_type, key: id, input, fate },
        }
    }
}
