//! The promises of the in-process locks and of both clocks.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use sagaline_storage::Timestamp;
use sagaline_storage::clock::{Clock, SystemClock};
use sagaline_storage::conformance::clock;
use sagaline_storage::conformance::lock::{self, LocksFactory};
use sagaline_storage::lock::LockService;
use sagaline_storage::memory::{LocalLocks, ManualClock};

const TTL: Duration = Duration::from_secs(10);

struct ByHand(ManualClock);

impl LocksFactory for ByHand {
    type Locks = LocalLocks<ManualClock>;

    async fn create(&self) -> Self::Locks {
        LocalLocks::new(self.0.clone())
    }

    fn ttl(&self) -> Duration {
        TTL
    }

    async fn pass(&self, time: Duration) {
        self.0.advance(time);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_locks_keep_every_promise() {
    lock::run_all(&ByHand(ManualClock::default())).await;
}

#[tokio::test]
async fn step_of_wall_time_neither_ends_a_lease_nor_prolongs_it() {
    let clock = ManualClock::default();
    let locks = LocalLocks::new(clock.clone());
    let lease = locks.acquire("r", "a", TTL).await.unwrap().unwrap();
    clock.step_wall(Timestamp(u64::MAX));
    assert_eq!(locks.renew(&lease).await, Ok(true));
    clock.step_wall(Timestamp(0));
    clock.advance(TTL - Duration::from_nanos(1));
    assert_eq!(locks.inspect("r").await.unwrap().unwrap().remaining, Duration::from_nanos(1));
    clock.advance(Duration::from_nanos(1));
    assert_eq!(locks.inspect("r").await, Ok(None));
}

#[tokio::test]
async fn longest_lease_does_not_overflow() {
    let clock = ManualClock::default();
    clock.advance(TTL);
    let locks = LocalLocks::new(clock);
    let lease = locks.acquire("r", "a", Duration::MAX).await.unwrap().unwrap();
    assert_eq!(locks.renew(&lease).await, Ok(true));
}

#[tokio::test]
async fn system_clock_keeps_every_promise() {
    clock::run_all(&SystemClock::default()).await;
}

#[tokio::test]
async fn manual_clock_keeps_every_promise() {
    let clock = ManualClock::default();
    let moved = clock.clone();
    let mover = tokio::spawn(async move {
        loop {
            moved.run_for(Duration::from_millis(1)).await;
        }
    });
    clock::run_all(&clock).await;
    mover.abort();
    assert!(clock.monotonic() > Duration::ZERO);
}
