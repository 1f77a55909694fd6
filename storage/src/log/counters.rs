//! What the log has done since it was opened, for the node's metrics. Counting never decides anything.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of the batch sizes counted apart; the last bucket has none.
pub const BATCH_SIZE_BOUNDS: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/// How often things happened since the log was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogCounters {
    /// Appends made, replays not counted.
    pub appends: u64,
    /// Events of these appends.
    pub events: u64,
    /// Bytes of their records.
    pub record_bytes: u64,
    /// Writes to the store that were synced. What the disk pays for.
    pub durable_writes: u64,
    /// Batches the appender gathered, also those in which everything was refused.
    pub batches: u64,
    /// Requests in all batches.
    pub batched_requests: u64,
    /// Batches by their number of requests: up to each of [`BATCH_SIZE_BOUNDS`], then all bigger ones.
    pub batch_sizes: [u64; BATCH_SIZE_BOUNDS.len() + 1],
    /// Appends answered with the result of an earlier one.
    pub replays: u64,
    /// Appends refused because a stream was not as expected.
    pub conflicts: u64,
    /// Appends refused because of a claim.
    pub claims_refused: u64,
    /// Appends refused because the shard has a new owner.
    pub fenced: u64,
    /// Appends answered with an unknown outcome.
    pub unknown_outcomes: u64,
}

/// The live numbers.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) appends: AtomicU64,
    pub(super) events: AtomicU64,
    pub(super) record_bytes: AtomicU64,
    pub(super) durable_writes: AtomicU64,
    batches: AtomicU64,
    batched_requests: AtomicU64,
    batch_sizes: [AtomicU64; BATCH_SIZE_BOUNDS.len() + 1],
    pub(super) replays: AtomicU64,
    pub(super) conflicts: AtomicU64,
    pub(super) claims_refused: AtomicU64,
    pub(super) fenced: AtomicU64,
    pub(super) unknown_outcomes: AtomicU64,
}

/// Adds to a counter.
pub(super) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn count_batch(&self, requests: usize) {
        let requests = requests as u64;
        let bucket = BATCH_SIZE_BOUNDS.iter().position(|bound| requests <= *bound);
        count(&self.batch_sizes[bucket.unwrap_or(BATCH_SIZE_BOUNDS.len())], 1);
        count(&self.batches, 1);
        count(&self.batched_requests, requests);
    }

    pub(super) fn read(&self) -> LogCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LogCounters {
            appends: read(&self.appends),
            events: read(&self.events),
            record_bytes: read(&self.record_bytes),
            durable_writes: read(&self.durable_writes),
            batches: read(&self.batches),
            batched_requests: read(&self.batched_requests),
            batch_sizes: std::array::from_fn(|at| read(&self.batch_sizes[at])),
            replays: read(&self.replays),
            conflicts: read(&self.conflicts),
            claims_refused: read(&self.claims_refused),
            fenced: read(&self.fenced),
            unknown_outcomes: read(&self.unknown_outcomes),
        }
    }
}
