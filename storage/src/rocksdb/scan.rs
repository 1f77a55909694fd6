//! Ranges of entries out of RocksDB, with as few allocations as there are pages.

use ::rocksdb::{ColumnFamily, DB, Error, ReadOptions};
use bytes::Bytes;

use crate::kv::{Entry, Range, Space};

/// Entries are copied side by side into chunks and share their chunk's memory; a chunk is freed with its
/// last entry. Small, so that whoever keeps one event of a page does not keep megabytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// From this many records on a scan of the log is one of many: somebody reads all of it.
const LONG_SCAN: usize = 64;

/// Read from the disk at once by a long scan, as far as its range goes: a page of a thousand events.
const READAHEAD_BYTES: usize = 512 * 1024;

/// How a range is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Blocks come into the cache: somebody will look there again.
    LookUp,
    /// Ahead, and past the cache: it would drive out what is looked up again and again.
    Through,
}

impl Reading {
    /// The way that fits a scan of `space`.
    pub(super) fn of(space: Space, range: &Range) -> Self {
        match space {
            Space::Events if range.limit >= LONG_SCAN => Self::Through,
            Space::Events | Space::Index | Space::Views => Self::LookUp,
        }
    }
}

/// The entries of `range`, as of one moment.
pub(super) fn scan(
    db: &DB,
    family: Option<&ColumnFamily>,
    range: &Range,
    reading: Reading,
) -> Result<Vec<Entry>, Error> {
    if range.limit == 0 || (!range.to.is_empty() && range.to <= range.from) {
        return Ok(Vec::new());
    }
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(range.from.as_ref());
    if !range.to.is_empty() {
        options.set_iterate_upper_bound(range.to.as_ref());
    }
    match reading {
        Reading::LookUp => {}
        Reading::Through => {
            options.set_readahead_size(READAHEAD_BYTES);
            options.fill_cache(false);
        }
    }
    let mut iterator = match family {
        Some(family) => db.raw_iterator_cf_opt(family, options),
        None => db.raw_iterator_opt(options),
    };
    if range.backward {
        iterator.seek_to_last()
    } else {
        iterator.seek_to_first()
    }
    let mut chunks = Chunks::default();
    while chunks.entries() < range.limit {
        let Some((key, value)) = iterator.item() else { break };
        chunks.push(key, value);
        if range.backward { iterator.prev() } else { iterator.next() }
    }
    iterator.status()?;
    Ok(chunks.finish())
}

/// Entries on their way out of the store.
#[derive(Default)]
struct Chunks {
    done: Vec<Entry>,
    open: Vec<u8>,
    /// Lengths of keys and values in `open`.
    lengths: Vec<(usize, usize)>,
}

impl Chunks {
    fn entries(&self) -> usize {
        self.done.len() + self.lengths.len()
    }

    fn push(&mut self, key: &[u8], value: &[u8]) {
        let bytes = key.len() + value.len();
        if !self.lengths.is_empty() && self.open.len() + bytes > CHUNK_BYTES {
            self.seal();
            self.open.reserve(CHUNK_BYTES.max(bytes));
        }
        self.open.extend_from_slice(key);
        self.open.extend_from_slice(value);
        self.lengths.push((key.len(), value.len()));
    }

    fn seal(&mut self) {
        let chunk = Bytes::from(std::mem::take(&mut self.open));
        self.done.reserve(self.lengths.len());
        let mut at = 0;
        for (key, value) in self.lengths.drain(..) {
            let middle = at + key;
            let end = middle + value;
            self.done.push((chunk.slice(at..middle), chunk.slice(middle..end)));
            at = end;
        }
    }

    fn finish(mut self) -> Vec<Entry> {
        self.seal();
        self.done
    }
}
