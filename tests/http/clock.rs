//! The system's clock, which a test can put forward.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sagaline_storage::clock::SystemClock;
use sagaline_storage::{Clock, Timestamp};

/// Wall time runs ahead by as much as was said; what is slept goes by the real one.
#[derive(Debug, Clone, Default)]
pub(crate) struct LaterClock {
    system: SystemClock,
    ahead_us: Arc<AtomicU64>,
}

impl LaterClock {
    /// From now on it is so much later.
    pub(crate) fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_micros()).unwrap();
        self.ahead_us.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for LaterClock {
    fn now(&self) -> Timestamp {
        self.system.now().after(Duration::from_micros(self.ahead_us.load(Ordering::SeqCst)))
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        self.system.sleep(duration)
    }
}
