//! The tasks of a node whose handles nobody keeps, those of its sagas above all: whether one is left. Each
//! holds the node's store until it is gone, so a node that gives its store back waits for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How many there are.
#[derive(Default)]
pub(crate) struct Tasks(Arc<Counted>);

#[derive(Default)]
struct Counted {
    left: AtomicUsize,
    none_left: Notify,
}

/// One of them. The task drops it behind everything else that it holds.
pub(crate) struct Task(Arc<Counted>);

impl Tasks {
    /// One more, until what is returned is dropped.
    pub(crate) fn begin(&self) -> Task {
        self.0.left.fetch_add(1, Ordering::AcqRel);
        Task(self.0.clone())
    }

    /// Returns when none is left.
    pub(crate) async fn gone(&self) {
        loop {
            // Before the look: whoever goes behind it is heard.
            let none_left = self.0.none_left.notified();
            if self.0.left.load(Ordering::Acquire) == 0 {
                return;
            }
            none_left.await;
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.0.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none_left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn whoever_waits_hears_when_the_last_one_is_gone() {
        let tasks = Tasks::default();
        assert_eq!(tasks.gone().now_or_never(), Some(()));
        let (one, other) = (tasks.begin(), tasks.begin());
        let mut gone = pin!(tasks.gone());
        assert_eq!(gone.as_mut().now_or_never(), None);
        drop(one);
        assert_eq!(gone.as_mut().now_or_never(), None);
        drop(other);
        assert_eq!(gone.now_or_never(), Some(()));
    }
}
