//! A saga's definition as a value: names, kinds, edges, policies. What a step *does* is looked up by
//! its name in the shell, so a definition may also come from outside the process.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::policy::Policy;

/// A step's place in its definition.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct StepIndex(pub u32);

/// What may follow when a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepKind {
    /// Can be undone; stands before the pivot.
    Compensable,
    /// Decides: once it has succeeded the saga only goes forward.
    Pivot,
    /// Stands behind the pivot and is tried until it succeeds or the saga is parked.
    Retriable,
}

/// A step as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepSpec {
    /// Unique within the definition: 1 to 64 bytes of `[a-z0-9_-]`.
    pub name: Arc<str>,
    /// Its kind.
    pub kind: StepKind,
    /// The names of the steps that must have succeeded before it starts. Empty: it starts at once.
    pub after: Vec<Arc<str>>,
    /// How often and how long it is tried.
    pub policy: Policy,
}

/// A checked definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    name: Arc<str>,
    steps: Vec<StepSpec>,
    deadline_ms: Option<u64>,
    hash: Arc<str>,
}

/// Why a definition is refused. Each names the step, the rule and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("saga `{saga}`: {problem}")]
pub struct DefinitionError {
    /// The definition's name.
    pub saga: String,
    /// Step, rule and way out.
    pub problem: String,
}

impl Definition {
    /// Checks a definition: see the crate's documentation for the rules.
    pub fn new(
        name: &str,
        steps: Vec<StepSpec>,
        deadline_ms: Option<u64>,
    ) -> Result<Self, DefinitionError> {
        let _ = (name, steps, deadline_ms);
        todo!()
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its steps.
    pub fn steps(&self) -> &[StepSpec] {
        &self.steps
    }

    /// A step by its place.
    pub fn step(&self, index: StepIndex) -> Option<&StepSpec> {
        self.steps.get(index.0 as usize)
    }

    /// A step by its name.
    pub fn find(&self, name: &str) -> Option<(StepIndex, &StepSpec)> {
        let place = self.steps.iter().position(|step| *step.name == *name)?;
        Some((StepIndex(u32::try_from(place).ok()?), &self.steps[place]))
    }

    /// How long a saga may take before it aborts.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.deadline_ms
    }

    /// The hash of everything above, hexadecimal. A changed definition has another one.
    pub fn hash(&self) -> &Arc<str> {
        &self.hash
    }
}
