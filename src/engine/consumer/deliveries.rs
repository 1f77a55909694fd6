//! The deliveries of a group that are under way. Used by [`super::runner`].
//!
//! As with a saga's calls ([`crate::engine::under_way`]) nobody waits for something else without looking at
//! them: a handler may hold what that waits for.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::engine::outcome::Outcome;
use crate::engine::step::BoxFuture;

use super::ack::Ack;

/// Those that have begun.
#[derive(Default)]
pub(super) struct Deliveries {
    running: FuturesUnordered<BoxFuture<'static, Ended>>,
    /// What has ended and nobody has asked for yet.
    ended: VecDeque<Ended>,
}

/// A delivery that has ended.
pub(super) struct Ended {
    pub(super) position: u64,
    pub(super) outcome: Outcome<Ack>,
}

impl Deliveries {
    pub(super) fn begin(&mut self, delivery: BoxFuture<'static, Ended>) {
        self.running.push(delivery);
    }

    /// Nothing will come out of [`Self::next`] any more.
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty() && self.ended.is_empty()
    }

    /// The next that ends; none: there is none. Dropping the future of this loses nothing.
    pub(super) async fn next(&mut self) -> Option<Ended> {
        match self.ended.pop_front() {
            Some(ended) => Some(ended),
            None => self.running.next().await,
        }
    }

    /// What `work` gives. The deliveries go on meanwhile; what ends of them comes out of the next
    /// [`Self::next`].
    pub(super) async fn beside<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            let done = work.as_mut().poll(context);
            if done.is_pending() {
                while let Poll::Ready(Some(ended)) = self.running.poll_next_unpin(context) {
                    self.ended.push_back(ended);
                }
            }
            done
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_handler_that_is_given_its_turn_in_a_line_takes_it_while_the_group_waits_in_the_same_line()
    {
        let line = Arc::new(tokio::sync::Mutex::new(()));
        let first = line.clone().try_lock_owned().unwrap();
        let (mut deliveries, its_line) = (Deliveries::default(), line.clone());
        deliveries.begin(Box::pin(async move {
            drop(its_line.lock().await);
            Ended { position: 7, outcome: Ok(Ack::new()) }
        }));
        assert!(deliveries.next().now_or_never().is_none(), "it stands in the line");
        drop(first);
        let work = async { drop(line.lock().await) };
        let mut beside = Box::pin(deliveries.beside(work));
        let done = beside.as_mut().now_or_never().or_else(|| beside.as_mut().now_or_never());
        drop(beside);
        assert_eq!(done, Some(()), "the turn was the handler's, and is the work's then");
        assert_eq!(deliveries.next().now_or_never().flatten().map(|it| it.position), Some(7));
        assert!(deliveries.is_empty());
    }
}
