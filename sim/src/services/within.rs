//! Waiting with a bound, by a machine's own clock.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use sagaline_storage::Clock;

/// What `work` comes to, or none when `bound` has passed first. `work` is then dropped.
pub(crate) async fn within<T>(
    clock: &impl Clock,
    bound: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    let (mut work, mut passed) = (pin!(work), pin!(clock.sleep(bound)));
    tokio::select! {
        biased;
        done = &mut work => Some(done),
        () = &mut passed => None,
    }
}
