//! How often and how long a step is tried.

use serde::{Deserialize, Serialize};

/// The policy of one step. It is part of the definition and of its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How often the action is tried before the saga is parked; at least 1.
    pub attempts: u32,
    /// How often the compensation is tried before the saga is parked; at least 1.
    pub compensation_attempts: u32,
    /// The first pause is drawn from 0 to this ("full jitter"), doubled with each attempt.
    pub backoff_min_ms: u64,
    /// No pause is drawn from more than this.
    pub backoff_max_ms: u64,
    /// After this a call without an answer counts as `Unknown`.
    pub attempt_timeout_ms: u64,
    /// From the first attempt on; when it has passed no further attempt is made: the saga aborts when it
    /// still can, and is parked when it cannot. None: no bound but the saga's.
    pub deadline_ms: Option<u64>,
    /// Codes of rejections that are tried again like an unknown outcome; every other one is final.
    pub retried_rejections: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 8,
            compensation_attempts: 12,
            backoff_min_ms: 100,
            backoff_max_ms: 10_000,
            attempt_timeout_ms: 5_000,
            deadline_ms: None,
            retried_rejections: Vec::new(),
        }
    }
}

impl Policy {
    /// The pause before attempt `next` (2 is the first retry), in milliseconds: full jitter, from
    /// `jitter`, a uniformly drawn number. A participant's `retry_after_ms` is a lower bound, itself
    /// bounded by an hour.
    pub fn backoff_ms(&self, next: u32, jitter: u64, retry_after_ms: Option<u64>) -> u64 {
        const RETRY_AFTER_MAX_MS: u64 = 3_600_000;
        let doublings = next.saturating_sub(2).min(32);
        let ceiling = self
            .backoff_min_ms
            .saturating_mul(1u64 << doublings)
            .min(self.backoff_max_ms.max(self.backoff_min_ms));
        let drawn = if ceiling == 0 { 0 } else { jitter % (ceiling + 1) };
        drawn.max(retry_after_ms.unwrap_or(0).min(RETRY_AFTER_MAX_MS))
    }
}
