//! How much of the views a crash may cost.

/// When commits are made to survive a crash without being asked to.
///
/// A commit is buffered; what a crash takes is brought back from the log. So these bound the time a
/// restart spends on catching up: either is well below a second of a projection's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewSettings {
    /// Flush when this many bytes of keys and values were committed. Smaller makes many small files
    /// of the store, bigger makes a longer catch-up under heavy traffic.
    pub flush_after_bytes: u64,
    /// Flush when this many batches were committed: bounds the catch-up when each holds one event.
    pub flush_after_commits: u64,
}

impl Default for ViewSettings {
    fn default() -> Self {
        Self { flush_after_bytes: 16 << 20, flush_after_commits: 16_384 }
    }
}

/// What was committed since the last flush.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Unflushed {
    pub(super) bytes: u64,
    pub(super) commits: u64,
}

impl Unflushed {
    /// Whether `settings` want a flush now.
    pub(super) fn due(self, settings: ViewSettings) -> bool {
        self.bytes >= settings.flush_after_bytes || self.commits >= settings.flush_after_commits
    }
}
