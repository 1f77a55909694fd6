//! The few things a saga waits for at the same time: its calls, its timers.
//!
//! Architecture invariant: nobody holds a call that was begun and waits for something else without looking at
//! it. A call may stand in a line (for a connection, a place, a lock) and be given its turn there while
//! nobody looks at it; if what its holder waits for stands behind it in the same line, both wait for ever.
//! `beside` is the way to wait for something else.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Futures by what they are for. There are as many as steps at the most, mostly one or none, so all are
/// looked at when the task is woken: that is cheaper than knowing which one woke it. Clones are the same.
pub(crate) struct UnderWay<K, T>(Arc<Mutex<Futures<K, T>>>);

struct Futures<K, T> {
    begun: Vec<(K, Pending<T>)>,
    /// What has ended and nobody has asked for yet.
    ended: VecDeque<(K, T)>,
}

impl<K, T> Clone for UnderWay<K, T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Copy, T> UnderWay<K, T> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Futures { begun: Vec::new(), ended: VecDeque::new() })))
    }

    /// Nothing will come out of [`Self::next`] any more.
    pub(crate) fn is_empty(&self) -> bool {
        let futures = self.0.lock();
        futures.begun.is_empty() && futures.ended.is_empty()
    }

    pub(crate) fn begin(&self, what: K, future: impl Future<Output = T> + Send + 'static) {
        self.0.lock().begun.push((what, Box::pin(future)));
    }

    /// Whether something will come out of [`Self::next`] that was begun for `what`.
    pub(crate) fn holds(&self, what: K) -> bool
    where
        K: PartialEq,
    {
        let futures = self.0.lock();
        let begun = futures.begun.iter().map(|(known, _)| *known);
        begun.chain(futures.ended.iter().map(|(known, _)| *known)).any(|known| known == what)
    }

    /// Drops what `given_up` picks.
    pub(crate) fn give_up(&self, given_up: impl Fn(K) -> bool) {
        let mut futures = self.0.lock();
        futures.begun.retain(|(what, _)| !given_up(*what));
        futures.ended.retain(|(what, _)| !given_up(*what));
    }

    pub(crate) fn clear(&self) {
        self.give_up(|_| true);
    }

    /// The next that ends, the oldest first; waits for ever while there is none. Dropping the future of
    /// this loses nothing.
    pub(crate) async fn next(&self) -> (K, T) {
        poll_fn(|context| {
            let mut futures = self.0.lock();
            if futures.ended.is_empty() {
                futures.look(context, 1);
            }
            futures.ended.pop_front().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// What `work` gives. Whatever is under way goes on meanwhile; what ends of it comes out of the next
    /// [`Self::next`].
    pub(crate) async fn beside<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            let done = work.as_mut().poll(context);
            if done.is_pending() {
                self.0.lock().look(context, usize::MAX);
            }
            done
        })
        .await
    }
}

impl<K: Copy, T> Futures<K, T> {
    /// Lets them go on, until so many have ended.
    fn look(&mut self, context: &mut Context<'_>, most: usize) {
        let Self { begun, ended } = self;
        let mut left = most;
        begun.retain_mut(|(what, future)| {
            if left == 0 {
                return true;
            }
            let Poll::Ready(done) = future.as_mut().poll(context) else { return true };
            ended.push_back((*what, done));
            left -= 1;
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn what_ends_comes_out_oldest_first_and_once() {
        let under_way = UnderWay::new();
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
        let under_way = UnderWay::new();
        under_way.begin(1, ready(()));
        under_way.begin(2, ready(()));
        under_way.begin(3, ready(()));
        under_way.give_up(|what| what == 1);
        assert_eq!([1, 2].map(|what| under_way.holds(what)), [false, true]);
        let elsewhere = pending::<()>();
        assert_eq!(under_way.beside(elsewhere).now_or_never(), None, "2 and 3 have ended");
        assert!(under_way.holds(2), "it has not come out yet");
        under_way.give_up(|what| what == 2);
        assert_eq!(under_way.next().now_or_never(), Some((3, ())));
        assert!(under_way.is_empty());
    }

    #[test]
    fn a_call_that_is_given_its_turn_in_a_line_takes_it_though_its_holder_waits_in_the_same_line() {
        let line = Arc::new(tokio::sync::Mutex::new(()));
        let first = line.clone().try_lock_owned().unwrap();
        let (under_way, its_line) = (UnderWay::new(), line.clone());
        under_way.begin(1, async move { drop(its_line.lock().await) });
        assert_eq!(under_way.next().now_or_never(), None, "it stands in the line");
        drop(first);
        let work = async { drop(line.lock().await) };
        let mut beside = pin!(under_way.beside(work));
        assert_eq!(beside.as_mut().now_or_never(), None, "the turn is the call's, which takes it");
        assert_eq!(beside.now_or_never(), Some(()), "and the work's then");
        assert_eq!(under_way.next().now_or_never(), Some((1, ())));
    }
}
