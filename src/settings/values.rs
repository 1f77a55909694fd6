//! The kinds of values settings have. No behaviour: whoever is handed one decides what it does.

use std::fmt;
use std::time::Duration;

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes what must not be shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The value itself, for the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(********)")
    }
}

/// So many within so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// Within what time.
    pub per: Duration,
}

/// Where events, locks and messages live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendKind {
    /// One process on one machine.
    Embedded,
    /// PostgreSQL, Redis and Kafka, shared by several nodes.
    Cluster,
}

impl BackendKind {
    pub(super) const WORDS: &[(&str, Self)] =
        &[("embedded", Self::Embedded), ("cluster", Self::Cluster)];
}

/// Whom a product in flight is locked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProductLockScope {
    /// Every customer.
    Product,
    /// The customer who orders it.
    Customer,
}

impl ProductLockScope {
    pub(super) const WORDS: &[(&str, Self)] =
        &[("product", Self::Product), ("customer", Self::Customer)];
}

/// Which payment gateway is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayKind {
    /// The one in this process, with test tokens.
    Fake,
    /// A remote one.
    Http,
}

impl GatewayKind {
    pub(super) const WORDS: &[(&str, Self)] = &[("fake", Self::Fake), ("http", Self::Http)];
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl LogFormat {
    pub(super) const WORDS: &[(&str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

/// A filter of log lines in the notation of `tracing_subscriber::EnvFilter`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevel(pub(super) String);

impl LogLevel {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
