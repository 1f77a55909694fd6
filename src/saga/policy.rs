//! How often and how long a step is tried. Pure: the jitter comes from outside.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::StepDirection;

/// The policy of one step. It is part of the definition and of its hash.
///
/// ```
/// use sagaline::prelude::*;
///
/// let patient = Policy::attempts(5).backoff(100.ms()..=5.s()).deadline(10.minutes());
/// assert_eq!((patient.attempts, patient.backoff_max_ms), (5, 5_000));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
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
    /// From the first attempt on, or from an operator's retry. Before the pivot the saga aborts when it
    /// has passed. Behind the pivot the last attempt begins then, at the latest, and when that fails the
    /// saga is parked. None: no bound but the saga's.
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
    /// So many attempts of the action; everything else as in the default.
    #[must_use]
    pub fn attempts(attempts: u32) -> Self {
        Self { attempts, ..Self::default() }
    }

    /// So many attempts of the compensation.
    #[must_use]
    pub fn compensation_attempts(mut self, attempts: u32) -> Self {
        self.compensation_attempts = attempts;
        self
    }

    /// The first pause is drawn from nothing to the shorter time, doubled with each attempt up to the
    /// longer one.
    #[must_use]
    pub fn backoff(mut self, pause: RangeInclusive<Duration>) -> Self {
        self.backoff_min_ms = millis(*pause.start());
        self.backoff_max_ms = millis(*pause.end());
        self
    }

    /// A call without an answer counts as `Unknown` after this time; each heartbeat begins it anew.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout_ms = millis(timeout);
        self
    }

    /// How long the step may take with all its attempts: see [`Policy::deadline_ms`].
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline_ms = Some(millis(deadline));
        self
    }

    /// A rejection with this code is tried again like an unknown outcome, and is not final.
    #[must_use]
    pub fn retrying(mut self, code: impl Into<String>) -> Self {
        self.retried_rejections.push(code.into());
        self
    }

    /// How often a direction is tried.
    pub fn attempts_of(&self, direction: StepDirection) -> u32 {
        match direction {
            StepDirection::Action => self.attempts,
            StepDirection::Compensation => self.compensation_attempts,
        }
    }

    /// Whether a rejection with this code is final: it did not happen and never will.
    pub fn is_final(&self, code: &str) -> bool {
        !self.retried_rejections.iter().any(|retried| retried == code)
    }

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
        let drawn = ceiling.checked_add(1).map_or(jitter, |choices| jitter % choices);
        drawn.max(retry_after_ms.unwrap_or(0).min(RETRY_AFTER_MAX_MS))
    }
}

/// Lengths of time as they are said: `100.ms()`, `5.s()`, `10.minutes()`.
pub trait TimeUnits: Sized {
    /// Milliseconds.
    fn ms(self) -> Duration;
    /// Seconds.
    fn s(self) -> Duration;
    /// Minutes.
    fn minutes(self) -> Duration;
    /// Hours.
    fn hours(self) -> Duration;
    /// Days of 24 hours.
    fn days(self) -> Duration;
}

impl TimeUnits for u64 {
    fn ms(self) -> Duration {
        Duration::from_millis(self)
    }

    fn s(self) -> Duration {
        Duration::from_secs(self)
    }

    fn minutes(self) -> Duration {
        Duration::from_secs(self.saturating_mul(60))
    }

    fn hours(self) -> Duration {
        Duration::from_secs(self.saturating_mul(60 * 60))
    }

    fn days(self) -> Duration {
        Duration::from_secs(self.saturating_mul(24 * 60 * 60))
    }
}

/// The longest time that fits stands for all that are longer.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_said_in_times_and_kept_in_milliseconds() {
        let said = Policy::attempts(5)
            .compensation_attempts(7)
            .backoff(100.ms()..=5.s())
            .attempt_timeout(2.s())
            .deadline(10.minutes())
            .retrying("NO_COVER");
        let kept = Policy {
            attempts: 5,
            compensation_attempts: 7,
            backoff_min_ms: 100,
            backoff_max_ms: 5_000,
            attempt_timeout_ms: 2_000,
            deadline_ms: Some(600_000),
            retried_rejections: vec!["NO_COVER".to_owned()],
        };
        assert_eq!(said, kept);
        assert_eq!((1.hours() * 24, Duration::MAX.max(u64::MAX.days())), (1.days(), Duration::MAX));
        assert_eq!(Policy::default().deadline(Duration::MAX).deadline_ms, Some(u64::MAX));
    }

    #[test]
    fn backoff_doubles_up_to_its_longest_pause() {
        let policy = Policy { backoff_min_ms: 100, backoff_max_ms: 1_000, ..Policy::default() };
        let ceilings: Vec<u64> = (2..8)
            .map(|next| (0..5_000).map(|j| policy.backoff_ms(next, j, None)).max().unwrap())
            .collect();
        assert_eq!(ceilings, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(policy.backoff_ms(u32::MAX, 0, None), 0);
    }

    #[test]
    fn backoff_survives_the_largest_numbers() {
        let policy =
            Policy { backoff_min_ms: u64::MAX, backoff_max_ms: u64::MAX, ..Policy::default() };
        assert_eq!(policy.backoff_ms(u32::MAX, u64::MAX, None), u64::MAX);
        let none = Policy { backoff_min_ms: 0, backoff_max_ms: 0, ..Policy::default() };
        assert_eq!(none.backoff_ms(3, u64::MAX, None), 0);
    }

    #[test]
    fn retry_after_is_a_lower_bound_of_at_most_an_hour() {
        let policy = Policy::default();
        assert_eq!(policy.backoff_ms(2, 7, Some(900)), 900);
        assert_eq!(policy.backoff_ms(2, 7, Some(u64::MAX)), 3_600_000);
    }
}
