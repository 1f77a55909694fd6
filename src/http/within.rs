//! A bound on how long a future may take, by the backend's clock. Called wherever HTTP waits.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use sagaline_storage::Clock;

/// The future's output, or nothing when `limit` passed first; the future is dropped then. When both are
/// due at once the output wins.
pub(super) async fn within<C: Clock, F: Future>(
    clock: &C,
    limit: Duration,
    future: F,
) -> Option<F::Output> {
    match select(pin!(future), pin!(clock.sleep(limit))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(((), _)) => None,
    }
}
