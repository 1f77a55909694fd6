//! The oracles: each knows one promise and judges a finished run by its evidence alone. They share no
//! code with the product.

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;

/// Knows one promise.
pub trait Oracle {
    /// Its name, also in signatures: `per-stream-linearizability`.
    fn name(&self) -> &'static str;

    /// Judges. What it could not look at it does not count as examined.
    fn examine(&self, evidence: &Evidence) -> Finding;
}

/// What an oracle found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How many things it looked at. An oracle that examined nothing fails the run as vacuous.
    pub examined: u64,
    /// What it found broken.
    pub violations: Vec<Violation>,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// What is broken, without ids, numbers or times: two failures with the same words are the same.
    pub what: String,
    /// Which order, event or call, and what was seen: for a person.
    pub detail: String,
}
