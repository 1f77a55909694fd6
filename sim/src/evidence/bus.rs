//! What became of messages.

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// One step of a message's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BusEntry {
    /// When.
    pub at_us: u64,
    /// The topic.
    pub topic: String,
    /// The message's id: the event's.
    pub message: String,
    /// Its key.
    pub key: String,
    /// What happened.
    pub what: BusWhat,
}

/// What happened to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "what")]
pub enum BusWhat {
    /// It was kept by the bus.
    Published {
        /// By whom.
        by: Machine,
    },
    /// It was handed to a member of a group.
    Delivered {
        /// The group.
        group: String,
    },
    /// A consumer of the simulation acted on it.
    Acted {
        /// The group.
        group: String,
    },
}
