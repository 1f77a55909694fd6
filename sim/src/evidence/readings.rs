//! What those were given who follow the log through a node's own interface.

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// What the reader of a node was given in one life of that node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reading {
    /// The node.
    pub node: Machine,
    /// Which of its lives, from 1.
    pub boot: u32,
    /// Where it was to begin.
    pub begins: Begins,
    /// What it was to be given.
    pub wanted: Wanted,
    /// When it was asked for.
    pub asked_at_us: u64,
    /// When it had begun.
    pub begun_at_us: u64,
    /// Behind which position it began, as it said.
    pub after: u64,
    /// The events, as they came.
    pub given: Vec<Given>,
    /// Where it said last that it stands: whatever is wanted up to here was given.
    pub place: u64,
}

/// Where somebody begins to follow the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Begins {
    /// With its first event.
    Start,
    /// Behind this position.
    After(u64),
    /// With what comes from now on.
    Head,
}

/// Which events are wanted; what is empty or none leaves all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    /// Of streams of these categories.
    pub categories: Vec<String>,
    /// Of these types.
    pub event_types: Vec<String>,
    /// With this correlation id.
    pub correlation_id: Option<String>,
    /// Recorded from this time on, by the store's clock.
    pub recorded_from_us: Option<u64>,
    /// Recorded before this time.
    pub recorded_to_us: Option<u64>,
}

/// One event that came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Given {
    /// Its place in the log.
    pub position: u64,
    /// Its id.
    pub id: String,
    /// Its stream.
    pub stream: String,
    /// Its type.
    pub event_type: String,
    /// Where the subscription said then that it stands.
    pub place: u64,
}
