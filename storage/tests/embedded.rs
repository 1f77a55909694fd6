//! The worlds of one process: what is put together, and what of it survives.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use bytes::Bytes;
use sagaline_storage::clock::SystemEntropy;
use sagaline_storage::lock::LockService;
use sagaline_storage::memory::{ManualClock, MemoryKv};
use sagaline_storage::rocksdb::RocksSettings;
use sagaline_storage::views::{Checkpoint, ViewBatch, ViewChange, ViewStore};
use sagaline_storage::{
    AllQuery, AppendId, AppendRequest, Backend, Clock, CorrelationId, Embedded, Entropy, ErrorKind,
    EventId, EventStore, EventType, ExpectedVersion, GlobalPosition, InMemory, LocalSettings,
    NewEvent, NodeId, StreamId, StreamWrite, open_embedded, open_in_memory,
};

fn request<B: Backend>(world: &B) -> AppendRequest {
    let id = || world.entropy().uuid_v7(world.clock().now());
    let event = NewEvent {
        id: EventId(id()),
        event_type: EventType::new("OrderPlaced").unwrap(),
        schema_version: 1,
        correlation_id: CorrelationId::new("c-1").unwrap(),
        causation_id: None,
        payload: Bytes::from_static(b"{}"),
    };
    let stream = StreamId::new("order-1").unwrap();
    let writes =
        vec![StreamWrite { stream, expected: ExpectedVersion::NoStream, events: vec![event] }];
    let (append_id, node_id) = (AppendId(id()), NodeId::new("node-1").unwrap());
    AppendRequest { append_id, node_id, fence: None, writes, claims: Vec::new() }
}

fn view_batch(after: GlobalPosition) -> ViewBatch {
    let (key, document) = (Bytes::from_static(b"order-1"), Bytes::from_static(b"{}"));
    let put = ViewChange::Put { key, document, secondary: Vec::new() };
    let checkpoint = Checkpoint { subscription: "orders".into(), before: None, after };
    ViewBatch { changes: vec![("orders".into(), put)], checkpoints: vec![checkpoint] }
}

/// An event and a view of it are made.
async fn work<B: Backend>(world: &B) {
    let appended = world.events().append(request(world)).await.unwrap();
    assert_eq!(appended.position, GlobalPosition(1));
    world.views().commit(view_batch(appended.position)).await.unwrap();
}

async fn assert_work_is_there<B: Backend>(world: &B) {
    assert_eq!(world.events().head().await, Ok(GlobalPosition(1)));
    assert_eq!(world.views().checkpoint("orders").await, Ok(Some(GlobalPosition(1))));
    let document = world.views().get("orders", b"order-1").await.unwrap();
    assert_eq!(document.as_deref(), Some(&b"{}"[..]));
}

async fn open(folder: &tempfile::TempDir) -> Result<Embedded, sagaline_storage::StorageError> {
    open_embedded(folder.path(), &RocksSettings::default(), &LocalSettings::default()).await
}

#[tokio::test]
async fn embedded_world_is_there_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let world = open(&folder).await.unwrap();
    assert_eq!(world.name(), "embedded");
    work(&world).await;
    world.views().flush().await.unwrap();
    world.events().close().await;
    drop(world);
    assert_work_is_there(&open(&folder).await.unwrap()).await;
}

#[tokio::test]
async fn data_folder_in_use_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let world = open(&folder).await.unwrap();
    let error = open(&folder).await.unwrap_err();
    assert!(error.message.contains(folder.path().to_str().unwrap()), "{error}");
    assert_ne!(error.kind, ErrorKind::Corrupt);
    work(&world).await;
}

async fn memory(kv: &MemoryKv, clock: &ManualClock) -> InMemory<ManualClock> {
    let settings = LocalSettings::default();
    open_in_memory(kv.clone(), clock.clone(), SystemEntropy, &settings).await.unwrap()
}

#[tokio::test]
async fn world_in_memory_goes_on_over_the_same_store_and_forgets_its_locks() {
    let (kv, clock) = (MemoryKv::default(), ManualClock::default());
    let world = memory(&kv, &clock).await;
    work(&world).await;
    let ttl = Duration::from_secs(1);
    assert!(world.locks().acquire("shard-1", "a", ttl).await.unwrap().is_some());
    world.events().close().await;
    drop(world);
    let world = memory(&kv, &clock).await;
    assert_work_is_there(&world).await;
    assert_eq!(world.locks().inspect("shard-1").await, Ok(None));
}

#[tokio::test]
async fn world_in_memory_runs_by_the_given_clock() {
    let clock = ManualClock::default();
    let world = memory(&MemoryKv::default(), &clock).await;
    let ttl = Duration::from_secs(1);
    world.locks().acquire("shard-1", "a", ttl).await.unwrap();
    clock.advance(ttl);
    assert_eq!(world.locks().inspect("shard-1").await, Ok(None));
    world.events().append(request(&world)).await.unwrap();
    let page = world.events().read_all(AllQuery::after(GlobalPosition::START, 10)).await.unwrap();
    assert_eq!(page.events[0].recorded_at, clock.now());
}
