//! What a node counts: of its own, never process-wide, so that several nodes in one process stay apart.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes both ways.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// It is this now.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// It is at least this.
    pub fn raise_to(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }

    /// What it is.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one node's engine since it started.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Sagas started here.
    pub sagas_started: Counter,
    /// Sagas that ended as completed here.
    pub sagas_completed: Counter,
    /// Sagas that ended as compensated here.
    pub sagas_compensated: Counter,
    /// Sagas that were parked here.
    pub sagas_parked: Counter,
    /// Sagas taken up again after a start of the node.
    pub sagas_recovered: Counter,
    /// Sagas that could not be worked on and were quarantined.
    pub sagas_quarantined: Counter,
    /// Starts that an idempotency key answered.
    pub starts_replayed: Counter,
    /// Starts refused because a claim was held: duplicate orders.
    pub starts_refused_by_claim: Counter,
    /// Calls whose outcome was not known when they came back.
    pub calls_outcome_unknown: Counter,
    /// Calls made, with retries.
    pub calls: Counter,
    /// Calls that were retries.
    pub calls_retried: Counter,
    /// Steps that panicked.
    pub step_panics: Counter,
    /// Appends whose outcome was not known at first.
    pub append_outcome_unknown: Counter,
    /// Shards that this node owns.
    pub shards_owned: Gauge,
    /// Shards it has taken, at its start or from another node.
    pub shards_taken: Counter,
    /// Appends refused because the shard had a newer owner.
    pub fenced_appends: Counter,
    /// Decisions made again because another writer was first.
    pub append_conflicts: Counter,
    /// Timers that had been overtaken when they fired.
    pub timers_stale: Counter,
    /// How late the latest timer fired, in microseconds.
    pub timer_lag_us: Gauge,
    /// Events behind the head that the outbox has yet to publish.
    pub outbox_lag: Gauge,
    /// Messages published.
    pub outbox_published: Counter,
    /// Events that a projection could not read; they are logged and passed over.
    pub projection_errors: Counter,
    /// Deliveries to consumers, with those that were made again.
    pub consumer_deliveries: Counter,
    /// Deliveries that failed and are made again.
    pub consumer_failures: Counter,
    /// Events that were parked as dead letters.
    pub consumer_parked: Counter,
    /// Consumers' handlers that panicked.
    pub consumer_panics: Counter,
}
