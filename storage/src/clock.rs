//! Time and randomness. The only file of the product that may read the system's.

use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Wall time in microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This instant, `duration` later; saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// Whole milliseconds since the epoch.
    pub fn millis(self) -> u64 {
        self.0 / 1_000
    }
}

/// Two different questions: what time it is for people, and how much time has passed.
pub trait Clock: Clone + Send + Sync + 'static {
    /// Wall time. May step in either direction; never used to decide who owns something.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment of this process; never goes back.
    fn monotonic(&self) -> Duration;

    /// Returns when at least `duration` of monotonic time has passed.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// Random bytes.
pub trait Entropy: Clone + Send + Sync + 'static {
    /// Fills `bytes` with unpredictable bytes: good enough for secrets.
    fn fill(&self, bytes: &mut [u8]);

    /// A uniformly drawn number.
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A UUIDv7 of this instant.
    fn uuid_v7(&self, now: Timestamp) -> Uuid {
        let mut bytes = [0; 10];
        self.fill(&mut bytes);
        uuid::Builder::from_unix_timestamp_millis(now.millis(), &bytes).into_uuid()
    }
}

/// The operating system's clock (under madsim: the simulated one).
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: tokio::time::Instant,
}

impl Default for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn default() -> Self {
        Self { start: tokio::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp::default().after(since_epoch.unwrap_or_default())
    }

    #[allow(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn monotonic(&self) -> Duration {
        tokio::time::Instant::now().duration_since(self.start)
    }

    #[allow(clippy::disallowed_methods, reason = "the one place that sleeps on the system's timer")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The operating system's random numbers, through a per-thread generator (under madsim: the seed's).
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the system's randomness"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        rand::RngCore::fill_bytes(&mut rand::rng(), bytes);
    }
}
