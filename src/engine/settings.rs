//! What can be tuned in the engine: plain values with units.

/// Settings of one node's engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSettings {
    /// The node's name in every event it appends.
    pub node_id: String,
    /// Into how many shards sagas are divided. Fixed for the life of a store.
    pub shards: u32,
    /// More sagas under way than this are refused as `Overloaded`. A parked saga is not under way.
    pub sagas_live_max: usize,
    /// Calls to one participant at the same time.
    pub calls_per_participant_max: usize,
    /// By how many of its last outcomes a participant's circuit breaker judges; 1 to 64.
    pub breaker_outcomes: u32,
    /// How long it stays open before one call is let through.
    pub breaker_open_ms: u64,
    /// Retries per participant: this share of its first attempts, in percent.
    pub retry_budget_percent: u32,
    /// Retries per participant and second that are always allowed.
    pub retry_budget_min_per_s: u32,
    /// The most retries per participant that are saved up, and what each budget begins with.
    pub retry_burst: u32,
    /// How often a command is decided again after it lost a race.
    pub conflict_retries: u32,
    /// An aggregate's stream of at least so many events is loaded from a snapshot on; 2 to 10,000.
    pub snapshot_events: usize,
    /// Events a projection or the outbox takes at a time.
    pub subscription_batch: usize,
    /// This close to the log's head all followers read the same pages and pass over what they do not want;
    /// further behind each reads what it wants.
    pub tail_events: u64,
    /// How long the documents of a view that was replaced are kept, so that whoever began to read them comes
    /// to an end.
    pub retired_view_ms: u64,
    /// How long the bus lets a silent node keep its shards. What a node believes to own is held against the
    /// store twice within that time at least.
    pub lease_ms: u64,
    /// How long drain waits for calls that are under way.
    pub drain_timeout_ms: u64,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            node_id: "node-1".to_owned(),
            shards: 64,
            sagas_live_max: 100_000,
            calls_per_participant_max: 512,
            breaker_outcomes: 10,
            breaker_open_ms: 500,
            retry_budget_percent: 20,
            retry_budget_min_per_s: 10,
            retry_burst: 100,
            conflict_retries: 8,
            snapshot_events: 512,
            subscription_batch: 4_096,
            tail_events: 8_192,
            retired_view_ms: 10_000,
            lease_ms: 10_000,
            drain_timeout_ms: 10_000,
        }
    }
}
