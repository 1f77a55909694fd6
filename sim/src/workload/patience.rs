//! How long clients wait, and how they try again: after a pause that grows, with chance in it, so that
//! they do not come back all at once.

use std::future::Future;

use crate::seed::Random;
use crate::world::Timeline;

/// The first pause, and the longest.
const PAUSE_MIN_MS: u64 = 100;
const PAUSE_MAX_MS: u64 = 4_000;

/// One client's patience with one operation.
pub(super) struct Patience {
    timeline: Timeline,
    random: Random,
    pause_ms: u64,
    /// When it goes away.
    pub(super) ends_at_us: u64,
}

impl Patience {
    /// Patience until then.
    pub(super) fn until(timeline: Timeline, random: Random, ends_at_us: u64) -> Self {
        Self { timeline, random, pause_ms: PAUSE_MIN_MS, ends_at_us }
    }

    /// Waits for something, for so long at most, and never beyond the end.
    pub(super) async fn wait<T>(
        &self,
        at_most_us: u64,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let end_us = self.ends_at_us.min(self.timeline.now_us() + at_most_us);
        tokio::select! {
            biased;
            came = future => Some(came),
            () = self.timeline.until(end_us) => None,
        }
    }

    /// Does nothing for so long. False: it is over.
    pub(super) async fn rest(&mut self, for_ms: u64) -> bool {
        self.pause_ms = PAUSE_MIN_MS;
        let next_us = self.timeline.now_us() + for_ms * 1_000;
        if next_us >= self.ends_at_us {
            return false;
        }
        self.timeline.until(next_us).await;
        true
    }

    /// Pauses before the next attempt, at least for what the server asked for. False: it is over.
    pub(super) async fn pause(&mut self, asked_ms: u64) -> bool {
        let pause_ms = asked_ms + self.random.between(self.pause_ms / 2, self.pause_ms);
        self.pause_ms = (self.pause_ms * 2).min(PAUSE_MAX_MS);
        let next_us = self.timeline.now_us() + pause_ms * 1_000;
        if next_us >= self.ends_at_us {
            return false;
        }
        self.timeline.until(next_us).await;
        true
    }
}
