//! What clients asked and heard, and what those saw who follow the log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::machine::Machine;

/// One HTTP request of a client, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The planned operation; several calls when the client tried again.
    pub operation: u32,
    /// Whose.
    pub customer: u32,
    /// To whom it went.
    pub to: Machine,
    /// `POST /orders`, with ids as they were sent.
    pub request: String,
    /// Its idempotency key.
    pub key: Option<String>,
    /// What was sent.
    pub body: Value,
    /// When it was sent.
    pub sent_at_us: u64,
    /// When the answer was there, or the client gave up.
    pub ended_at_us: u64,
    /// The answer; none: there was none, and what was asked for may or may not have happened.
    pub answer: Option<Answer>,
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Whether it said that it repeats an earlier answer.
    pub replayed: bool,
    /// Which node answered, as it says.
    pub node: Option<String>,
    /// What else it said beside the body: headers that tell of what was asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub said: BTreeMap<String, String>,
    /// The body.
    pub body: Value,
}

/// A reader that follows the log from somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscriber {
    /// Its name.
    pub name: String,
    /// Behind which position it began.
    pub after: u64,
    /// Positions and ids as they came.
    pub seen: Vec<(u64, String)>,
}
