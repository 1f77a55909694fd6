//! Simulated waiting, for scenarios and clients. Costs no real time.

use std::time::Duration;

use sagaline_storage::Clock;
use sagaline_storage::clock::SystemClock;

/// Returns when so many simulated milliseconds have passed.
pub async fn pause_ms(ms: u64) {
    SystemClock::default().sleep(Duration::from_millis(ms)).await;
}
