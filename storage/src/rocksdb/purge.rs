//! Getting rid of what a key held before. RocksDB keeps it: in the write-ahead log until every write of that
//! file is in tables, and in a table until a compaction merges it with what replaced it.

use ::rocksdb::{BottommostLevelCompaction, CompactOptions};

use crate::error::StorageError;
use crate::kv::Space;

use super::RocksKv;

impl RocksKv {
    /// Blocks its thread until nothing that `key` held before is in any file. Meant for one key: every table
    /// in whose range it lies is written anew. Tables and files of the write-ahead log that nobody needs any
    /// more are deleted by RocksDB in the background, at once.
    pub(super) fn purge_now(&self, space: Space, key: &[u8]) -> Result<(), StorageError> {
        let failed = |error| self.failed("purge", &error);
        let behind = [key, &[0]].concat();
        let mut options = CompactOptions::default();
        // The last level as well: what is there already would be left alone.
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        match self.place(space)? {
            (log, Some(family)) => {
                // A file of the write-ahead log has writes of both.
                for space in [Space::Events, Space::Index] {
                    if let (_, Some(family)) = self.place(space)? {
                        log.flush_cf(family).map_err(failed)?;
                    }
                }
                log.compact_range_cf_opt(family, Some(key), Some(&behind), &options);
            }
            (views, None) => {
                views.flush().map_err(failed)?;
                views.compact_range_opt(Some(key), Some(&behind), &options);
            }
        }
        Ok(())
    }
}

/// What `work` gives. In the simulation it runs in place, at no time.
#[allow(deprecated, reason = "the facade's simulated side has no other way to say it")]
pub(super) async fn off_the_async_threads(
    work: impl FnOnce() -> Result<(), StorageError> + Send + 'static,
) -> Result<(), StorageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(StorageError::unavailable("purge: it was given up in the middle")))
}
