//! Circuit breaker of one participant: pure, driven by the shell that makes the calls.
//!
//! ```text
//! Closed ──most calls fail──> Open ──its pause is over──> HalfOpen: 4, 8, 16 … calls
//!   ^                           ^                              │ │
//!   │                           └───── most of a round fail ───┘ │
//!   └──────────── the ramp has come to its end ──────────────────┘
//! ```
//!
//! A participant that comes back is met by a ramp and not by the storm of everything that waited. What
//! counts is the share of failures and never a single one: some requests fail whatever the health of
//! the participant, and they must not keep the others out. On the ramp a round counts as a whole, but for
//! one thing: who has failed as often in a row as the breaker judges by is not called to the round's end.
//! Time is monotonic microseconds and comes as an argument; the breaker never sleeps and never calls.

/// Whether a call may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admit {
    /// Now. Its outcome must be told, else it holds its place until the round is over.
    Go,
    /// Not before this: ask again then, in microseconds of monotonic time.
    WaitUntil(u64),
}

/// When a breaker opens and how it closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// It judges by this many outcomes, the last ones; 1 to 64.
    pub outcomes: u32,
    /// It opens, or a round of the ramp fails, when at least this share of them are failures.
    pub failures_percent: u32,
    /// How long it stays open the first time, in microseconds; doubled while it does not help.
    pub open_min_us: u64,
    /// It stays open no longer than this.
    pub open_max_us: u64,
    /// How many calls the first round of the ramp has.
    pub ramp_min: u32,
    /// When a round of the ramp this wide has succeeded it closes.
    pub ramp_max: u32,
    /// How soon to ask again while a round of the ramp is full, in microseconds.
    pub ramp_pause_us: u64,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            outcomes: 10,
            failures_percent: 80,
            open_min_us: 500_000,
            open_max_us: 5_000_000,
            ramp_min: 4,
            ramp_max: 64,
            ramp_pause_us: 5_000,
        }
    }
}

/// A breaker. Outcomes are told in any order; one that was still out when the breaker opened counts for
/// nothing while it is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { recent: Recent },
    Open { until_us: u64, pause_us: u64 },
    HalfOpen { round: Round, recent: Recent, pause_us: u64 },
}

/// The last outcomes, the newest in the lowest bit; 1 is a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Recent {
    failures: u64,
    told: u32,
}

impl Recent {
    fn tell(&mut self, failed: bool, outcomes: u32) {
        let outcomes = outcomes.clamp(1, 64);
        self.failures = (self.failures << 1 | u64::from(failed)) & (u64::MAX >> (64 - outcomes));
        self.told = self.told.saturating_add(1).min(outcomes);
    }
}

/// A round of the ramp: `width` calls may leave and most must succeed before the next, twice as wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Round {
    width: u32,
    left: u32,
    succeeded: u32,
    failed: u32,
    /// Calls whose outcome was never told may not hold the round up for ever: their places are given again.
    ends_at_us: u64,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(policy: BreakerPolicy) -> Self {
        Self { policy, state: State::Closed { recent: Recent::default() } }
    }

    /// The word of metrics and API: `closed`, `open`, `half_open`.
    pub fn status(&self) -> &'static str {
        match self.state {
            State::Closed { .. } => "closed",
            State::Open { .. } => "open",
            State::HalfOpen { .. } => "half_open",
        }
    }

    /// Whether a call may leave now. `Go` takes a place in the ramp.
    pub fn admit(&mut self, now_us: u64) -> Admit {
        match self.state {
            State::Closed { .. } => Admit::Go,
            State::Open { until_us, .. } if now_us < until_us => Admit::WaitUntil(until_us),
            State::Open { pause_us, .. } => {
                let round = self.round(self.policy.ramp_min.max(1), now_us, pause_us);
                self.admit_in(round, Recent::default(), now_us, pause_us)
            }
            State::HalfOpen { round, recent, pause_us } if round.ends_at_us <= now_us => {
                let again = self.go_on_with(round, now_us, pause_us);
                self.admit_in(again, recent, now_us, pause_us)
            }
            State::HalfOpen { round, recent, pause_us } => {
                self.admit_in(round, recent, now_us, pause_us)
            }
        }
    }

    /// A call came back with an answer, be it a rejection: the participant works.
    pub fn succeeded(&mut self, now_us: u64) {
        self.tell(false, now_us);
    }

    /// A call had no answer, or one that says that the participant does not work.
    pub fn failed(&mut self, now_us: u64) {
        self.tell(true, now_us);
    }

    fn tell(&mut self, failed: bool, now_us: u64) {
        match self.state {
            State::Closed { mut recent } => {
                recent.tell(failed, self.policy.outcomes);
                self.state = State::Closed { recent };
                if failed && self.is_failing(recent) {
                    self.open(now_us, self.policy.open_min_us);
                }
            }
            State::Open { .. } => {}
            State::HalfOpen { mut round, mut recent, pause_us } => {
                recent.tell(failed, self.policy.outcomes);
                round.failed = round.failed.saturating_add(u32::from(failed));
                round.succeeded = round.succeeded.saturating_add(u32::from(!failed));
                self.state = State::HalfOpen { round, recent, pause_us };
                if self.has_only_failed(recent) {
                    return self.open(now_us, pause_us.saturating_mul(2));
                }
                self.judge(round, recent, now_us, pause_us);
            }
        }
    }

    /// A round is over as soon as what is still out cannot change its end.
    fn judge(&mut self, round: Round, recent: Recent, now_us: u64, pause_us: u64) {
        if self.too_many(round.failed, round.width) {
            return self.open(now_us, pause_us.saturating_mul(2));
        }
        if round.failed.saturating_add(round.succeeded) < round.width {
            return;
        }
        self.state = if round.width >= self.policy.ramp_max {
            State::Closed { recent: Recent::default() }
        } else {
            let wider = round.width.saturating_mul(2).min(self.policy.ramp_max);
            State::HalfOpen { round: self.round(wider, now_us, pause_us), recent, pause_us }
        };
    }

    /// Whether most of the last outcomes are failures; fewer than it judges by say nothing.
    fn is_failing(&self, recent: Recent) -> bool {
        let enough = recent.told >= self.policy.outcomes.clamp(1, 64);
        enough && self.too_many(recent.failures.count_ones(), recent.told)
    }

    /// Whether all of the last outcomes are.
    fn has_only_failed(&self, recent: Recent) -> bool {
        recent.failures.count_ones() >= self.policy.outcomes.clamp(1, 64)
    }

    fn too_many(&self, failures: u32, outcomes: u32) -> bool {
        let percent = u64::from(self.policy.failures_percent.clamp(1, 100));
        u64::from(failures) * 100 >= percent * u64::from(outcomes)
    }

    fn open(&mut self, now_us: u64, pause_us: u64) {
        let pause_us = pause_us.min(self.policy.open_max_us).max(self.policy.open_min_us);
        self.state = State::Open { until_us: now_us.saturating_add(pause_us), pause_us };
    }

    fn round(&self, width: u32, now_us: u64, pause_us: u64) -> Round {
        let ends_at_us = now_us.saturating_add(pause_us.max(self.policy.ramp_pause_us));
        Round { width, left: width, succeeded: 0, failed: 0, ends_at_us }
    }

    /// A round whose time is over: what was told of it stays told, and the other places are given once more.
    fn go_on_with(&self, round: Round, now_us: u64, pause_us: u64) -> Round {
        let told = round.failed.saturating_add(round.succeeded);
        let Round { left, ends_at_us, .. } =
            self.round(round.width.saturating_sub(told), now_us, pause_us);
        Round { left, ends_at_us, ..round }
    }

    fn admit_in(&mut self, mut round: Round, recent: Recent, now_us: u64, pause_us: u64) -> Admit {
        let admit = if round.left == 0 {
            Admit::WaitUntil(now_us.saturating_add(self.policy.ramp_pause_us).min(round.ends_at_us))
        } else {
            round.left -= 1;
            Admit::Go
        };
        self.state = State::HalfOpen { round, recent, pause_us };
        admit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: BreakerPolicy = BreakerPolicy {
        outcomes: 4,
        failures_percent: 75,
        open_min_us: 1_000,
        open_max_us: 3_000,
        ramp_min: 1,
        ramp_max: 4,
        ramp_pause_us: 10,
    };

    fn opened_at(now_us: u64) -> Breaker {
        let mut breaker = Breaker::new(POLICY);
        for _ in 0..4 {
            assert_eq!(breaker.admit(now_us), Admit::Go);
            breaker.failed(now_us);
        }
        breaker
    }

    fn admitted(breaker: &mut Breaker, now_us: u64) -> usize {
        (0..100).take_while(|_| breaker.admit(now_us) == Admit::Go).count()
    }

    #[test]
    fn only_a_great_share_of_failures_opens_it() {
        let mut breaker = Breaker::new(POLICY);
        for _ in 0..50 {
            breaker.failed(0);
            breaker.failed(0);
            breaker.succeeded(0);
            breaker.succeeded(0);
        }
        assert_eq!(breaker.status(), "closed");
        assert_eq!(opened_at(0).status(), "open");
    }

    #[test]
    fn few_outcomes_say_nothing() {
        let mut breaker = Breaker::new(POLICY);
        (0..3).for_each(|_| breaker.failed(0));
        assert_eq!(breaker.status(), "closed");
    }

    #[test]
    fn requests_that_always_fail_do_not_keep_the_others_out() {
        let mut breaker = opened_at(0);
        while breaker.status() != "closed" {
            let width = admitted(&mut breaker, 1_000);
            for call in 0..width {
                if call % 2 == 1 { breaker.failed(1_000) } else { breaker.succeeded(1_000) }
            }
        }
    }

    #[test]
    fn an_open_breaker_lets_nothing_through_before_its_pause_is_over() {
        let mut breaker = opened_at(50);
        assert_eq!(breaker.admit(1_049), Admit::WaitUntil(1_050));
        assert_eq!(breaker.admit(1_050), Admit::Go);
        assert_eq!(breaker.status(), "half_open");
    }

    #[test]
    fn a_recovered_participant_is_met_by_a_ramp() {
        let mut breaker = opened_at(0);
        let mut widths = Vec::new();
        while breaker.status() != "closed" {
            let width = admitted(&mut breaker, 1_000);
            widths.push(width);
            (0..width).for_each(|_| breaker.succeeded(1_000));
        }
        assert_eq!(widths, [1, 2, 4]);
        assert_eq!(admitted(&mut breaker, 1_000), 100);
    }

    #[test]
    fn a_failure_on_the_ramp_opens_it_for_longer_up_to_a_bound() {
        let mut breaker = opened_at(0);
        let mut now_us = 1_000;
        let mut pauses = Vec::new();
        for _ in 0..3 {
            assert_eq!(breaker.admit(now_us), Admit::Go);
            breaker.failed(now_us);
            let Admit::WaitUntil(until_us) = breaker.admit(now_us) else { panic!("it is open") };
            pauses.push(until_us - now_us);
            now_us = until_us;
        }
        assert_eq!(pauses, [2_000, 3_000, 3_000]);
    }

    #[test]
    fn outcomes_that_come_while_it_is_open_count_for_nothing() {
        let mut breaker = opened_at(0);
        let before = breaker.clone();
        breaker.succeeded(5);
        breaker.failed(6);
        assert_eq!(breaker, before);
    }

    #[test]
    fn a_round_that_few_calls_reach_is_judged_all_the_same() {
        let mut breaker = opened_at(0);
        let mut now_us = 1_000;
        while breaker.status() != "closed" && breaker.admit(now_us) == Admit::Go {
            breaker.succeeded(now_us);
            if let State::HalfOpen { round: Round { width: 4, .. }, .. } = breaker.state {
                break;
            }
        }
        // One call in each time that a round has: three failures of four are too many.
        for _ in 0..3 {
            now_us += 10_000;
            assert_eq!(breaker.admit(now_us), Admit::Go);
            breaker.failed(now_us);
        }
        assert_eq!(breaker.status(), "open");
    }

    #[test]
    fn who_fails_anew_on_the_ramp_is_not_called_to_the_end_of_a_wide_round() {
        let policy = BreakerPolicy { ramp_max: 64, ..POLICY };
        let mut breaker = Breaker::new(policy);
        (0..4).for_each(|_| breaker.failed(0));
        let mut calls = 0;
        while calls < 70 {
            assert_eq!(breaker.admit(1_000), Admit::Go);
            breaker.succeeded(1_000);
            calls += 1;
        }
        assert_eq!(breaker.status(), "half_open");
        (0..3).for_each(|_| breaker.failed(1_000));
        assert_eq!(breaker.status(), "half_open", "a few failures in a row are chance");
        breaker.failed(1_000);
        assert_eq!(breaker.admit(1_000), Admit::WaitUntil(3_000), "the last four failed");
    }

    #[test]
    fn a_call_whose_outcome_is_never_told_holds_the_ramp_up_for_one_round_only() {
        let mut breaker = opened_at(0);
        assert_eq!(breaker.admit(1_000), Admit::Go);
        assert_eq!(breaker.admit(1_001), Admit::WaitUntil(1_011));
        assert_eq!(breaker.admit(2_000), Admit::Go);
    }
}
