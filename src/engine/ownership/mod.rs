//! Which shards this node owns, and what follows from that. Embedded, a node owns all of them from its
//! start; over a log that other nodes share they are divided by a consumer group of the bus.
//!
//! ```text
//! bus ── assigned, revoked ──> group ── raise epochs ──> Ownership ──> actors, new sagas
//!                                                            └──────> duty: projections, outbox
//! log ── what other nodes wrote ──> tail ──> actors reload, waiters look
//! requests for sagas of others ──> elsewhere ──> log
//! ```
//!
//! Architecture invariant: what the bus says is a hint about who should own a shard; only the epoch that
//! the store checks inside an append is a proof. So nothing here asks the bus before it writes.

pub(crate) mod duty;
pub(crate) mod elsewhere;
pub(crate) mod group;
pub(crate) mod partitions;
pub(crate) mod tail;
pub(crate) mod watched;

use sagaline_storage::{Epoch, Shard};
use tokio::sync::{Notify, watch};

/// The shards of a node, each with the epoch under which it owns it.
pub(crate) struct Ownership {
    /// By shard; 0: not owned. Tells of every change.
    epochs: watch::Sender<Vec<u64>>,
    /// A shard was lost to another node without the bus having said so.
    losses: Notify,
}

/// The shards of a node as they come and go. It keeps nothing of the node alive.
#[derive(Debug, Clone)]
pub struct ShardWatch(watch::Receiver<Vec<u64>>);

impl ShardWatch {
    /// The shards that the node owns now, in order, each with the epoch under which it does.
    pub fn owned(&mut self) -> Vec<(Shard, Epoch)> {
        owned(&self.0.borrow_and_update()).collect()
    }

    /// Returns when something has changed since [`Self::owned`] was last asked. False: the node is gone.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

impl Ownership {
    /// Of a node that owns none of `shards`.
    pub(crate) fn of_none(shards: u32) -> Self {
        Self { epochs: watch::Sender::new(vec![0; shards as usize]), losses: Notify::new() }
    }

    /// The epoch under which the shard is owned, if it is.
    pub(crate) fn epoch(&self, shard: Shard) -> Option<u64> {
        let epoch = self.epochs.borrow().get(shard.0 as usize).copied();
        epoch.filter(|epoch| *epoch > 0)
    }

    pub(crate) fn owns(&self, shard: Shard) -> bool {
        self.epoch(shard).is_some()
    }

    /// The owned ones, in order.
    pub(crate) fn owned(&self) -> Vec<Shard> {
        owned(&self.epochs.borrow()).map(|(shard, _)| shard).collect()
    }

    pub(crate) fn count(&self) -> u64 {
        self.epochs.borrow().iter().map(|epoch| u64::from(*epoch > 0)).sum()
    }

    /// Owned from now on, under these epochs.
    pub(crate) fn take(&self, taken: impl IntoIterator<Item = (Shard, Epoch)>) {
        self.epochs.send_modify(|epochs| {
            for (shard, epoch) in taken {
                if let Some(place) = epochs.get_mut(shard.0 as usize) {
                    *place = epoch.0;
                }
            }
        });
    }

    /// Not owned from now on.
    pub(crate) fn give_up(&self, shards: &[Shard]) {
        self.take(shards.iter().map(|shard| (*shard, Epoch(0))));
    }

    /// Another node has the shard, under `current`. False: it is not owned, or was taken again since.
    pub(crate) fn lose(&self, shard: Shard, current: Epoch) -> bool {
        let lost = self.epochs.send_if_modified(|epochs| {
            let owned = |epoch: &&mut u64| **epoch > 0 && **epoch < current.0;
            let place = epochs.get_mut(shard.0 as usize).filter(owned);
            place.map(|place| *place = 0).is_some()
        });
        if lost {
            self.losses.notify_one();
        }
        lost
    }

    /// Tells of every change.
    pub(crate) fn watch(&self) -> ShardWatch {
        ShardWatch(self.epochs.subscribe())
    }

    /// Returns when a shard was lost to another node since the last time.
    pub(crate) async fn lost(&self) {
        self.losses.notified().await;
    }
}

fn owned(epochs: &[u64]) -> impl Iterator<Item = (Shard, Epoch)> {
    let owned = epochs.iter().zip(0..).filter(|(epoch, _)| **epoch > 0);
    owned.map(|(epoch, shard)| (Shard(shard), Epoch(*epoch)))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const ONE: Shard = Shard(1);

    #[test]
    fn a_shard_is_owned_from_its_take_to_its_loss() {
        let ownership = Ownership::of_none(4);
        assert_eq!((ownership.epoch(ONE), ownership.count()), (None, 0));
        ownership.take([(ONE, Epoch(3)), (Shard(3), Epoch(1))]);
        assert_eq!(ownership.epoch(ONE), Some(3));
        assert_eq!(ownership.owned(), [ONE, Shard(3)]);
        ownership.give_up(&[Shard(3)]);
        assert!(ownership.lose(ONE, Epoch(4)));
        assert_eq!(ownership.count(), 0);
        assert!(!ownership.lose(ONE, Epoch(4)), "it is lost once");
    }

    #[test]
    fn news_of_an_older_loss_does_not_take_a_shard_that_was_taken_again() {
        let ownership = Ownership::of_none(4);
        ownership.take([(ONE, Epoch(5))]);
        assert!(!ownership.lose(ONE, Epoch(4)));
        assert!(!ownership.lose(ONE, Epoch(5)));
        assert_eq!(ownership.epoch(ONE), Some(5));
    }

    #[test]
    fn every_change_is_told() {
        let ownership = Ownership::of_none(4);
        let mut watch = ownership.watch();
        let mut told = || watch.changed().now_or_never();
        assert_eq!(told(), None);
        ownership.take([(ONE, Epoch(1))]);
        assert_eq!(told(), Some(true));
        assert_eq!(told(), None);
        assert!(ownership.lose(ONE, Epoch(2)));
        assert_eq!(told(), Some(true));
        drop(ownership);
        assert_eq!(told(), Some(false), "the node is gone");
    }

    #[test]
    fn a_watch_says_what_is_owned_under_which_epoch() {
        let ownership = Ownership::of_none(4);
        let mut watch = ownership.watch();
        ownership.take([(Shard(3), Epoch(1)), (ONE, Epoch(7))]);
        assert_eq!(watch.owned(), [(ONE, Epoch(7)), (Shard(3), Epoch(1))]);
        assert_eq!(watch.changed().now_or_never(), None, "it was just looked at");
    }
}
