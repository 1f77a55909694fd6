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

use parking_lot::RwLock;
use sagaline_storage::{Epoch, Shard};
use tokio::sync::{Notify, watch};

/// The shards of a node, each with the epoch under which it owns it.
pub(crate) struct Ownership {
    /// By shard; 0: not owned.
    epochs: RwLock<Vec<u64>>,
    /// Grows with every change.
    changes: watch::Sender<u64>,
    /// A shard was lost to another node without the bus having said so.
    losses: Notify,
}

impl Ownership {
    /// Of a node that owns none of `shards`.
    pub(crate) fn of_none(shards: u32) -> Self {
        let epochs = RwLock::new(vec![0; shards as usize]);
        Self { epochs, changes: watch::Sender::new(0), losses: Notify::new() }
    }

    /// The epoch under which the shard is owned, if it is.
    pub(crate) fn epoch(&self, shard: Shard) -> Option<u64> {
        let epoch = self.epochs.read().get(shard.0 as usize).copied();
        epoch.filter(|epoch| *epoch > 0)
    }

    pub(crate) fn owns(&self, shard: Shard) -> bool {
        self.epoch(shard).is_some()
    }

    /// The owned ones, in order.
    pub(crate) fn owned(&self) -> Vec<Shard> {
        let epochs = self.epochs.read();
        let owned = epochs.iter().zip(0..).filter(|(epoch, _)| **epoch > 0);
        owned.map(|(_, shard)| Shard(shard)).collect()
    }

    pub(crate) fn count(&self) -> u64 {
        self.epochs.read().iter().map(|epoch| u64::from(*epoch > 0)).sum()
    }

    /// Owned from now on, under these epochs.
    pub(crate) fn take(&self, taken: impl IntoIterator<Item = (Shard, Epoch)>) {
        let mut epochs = self.epochs.write();
        for (shard, epoch) in taken {
            if let Some(place) = epochs.get_mut(shard.0 as usize) {
                *place = epoch.0;
            }
        }
        drop(epochs);
        self.changed();
    }

    /// Not owned from now on.
    pub(crate) fn give_up(&self, shards: &[Shard]) {
        let mut epochs = self.epochs.write();
        for shard in shards {
            if let Some(place) = epochs.get_mut(shard.0 as usize) {
                *place = 0;
            }
        }
        drop(epochs);
        self.changed();
    }

    /// Another node has the shard, under `current`. False: it is not owned, or was taken again since.
    pub(crate) fn lose(&self, shard: Shard, current: Epoch) -> bool {
        let mut epochs = self.epochs.write();
        let Some(place) = epochs.get_mut(shard.0 as usize) else { return false };
        if *place == 0 || *place >= current.0 {
            return false;
        }
        *place = 0;
        drop(epochs);
        self.changed();
        self.losses.notify_one();
        true
    }

    /// Tells of every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Returns when a shard was lost to another node since the last time.
    pub(crate) async fn lost(&self) {
        self.losses.notified().await;
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }
}

#[cfg(test)]
mod tests {
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
        let mut changes = ownership.changes();
        assert!(!changes.has_changed().unwrap());
        ownership.take([(ONE, Epoch(1))]);
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        assert!(ownership.lose(ONE, Epoch(2)));
        assert!(changes.has_changed().unwrap());
    }
}
