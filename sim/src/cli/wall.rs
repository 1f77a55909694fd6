//! The time of the machine this runs on: for measures and for children that hang. The parent is outside
//! every simulated world, so its clock is nobody's input.

use std::time::{Duration, Instant};

/// Time since it was started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    #[allow(clippy::disallowed_methods, reason = "outside every simulated world")]
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    /// How long ago that was.
    pub(super) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Lets a moment pass.
#[allow(clippy::disallowed_methods, reason = "outside every simulated world")]
pub(super) fn nap(duration: Duration) {
    std::thread::sleep(duration);
}
