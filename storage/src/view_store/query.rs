//! Reading pages: of a partition of an index, and of a whole view.
//!
//! Called by [`Views`](super::Views). Never writes.

use bytes::Bytes;

use crate::canary::planted;
use crate::error::StorageError;
use crate::event_store::Direction;
use crate::kv::{Entry, Kv, Range, Space};
use crate::views::{ViewPage, ViewQuery};

use super::cursor::CursorKind;
use super::keys::{self, Family, document, place, secondary};
use super::limits::{CHUNK_ROWS, PAGE_MAX, PARTITION_BYTES_MAX, SKIP_MAX};
use super::limits::{check_at_most, check_between};
use super::writer::Writer;

/// A partition being walked in one direction; `range` is what is still ahead.
struct Walk {
    prefix: Bytes,
    cursors: CursorKind,
    range: Range,
}

impl Walk {
    fn of(query: &ViewQuery) -> Result<Self, StorageError> {
        let group = place::group(&query.index, &query.partition);
        let prefix = secondary::group_prefix(&query.view, &group);
        let to = secondary::group_end(&prefix);
        let backward = query.direction == Direction::Backward;
        let list = query.list.as_ref().unwrap_or(&query.view);
        let cursors = CursorKind::new(&secondary::group_prefix(list, &group), query.direction);
        let range = Range { from: prefix.clone(), to, backward, limit: 0 };
        let mut walk = Self { prefix, cursors, range };
        if let Some(cursor) = &query.after {
            let suffix = cursors.suffix(cursor)?;
            walk.pass(&[&walk.prefix, &suffix[..]].concat());
        }
        Ok(walk)
    }

    /// Nothing up to and with `key` is ahead any more.
    fn pass(&mut self, key: &[u8]) {
        match self.range.backward {
            true => self.range.to = Bytes::copy_from_slice(key),
            false if planted("forward-page-repeats-the-last") => {
                self.range.from = Bytes::copy_from_slice(key)
            }
            false => self.range.from = keys::behind(key),
        }
    }

    async fn next<K: Kv>(&self, kv: &K, limit: usize) -> Result<Vec<Entry>, StorageError> {
        kv.scan(Space::Views, Range { limit, ..self.range.clone() }).await
    }

    /// Passes over `count` entries, in parts.
    async fn skip<K: Kv>(&mut self, kv: &K, mut count: usize) -> Result<(), StorageError> {
        while count > 0 {
            let entries = self.next(kv, count.min(CHUNK_ROWS)).await?;
            let Some((last, _)) = entries.last() else { return Ok(()) };
            self.pass(last);
            count -= entries.len();
        }
        Ok(())
    }

    /// The end of an entry's key: what a cursor holds.
    fn suffix(&self, key: &Bytes) -> Bytes {
        key.slice(self.prefix.len()..)
    }
}

/// See [`ViewStore::query`](crate::views::ViewStore::query). The page is of one moment.
pub(super) async fn query<K: Kv>(
    writer: &Writer<K>,
    query: ViewQuery,
) -> Result<ViewPage, StorageError> {
    check(&query)?;
    let kv = writer.kv();
    let mut walk = Walk::of(&query)?;
    walk.skip(kv, query.skip).await?;
    let _moment = writer.moment().await;
    let mut entries = walk.next(kv, query.limit + 1).await?;
    let more = entries.len() > query.limit;
    entries.truncate(query.limit);
    let last = entries.last().filter(|_| more).map(|(key, _)| walk.suffix(key));
    let primary = |(key, _): &Entry| secondary::primary(&walk.suffix(key));
    let primaries = entries.iter().map(primary).collect::<Result<Vec<_>, _>>()?;
    let documents = documents(kv, &query.view, primaries).await?;
    Ok(ViewPage { documents, cursor: last.map(|suffix| walk.cursors.cursor(&suffix)) })
}

fn check(query: &ViewQuery) -> Result<(), StorageError> {
    keys::check("view", &query.view)?;
    keys::check("index", &query.index)?;
    query.list.as_ref().map_or(Ok(()), |list| keys::check("list", list))?;
    check_at_most("bytes of the partition asked for", query.partition.len(), PARTITION_BYTES_MAX)?;
    check_at_most("number of documents passed over", query.skip, SKIP_MAX)?;
    check_page(query.limit)
}

fn check_page(limit: usize) -> Result<(), StorageError> {
    check_between("number of documents asked for", limit, 1, PAGE_MAX)
}

async fn documents<K: Kv>(
    kv: &K,
    view: &str,
    primaries: Vec<Bytes>,
) -> Result<Vec<(Bytes, Bytes)>, StorageError> {
    let rows = primaries.iter().map(|primary| document::key(view, primary)).collect();
    let stored = kv.get_many(Space::Views, rows).await?;
    let whole = |(primary, value): (Bytes, Option<Bytes>)| {
        let value = value.ok_or_else(|| {
            StorageError::corrupt(format!(
                "view {view}: an index holds {primary:?}, nothing else does"
            ))
        })?;
        Ok((primary, document::row(&value)?.document))
    };
    primaries.into_iter().zip(stored).map(whole).collect()
}

/// See [`ViewStore::scan`](crate::views::ViewStore::scan). The cursor is the last primary key.
pub(super) async fn scan<K: Kv>(
    kv: &K,
    view: &str,
    after: Option<Bytes>,
    limit: usize,
) -> Result<ViewPage, StorageError> {
    keys::check("view", view)?;
    check_page(limit)?;
    let (first, to) = keys::range(Family::Document, view);
    let from = after.map_or(first, |after| keys::behind(&document::key(view, &after)));
    let range = Range { from, to, backward: false, limit: limit + 1 };
    let rows = kv.scan(Space::Views, range).await?;
    let more = rows.len() > limit;
    let whole =
        |(key, value): &Entry| Ok((document::primary(view, key)?, document::row(value)?.document));
    let documents = rows.iter().take(limit).map(whole).collect::<Result<Vec<_>, StorageError>>()?;
    let cursor = documents.last().filter(|_| more).map(|(primary, _)| primary.clone());
    Ok(ViewPage { documents, cursor })
}
