//! What happened to machines and to the shards that they have.

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// A shard that changed hands, as a node saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardChange {
    /// When.
    pub at_us: u64,
    /// Which node.
    pub node: Machine,
    /// The shard.
    pub shard: u32,
    /// Its epoch.
    pub epoch: u64,
    /// Whether it was taken, or left.
    pub taken: bool,
}

/// A machine's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PowerChange {
    /// When.
    pub at_us: u64,
    /// Which machine.
    pub machine: Machine,
    /// What happened to it.
    pub what: Power,
}

/// What happens to a machine's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Power {
    /// It was switched on, first or again: it knows only what is on its disk.
    Booted,
    /// Its processes ended.
    Crashed,
    /// They ended by themselves and in good order, as they were told to.
    Stopped,
    /// Nothing runs on it any more.
    Paused,
    /// It goes on where it stood.
    Resumed,
}

/// A node that was told to end in good order, and what came of that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stop {
    /// Which node.
    pub node: Machine,
    /// When it was told.
    pub told_at_us: u64,
    /// When its process had ended; none: it did not, or something else ended it.
    pub ended_at_us: Option<u64>,
    /// What it had to leave unfinished, in words; none: nothing.
    pub unfinished: Option<String>,
}
