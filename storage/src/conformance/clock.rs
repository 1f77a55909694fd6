//! The promises of a [`Clock`].
//!
//! Called by the tests of its adapters. A clock that stands still must be moved by another task.

use std::time::Duration;

use crate::clock::Clock;

/// All of them.
pub async fn run_all<C: Clock>(clock: &C) {
    monotonic_time_never_goes_back(clock).await;
    sleep_lasts_its_time_at_least(clock).await;
    clones_are_one_clock(clock).await;
    sleep_can_be_dropped(clock).await;
}

const SHORT: Duration = Duration::from_millis(3);

/// Not while time passes either.
pub async fn monotonic_time_never_goes_back<C: Clock>(clock: &C) {
    let mut last = clock.monotonic();
    for round in 0..1_000 {
        if round % 250 == 0 {
            clock.sleep(SHORT).await;
        }
        let now = clock.monotonic();
        assert!(now >= last, "{now:?} after {last:?}");
        last = now;
    }
}

/// By the monotonic time; no time at all also returns.
pub async fn sleep_lasts_its_time_at_least<C: Clock>(clock: &C) {
    for duration in [Duration::ZERO, Duration::from_micros(1), SHORT, SHORT * 3] {
        let before = clock.monotonic();
        clock.sleep(duration).await;
        let slept = clock.monotonic().saturating_sub(before);
        assert!(slept >= duration, "slept {slept:?}, not {duration:?}");
    }
}

/// What passes for one passes for the other.
pub async fn clones_are_one_clock<C: Clock>(clock: &C) {
    let other = clock.clone();
    let before = other.monotonic();
    clock.sleep(SHORT).await;
    assert!(other.monotonic() >= before + SHORT);
    assert!(clock.monotonic() >= other.monotonic().min(before + SHORT));
}

/// The other sleepers are not disturbed.
pub async fn sleep_can_be_dropped<C: Clock>(clock: &C) {
    let before = clock.monotonic();
    let long = clock.sleep(Duration::from_secs(1_000_000));
    let short = clock.sleep(SHORT);
    tokio::select! {
        biased;
        () = long => panic!("a million seconds have passed"),
        () = short => {}
    }
    assert!(clock.monotonic() >= before + SHORT);
}
