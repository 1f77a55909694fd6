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

/// Processor time of all children so far that have ended; none: this system does not say.
pub(super) fn children_took() -> Option<Duration> {
    /// Fields 16 and 17 of the file, in hundredths of a second; counted behind the name's parenthesis.
    const CHILDREN: [usize; 2] = [13, 14];
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: &usize| fields.get(*field)?.parse::<u64>().ok();
    let hundredths: u64 = CHILDREN.iter().filter_map(ticks).sum();
    Some(Duration::from_millis(hundredths * 10))
}

/// Lets a moment pass.
#[allow(clippy::disallowed_methods, reason = "outside every simulated world")]
pub(super) fn nap(duration: Duration) {
    std::thread::sleep(duration);
}
