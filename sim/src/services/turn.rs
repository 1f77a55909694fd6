//! Letting others run, without letting time pass.

use std::future::poll_fn;
use std::task::Poll;

/// Every other task that can run may get a turn before this one goes on.
pub(super) async fn give_turn() {
    let mut given = false;
    poll_fn(|context| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
