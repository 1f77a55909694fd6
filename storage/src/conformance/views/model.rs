//! Random changes, beside a model that is too simple to be wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::event_store::Direction;
use crate::stream::GlobalPosition;
use crate::views::{
    Checkpoint, SecondaryKey, ViewBatch, ViewChange, ViewError, ViewQuery, ViewStore,
};

use super::ViewsFactory;
use super::samples::{pages, scan, secondary};

/// Views that are changed.
pub const VIEWS: [&str; 2] = ["orders", "orders@2"];
/// Their indexes.
pub const INDEXES: [&str; 2] = ["by_user", "by_state"];
/// The partitions of each.
pub const PARTITIONS: [&[u8]; 4] = [b"", b"a", b"a\0", b"a\0\x01"];
/// Sorts within a partition.
pub const SORTS: [&[u8]; 4] = [b"", b"\0", b"1", b"1\0"];
/// Primary keys.
pub const KEYS: [&[u8]; 6] = [b"\0", b"\0\x01", b"k", b"k\0", b"k1", b"\xFF"];
/// Subscriptions.
pub const SUBSCRIPTIONS: [&str; 2] = ["s", "s2"];

/// Something done to a store.
#[derive(Debug, Clone)]
pub enum Op {
    /// A commit, perhaps from a checkpoint that has moved.
    Commit(ViewBatch),
    /// A view is cleared, perhaps with a checkpoint.
    Clear {
        /// The view.
        view: Arc<str>,
        /// The subscription whose checkpoint goes.
        subscription: Option<Arc<str>>,
    },
    /// Everything so far is to survive.
    Flush,
}

type Documents = BTreeMap<Bytes, (Bytes, Vec<SecondaryKey>)>;

/// What a store should hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    views: BTreeMap<Arc<str>, Documents>,
    checkpoints: BTreeMap<Arc<str>, GlobalPosition>,
}

impl Model {
    /// What a commit should answer; afterwards the model holds what the store should.
    pub fn commit(&mut self, batch: &ViewBatch) -> Result<(), ViewError> {
        for Checkpoint { subscription, before, .. } in &batch.checkpoints {
            let actual = self.checkpoints.get(subscription).copied();
            if actual != *before {
                let (subscription, expected) = (Arc::clone(subscription), *before);
                return Err(ViewError::CheckpointMoved { subscription, expected, actual });
            }
        }
        for Checkpoint { subscription, after, .. } in &batch.checkpoints {
            self.checkpoints.insert(Arc::clone(subscription), *after);
        }
        for (view, change) in &batch.changes {
            let documents = self.views.entry(Arc::clone(view)).or_default();
            match change.clone() {
                ViewChange::Put { key, document, secondary } => {
                    documents.insert(key, (document, secondary));
                }
                ViewChange::Delete { key } => {
                    documents.remove(&key);
                }
            }
        }
        Ok(())
    }

    fn clear(&mut self, view: &str, subscription: Option<&str>) {
        self.views.remove(view);
        subscription.and_then(|subscription| self.checkpoints.remove(subscription));
    }

    /// Where a subscription should stand.
    pub fn checkpoint(&self, subscription: &str) -> Option<GlobalPosition> {
        self.checkpoints.get(subscription).copied()
    }

    fn partition(&self, view: &str, index: &str, partition: &[u8]) -> Vec<(Bytes, Bytes)> {
        let mut found = Vec::new();
        for (key, (document, secondary)) in self.views.get(view).into_iter().flatten() {
            let here =
                |place: &&SecondaryKey| &*place.index == index && place.partition == partition;
            if let Some(place) = secondary.iter().find(here) {
                found.push((place.sort.clone(), key.clone(), document.clone()));
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(_, key, document)| (key, document)).collect()
    }

    /// Every answer that the store can give is the model's.
    pub async fn assert_equals<S: ViewStore>(&self, store: &S) {
        for view in VIEWS {
            let stored = self.views.get(view).into_iter().flatten();
            let documents: Vec<_> = stored.map(|(k, (d, _))| (k.clone(), d.clone())).collect();
            assert_eq!(scan(store, view, 2).await, documents, "documents of {view}");
            for key in KEYS {
                let wanted = documents.iter().find(|(stored, _)| stored == key);
                assert_eq!(store.get(view, key).await, Ok(wanted.map(|(_, d)| d.clone())));
            }
            for index in INDEXES {
                for partition in PARTITIONS {
                    self.assert_partition_equals(store, view, index, partition).await;
                }
            }
        }
        for name in SUBSCRIPTIONS {
            assert_eq!(store.checkpoint(name).await, Ok(self.checkpoint(name)), "of {name}");
        }
    }

    async fn assert_partition_equals<S: ViewStore>(
        &self,
        store: &S,
        view: &str,
        index: &str,
        partition: &[u8],
    ) {
        let place = format!("{view}/{index}/{partition:?}");
        let mut wanted = self.partition(view, index, partition);
        let count = store.count(view, index, partition).await;
        assert_eq!(count, Ok(wanted.len() as u64), "count of {place}");
        for direction in [Direction::Forward, Direction::Backward] {
            let (view, index) = (view.into(), index.into());
            let partition = Bytes::copy_from_slice(partition);
            let (after, list) = (None, None);
            let query =
                ViewQuery { view, index, partition, direction, after, list, skip: 0, limit: 2 };
            assert_eq!(pages(store, query).await, wanted, "{direction:?} {place}");
            wanted.reverse();
        }
    }
}

/// The store answers every operation as the model does, and holds the same after each of them.
pub async fn operations_equal_a_model<S: ViewStore>(store: &S, ops: Vec<Op>) {
    let mut model = Model::default();
    for op in ops {
        match op {
            Op::Commit(batch) => {
                let wanted = model.commit(&batch);
                assert_eq!(store.commit(batch).await, wanted);
            }
            Op::Clear { view, subscription } => {
                model.clear(&view, subscription.as_deref());
                assert_eq!(store.clear(&view, subscription.as_deref()).await, Ok(()));
            }
            Op::Flush => assert_eq!(store.flush().await, Ok(())),
        }
        model.assert_equals(store).await;
    }
}

/// The same for the operations of a seed.
pub async fn random_changes_equal_a_model<F: ViewsFactory>(factory: &F, seed: u64) {
    operations_equal_a_model(&factory.create().await, random_ops(seed, 40)).await;
}

/// Operations drawn from `seed`: mostly commits, mostly from the right checkpoint.
pub fn random_ops(seed: u64, count: usize) -> Vec<Op> {
    let (mut draw, mut model) = (Draw(seed), Model::default());
    (0..count).map(|_| draw.op(&mut model)).collect()
}

/// SplitMix64: good enough to choose with, and the same everywhere.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((word ^ (word >> 31)) % end as u64) as usize
    }

    fn of<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[self.below(N)]
    }

    fn op(&mut self, model: &mut Model) -> Op {
        match self.below(20) {
            0 => {
                let view: Arc<str> = self.of(VIEWS).into();
                let subscription: Option<Arc<str>> =
                    (self.below(2) == 0).then(|| self.of(SUBSCRIPTIONS).into());
                model.clear(&view, subscription.as_deref());
                Op::Clear { view, subscription }
            }
            1 => Op::Flush,
            _ => {
                let changes =
                    (0..self.below(5)).map(|_| (self.of(VIEWS).into(), self.change())).collect();
                let batch = ViewBatch { changes, checkpoints: self.checkpoints(model) };
                // The answer matters to the store under test; here only where a subscription stands.
                let _refused = model.commit(&batch);
                Op::Commit(batch)
            }
        }
    }

    fn change(&mut self) -> ViewChange {
        let key = Bytes::from_static(self.of(KEYS));
        if self.below(4) == 0 {
            return ViewChange::Delete { key };
        }
        let document = Bytes::copy_from_slice(&self.below(1_000).to_be_bytes());
        let mut places = BTreeMap::new();
        for _ in 0..self.below(4) {
            places.insert((self.of(INDEXES), self.of(PARTITIONS)), self.of(SORTS));
        }
        let secondary =
            places.into_iter().map(|((index, part), sort)| secondary(index, part, sort)).collect();
        ViewChange::Put { key, document, secondary }
    }

    fn checkpoints(&mut self, model: &Model) -> Vec<Checkpoint> {
        let drawn = [self.checkpoint(model), self.checkpoint(model)];
        let mut checkpoints: Vec<_> = drawn.into_iter().flatten().collect();
        checkpoints.dedup_by(|one, other| one.subscription == other.subscription);
        checkpoints
    }

    fn checkpoint(&mut self, model: &Model) -> Option<Checkpoint> {
        let subscription = self.of(SUBSCRIPTIONS);
        let stands = model.checkpoint(subscription);
        let step = self.below(3) as u64;
        let subscription = subscription.into();
        match self.below(8) {
            0 | 1 => None,
            2 => {
                let before = Some(GlobalPosition(1_000_000));
                Some(Checkpoint { subscription, before, after: GlobalPosition(1_000_001) })
            }
            _ => {
                let after = GlobalPosition(stands.map_or(0, |position| position.0) + step);
                Some(Checkpoint { subscription, before: stands, after })
            }
        }
    }
}
