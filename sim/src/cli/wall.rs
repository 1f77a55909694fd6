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

/// Processor time so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProcessorTime {
    /// Of this process.
    pub(super) own: Duration,
    /// Of its children that have ended.
    pub(super) children: Duration,
}

/// How much of the processor was used so far; none: this system does not say.
pub(super) fn processor_time() -> Option<ProcessorTime> {
    /// Fields 14 to 17 of the file, in hundredths of a second; counted behind the name's parenthesis.
    const OWN: [usize; 2] = [11, 12];
    const CHILDREN: [usize; 2] = [13, 14];
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: &usize| fields.get(*field)?.parse::<u64>().ok();
    let spent =
        |of: [usize; 2]| Duration::from_millis(of.iter().filter_map(ticks).sum::<u64>() * 10);
    Some(ProcessorTime { own: spent(OWN), children: spent(CHILDREN) })
}

/// Lets a moment pass.
#[allow(clippy::disallowed_methods, reason = "outside every simulated world")]
pub(super) fn nap(duration: Duration) {
    std::thread::sleep(duration);
}
