//! What clearing and rebuilding promise.

use crate::event_store::Direction;
use crate::views::{ViewBatch, ViewStore};

use super::ViewsFactory;
use super::model::{Op, random_ops};
use super::samples::*;

/// All of them.
pub async fn run_all<F: ViewsFactory>(factory: &F) {
    clear_leaves_nothing_of_the_view(factory).await;
    clear_touches_nothing_else(factory).await;
    cleared_subscription_starts_anew(factory).await;
    rebuilds_are_byte_equal(factory).await;
}

/// More documents than are deleted at once.
const DOCUMENTS: u32 = 1_500;

async fn filled<F: ViewsFactory>(factory: &F) -> F::Store {
    let store = factory.create().await;
    for view in [VIEW, "orders@2", "order"] {
        let document = |number: u32| put_in(&[(number % 3) as u8], &number.to_be_bytes(), b"{}");
        let batch = batch_of(view, (0..DOCUMENTS).map(document));
        commit(&store, moving(batch, view, None, 9)).await;
    }
    store
}

/// No document, no entry, no count.
pub async fn clear_leaves_nothing_of_the_view<F: ViewsFactory>(factory: &F) {
    let store = filled(factory).await;
    assert_eq!(store.clear(VIEW, Some(VIEW)).await, Ok(()));
    assert_eq!(scan(&store, VIEW, 100).await, []);
    for partition in 0..3 {
        assert_eq!(count(&store, &[partition]).await, 0);
        assert_eq!(pages(&store, ask(&[partition], Direction::Forward, 10)).await, []);
    }
    assert_eq!(checkpoint(&store, VIEW).await, None);
    commit(&store, batch([put_in(&[1], b"new", b"")])).await;
    assert_eq!(count(&store, &[1]).await, 1);
    assert_eq!(store.clear("never", None).await, Ok(()));
}

/// Neither views with similar names nor other subscriptions.
pub async fn clear_touches_nothing_else<F: ViewsFactory>(factory: &F) {
    let store = filled(factory).await;
    assert_eq!(store.clear(VIEW, None).await, Ok(()));
    for view in [VIEW, "orders@2", "order"] {
        assert_eq!(checkpoint(&store, view).await, Some(9));
    }
    for view in ["orders@2", "order"] {
        assert_eq!(scan(&store, view, 100).await.len(), DOCUMENTS as usize);
        assert_eq!(store.count(view, INDEX, &[0]).await, Ok(u64::from(DOCUMENTS) / 3));
    }
}

/// A runner that did not notice the clearing is refused; one that starts anew is not.
pub async fn cleared_subscription_starts_anew<F: ViewsFactory>(factory: &F) {
    let store = filled(factory).await;
    assert_eq!(store.clear(VIEW, Some(VIEW)).await, Ok(()));
    refused(&store, moving(batch([put_in(b"p", b"k", b"")]), VIEW, Some(9), 10)).await;
    commit(&store, moving(ViewBatch::default(), VIEW, None, 1)).await;
    assert_eq!(checkpoint(&store, VIEW).await, Some(1));
}

/// The same changes, cut into batches differently and started over in between, make the same view.
pub async fn rebuilds_are_byte_equal<F: ViewsFactory>(factory: &F) {
    let changes = |op: Op| match op {
        Op::Commit(batch) => batch.changes,
        Op::Clear { .. } | Op::Flush => Vec::new(),
    };
    let all: Vec<_> = random_ops(77, 200).into_iter().flat_map(changes).map(|(_, c)| c).collect();
    assert!(all.len() > 200, "something is rebuilt");
    let mut rebuilt = Vec::new();
    for batch_length in [1, 7, all.len()] {
        let store = factory.create().await;
        commit(&store, batch(all[..all.len() / 2].iter().cloned())).await;
        assert_eq!(store.clear(VIEW, None).await, Ok(()));
        for changes in all.chunks(batch_length) {
            commit(&store, batch(changes.iter().cloned())).await;
        }
        let mut view = scan(&store, VIEW, 3).await;
        for partition in super::model::PARTITIONS {
            view.extend(pages(&store, ask(partition, Direction::Forward, 2)).await);
        }
        rebuilt.push(view);
    }
    assert!(!rebuilt[0].is_empty(), "something is left to compare");
    assert!(rebuilt.iter().all(|view| *view == rebuilt[0]));
}
