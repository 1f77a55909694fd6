//! The view store's promises, kept over memory and over a hostile store; and its operations beside a
//! model, drawn and shrunk.

#![allow(clippy::unwrap_used, reason = "a test")]

mod hostile;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use sagaline_storage::conformance::views::{self, CrashableViews, ViewsFactory, model};
use sagaline_storage::memory::MemoryKv;
use sagaline_storage::rocksdb::{RocksKv, RocksSettings};
use sagaline_storage::stream::GlobalPosition;
use sagaline_storage::view_store::{ViewSettings, Views};
use sagaline_storage::views::{Checkpoint, SecondaryKey, ViewBatch, ViewChange, ViewStore};
use tempfile::TempDir;

use hostile::HostileKv;
use model::Op;

/// Flushes after every few commits, so that it happens in every test.
const SETTINGS: ViewSettings = ViewSettings { flush_after_bytes: 4_096, flush_after_commits: 3 };

struct InMemory;

impl ViewsFactory for InMemory {
    type Store = Views<MemoryKv>;

    async fn create(&self) -> Self::Store {
        Views::new(MemoryKv::default(), SETTINGS)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_in_memory_keep_every_promise() {
    views::run_all(&InMemory).await;
}

/// Remembers the store under the views that it made last; each crash takes another share.
#[derive(Default)]
struct Hostile {
    kv: Mutex<HostileKv>,
    crashes: AtomicUsize,
}

impl Hostile {
    fn open(&self, kv: HostileKv) -> Views<HostileKv> {
        *self.kv.lock() = kv.clone();
        Views::new(kv, ViewSettings::default())
    }
}

impl ViewsFactory for Hostile {
    type Store = Views<HostileKv>;

    async fn create(&self) -> Self::Store {
        self.open(HostileKv::default())
    }
}

impl CrashableViews for Hostile {
    async fn crash(&self, store: Self::Store) -> Self::Store {
        drop(store);
        let kv = self.kv.lock().clone();
        let taken = 1 + self.crashes.fetch_add(1, Ordering::Relaxed) % 3;
        self.open(kv.crashed(taken).await)
    }
}

#[tokio::test]
async fn views_keep_every_promise_while_others_run_between_any_two_steps() {
    views::run_all(&Hostile::default()).await;
}

#[tokio::test]
async fn crash_takes_whole_commits_from_the_end() {
    views::crash::run_all(&Hostile::default()).await;
}

/// RocksDB in folders of its own. A crash leaves what lies in the folder while the store is open.
#[derive(Default)]
struct Rocks {
    last: Mutex<Option<TempDir>>,
    crashed: Mutex<Vec<TempDir>>,
}

impl Rocks {
    fn open(&self, folder: TempDir) -> Views<RocksKv> {
        let kv = RocksKv::open(folder.path(), &RocksSettings::default()).unwrap();
        // The folder before is deleted; nothing is read from it any more.
        self.last.lock().replace(folder);
        Views::new(kv, ViewSettings::default())
    }
}

impl ViewsFactory for Rocks {
    type Store = Views<RocksKv>;

    async fn create(&self) -> Self::Store {
        self.open(TempDir::new().unwrap())
    }
}

impl CrashableViews for Rocks {
    async fn crash(&self, store: Self::Store) -> Self::Store {
        let before = self.last.lock().take().expect("a store was made");
        let image = image(before.path());
        drop(store);
        self.crashed.lock().push(before);
        self.open(image)
    }
}

/// What lies in the folder at one moment: copied anew while the store makes or deletes files.
fn image(from: &Path) -> TempDir {
    loop {
        let (image, before) = (TempDir::new().unwrap(), files(from));
        match copy(from, image.path()) {
            Ok(()) if files(from) == before => return image,
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
            Ok(()) | Err(_) => {}
        }
    }
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let within = |path: PathBuf| match path.is_dir() {
        true => files(&path),
        false => BTreeSet::from([path]),
    };
    entries.flat_map(within).collect()
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        match from.is_dir() {
            true => copy(&from, &to)?,
            false => drop(std::fs::copy(&from, &to)?),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_on_rocksdb_keep_every_promise() {
    views::run_all(&Rocks::default()).await;
}

#[tokio::test]
async fn crash_on_rocksdb_takes_whole_commits_from_the_end() {
    views::crash::run_all(&Rocks::default()).await;
}

#[tokio::test]
async fn commits_are_flushed_after_so_many_and_after_so_much() {
    let commit = |views: Views<HostileKv>, bytes: usize| async move {
        let document = Bytes::from(vec![0; bytes]);
        let key = Bytes::from_static(b"k");
        let change = ViewChange::Put { key, document, secondary: Vec::new() };
        let changes = vec![("orders".into(), change)];
        views.commit(ViewBatch { changes, checkpoints: Vec::new() }).await.unwrap();
    };
    let kv = HostileKv::default();
    let views = Views::new(kv.clone(), SETTINGS);
    for unflushed in [1, 2, 0, 1] {
        commit(views.clone(), 1).await;
        assert_eq!(kv.unflushed(), unflushed);
    }
    commit(views.clone(), 5_000).await;
    assert_eq!(kv.unflushed(), 0);
}

fn name<const N: usize>(names: [&'static str; N]) -> impl Strategy<Value = Arc<str>> {
    select(names.to_vec()).prop_map(Arc::from)
}

fn part<const N: usize>(parts: [&'static [u8]; N]) -> impl Strategy<Value = Bytes> {
    select(parts.to_vec()).prop_map(Bytes::from_static)
}

fn change() -> impl Strategy<Value = ViewChange> {
    let places =
        btree_map((name(model::INDEXES), part(model::PARTITIONS)), part(model::SORTS), 0..4);
    let put =
        (part(model::KEYS), vec(any::<u8>(), 0..4), places).prop_map(|(key, text, places)| {
            let secondary = places
                .into_iter()
                .map(|((index, partition), sort)| SecondaryKey { index, partition, sort })
                .collect();
            ViewChange::Put { key, document: text.into(), secondary }
        });
    prop_oneof![3 => put, 1 => part(model::KEYS).prop_map(|key| ViewChange::Delete { key })]
}

fn op() -> impl Strategy<Value = Op> {
    let position = || (0_u64..3).prop_map(GlobalPosition);
    let moves = (proptest::option::of(position()), position())
        .prop_filter("a checkpoint does not go back", |(before, after)| {
            before.is_none_or(|before| before <= *after)
        });
    let checkpoints = btree_map(name(model::SUBSCRIPTIONS), moves, 0..3).prop_map(|moves| {
        let moves = moves.into_iter();
        let checkpoint =
            |(subscription, (before, after))| Checkpoint { subscription, before, after };
        moves.map(checkpoint).collect()
    });
    let commit = (vec((name(model::VIEWS), change()), 0..6), checkpoints)
        .prop_map(|(changes, checkpoints)| Op::Commit(ViewBatch { changes, checkpoints }));
    let clear = (name(model::VIEWS), proptest::option::of(name(model::SUBSCRIPTIONS)))
        .prop_map(|(view, subscription)| Op::Clear { view, subscription });
    prop_oneof![12 => commit, 1 => clear, 1 => Just(Op::Flush)]
}

proptest! {
    #[test]
    fn operations_equal_a_model(ops in vec(op(), 1..20)) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            model::operations_equal_a_model(&InMemory.create().await, ops).await;
        });
    }
}
