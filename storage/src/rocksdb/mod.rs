//! [`Kv`] on RocksDB: the embedded default. One process opens a data folder at a time.
//!
//! Two databases lie in the folder. `log/` holds the spaces events and index, with a write-ahead log that
//! is synced where a write asks for it. `views/` holds the read models and has no write-ahead log at all:
//! they can be rebuilt. They are apart because RocksDB writes one batch after the other: in one database
//! every commit of a read model would wait for the sync of an append.
//!
//! Calls block their thread inline, for the length of a sync at worst (see [`Kv::write`]); handing them to
//! another thread costs more than most of them take. Only [`Kv::purge`] takes so long that it is handed over.

mod errors;
mod options;
mod purge;
mod scan;
mod wal_check;

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::rocksdb::{Cache, ColumnFamily, DB, DBPinnableSlice, ReadOptions, WriteBatch as RocksBatch};
use bytes::Bytes;

pub use options::RocksSettings;

use crate::error::StorageError;
use crate::kv::{Durability, Entry, Kv, MemoryUse, Range, Space, WriteBatch};

use errors::failed;
use options::{EVENTS, INDEX};
use scan::Reading;
use wal_check::Look;

/// A file may go away between being named and being opened. A writer replaces its files some times a second
/// at the most, and opening takes milliseconds.
const READ_ONLY_TRIES: u32 = 100;

/// An ordered store in a data folder; clones are the same store. The folder is free again when the last
/// clone is dropped.
#[derive(Clone)]
pub struct RocksKv {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    log: DB,
    views: DB,
    durable: ::rocksdb::WriteOptions,
    logged: ::rocksdb::WriteOptions,
    unlogged: ::rocksdb::WriteOptions,
}

impl std::fmt::Debug for RocksKv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksKv").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl RocksKv {
    /// Opens the data folder, or creates it. A batch whose end was cut off by a crash was never
    /// acknowledged and is dropped; any other damage is refused with the file's name.
    pub fn open(path: impl AsRef<Path>, settings: &RocksSettings) -> Result<Self, StorageError> {
        let path = path.as_ref();
        std::fs::create_dir_all(path).map_err(|error| {
            StorageError::unavailable(format!("data folder {}: {error}", path.display()))
        })?;
        Self::is_in(path)?;
        check_wal(path, Look::Lengths)?;
        let cache = settings.block_cache();
        // The log first: its lock is the folder's.
        let log = match options::open_log(&path.join("log"), settings, &cache) {
            Ok(log) => log,
            Err(error) => {
                refuse_damage(path, &error)?;
                return Err(errors::open_failed(path, &error));
            }
        };
        let views = options::open_views(&path.join("views"), settings, &cache)
            .map_err(|error| errors::open_failed(path, &error))?;
        Ok(Self::of(path, log, views))
    }

    /// Whether a data folder holds a store. One that has lost what names the state of its files (`CURRENT`) is
    /// refused: RocksDB would make an empty one in its place and delete the rest.
    pub fn is_in(path: impl AsRef<Path>) -> Result<bool, StorageError> {
        let path = path.as_ref();
        is_whole(&path.join("views"))?;
        is_whole(&path.join("log"))
    }

    /// Opens the data folder as it is at this moment, to read it, also while another process writes to it;
    /// what that one writes later is not seen. The views are seen as they were last flushed, and the log as it
    /// was later: no view knows of an event that is not there. Every write to this store is an error. Damage
    /// is refused as by [`Self::open`].
    pub fn open_read_only(
        path: impl AsRef<Path>,
        settings: &RocksSettings,
    ) -> Result<Self, StorageError> {
        let path = path.as_ref();
        if !path.join("log").is_dir() || !path.join("views").is_dir() {
            let path = path.display();
            return Err(StorageError::unavailable(format!(
                "data folder {path}: no store is in it"
            )));
        }
        check_wal(path, Look::Lengths)?;
        let cache = settings.block_cache();
        let mut tries = 0;
        loop {
            match open_beside(path, settings, &cache) {
                Ok((log, views)) => return Ok(Self::of(path, log, views)),
                Err(error) if tries == 0 => refuse_damage(path, &error)?,
                Err(_) if tries < READ_ONLY_TRIES => {}
                Err(error) => {
                    refuse_damage(path, &error)?;
                    return Err(errors::open_failed(path, &error));
                }
            }
            tries += 1;
        }
    }

    fn of(path: &Path, log: DB, views: DB) -> Self {
        let inner = Inner {
            path: path.to_owned(),
            log,
            views,
            durable: options::durable_writes(),
            logged: options::logged_writes(),
            unlogged: options::unlogged_writes(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The sum of a number that RocksDB has of each space.
    fn every_space(&self, property: &CStr) -> Result<u64, StorageError> {
        Space::ALL.iter().map(|space| self.number(*space, property)).sum()
    }

    fn number(&self, space: Space, property: &CStr) -> Result<u64, StorageError> {
        let number = match self.place(space)? {
            (db, Some(family)) => db.property_int_value_cf(family, property),
            (db, None) => db.property_int_value(property),
        };
        Ok(number.map_err(|error| self.failed("property", &error))?.unwrap_or(0))
    }

    /// The database and column family of a space; views are alone in theirs.
    fn place(&self, space: Space) -> Result<(&DB, Option<&ColumnFamily>), StorageError> {
        let name = match space {
            Space::Events => EVENTS,
            Space::Index => INDEX,
            Space::Views => return Ok((&self.inner.views, None)),
        };
        let family = self.inner.log.cf_handle(name).ok_or_else(|| {
            StorageError::corrupt(format!(
                "data folder {}: column family {name} is not there",
                self.inner.path.display()
            ))
        })?;
        Ok((&self.inner.log, Some(family)))
    }

    fn write_log(&self, batch: WriteBatch, durability: Durability) -> Result<(), StorageError> {
        let (_, events) = self.place(Space::Events)?;
        let (_, index) = self.place(Space::Index)?;
        let mut rocks = RocksBatch::with_capacity_bytes(size_hint(&batch));
        for (space, key, value) in in_key_order(&batch) {
            let family = match space {
                Space::Events => events,
                Space::Index => index,
                Space::Views => return Err(mixed()),
            };
            put_or_delete(&mut rocks, family, key, value.as_ref());
        }
        let options = match durability {
            Durability::Synced => &self.inner.durable,
            Durability::Buffered => &self.inner.logged,
        };
        let written = self.inner.log.write_opt(rocks, options);
        written.map_err(|error| self.failed("write", &error))
    }

    fn write_views(&self, batch: WriteBatch, durability: Durability) -> Result<(), StorageError> {
        let mut rocks = RocksBatch::with_capacity_bytes(size_hint(&batch));
        for (space, key, value) in in_key_order(&batch) {
            match space {
                Space::Views => put_or_delete(&mut rocks, None, key, value.as_ref()),
                Space::Events | Space::Index => return Err(mixed()),
            }
        }
        let written = self.inner.views.write_opt(rocks, &self.inner.unlogged);
        written.map_err(|error| self.failed("write", &error))?;
        match durability {
            Durability::Synced => self.flush_views(),
            Durability::Buffered => Ok(()),
        }
    }

    fn flush_views(&self) -> Result<(), StorageError> {
        self.inner.views.flush().map_err(|error| self.failed("flush", &error))
    }

    fn failed(&self, operation: &str, error: &::rocksdb::Error) -> StorageError {
        failed(&self.inner.path, operation, error)
    }
}

impl Kv for RocksKv {
    async fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), StorageError> {
        match batch.changes.first() {
            None => Ok(()),
            Some((Space::Views, ..)) => self.write_views(batch, durability),
            Some((Space::Events | Space::Index, ..)) => self.write_log(batch, durability),
        }
    }

    async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let value = match self.place(space)? {
            (db, Some(family)) => db.get_pinned_cf(family, key),
            (db, None) => db.get_pinned(key),
        };
        own(value).map_err(|error| self.failed("read", &error))
    }

    async fn get_many(
        &self,
        space: Space,
        keys: Vec<Bytes>,
    ) -> Result<Vec<Option<Bytes>>, StorageError> {
        let read = |error| self.failed("read", &error);
        match self.place(space)? {
            (db, Some(family)) => {
                // A batched read looks at one moment, and sorts the keys itself.
                let values = db.batched_multi_get_cf(family, &keys, false);
                values.into_iter().map(|value| own(value).map_err(read)).collect()
            }
            (db, None) => {
                let snapshot = db.snapshot();
                let mut options = ReadOptions::default();
                options.set_snapshot(&snapshot);
                let values = db.multi_get_opt(&keys, &options).into_iter();
                values
                    .map(|value| value.map(|value| value.map(Bytes::from)).map_err(read))
                    .collect()
            }
        }
    }

    async fn scan(&self, space: Space, range: Range) -> Result<Vec<Entry>, StorageError> {
        let (db, family) = self.place(space)?;
        let reading = Reading::of(space, &range);
        scan::scan(db, family, &range, reading).map_err(|error| self.failed("scan", &error))
    }

    async fn flush(&self, space: Space) -> Result<(), StorageError> {
        match space {
            Space::Events | Space::Index => {
                self.inner.log.flush_wal(true).map_err(|error| self.failed("flush", &error))
            }
            Space::Views => self.flush_views(),
        }
    }

    async fn purge(&self, space: Space, key: &[u8]) -> Result<(), StorageError> {
        let (kv, key) = (self.clone(), Bytes::copy_from_slice(key));
        purge::off_the_async_threads(move || kv.purge_now(space, &key)).await
    }

    fn memory(&self) -> Result<Option<MemoryUse>, StorageError> {
        Ok(Some(MemoryUse {
            // All spaces share one cache.
            cache_bytes: self.number(Space::Events, c"rocksdb.block-cache-usage")?,
            write_buffer_bytes: self.every_space(c"rocksdb.cur-size-all-mem-tables")?,
        }))
    }
}

/// Whether a database is there. One that a crash left half made has no `CURRENT` either, but no tables and no
/// write-ahead log yet.
fn is_whole(database: &Path) -> Result<bool, StorageError> {
    let shown = database.display();
    let failed = |error| StorageError::unavailable(format!("{shown}: {error}"));
    if database.join("CURRENT").try_exists().map_err(failed)? {
        return Ok(true);
    }
    if !database.is_dir() {
        return Ok(false);
    }
    for entry in std::fs::read_dir(database).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.extension().is_some_and(|its| its == "sst" || its == "log") {
            let file = file.display();
            return Err(StorageError::corrupt(format!(
                "{shown}: CURRENT is missing, and {file} is there; put it back, or restore a backup"
            )));
        }
    }
    Ok(false)
}

/// The log and the views, to be read. The views first: what they know of is in the log by then.
fn open_beside(
    path: &Path,
    settings: &RocksSettings,
    cache: &Cache,
) -> Result<(DB, DB), ::rocksdb::Error> {
    let views = options::open_views_read_only(&path.join("views"), settings, cache)?;
    let log = options::open_log_read_only(&path.join("log"), settings, cache)?;
    Ok((log, views))
}

/// Refuses damage of the write-ahead log. Another process may be writing to it: damage is what is there at a
/// second look as well.
fn check_wal(path: &Path, look: Look) -> Result<(), StorageError> {
    let log = path.join("log");
    let looked = match wal_check::damage(&log, look) {
        Ok(Some(_)) => wal_check::damage(&log, look),
        looked => looked,
    };
    match looked {
        Ok(None) => Ok(()),
        Ok(Some(damage)) => Err(StorageError::corrupt(format!("write-ahead log {damage}"))),
        Err(error) => Err(StorageError::unavailable(format!(
            "data folder {}: the write-ahead log cannot be read: {error}",
            path.display()
        ))),
    }
}

/// Opening failed with `error`: refuses with the place of the damage if it is in the write-ahead log. RocksDB
/// says that there is some, and not where.
fn refuse_damage(path: &Path, error: &::rocksdb::Error) -> Result<(), StorageError> {
    if error.kind() == ::rocksdb::ErrorKind::Corruption {
        check_wal(path, Look::Checksums)?;
    }
    Ok(())
}

/// RocksDB's table in memory remembers where the last key went: a neighbour is put there at once, and
/// any other key is searched for from the top, along paths that are out of the processor's cache. Changes
/// of one key stay in their order.
fn in_key_order(batch: &WriteBatch) -> Vec<&(Space, Bytes, Option<Bytes>)> {
    let mut changes: Vec<_> = batch.changes.iter().collect();
    changes.sort_by(|(a_space, a, _), (b_space, b, _)| a_space.cmp(b_space).then_with(|| a.cmp(b)));
    changes
}

fn put_or_delete(
    batch: &mut RocksBatch,
    family: Option<&ColumnFamily>,
    key: &[u8],
    value: Option<&Bytes>,
) {
    match (family, value) {
        (Some(family), Some(value)) => batch.put_cf(family, key, value),
        (Some(family), None) => batch.delete_cf(family, key),
        (None, Some(value)) => batch.put(key, value),
        (None, None) => batch.delete(key),
    }
}

fn own(
    value: Result<Option<DBPinnableSlice<'_>>, ::rocksdb::Error>,
) -> Result<Option<Bytes>, ::rocksdb::Error> {
    Ok(value?.map(|value| Bytes::copy_from_slice(&value)))
}

/// RocksDB's own format: a header, then per entry at most 12 bytes beside key and value.
fn size_hint(batch: &WriteBatch) -> usize {
    let entry = |(_, key, value): &(Space, Bytes, Option<Bytes>)| {
        key.len() + value.as_ref().map_or(0, Bytes::len) + 12
    };
    batch.changes.iter().map(entry).sum::<usize>() + 12
}

fn mixed() -> StorageError {
    StorageError::invalid("a batch holds views and other spaces; they are not written together")
}
