//! What a consumer group was handed.

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// An event that was handed to the consumer of a group, as that saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handed {
    /// When, by the world's own clock.
    pub at_us: u64,
    /// On which node.
    pub node: Machine,
    /// In which of its lives, from 1.
    pub boot: u32,
    /// The event's place in the log.
    pub position: u64,
    /// Which attempt it was said to be.
    pub attempt: u32,
    /// What the consumer made of it.
    pub came: Came,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Came {
    /// The event was acted on.
    Done,
    /// It was not, and is to be handed out again, if this is said not sooner than so many milliseconds later.
    Failed {
        /// How many.
        not_before_ms: Option<u64>,
    },
    /// It is not to be handed out again before a person says so.
    Refused,
}
