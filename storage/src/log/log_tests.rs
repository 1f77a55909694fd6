//! What the conformance suite cannot reach: failing stores, bounds of batches, the life of the appender.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::clock::{SystemClock, SystemEntropy};
use crate::error::ErrorKind;
use crate::event::{AppendId, CorrelationId, EventId, EventType, NewEvent, NodeId};
use crate::event_store::{ExpectedVersion, StreamWrite};
use crate::kv::{Entry, Range};
use crate::memory::MemoryKv;

/// A store whose writes and reads can be made to fail.
#[derive(Debug, Clone, Default)]
struct FailingKv {
    kv: MemoryKv,
    fails: Arc<Fails>,
}

#[derive(Debug, Default)]
struct Fails {
    writes: AtomicBool,
    reads: AtomicBool,
}

impl FailingKv {
    fn check(&self, fails: &AtomicBool) -> Result<(), StorageError> {
        if fails.load(Ordering::Relaxed) {
            return Err(StorageError::unavailable("no space left on device"));
        }
        Ok(())
    }
}

impl Kv for FailingKv {
    async fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), StorageError> {
        self.check(&self.fails.writes)?;
        self.kv.write(batch, durability).await
    }

    async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.check(&self.fails.reads)?;
        self.kv.get(space, key).await
    }

    async fn get_many(
        &self,
        space: Space,
        keys: Vec<Bytes>,
    ) -> Result<Vec<Option<Bytes>>, StorageError> {
        self.check(&self.fails.reads)?;
        self.kv.get_many(space, keys).await
    }

    async fn scan(&self, space: Space, range: Range) -> Result<Vec<Entry>, StorageError> {
        self.check(&self.fails.reads)?;
        self.kv.scan(space, range).await
    }

    async fn flush(&self, space: Space) -> Result<(), StorageError> {
        self.check(&self.fails.writes)?;
        self.kv.flush(space).await
    }
}

async fn open<K: Kv>(kv: &K) -> Log<K, SystemClock> {
    let settings = LogSettings::default();
    Log::open(kv.clone(), SystemClock::default(), &SystemEntropy, settings).await.unwrap()
}

fn request(number: u128) -> AppendRequest {
    AppendRequest {
        append_id: AppendId(Uuid::from_u128(number)),
        node_id: NodeId::new("node").unwrap(),
        fence: None,
        writes: vec![StreamWrite {
            stream: StreamId::new("order-1").unwrap(),
            expected: ExpectedVersion::Any,
            events: vec![NewEvent {
                id: EventId(Uuid::from_u128(number)),
                event_type: EventType::new("Placed").unwrap(),
                schema_version: 1,
                correlation_id: CorrelationId::new("c").unwrap(),
                causation_id: None,
                payload: Bytes::from_static(b"{}"),
            }],
        }],
        claims: Vec::new(),
    }
}

#[tokio::test]
async fn what_an_earlier_process_may_have_left_unsynced_is_shown_to_nobody() {
    let kv = FailingKv::default();
    let log = open(&kv).await;
    log.append(request(1)).await.unwrap();
    log.close().await;
    kv.fails.writes.store(true, Ordering::Relaxed);
    let settings = LogSettings::default();
    let opened = Log::open(kv.clone(), SystemClock::default(), &SystemEntropy, settings).await;
    assert_eq!(opened.map(drop).unwrap_err().kind, ErrorKind::Unavailable);
    kv.fails.writes.store(false, Ordering::Relaxed);
    assert_eq!(open(&kv).await.head().await.unwrap().0, 1);
}

#[tokio::test]
async fn a_failed_write_leaves_the_outcome_unknown_and_stops_the_log() {
    let kv = FailingKv::default();
    let log = open(&kv).await;
    log.append(request(1)).await.unwrap();
    kv.fails.writes.store(true, Ordering::Relaxed);
    let failed = log.append(request(2)).await.unwrap_err();
    assert!(
        matches!(&failed, AppendError::OutcomeUnknown(error)
        if error.message.contains("no space left on device")),
        "{failed}"
    );

    kv.fails.writes.store(false, Ordering::Relaxed);
    let later = log.append(request(2)).await.unwrap_err();
    assert!(
        matches!(&later, AppendError::Unavailable(error)
        if error.kind == ErrorKind::Closed),
        "never a second write on top: {later}"
    );
    let raised = log.raise_epochs(&[Shard(1)]).await.unwrap_err();
    assert_eq!(raised.kind, ErrorKind::Closed);
    assert_eq!(log.head().await.unwrap(), GlobalPosition(1), "what was synced stays readable");
    assert_eq!(log.counters().unknown_outcomes, 1);

    log.close().await;
    let reopened = open(&kv).await;
    let resolved = reopened.append(request(2)).await.unwrap();
    assert_eq!(resolved.position, GlobalPosition(2), "the same append resolves it");
}

#[tokio::test]
async fn a_failed_read_refuses_the_append_and_stops_nothing() {
    let kv = FailingKv::default();
    let log = open(&kv).await;
    kv.fails.reads.store(true, Ordering::Relaxed);
    let refused = log.append(request(1)).await.unwrap_err();
    assert!(matches!(refused, AppendError::Unavailable(_)), "{refused}");
    kv.fails.reads.store(false, Ordering::Relaxed);
    assert_eq!(log.append(request(1)).await.unwrap().position, GlobalPosition(1));
}

/// Whether an id is new is told without reading when it is greater than all that were forgotten: ids
/// that are not, in any order and over a reopening, must be found as well.
#[tokio::test]
async fn an_id_is_known_for_ever_whatever_the_order_of_the_ids() {
    let kv = MemoryKv::new();
    let settings = LogSettings { append_ids_cached: 4, ..LogSettings::default() };
    let open = || Log::open(kv.clone(), SystemClock::default(), &SystemEntropy, settings);
    let mut log = open().await.unwrap();
    // 7 generates every number below 101 but 0: up and down, neighbours far apart.
    let ids: Vec<u128> =
        (0..100).scan(1, |id, _| Some(std::mem::replace(id, *id * 7 % 101))).collect();
    let mut made = Vec::new();
    for (at, id) in ids.iter().enumerate() {
        if at % 33 == 32 {
            log.close().await;
            log = open().await.unwrap();
        }
        made.push((*id, log.append(request(*id)).await.unwrap()));
        for (id, first) in &made {
            assert_eq!(log.append(request(*id)).await.as_ref(), Ok(first), "id {id} after {at}");
        }
    }
    assert_eq!(log.head().await.unwrap(), GlobalPosition(100));
}

/// A new append with an id greater than all before reads nothing, however many were forgotten.
#[tokio::test]
async fn ids_in_the_order_of_time_are_new_without_a_read() {
    let kv = FailingKv::default();
    let settings = LogSettings { append_ids_cached: 4, ..LogSettings::default() };
    let log =
        Log::open(kv.clone(), SystemClock::default(), &SystemEntropy, settings).await.unwrap();
    log.append(request(1)).await.unwrap();
    kv.fails.reads.store(true, Ordering::Relaxed);
    for id in 2..60 {
        log.append(request(id)).await.unwrap();
    }
    let old = log.append(request(1)).await.unwrap_err();
    assert!(matches!(old, AppendError::Unavailable(_)), "an old one needs the store: {old}");
}

#[tokio::test]
async fn requests_that_wait_share_one_synced_write() {
    let kv = MemoryKv::new();
    let log = open(&kv).await;
    let before = kv.synced_writes();
    let appends = (1..=100).map(|number| log.append(request(number)));
    let appended = futures_util::future::join_all(appends).await;
    assert!(appended.iter().all(Result::is_ok));
    assert_eq!(kv.synced_writes() - before, 1, "all were queued before the appender ran");
    let counters = log.counters();
    assert_eq!((counters.appends, counters.durable_writes), (100, 1));
    assert_eq!(counters.batch_sizes[7], 1, "one batch of 65 to 128: {:?}", counters.batch_sizes);
}

#[tokio::test]
async fn a_batch_is_bounded_by_its_settings() {
    let kv = MemoryKv::new();
    let settings = LogSettings { batch_requests_max: 10, ..LogSettings::default() };
    let log =
        Log::open(kv.clone(), SystemClock::default(), &SystemEntropy, settings).await.unwrap();
    let appends = (1..=100).map(|number| log.append(request(number)));
    let appended = futures_util::future::join_all(appends).await;
    assert!(appended.iter().all(Result::is_ok));
    assert_eq!(log.counters().durable_writes, 10);
}

#[tokio::test]
async fn an_append_whose_future_is_dropped_is_still_made() {
    let kv = MemoryKv::new();
    let log = open(&kv).await;
    let mut append = Box::pin(log.append(request(1)));
    let polled = futures_util::poll!(append.as_mut());
    assert!(polled.is_pending());
    drop(append);
    log.await_after(GlobalPosition(0)).await;
    assert_eq!(log.head().await.unwrap(), GlobalPosition(1));
}

#[tokio::test]
async fn closing_answers_what_was_queued_and_refuses_what_comes_later() {
    let kv = MemoryKv::new();
    let log = open(&kv).await;
    let mut queued = Box::pin(log.append(request(1)));
    assert!(futures_util::poll!(queued.as_mut()).is_pending());
    log.close().await;
    assert_eq!(queued.await.unwrap().position, GlobalPosition(1));
    let later = log.append(request(2)).await.unwrap_err();
    assert!(matches!(later, AppendError::Unavailable(error) if error.kind == ErrorKind::Closed));
    log.close().await;
    let read = log.read_all(AllQuery::after(GlobalPosition::START, 10)).await.unwrap();
    assert_eq!(read.events.len(), 1);
}

#[tokio::test]
async fn the_appender_ends_with_the_last_handle() {
    let kv = MemoryKv::new();
    let log = open(&kv).await;
    let clone = log.clone();
    drop(log);
    clone.append(request(1)).await.unwrap();
    let shared = Arc::downgrade(&clone.handle.shared);
    drop(clone);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(shared.upgrade().is_none(), "the appender still holds the store");
}

#[tokio::test]
async fn a_store_keeps_its_identity_and_a_newer_one_is_refused() {
    let kv = MemoryKv::new();
    let log = open(&kv).await;
    let identity = log.identity();
    log.close().await;
    assert_eq!(open(&kv).await.identity(), identity);

    let mut batch = WriteBatch::default();
    let newer = StoreIdentity { format: keys::meta::FORMAT + 1, ..identity };
    batch.put(Space::Index, keys::meta::key(), keys::meta::value(&newer));
    kv.write(batch, Durability::Synced).await.unwrap();
    let refused =
        Log::open(kv, SystemClock::default(), &SystemEntropy, LogSettings::default()).await;
    assert_eq!(refused.map(|_| ()).unwrap_err().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn records_without_an_identity_are_refused() {
    let kv = MemoryKv::new();
    let mut batch = WriteBatch::default();
    batch.put(Space::Events, keys::event::key(GlobalPosition(1)), Bytes::from_static(b"x"));
    kv.write(batch, Durability::Synced).await.unwrap();
    let refused =
        Log::open(kv, SystemClock::default(), &SystemEntropy, LogSettings::default()).await;
    assert_eq!(refused.map(|_| ()).unwrap_err().kind, ErrorKind::Corrupt);
}
