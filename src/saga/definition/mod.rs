//! A saga's definition as a value: names, kinds, edges, policies.
//!
//! What a step *does* is looked up by its name in the shell, so a definition may also come from outside
//! the process: it reads and writes itself as a [`DefinitionDocument`]. Built by the library's surface,
//! read by [`super::decide()`] and the API. It never calls anything.

mod check;
mod hash;
mod print;
mod step;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use step::{StepIndex, StepKind, StepSpec};

/// The most steps a definition may have: sets of steps are one machine word.
pub const STEPS_MAX: usize = 64;

/// A checked definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "DefinitionDocument", into = "DefinitionDocument")]
pub struct Definition {
    name: Arc<str>,
    steps: Vec<StepSpec>,
    deadline_ms: Option<u64>,
    hash: Arc<str>,
    pivot: Option<StepIndex>,
    /// Per step the steps it comes directly after, as a set.
    before: Vec<u64>,
    /// Per step the steps that come directly after it, as a set.
    behind: Vec<u64>,
}

/// A definition as JSON. Unknown fields are refused; `after`, `policy` and the policy's fields may be
/// left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DefinitionDocument {
    /// The saga's name.
    pub name: Arc<str>,
    /// Its steps; their order is part of the definition.
    pub steps: Vec<StepSpec>,
    /// How long a saga may take before it aborts, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
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
    /// Checks a definition. Refused are:
    ///
    /// - no step at all, or more than [`STEPS_MAX`];
    /// - a name that is not 1 to 64 bytes of `[a-z0-9_-]`, or is used twice;
    /// - `after` that names itself, the same step twice, or a step that does not exist; a cycle;
    /// - more than one pivot: one could succeed and the other be rejected, and then the saga could go
    ///   neither forward nor back;
    /// - a compensable step that the pivot does not come after, and a retriable step that does not come
    ///   after the pivot: so whatever is done before the pivot can be undone and whatever comes behind
    ///   it is only started when the saga can no longer go back;
    /// - a policy that allows no attempt or no time, or whose longest pause is below its shortest.
    pub fn new(
        name: &str,
        steps: Vec<StepSpec>,
        deadline_ms: Option<u64>,
    ) -> Result<Self, DefinitionError> {
        let refuse = |problem| DefinitionError { saga: name.to_owned(), problem };
        let graph = check::check(name, &steps, deadline_ms).map_err(refuse)?;
        let hash = hash::hash(name, &steps, deadline_ms);
        Ok(Self {
            name: Arc::from(name),
            steps,
            deadline_ms,
            hash,
            pivot: graph.pivot,
            before: graph.before,
            behind: graph.behind,
        })
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
        self.steps.get(index.place())
    }

    /// A step by its name.
    pub fn find(&self, name: &str) -> Option<(StepIndex, &StepSpec)> {
        let place = self.steps.iter().position(|step| *step.name == *name)?;
        Some((StepIndex::of(place), &self.steps[place]))
    }

    /// The step that decides, if there is one. Without it a saga can go back until it is completed.
    pub fn pivot(&self) -> Option<StepIndex> {
        self.pivot
    }

    /// How long a saga may take before it aborts.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.deadline_ms
    }

    /// The hash of name, steps and deadline, hexadecimal. A changed definition has another one.
    pub fn hash(&self) -> &Arc<str> {
        &self.hash
    }

    /// Whether `step` comes after `earlier`, directly or by way of others: then the result of `earlier`
    /// is there when `step` runs. Neither comes after itself.
    pub fn comes_after(&self, step: StepIndex, earlier: StepIndex) -> bool {
        let mut seen = 0;
        let mut open = self.steps_before(step);
        while open & !seen != 0 {
            let next = (open & !seen).trailing_zeros();
            seen |= 1 << next;
            open |= self.steps_before(StepIndex(next));
        }
        earlier.place() < self.steps.len() && seen & bit(earlier.place()) != 0
    }

    /// The order in which the steps of a saga that did all before its pivot are undone. Steps that are
    /// independent of each other are undone at the same time; here the later one comes first.
    pub fn undo_order(&self) -> Vec<StepIndex> {
        let compensable = |place: &usize| self.steps[*place].kind == StepKind::Compensable;
        let mut open: Vec<usize> = (0..self.steps.len()).rev().filter(compensable).collect();
        let mut order = Vec::with_capacity(open.len());
        while let Some(next) = open
            .iter()
            .position(|step| !open.iter().any(|other| self.behind[*step] & bit(*other) != 0))
        {
            order.push(StepIndex::of(open.remove(next)));
        }
        order
    }

    /// The steps that `step` comes directly after, as a set. Empty for a step that is none.
    pub(super) fn steps_before(&self, step: StepIndex) -> u64 {
        self.before.get(step.place()).copied().unwrap_or(0)
    }

    /// The steps that come directly after `step`, as a set. Empty for a step that is none.
    pub(super) fn steps_behind(&self, step: StepIndex) -> u64 {
        self.behind.get(step.place()).copied().unwrap_or(0)
    }
}

/// The set that holds one place. Places are below [`STEPS_MAX`].
pub(super) fn bit(place: usize) -> u64 {
    1u64.checked_shl(u32::try_from(place).unwrap_or(u32::MAX)).unwrap_or(0)
}

impl TryFrom<DefinitionDocument> for Definition {
    type Error = DefinitionError;

    fn try_from(document: DefinitionDocument) -> Result<Self, DefinitionError> {
        Self::new(&document.name, document.steps, document.deadline_ms)
    }
}

impl From<Definition> for DefinitionDocument {
    fn from(definition: Definition) -> Self {
        Self { name: definition.name, steps: definition.steps, deadline_ms: definition.deadline_ms }
    }
}

#[cfg(test)]
mod tests;
