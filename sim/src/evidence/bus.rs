//! What became of messages.

use std::collections::BTreeMap;

use sagaline_storage::bus::Message;
use serde::{Deserialize, Serialize};

use super::store::digest_of;
use crate::machine::Machine;

/// What a message says of its event beside the payload.
const ATTRIBUTES: [&str; 10] = [
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_subject",
    "ce_time",
    "ce_sequence",
    "ce_schemaversion",
    "ce_correlationid",
    "ce_causationid",
];
/// Under this name the digest of the payload stands beside them.
pub const PAYLOAD: &str = "payload";

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
        /// What it says of its event: CloudEvents' attributes, and the payload's digest as [`PAYLOAD`].
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        said: BTreeMap<String, String>,
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

impl BusWhat {
    /// This message, of which that is kept which tells of the event.
    pub fn published(by: Machine, message: &Message) -> Self {
        let attribute = |name: &str| {
            let value = String::from_utf8_lossy(message.headers.get(name)?).into_owned();
            Some((name.to_owned(), value))
        };
        let mut said: BTreeMap<_, _> = ATTRIBUTES.into_iter().filter_map(attribute).collect();
        said.insert(PAYLOAD.to_owned(), digest_of(&message.payload));
        Self::Published { by, said }
    }
}
