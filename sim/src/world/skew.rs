//! How wrong the clocks of one machine are: arithmetic only. Used by [`super::clock`].

use crate::fault::{Episode, Fault, FaultKind};

/// Below this a wrong clock is as good as a right one: nothing in the product is measured finer.
const FELT_US: u64 = 50_000;

const MILLION: i128 = 1_000_000;

/// The open episodes that bend a machine's clocks, and where they have brought them.
#[derive(Debug, Default)]
pub(super) struct Skew {
    bends: Vec<Bend>,
    /// World time and local monotonic time at the last change of the rate.
    since_world_us: u64,
    since_local_us: u64,
    /// By how much the drift has moved the wall clock before the last change of the rate.
    drifted_us: i64,
}

#[derive(Debug)]
struct Bend {
    id: u32,
    kind: FaultKind,
    wall_us: i64,
    ppm: i64,
    /// Counted as having mattered.
    felt: bool,
}

impl Skew {
    /// Takes the episode in, if it is one of the clock's.
    pub(super) fn begin(&mut self, episode: &Episode, now_us: u64) {
        let bend = |wall_ms: i64, ppm| Bend {
            id: episode.id,
            kind: episode.fault.kind(),
            wall_us: wall_ms.saturating_mul(1_000),
            ppm,
            felt: false,
        };
        let bend = match &episode.fault {
            Fault::ClockOffset { offset_ms, .. } => bend(*offset_ms, 0),
            Fault::ClockStep { step_ms, .. } => bend(*step_ms, 0),
            Fault::ClockDrift { ppm, .. } => bend(0, *ppm),
            _ => return,
        };
        self.settle(now_us);
        self.bends.push(bend);
    }

    /// Takes it out. When nothing drifts any more, the time server has set the wall clock right.
    pub(super) fn end(&mut self, episode: &Episode, now_us: u64) {
        self.settle(now_us);
        self.bends.retain(|bend| bend.id != episode.id);
        if self.ppm() == 0 {
            self.drifted_us = 0;
        }
    }

    /// The machine's monotonic time at this moment of the world's.
    pub(super) fn monotonic_us(&self, now_us: u64) -> u64 {
        let passed = i128::from(now_us.saturating_sub(self.since_world_us));
        let local = passed * (MILLION + i128::from(self.ppm())) / MILLION;
        self.since_local_us + u64::try_from(local).unwrap_or(0)
    }

    /// The first moment of the world's time, from `now_us` on, at which the monotonic time is `local_us`,
    /// if the rate stays as it is.
    pub(super) fn world_us_at(&self, local_us: u64, now_us: u64) -> u64 {
        let ahead = i128::from(local_us.saturating_sub(self.monotonic_us(now_us)));
        let rate = MILLION + i128::from(self.ppm());
        let world = (ahead * MILLION + rate - 1) / rate;
        now_us.saturating_add(u64::try_from(world).unwrap_or(u64::MAX))
    }

    /// How far ahead of the truth the wall clock is.
    pub(super) fn wall_error_us(&self, now_us: u64) -> i64 {
        let steps: i64 = self.bends.iter().map(|bend| bend.wall_us).sum();
        steps.saturating_add(self.drift_us(now_us))
    }

    /// Kinds that a reading of the wall clock has just felt for the first time.
    pub(super) fn wall_felt(&mut self, now_us: u64) -> Vec<FaultKind> {
        if self.bends.is_empty() || self.wall_error_us(now_us).unsigned_abs() <= FELT_US {
            return Vec::new();
        }
        self.newly_felt(|_| true)
    }

    /// Kinds that a reading of the monotonic clock has just felt for the first time.
    pub(super) fn monotonic_felt(&mut self, now_us: u64) -> Vec<FaultKind> {
        if self.bends.is_empty() || self.drift_us(now_us).unsigned_abs() <= FELT_US {
            return Vec::new();
        }
        self.newly_felt(|bend| bend.ppm != 0)
    }

    fn newly_felt(&mut self, of: impl Fn(&Bend) -> bool) -> Vec<FaultKind> {
        let fresh = self.bends.iter_mut().filter(|bend| !bend.felt && of(bend));
        fresh
            .map(|bend| {
                bend.felt = true;
                bend.kind
            })
            .collect()
    }

    /// Parts in a million by which the clocks run too fast; never so slow that they stand.
    fn ppm(&self) -> i64 {
        self.bends.iter().map(|bend| bend.ppm).sum::<i64>().clamp(-900_000, 10_000_000)
    }

    fn drift_us(&self, now_us: u64) -> i64 {
        let world = now_us.saturating_sub(self.since_world_us);
        let local = self.monotonic_us(now_us) - self.since_local_us;
        let lately =
            i64::try_from(local).unwrap_or(i64::MAX) - i64::try_from(world).unwrap_or(i64::MAX);
        self.drifted_us.saturating_add(lately)
    }

    /// The rate is about to change.
    fn settle(&mut self, now_us: u64) {
        self.drifted_us = self.drift_us(now_us);
        self.since_local_us = self.monotonic_us(now_us);
        self.since_world_us = now_us;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;

    const SECOND: u64 = 1_000_000;

    fn drift(id: u32, ppm: i64) -> Episode {
        let fault = Fault::ClockDrift { machine: Machine::Node1, ppm };
        Episode { id, at_ms: 0, for_ms: 0, fault }
    }

    #[test]
    fn a_clock_that_drifts_is_set_right_and_its_monotonic_time_never_goes_back() {
        let mut skew = Skew::default();
        skew.begin(&drift(1, 100_000), SECOND);
        assert_eq!(skew.monotonic_us(11 * SECOND), 12 * SECOND);
        assert_eq!(skew.wall_error_us(11 * SECOND), 1_000_000);
        skew.end(&drift(1, 100_000), 11 * SECOND);
        assert_eq!(skew.wall_error_us(11 * SECOND), 0);
        assert_eq!(skew.monotonic_us(12 * SECOND), 13 * SECOND);
    }

    #[test]
    fn a_sleep_on_a_slow_clock_takes_longer() {
        let mut skew = Skew::default();
        skew.begin(&drift(1, -500_000), 0);
        let due = skew.world_us_at(SECOND, 0);
        assert_eq!(due, 2 * SECOND);
        assert!(skew.monotonic_us(due) >= SECOND && skew.monotonic_us(due - 1) < SECOND);
    }

    #[test]
    fn each_episode_is_felt_once_and_only_when_it_is_far_enough_off() {
        let mut skew = Skew::default();
        skew.begin(&drift(1, 100_000), 0);
        assert_eq!(skew.wall_felt(SECOND / 10), []);
        assert_eq!(skew.monotonic_felt(SECOND), [FaultKind::ClockDrift]);
        assert_eq!(skew.wall_felt(SECOND), []);
    }
}
