//! The log over RocksDB keeps every promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::conformance::event_store::{self, Factory};
use sagaline_storage::kv::{Durability, Kv, Space, WriteBatch};
use sagaline_storage::log::{Log, LogSettings};
use sagaline_storage::rocksdb::{RocksKv, RocksSettings};
use tempfile::TempDir;

/// All places lie in one folder: what a store still has open when its promise was kept is gone with the
/// runtime, and the folder is deleted after it.
struct Rocks {
    folder: TempDir,
}

impl Factory for Rocks {
    type Store = Log<RocksKv, SystemClock>;
    type Place = PathBuf;
    type Clock = SystemClock;

    const REOPENS: bool = true;

    fn place(&self) -> PathBuf {
        tempfile::tempdir_in(&self.folder).unwrap().keep()
    }

    async fn open(&self, place: &PathBuf) -> Self::Store {
        let kv = RocksKv::open(place, &RocksSettings::default()).unwrap();
        Log::open(kv, self.clock(), &SystemEntropy, LogSettings::default()).await.unwrap()
    }

    async fn close(&self, store: Self::Store) {
        store.close().await;
    }

    fn clock(&self) -> SystemClock {
        SystemClock::default()
    }
}

#[test]
fn the_log_over_rocksdb_keeps_every_promise() {
    let rocks = Rocks { folder: tempfile::tempdir().unwrap() };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(event_store::run_all(&rocks));
}

/// Whether any file of a store holds `bytes`.
fn is_on_disk(folder: &Path, bytes: &[u8]) -> bool {
    ["log", "views"].iter().any(|database| {
        let files = std::fs::read_dir(folder.join(database)).unwrap();
        // A file may go between being named and being read.
        let mut files = files.filter_map(|entry| std::fs::read(entry.unwrap().path()).ok());
        files.any(|file| file.windows(bytes.len()).any(|part| part == bytes))
    })
}

async fn put(kv: &RocksKv, space: Space, key: &'static str, value: &'static [u8]) {
    let mut batch = WriteBatch::default();
    batch.put(space, key, value);
    kv.write(batch, Durability::Synced).await.unwrap();
}

const SECRET: &[u8] = b"a-secret-of-no-pattern-3f9c1be07d52";

#[tokio::test]
async fn what_a_key_held_before_it_was_purged_is_in_no_file() {
    for space in [Space::Index, Space::Events, Space::Views] {
        // Straight from memory, and from tables that were compacted before.
        for reopened in [0, 3] {
            let folder = tempfile::tempdir().unwrap();
            let open = || RocksKv::open(folder.path(), &RocksSettings::default()).unwrap();
            let mut kv = open();
            put(&kv, Space::Events, "event", b"a record").await;
            put(&kv, space, "key", SECRET).await;
            put(&kv, space, "kez", b"a neighbour").await;
            for _ in 0..reopened {
                kv.purge(space, b"key").await.unwrap();
                drop(kv);
                kv = open();
            }
            assert!(is_on_disk(folder.path(), SECRET), "{space:?}: it is held");
            put(&kv, space, "key", b"forgotten").await;
            put(&kv, Space::Events, "event 2", b"a record").await;
            kv.purge(space, b"key").await.unwrap();
            assert_eq!(kv.get(space, b"key").await.unwrap(), Some(Bytes::from("forgotten")));
            assert_eq!(kv.get(space, b"kez").await.unwrap(), Some(Bytes::from("a neighbour")));
            // What is not needed any more is deleted in the background, and by a close at the latest.
            drop(kv);
            assert!(!is_on_disk(folder.path(), SECRET), "{space:?}, reopened {reopened} times");
            let kv = open();
            assert_eq!(kv.get(Space::Events, b"event 2").await.unwrap(), Some("a record".into()));
        }
    }
}

#[tokio::test]
async fn store_says_what_it_holds_in_memory() {
    const VALUE: usize = 256 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let kv = RocksKv::open(folder.path(), &RocksSettings::default()).unwrap();
    let used = || kv.memory().unwrap().unwrap();
    for space in Space::ALL {
        let before = used().write_buffer_bytes;
        let mut batch = WriteBatch::default();
        batch.put(space, "key", vec![7; VALUE]);
        kv.write(batch, Durability::Buffered).await.unwrap();
        assert!(used().write_buffer_bytes >= before + VALUE as u64, "{space:?}: {:?}", used());
    }
    // In a table it is held only as far as it is read.
    let full = used();
    kv.flush(Space::Views).await.unwrap();
    assert!(used().write_buffer_bytes < full.write_buffer_bytes, "{:?}", used());
    kv.get(Space::Views, b"key").await.unwrap();
    assert!(used().cache_bytes >= full.cache_bytes + VALUE as u64, "{:?}, {full:?}", used());
}
