//! Crashes of the machine and damage of the disk, on the real RocksDB files.
//!
//! A crash image is a copy of the data folder while it is open: what was synced is in it. The last
//! write may have got to the disk in part: its file is cut at every byte. What was acknowledged is
//! there, or the damage is reported with its place; nothing is silently skipped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::error::{ErrorKind, StorageError};
use sagaline_storage::event::{
    AppendId, CorrelationId, EventId, EventType, NewEvent, NodeId, RecordedEvent,
};
use sagaline_storage::event_store::{
    AllQuery, AppendRequest, Claim, ClaimChange, EventStore, ExpectedVersion, StreamWrite,
};
use sagaline_storage::log::{Log, LogSettings, verify};
use sagaline_storage::rocksdb::{RocksKv, RocksSettings};
use sagaline_storage::stream::{GlobalPosition, StreamId, StreamVersion};
use tempfile::TempDir;
use uuid::Uuid;

type Store = Log<RocksKv, SystemClock>;

async fn open(folder: &Path) -> Result<Store, StorageError> {
    let kv = RocksKv::open(folder, &RocksSettings::default())?;
    Log::open(kv, SystemClock::default(), &SystemEntropy, LogSettings::default()).await
}

/// Two events on two streams and a claim: five key families in one batch.
fn request(number: u64) -> AppendRequest {
    let event = |at: u64| NewEvent {
        id: EventId(Uuid::from_u128(u128::from(number * 10 + at))),
        event_type: EventType::new("Placed").unwrap(),
        schema_version: 1,
        correlation_id: CorrelationId::new(format!("c-{number}")).unwrap(),
        causation_id: None,
        payload: Bytes::from(format!("{{\"number\":{number}}}")),
    };
    let write = |stream: String, version: u64, at: u64| StreamWrite {
        stream: StreamId::new(stream).unwrap(),
        expected: ExpectedVersion::Exact(StreamVersion(version)),
        events: vec![event(at)],
    };
    let own = StreamId::new(format!("order-{number}")).unwrap();
    AppendRequest {
        append_id: AppendId(Uuid::from_u128(number.into())),
        node_id: NodeId::new("node").unwrap(),
        fence: None,
        writes: vec![write(own.to_string(), 0, 1), write("all-1".to_owned(), number - 1, 2)],
        claims: vec![ClaimChange::Take {
            claim: Claim::new("sku", number.to_string()),
            owner: own,
        }],
    }
}

async fn events(store: &Store) -> Vec<RecordedEvent> {
    let page = store.read_all(AllQuery::after(GlobalPosition::START, 10_000)).await.unwrap();
    assert!(page.end);
    page.events
}

/// Copies the files of a folder, also of one in use. The lock does not come along.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "LOCK" {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// In memory where the system offers it: these tests copy and cut files, the disk itself plays no part.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn image(from: &Path) -> TempDir {
    let image = folder();
    copy(from, image.path());
    image
}

/// The newest file of the write-ahead log.
fn newest_wal(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let wals = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    wals.max().unwrap()
}

/// Opens a crash image and checks it whole: the first `acknowledged` appends are there, perhaps the next
/// one, the chain holds, a repeated append is recognised, and appends go on.
async fn check_image(folder: &Path, acknowledged: u64) -> bool {
    let store = open(folder).await.unwrap();
    let log = events(&store).await;
    let appends = log.len() as u64 / 2;
    assert_eq!(log.len() % 2, 0, "an append is there whole or not at all");
    assert!(appends == acknowledged || appends == acknowledged + 1, "{appends} of {acknowledged}");
    let verified = store.verify(GlobalPosition::START, |_, _| {}).await.unwrap();
    assert!(verified.is_sound(), "{:?}", verified.damage);
    for number in 1..=appends {
        let again = store.append(request(number)).await.unwrap();
        assert_eq!(again.position.0, number * 2);
    }
    let claims = store.claims("sku", None, 1_000).await.unwrap();
    assert_eq!(claims.len() as u64, appends, "claims come and go with their append");
    let next = store.append(request(appends + 1)).await.unwrap();
    assert_eq!(next.position.0, appends * 2 + 2);
    store.close().await;
    appends == acknowledged + 1
}

#[tokio::test]
async fn a_crash_after_an_acknowledged_append_loses_nothing() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    for number in 1..=25 {
        store.append(request(number)).await.unwrap();
        let crashed = image(folder.path());
        assert!(!check_image(crashed.path(), number).await);
    }
}

#[tokio::test]
async fn the_last_batch_cut_at_any_byte_is_there_whole_or_not_at_all() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    for number in 1..=5 {
        store.append(request(number)).await.unwrap();
    }
    let wal = newest_wal(folder.path());
    let before = fs::metadata(&wal).unwrap().len();
    store.append(request(6)).await.unwrap();
    let after = fs::metadata(&wal).unwrap().len();
    assert_eq!(newest_wal(folder.path()), wal, "the batch went to the same file");
    assert!(after > before + 100, "the batch is in the file: {before} to {after}");

    let whole = image(folder.path());
    for length in before..=after {
        let crashed = image(whole.path());
        let cut = fs::OpenOptions::new().write(true).open(newest_wal(crashed.path())).unwrap();
        cut.set_len(length).unwrap();
        drop(cut);
        let there = check_image(crashed.path(), 5).await;
        assert_eq!(there, length == after, "cut {} bytes into the batch", length - before);
    }
}

#[tokio::test]
async fn a_flipped_byte_of_an_acknowledged_batch_is_reported_when_the_store_is_opened() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let wal = newest_wal(folder.path());
    let mut ends = vec![fs::metadata(&wal).unwrap().len()];
    for number in 1..=5 {
        store.append(request(number)).await.unwrap();
        ends.push(fs::metadata(&wal).unwrap().len());
    }
    let whole = image(folder.path());
    // The third of five batches and the last: every seventh byte, and each of the header.
    let batch = |at: usize| (ends[at]..ends[at + 1]).step_by(7).chain(ends[at]..ends[at] + 7);
    for at in batch(2).chain(batch(4)) {
        let damaged = image(whole.path());
        flip(&newest_wal(damaged.path()), at);
        let Err(error) = open(damaged.path()).await else {
            panic!("byte {at} was changed and nobody saw it; batches end at {ends:?}");
        };
        assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
        let named = damaged.path().display().to_string();
        assert!(error.message.contains(&named), "{error} does not name {named}");
    }
}

#[tokio::test]
async fn a_missing_write_ahead_file_or_table_is_reported_when_the_store_is_opened() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    for number in 1..=5 {
        store.append(request(number)).await.unwrap();
    }
    store.close().await;
    drop(store);
    // Closing leaves the write-ahead log; opening makes tables of it.
    drop(open(folder.path()).await.unwrap());
    let tables: Vec<_> = tables(folder.path());
    assert!(!tables.is_empty());
    for table in tables {
        let damaged = image(folder.path());
        fs::remove_file(damaged.path().join("log").join(table.file_name().unwrap())).unwrap();
        let error = open(damaged.path()).await.map(|_| ()).unwrap_err();
        let name = table.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(error.message.contains(&name), "{error} does not name {name}");
    }
}

#[tokio::test]
async fn a_flipped_byte_of_a_table_is_reported_with_its_place() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    for number in 1..=40 {
        store.append(request(number)).await.unwrap();
    }
    store.close().await;
    drop(store);
    drop(open(folder.path()).await.unwrap());
    for table in tables(folder.path()) {
        // The first block: data, whatever the table holds.
        let damaged = image(folder.path());
        flip(&damaged.path().join("log").join(table.file_name().unwrap()), 20);
        let said = match RocksKv::open(damaged.path(), &RocksSettings::default()) {
            Ok(kv) => match verify(&kv, GlobalPosition::START, |_, _| {}).await {
                Ok(verified) => {
                    assert!(!verified.is_sound(), "nobody saw the damage of {}", table.display());
                    format!("{:?}", verified.damage)
                }
                Err(error) => error.message,
            },
            Err(error) => error.message,
        };
        let name = table.file_name().unwrap().to_str().unwrap();
        assert!(said.contains(name), "{said} does not name {name}");
    }
}

#[tokio::test]
async fn a_folder_in_use_is_refused_by_its_name() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let refused = open(folder.path()).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Unavailable);
    let named = folder.path().display().to_string();
    assert!(refused.message.contains(&named) && refused.message.contains("in use"), "{refused}");
    store.append(request(1)).await.unwrap();
}

#[tokio::test]
async fn a_path_that_is_no_folder_is_refused_by_its_name() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, b"x").unwrap();
    let refused = open(&file.join("data")).await.map(|_| ()).unwrap_err();
    assert!(refused.message.contains(&file.display().to_string()), "{refused}");
}

fn tables(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder.join("log")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "sst")).collect()
}

fn flip(file: &Path, at: u64) {
    let mut bytes = fs::read(file).unwrap();
    bytes[usize::try_from(at).unwrap()] ^= 0x10;
    fs::write(file, bytes).unwrap();
}
