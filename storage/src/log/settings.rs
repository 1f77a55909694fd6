//! The log's bounds: limits that are part of its contract, and settings that trade memory for speed.

/// Events of one append, over all its streams: the length of the appender's longest step.
pub const EVENTS_PER_APPEND_MAX: usize = 1_000;

/// Streams written or checked by one append: each may cost a read before the write.
pub const STREAMS_PER_APPEND_MAX: usize = 256;

/// Claims changed by one append: each may cost a read before the write.
pub const CLAIMS_PER_APPEND_MAX: usize = 256;

/// Payload of one event. Pages are read into memory; bigger things belong elsewhere, with a reference.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// All records of one append: it is one write, and the writes behind it wait for it.
pub const APPEND_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Shards of one call to raise epochs: all of a node's, with room.
pub const SHARDS_PER_RAISE_MAX: usize = 4_096;

/// Events of one page.
pub const READ_LIMIT_MAX: usize = 10_000;

/// Values of a running log; all bounds on memory. The defaults hold a busy node under 60 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// Appends that wait or are being written, in bytes of records (at least 1 KiB each). Callers beyond
    /// wait before they queue. Never below [`APPEND_BYTES_MAX`]: a bigger append would wait for ever.
    pub queue_bytes_max: usize,
    /// Requests in one write. More gain nothing (the sync is shared already) and cost the first ones time.
    pub batch_requests_max: usize,
    /// Records in one write, in bytes, before no further request is added to it.
    pub batch_bytes_max: usize,
    /// Newest events kept for subscribers and loads at the tail of the log.
    pub ring_events_max: usize,
    /// The same, in bytes of payloads and names.
    pub ring_bytes_max: usize,
    /// Streams whose heads are kept; one that is not costs two reads at its next append. Twice as many
    /// may be in memory.
    pub streams_cached: usize,
    /// Claims whose holders are kept.
    pub claims_cached: usize,
    /// Newest append ids whose results are kept; older ones are read when they are repeated.
    pub append_ids_cached: usize,
    /// Records looked at by one filtered read before it comes back with a shorter page.
    pub page_examined_max: usize,
    /// Bytes of records read by one page before it comes back shorter.
    pub page_bytes_max: usize,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            queue_bytes_max: 32 * 1024 * 1024,
            batch_requests_max: 1_024,
            batch_bytes_max: 4 * 1024 * 1024,
            ring_events_max: 16_384,
            ring_bytes_max: 8 * 1024 * 1024,
            streams_cached: 32_768,
            claims_cached: 8_192,
            append_ids_cached: 4_096,
            page_examined_max: 10_000,
            page_bytes_max: 8 * 1024 * 1024,
        }
    }
}
