//! A reader beside a writer, on the real RocksDB files: what a backup of a serving node rests on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::event::{AppendId, CorrelationId, EventId, EventType, NewEvent, NodeId};
use sagaline_storage::event_store::{AppendRequest, EventStore, ExpectedVersion, StreamWrite};
use sagaline_storage::kv::{Durability, Kv, Space, WriteBatch};
use sagaline_storage::log::{Log, LogSettings, verify};
use sagaline_storage::memory::MemoryKv;
use sagaline_storage::rocksdb::{RocksKv, RocksSettings};
use sagaline_storage::stream::{GlobalPosition, StreamId};
use uuid::Uuid;

/// So little memory that tables and files of the write-ahead log come and go within seconds.
const BUSY: RocksSettings = RocksSettings {
    block_cache_bytes: 1 << 20,
    log_memtables_bytes: 3 << 20,
    views_memtables_bytes: 1 << 20,
    wal_bytes_max: 4 << 20,
    open_files_max: 64,
    background_jobs: 2,
};

const LOOKS: usize = 20;
const APPENDS_MIN: u64 = 20_000;
/// Every look reads every index: where the reader is slow the writer is not to run away from it.
const APPENDS_MAX: u64 = 60_000;

fn request(number: u64) -> AppendRequest {
    let event = NewEvent {
        id: EventId(Uuid::from_u128(number.into())),
        event_type: EventType::new("Placed").unwrap(),
        schema_version: 1,
        correlation_id: CorrelationId::new(format!("c-{number}")).unwrap(),
        causation_id: None,
        payload: Bytes::from(format!("\"{}\"", number.to_string().repeat(150))),
    };
    AppendRequest {
        append_id: AppendId(Uuid::from_u128(number.into())),
        node_id: NodeId::new("node").unwrap(),
        fence: None,
        writes: vec![StreamWrite {
            stream: StreamId::new(format!("order-{number}")).unwrap(),
            expected: ExpectedVersion::NoStream,
            events: vec![event],
        }],
        claims: Vec::new(),
    }
}

async fn write_until(folder: &Path, enough: &AtomicBool, acknowledged: &AtomicU64) {
    let kv = RocksKv::open(folder, &BUSY).unwrap();
    let settings = LogSettings::default();
    let log = Log::open(kv, SystemClock::default(), &SystemEntropy, settings).await.unwrap();
    let mut number = 0;
    while number < APPENDS_MIN || number < APPENDS_MAX && !enough.load(Ordering::Acquire) {
        let appends = (number + 1..=number + 20).map(|number| log.append(request(number)));
        for appended in futures_util::future::join_all(appends).await {
            appended.unwrap();
        }
        number += 20;
        acknowledged.store(number, Ordering::Release);
    }
    log.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_beside_a_writer_sees_a_whole_log() {
    let folder = tempfile::tempdir().unwrap();
    RocksKv::open(folder.path(), &BUSY).unwrap();
    let (enough, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writing = {
        let (path, enough) = (folder.path().to_owned(), enough.clone());
        let acknowledged = acknowledged.clone();
        tokio::spawn(async move { write_until(&path, &enough, &acknowledged).await })
    };
    while acknowledged.load(Ordering::Acquire) == 0 {
        tokio::task::yield_now().await;
    }
    let mut last = 0;
    for _ in 0..LOOKS {
        let before = acknowledged.load(Ordering::Acquire);
        let seen = RocksKv::open_read_only(folder.path(), &BUSY).unwrap();
        let verified = verify(&seen, GlobalPosition(last), |_, _| {}).await.unwrap();
        assert!(verified.is_sound(), "{:?}", verified.damage.first());
        assert!(verified.head.0 >= before.max(last), "{} of {before}", verified.head);
        last = verified.head.0;
    }
    enough.store(true, Ordering::Release);
    writing.await.unwrap();
}

#[tokio::test]
async fn what_is_read_only_refuses_to_be_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let kv = RocksKv::open(folder.path(), &BUSY).unwrap();
    let settings = LogSettings::default();
    let log = Log::open(kv, SystemClock::default(), &SystemEntropy, settings).await.unwrap();
    log.append(request(1)).await.unwrap();
    log.close().await;
    let seen = RocksKv::open_read_only(folder.path(), &BUSY).unwrap();
    let mut batch = WriteBatch::default();
    batch.put(Space::Index, "key", "value");
    assert!(seen.write(batch, Durability::Synced).await.is_err());
    assert_eq!(seen.get(Space::Index, b"key").await.unwrap(), None);
    let nowhere = folder.path().join("nowhere");
    assert!(RocksKv::open_read_only(&nowhere, &BUSY).is_err());
    assert!(!nowhere.exists());
    // It copies like any other store.
    let copied =
        sagaline_storage::log::copy(&seen, &MemoryKv::new(), &[], |_, _| {}).await.unwrap();
    assert_eq!(copied.head, GlobalPosition(1));
}
