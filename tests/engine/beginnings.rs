//! Where a consumer group began, behind a crash that takes every view that was not flushed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use sagaline::engine::{Ack, Begin, Consumer, Delivery, NodeBuilder, Outcome};
use sagaline::saga::Policy;
use sagaline_storage::backend::Parts;
use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::embedded::Local;
use sagaline_storage::kv::{Durability, Entry, Kv, Range, Space, WriteBatch};
use sagaline_storage::memory::{BusSettings, LocalBus, LocalLocks, MemoryKv};
use sagaline_storage::{GlobalPosition, Log, LogSettings, StorageError, ViewSettings, Views};

use crate::consumers::ring;
use crate::nodes::until;
use crate::trip;

/// Long enough for any machine; nobody waits for it.
const EVER: Duration = Duration::from_secs(600);

/// A store with a disk, to which views come when they are flushed and everything else at once.
#[derive(Clone, Default)]
struct Flushed {
    live: MemoryKv,
    disk: MemoryKv,
    unflushed: Arc<Mutex<Vec<WriteBatch>>>,
    /// So many of the next flushes fail.
    failures: Arc<AtomicUsize>,
}

impl Kv for Flushed {
    async fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), StorageError> {
        match batch.changes.first() {
            Some((Space::Views, ..)) => self.unflushed.lock().push(batch.clone()),
            Some(_) | None => self.disk.write(batch.clone(), durability).await?,
        }
        self.live.write(batch, durability).await
    }

    async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.live.get(space, key).await
    }

    async fn get_many(
        &self,
        space: Space,
        keys: Vec<Bytes>,
    ) -> Result<Vec<Option<Bytes>>, StorageError> {
        self.live.get_many(space, keys).await
    }

    async fn scan(&self, space: Space, range: Range) -> Result<Vec<Entry>, StorageError> {
        self.live.scan(space, range).await
    }

    async fn flush(&self, space: Space) -> Result<(), StorageError> {
        if space != Space::Views {
            return Ok(());
        }
        let one_less = |left: usize| left.checked_sub(1);
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            return Err(StorageError::unavailable("the disk is away"));
        }
        let batches = std::mem::take(&mut *self.unflushed.lock());
        for batch in batches {
            self.disk.write(batch, Durability::Synced).await?;
        }
        Ok(())
    }
}

async fn backend(kv: &Flushed) -> Local<Flushed, SystemClock, SystemEntropy> {
    let (clock, entropy) = (SystemClock::default(), SystemEntropy);
    let log = Log::open(kv.clone(), clock, &entropy, LogSettings::default());
    Parts {
        name: "flushed",
        shared: false,
        events: log.await.unwrap(),
        views: Views::new(kv.clone(), ViewSettings::default()),
        locks: LocalLocks::new(clock),
        bus: LocalBus::new(BusSettings::default()),
        clock,
        entropy,
    }
}

/// Sees only what comes; is done with nothing while it is held.
#[derive(Clone, Default)]
struct Late {
    seen: Arc<Mutex<Vec<u64>>>,
    held: bool,
}

impl Consumer for Late {
    const NAME: &'static str = "late";
    const CATEGORIES: &'static [&'static str] = &["door"];
    const BEGIN: Begin = Begin::Head;

    fn policy(&self) -> Policy {
        Policy { attempt_timeout_ms: 3_600_000, ..Policy::default() }
    }

    async fn consume(&self, delivery: &Delivery) -> Outcome<Ack> {
        self.seen.lock().push(delivery.envelope().version.0);
        match self.held {
            true => std::future::pending().await,
            false => Ok(Ack::new()),
        }
    }
}

/// Of a door's three events the first is older than the group, the second is under way at the crash, and the
/// third comes behind it.
async fn a_crash_moves_no_beginning(failures: usize) {
    let kv = Flushed::default();
    let before = backend(&kv).await;
    ring(&before, &["door-1"]).await;
    kv.failures.store(failures, Ordering::SeqCst);
    let held = Late { held: true, ..Late::default() };
    let node = NodeBuilder::new(before.clone()).consumer(held.clone()).start().await.unwrap();
    assert!(node.consumers().caught_up("late", GlobalPosition(1), EVER).await.unwrap());
    ring(&before, &["door-1"]).await;
    until(|| !held.seen.lock().is_empty()).await;
    assert_eq!(*held.seen.lock(), [2]);
    drop(node);

    let after = trip::backend(&kv.disk).await;
    let late = Late::default();
    let node = NodeBuilder::new(after.clone()).consumer(late.clone()).start().await.unwrap();
    assert!(node.consumers().caught_up("late", GlobalPosition(2), EVER).await.unwrap());
    ring(&after, &["door-1"]).await;
    until(|| late.seen.lock().contains(&3)).await;
    assert_eq!(*late.seen.lock(), [2, 3], "{failures} failures");
}

#[tokio::test]
async fn a_group_begins_once_also_when_the_machine_fails_behind_its_first_delivery() {
    a_crash_moves_no_beginning(0).await;
}

#[tokio::test]
async fn a_group_delivers_nothing_before_its_beginning_is_durable() {
    a_crash_moves_no_beginning(2).await;
}

#[tokio::test]
async fn what_a_group_has_done_survives_a_crash_that_comes_some_seconds_later() {
    let kv = Flushed::default();
    let (before, late) = (backend(&kv).await, Late::default());
    ring(&before, &["door-1"]).await;
    let node = NodeBuilder::new(before.clone()).consumer(late.clone()).start().await.unwrap();
    assert!(node.consumers().caught_up("late", GlobalPosition(1), EVER).await.unwrap());
    ring(&before, &["door-1"]).await;
    assert!(node.consumers().caught_up("late", GlobalPosition(2), EVER).await.unwrap());
    until(|| kv.unflushed.lock().is_empty()).await;
    drop(node);

    let (after, late) = (trip::backend(&kv.disk).await, Late::default());
    let node = NodeBuilder::new(after.clone()).consumer(late.clone()).start().await.unwrap();
    ring(&after, &["door-1"]).await;
    until(|| late.seen.lock().contains(&3)).await;
    assert_eq!(*late.seen.lock(), [3]);
    node.drain().await.unwrap();
}
