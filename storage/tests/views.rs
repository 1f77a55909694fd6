//! The view store's promises, kept over memory; and its operations beside a model, drawn and shrunk.

use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use sagaline_storage::conformance::views::{self, ViewsFactory, model};
use sagaline_storage::memory::MemoryKv;
use sagaline_storage::stream::GlobalPosition;
use sagaline_storage::view_store::{ViewSettings, Views};
use sagaline_storage::views::{Checkpoint, SecondaryKey, ViewBatch, ViewChange};

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
    let checkpoint = (name(model::SUBSCRIPTIONS), proptest::option::of(position()), position())
        .prop_filter("a checkpoint does not go back", |(_, before, after)| {
            before.is_none_or(|before| before <= *after)
        })
        .prop_map(|(subscription, before, after)| Checkpoint { subscription, before, after });
    let commit = (vec((name(model::VIEWS), change()), 0..6), proptest::option::of(checkpoint))
        .prop_map(|(changes, checkpoint)| Op::Commit(ViewBatch { changes, checkpoint }));
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
