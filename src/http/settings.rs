//! The bounds of the HTTP edge: plain values with their reasons. Made by the binary from its settings, or
//! by whoever embeds the node; enforced in [`super::serve`], [`super::edge`] and [`super::body`].

use std::time::Duration;

/// What the edge accepts, and for how long it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Longest request body in bytes; longer ones get 413. An order of 100 items with the longest names
    /// has 60 KiB.
    pub body_bytes_max: usize,
    /// Within this a body must have arrived, or 408. Bounds what a slow sender can hold.
    pub body_timeout: Duration,
    /// Within this a request's headers must have arrived; also how long an idle connection is kept.
    pub header_timeout: Duration,
    /// Within this a request must be answered, or 503; what the caller asked to wait comes on top.
    pub request_timeout: Duration,
    /// Requests in progress at once; one more gets 503 with `Retry-After`.
    pub requests_max: usize,
    /// Connections at once; one more waits in the listener's backlog.
    pub connections_max: usize,
    /// How long requests in progress may take to finish when the node stops.
    pub drain: Duration,
    /// Attempts to log in that fail, per account and per address and minute, before 429.
    pub login_failures_per_minute: u32,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            body_bytes_max: 1024 * 1024,
            body_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(15),
            requests_max: 2_048,
            connections_max: 4_096,
            drain: Duration::from_secs(15),
            login_failures_per_minute: 20,
        }
    }
}
