//! A machine's clocks. Each machine has its own: the wall clock can be wrong and can jump, and both
//! clocks can run too fast or too slow. The monotonic one never goes back, and sleeps follow it. Nothing
//! here lets a machine see the world's true time.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sagaline_storage::{Clock, Timestamp};

use super::skew::Skew;
use super::timeline::Timeline;
use crate::bites::Bites;
use crate::fault::{Episode, FaultKind};
use crate::seed::Seed;

/// 2026-01-01T00:00:00Z: the earliest day on which a world starts.
const FIRST_DAY_US: u64 = 1_767_225_600_000_000;
const YEAR_S: u64 = 365 * 24 * 60 * 60;

/// The shortest sleep, as of the real timer.
const SLEEP_MIN: Duration = Duration::from_millis(1);

/// A sleep that ends later than this was held up by a pause of the machine: nothing else can.
const LATE_US: u64 = 50_000;

/// The clocks of one machine. Clones are the same clocks; they go on while the machine is off.
#[derive(Debug, Clone)]
pub struct MachineClock {
    timeline: Timeline,
    bites: Bites,
    /// Wall time at the world's start, the same for all machines.
    start: Timestamp,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    skew: Skew,
    /// The moment until which a pause has held everything up and has not been felt yet.
    paused_since_us: Option<u64>,
}

impl MachineClock {
    /// A clock that is right.
    pub(super) fn new(seed: Seed, timeline: Timeline, bites: Bites) -> Self {
        let into_year = seed.stream("wall").below(YEAR_S) * 1_000_000;
        let start = Timestamp(FIRST_DAY_US + into_year);
        Self { timeline, bites, start, state: Arc::default() }
    }

    /// The episode bends these clocks from now.
    pub(super) fn begin(&self, episode: &Episode) {
        self.state.lock().skew.begin(episode, self.timeline.now_us());
    }

    /// It no longer does: the wall clock is set right, the monotonic one goes on from where it is.
    pub(super) fn end(&self, episode: &Episode) {
        self.state.lock().skew.end(episode, self.timeline.now_us());
    }

    /// The machine stands still from now. What is late afterwards was late because of it.
    pub(super) fn pause(&self) {
        self.state.lock().paused_since_us.get_or_insert_with(|| self.timeline.now_us());
    }

    /// What the wall clock would say if it were right.
    pub fn true_now(&self) -> Timestamp {
        Timestamp(self.start.0 + self.timeline.now_us())
    }

    fn monotonic_us(&self) -> u64 {
        let now_us = self.timeline.now_us();
        let mut state = self.state.lock();
        state.skew.monotonic_felt(now_us).iter().for_each(|kind| self.bites.bit(*kind));
        state.skew.monotonic_us(now_us)
    }

    /// A sleep that was due at `due_us` of the world's time ends now.
    fn woke(&self, due_us: u64) {
        let mut state = self.state.lock();
        let held_up = state.paused_since_us.is_some_and(|since| since <= due_us);
        if held_up && self.timeline.now_us() > due_us + LATE_US {
            state.paused_since_us = None;
            self.bites.bit(FaultKind::Pause);
        }
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let now_us = self.timeline.now_us();
        let mut state = self.state.lock();
        state.skew.wall_felt(now_us).iter().for_each(|kind| self.bites.bit(*kind));
        let error_us = state.skew.wall_error_us(now_us);
        Timestamp((self.start.0 + now_us).saturating_add_signed(error_us))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.monotonic_us())
    }

    async fn sleep(&self, duration: Duration) {
        let duration = duration.max(SLEEP_MIN);
        let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let end_us = self.monotonic_us().saturating_add(duration_us);
        loop {
            let now_us = self.timeline.now_us();
            let due_us = self.state.lock().skew.world_us_at(end_us, now_us);
            if due_us <= now_us {
                return;
            }
            self.timeline.until(due_us).await;
            self.woke(due_us);
        }
    }
}
