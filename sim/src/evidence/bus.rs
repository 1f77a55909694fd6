//! What became of messages.

use std::collections::BTreeMap;

use sagaline_storage::bus::Headers;
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
        /// What it says of its event beside the payload: CloudEvents' attributes.
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
    /// A message with these headers, of which those are kept that tell of the event.
    pub fn published(by: Machine, headers: &Headers) -> Self {
        const OF_THE_EVENT: [&str; 4] = ["ce_type", "ce_subject", "ce_sequence", "ce_causationid"];
        let said = OF_THE_EVENT.into_iter().filter_map(|name| {
            let value = String::from_utf8_lossy(headers.get(name)?).into_owned();
            Some((name.to_owned(), value))
        });
        Self::Published { by, said: said.collect() }
    }
}
