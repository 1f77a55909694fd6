//! What was asked of the lock service.

use serde::{Deserialize, Serialize};

/// One request to the lock service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockCall {
    /// What is locked.
    pub resource: String,
    /// Who asked.
    pub holder: String,
    /// When it was sent.
    pub sent_at_us: u64,
    /// When the answer was there, or the asker gave up or died.
    pub ended_at_us: u64,
    /// How long the lease was to last.
    pub ttl_us: u64,
    /// What was asked and answered.
    pub what: LockWhat,
}

/// What was asked of the lock service, and what it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "what")]
pub enum LockWhat {
    /// The lock, for so long.
    Acquire {
        /// The lease's token; none: nobody knows whether it was given.
        token: Option<u64>,
    },
    /// The lock, which somebody else had.
    Refused,
    /// The same lease for longer.
    Renew {
        /// The lease's token.
        token: u64,
        /// Whether it still was the holder's; none: no answer.
        held: Option<bool>,
    },
    /// To give it up.
    Release {
        /// The lease's token.
        token: u64,
        /// Whether it still was the holder's; none: no answer.
        held: Option<bool>,
    },
}
