//! Changes and queries as the tests write them.

use bytes::Bytes;

use crate::event_store::Direction;
use crate::stream::GlobalPosition;
use crate::views::{
    Checkpoint, SecondaryKey, ViewBatch, ViewChange, ViewError, ViewQuery, ViewStore,
};

/// The view that most tests use.
pub(super) const VIEW: &str = "orders";
/// The index that most tests use.
pub(super) const INDEX: &str = "by_user";

pub(super) fn secondary(index: &str, partition: &[u8], sort: &[u8]) -> SecondaryKey {
    SecondaryKey {
        index: index.into(),
        partition: Bytes::copy_from_slice(partition),
        sort: Bytes::copy_from_slice(sort),
    }
}

pub(super) fn put(key: &[u8], document: &[u8], secondary: Vec<SecondaryKey>) -> ViewChange {
    let (key, document) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(document));
    ViewChange::Put { key, document, secondary }
}

/// A document in one partition of [`INDEX`], sorted by its key.
pub(super) fn put_in(partition: &[u8], key: &[u8], document: &[u8]) -> ViewChange {
    put(key, document, vec![secondary(INDEX, partition, key)])
}

pub(super) fn delete(key: &[u8]) -> ViewChange {
    ViewChange::Delete { key: Bytes::copy_from_slice(key) }
}

/// Changes of [`VIEW`] without checkpoints.
pub(super) fn batch(changes: impl IntoIterator<Item = ViewChange>) -> ViewBatch {
    batch_of(VIEW, changes)
}

pub(super) fn batch_of(view: &str, changes: impl IntoIterator<Item = ViewChange>) -> ViewBatch {
    let changes = changes.into_iter().map(|change| (view.into(), change)).collect();
    ViewBatch { changes, checkpoints: Vec::new() }
}

pub(super) fn moving(batch: ViewBatch, name: &str, before: Option<u64>, after: u64) -> ViewBatch {
    let (before, after) = (before.map(GlobalPosition), GlobalPosition(after));
    let mut checkpoints = batch.checkpoints;
    checkpoints.push(Checkpoint { subscription: name.into(), before, after });
    ViewBatch { checkpoints, ..batch }
}

/// A commit that must succeed.
pub(super) async fn commit<S: ViewStore>(store: &S, batch: ViewBatch) {
    store.commit(batch).await.expect("the commit is not refused");
}

/// A commit that must be refused, with its error.
pub(super) async fn refused<S: ViewStore>(store: &S, batch: ViewBatch) -> ViewError {
    store.commit(batch).await.expect_err("the commit is refused")
}

pub(super) async fn count<S: ViewStore>(store: &S, partition: &[u8]) -> u64 {
    store.count(VIEW, INDEX, partition).await.expect("the count is readable")
}

pub(super) async fn checkpoint<S: ViewStore>(store: &S, name: &str) -> Option<u64> {
    store.checkpoint(name).await.expect("the checkpoint is readable").map(|position| position.0)
}

/// The first page of a partition of [`INDEX`].
pub(super) fn ask(partition: &[u8], direction: Direction, limit: usize) -> ViewQuery {
    ViewQuery {
        view: VIEW.into(),
        index: INDEX.into(),
        partition: Bytes::copy_from_slice(partition),
        direction,
        after: None,
        list: None,
        skip: 0,
        limit,
    }
}

/// Everything from `first` on, page by page. No page but the last is short, and no cursor leads to an
/// empty one.
pub(super) async fn pages<S: ViewStore>(store: &S, first: ViewQuery) -> Vec<(Bytes, Bytes)> {
    let (mut found, mut query) = (Vec::new(), first);
    loop {
        let page = store.query(query.clone()).await.expect("the page is readable");
        let length = page.documents.len();
        assert!(length <= query.limit, "{length} documents, asked for {}", query.limit);
        assert!(query.after.is_none() || length > 0, "a cursor leads to a document");
        found.extend(page.documents);
        let Some(cursor) = page.cursor else { return found };
        assert_eq!(length, query.limit, "a page before the last is full");
        query = ViewQuery { after: Some(cursor), skip: 0, ..query };
    }
}

/// All documents of a view, page by page.
pub(super) async fn scan<S: ViewStore>(store: &S, view: &str, limit: usize) -> Vec<(Bytes, Bytes)> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.scan(view, after, limit).await.expect("the view is readable");
        found.extend(page.documents);
        after = page.cursor;
        if after.is_none() {
            return found;
        }
    }
}
