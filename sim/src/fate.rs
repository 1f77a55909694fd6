//! What is to happen to one saga on purpose, beside the faults of its world: a service says no to one of
//! its steps, a call of it is made or delivered twice, its node dies at one place of its life. Planned with
//! the saga's start; the services and the nodes know it by the correlation id that all its calls carry.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When a call that is to be delivered twice comes once more: behind most undos.
pub const AGAIN: Duration = Duration::from_secs(3);
/// When a call that is to be delivered late comes: behind its undo, and often from an owner that has lost its
/// saga meanwhile.
pub const LATE: Duration = Duration::from_secs(6);
/// The code of the no of a service that is full.
pub const FULL: &str = "FULL";
/// How long a caller that gets no answer is kept waiting: longer than any caller waits.
pub const NEVER: Duration = Duration::from_secs(120);

/// One saga's lot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fate {
    /// The service says a final no to the action of this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no: Option<String>,
    /// The service is too busy for the first two requests of the action of this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<String>,
    /// And for the first two of the undo of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_undo: Option<String>,
    /// And says then that it wants to be left alone for so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// The service says to the first two requests of the action of this step that it is full: a no, and one that
    /// may be another one later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<String>,
    /// What becomes of one of its calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twist: Option<Twist>,
    /// The node that works on it dies at this place of its life, counted from 1: before and behind each
    /// append, and before and behind each call's effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dies_at: Option<u32>,
}

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Twist {
    /// Of this step.
    pub step: String,
    /// Of its undo, or of its action.
    pub undo: bool,
    /// What.
    pub how: How,
}

/// What becomes of one call: most of these make it two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It takes effect and its answer is lost: the step is run once more.
    RunTwice,
    /// It is delivered at once twice, and once more a while later.
    DeliveredTwice,
    /// It is held back on its way until nobody waits for it any more, and delivered then all the same.
    DeliveredLate,
}

/// The correlation id of the saga that is started under a key of the plan.
pub fn correlation(key: u32) -> String {
    format!("check-{key}")
}
