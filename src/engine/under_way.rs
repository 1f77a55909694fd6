//! The few things a saga waits for at the same time: its calls, its timers.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Futures by what they are for. There are as many as steps at the most, mostly one or none, so all are
/// looked at when the task is woken: that is cheaper than knowing which one woke it.
pub(crate) struct UnderWay<K, T>(Vec<(K, Pending<T>)>);

impl<K: Copy, T> UnderWay<K, T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn begin(&mut self, what: K, future: impl Future<Output = T> + Send + 'static) {
        self.0.push((what, Box::pin(future)));
    }

    /// Drops what `given_up` picks.
    pub(crate) fn give_up(&mut self, given_up: impl Fn(K) -> bool) {
        self.0.retain(|(what, _)| !given_up(*what));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The next that ends, the oldest first; waits for ever while there is none. Dropping the future of
    /// this loses nothing.
    pub(crate) async fn next(&mut self) -> (K, T) {
        poll_fn(|context| {
            for (place, (what, future)) in self.0.iter_mut().enumerate() {
                if let Poll::Ready(done) = future.as_mut().poll(context) {
                    let ended = (*what, done);
                    drop(self.0.remove(place));
                    return Poll::Ready(ended);
                }
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn what_ends_comes_out_oldest_first_and_once() {
        let mut under_way = UnderWay::new();
        under_way.begin(1, pending());
        under_way.begin(2, ready("b"));
        under_way.begin(3, ready("c"));
        assert_eq!(under_way.next().now_or_never(), Some((2, "b")));
        assert_eq!(under_way.next().now_or_never(), Some((3, "c")));
        assert_eq!(under_way.next().now_or_never(), None);
        assert!(!under_way.is_empty());
    }

    #[test]
    fn what_is_given_up_never_comes_out() {
        let mut under_way = UnderWay::new();
        under_way.begin(1, ready(()));
        under_way.begin(2, ready(()));
        under_way.give_up(|what| what == 1);
        assert_eq!(under_way.next().now_or_never(), Some((2, ())));
        assert!(under_way.is_empty());
    }
}
