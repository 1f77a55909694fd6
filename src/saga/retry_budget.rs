//! Retry budget of one participant: retries that fail are a fraction of the calls that work, and a small rate
//! besides, so that a participant in trouble is not called more often than one that works. A retry that is
//! answered costs nothing and earns what a first attempt earns: those who waited for a participant that is
//! back come up a ramp, each answer letting more of them go. Pure; time is monotonic microseconds and comes
//! as an argument. (That answers pay back is gRPC's retry throttling, gRFC A6.)

use crate::canary::planted;

use super::breaker::Admit;

const WHOLE: u64 = 1_000_000;

/// How many retries are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudgetPolicy {
    /// Retries per hundred first attempts and answered retries.
    pub percent: u32,
    /// Retries in a second that are allowed without any of these; at least 1 is.
    pub min_per_s: u32,
    /// The most retries that are saved up, and what the budget begins with; at least 1.
    pub burst: u32,
}

impl Default for RetryBudgetPolicy {
    fn default() -> Self {
        Self { percent: 20, min_per_s: 10, burst: 100 }
    }
}

/// A bucket of retries, in millionths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryBudget {
    policy: RetryBudgetPolicy,
    saved: u64,
    filled_at_us: u64,
}

impl RetryBudget {
    /// A full bucket.
    pub fn new(policy: RetryBudgetPolicy, now_us: u64) -> Self {
        Self { policy, saved: Self::most(policy), filled_at_us: now_us }
    }

    /// A first attempt leaves: it earns its fraction of a retry.
    pub fn first_attempt(&mut self, now_us: u64) {
        self.fill(now_us);
        self.earn(u64::from(self.policy.percent) * (WHOLE / 100));
    }

    /// A retry was answered: it has what it spent again, and earns like a first attempt.
    pub fn answered_retry(&mut self, now_us: u64) {
        self.fill(now_us);
        self.earn(WHOLE + u64::from(self.policy.percent) * (WHOLE / 100));
    }

    /// Whether a retry may leave now. `Go` spends one.
    pub fn admit(&mut self, now_us: u64) -> Admit {
        self.fill(now_us);
        if planted("retry-without-budget") {
            return Admit::Go;
        }
        if let Some(left) = self.saved.checked_sub(WHOLE) {
            self.saved = left;
            return Admit::Go;
        }
        let missing = WHOLE - self.saved;
        // A millionth comes with each microsecond and retry per second.
        Admit::WaitUntil(now_us.saturating_add(missing.div_ceil(self.per_us())))
    }

    /// Whole retries that are saved up.
    pub fn left(&self) -> u64 {
        self.saved / WHOLE
    }

    fn fill(&mut self, now_us: u64) {
        let passed_us = now_us.saturating_sub(self.filled_at_us);
        self.filled_at_us = self.filled_at_us.max(now_us);
        self.earn(passed_us.saturating_mul(self.per_us()));
    }

    fn earn(&mut self, earned: u64) {
        self.saved = self.saved.saturating_add(earned).min(Self::most(self.policy));
    }

    fn per_us(&self) -> u64 {
        u64::from(self.policy.min_per_s.max(1))
    }

    fn most(policy: RetryBudgetPolicy) -> u64 {
        u64::from(policy.burst.max(1)) * WHOLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryBudgetPolicy = RetryBudgetPolicy { percent: 20, min_per_s: 2, burst: 3 };

    fn spent(now_us: u64) -> RetryBudget {
        let mut budget = RetryBudget::new(POLICY, now_us);
        assert_eq!((0..10).filter(|_| budget.admit(now_us) == Admit::Go).count(), 3);
        budget
    }

    #[test]
    fn five_first_attempts_earn_one_retry() {
        let mut budget = spent(0);
        (0..4).for_each(|_| budget.first_attempt(0));
        assert_ne!(budget.admit(0), Admit::Go);
        budget.first_attempt(0);
        assert_eq!(budget.admit(0), Admit::Go);
        assert_ne!(budget.admit(0), Admit::Go);
    }

    #[test]
    fn whoever_waits_for_a_participant_that_is_back_comes_up_a_ramp() {
        let policy = RetryBudgetPolicy { percent: 20, min_per_s: 10, burst: 100 };
        let mut budget = RetryBudget::new(policy, 0);
        while budget.admit(0) == Admit::Go {}
        // Each answer takes 10 ms. Ten a second would be a thousand after 100 s.
        let (mut now_us, mut answered, mut longest) = (0, 0, 0);
        while answered < 1_000 {
            now_us += 10_000;
            let under_way = (0..1_000).take_while(|_| budget.admit(now_us) == Admit::Go).count();
            (0..under_way).for_each(|_| budget.answered_retry(now_us));
            answered += under_way;
            longest = longest.max(under_way);
        }
        assert!(now_us < 10_000_000, "{now_us}");
        assert!(longest <= 100, "no storm: {longest} at once");
    }

    #[test]
    fn retries_that_fail_stay_at_the_small_rate() {
        let mut budget = spent(0);
        let left = (1..=100).filter(|tenth| budget.admit(tenth * 100_000) == Admit::Go);
        assert_eq!(left.count(), 20, "two a second for ten seconds");
    }

    #[test]
    fn without_first_attempts_a_small_rate_remains() {
        let mut budget = spent(7);
        assert_eq!(budget.admit(7), Admit::WaitUntil(500_007));
        assert_eq!(budget.admit(500_006), Admit::WaitUntil(500_007));
        assert_eq!(budget.admit(500_007), Admit::Go);
    }

    #[test]
    fn no_more_than_the_burst_is_saved_up() {
        let mut budget = spent(0);
        (0..1_000).for_each(|_| budget.first_attempt(u64::MAX));
        assert_eq!(budget.left(), 3);
    }
}
