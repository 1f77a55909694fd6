//! A step as data: its place, its kind, its edges, its policy.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::saga::policy::Policy;

/// A step's place in its definition.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct StepIndex(pub u32);

impl StepIndex {
    /// The place as an index of a slice. A place that is none (damaged) gives an index that no slice has.
    pub(in crate::saga) fn place(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// The index of a place; definitions have at most [`super::STEPS_MAX`] steps, so it always fits.
    pub(in crate::saga) fn of(place: usize) -> Self {
        Self(u32::try_from(place).unwrap_or(u32::MAX))
    }
}

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

impl StepKind {
    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compensable => "compensable",
            Self::Pivot => "pivot",
            Self::Retriable => "retriable",
        }
    }
}

/// A step as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepSpec {
    /// Unique within the definition: 1 to 64 bytes of `[a-z0-9_-]`.
    pub name: Arc<str>,
    /// Its kind.
    pub kind: StepKind,
    /// The names of the steps that must have succeeded before it starts. Empty: it starts at once.
    #[serde(default)]
    pub after: Vec<Arc<str>>,
    /// How often and how long it is tried.
    #[serde(default)]
    pub policy: Policy,
}
