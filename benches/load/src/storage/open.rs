//! Opens what is measured: our log as the embedded node has it, and raw RocksDB with its own defaults.

use std::path::Path;

use rocksdb::{DB, IteratorMode, Options};
use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::memory::MemoryKv;
use sagaline_storage::rocksdb::{RocksKv, RocksSettings};
use sagaline_storage::{AppendRequest, EventStore, Log, LogSettings};

use crate::failure::{Context, Failure};
use crate::raw::store::{Put, RawStore};
use crate::storage::recording::{Recorded, RecordingKv};

/// The log of an embedded node.
pub(crate) type EmbeddedLog = Log<RocksKv, SystemClock>;

/// Column families of the raw stores: one for each space that the log writes to, in their order.
const COLUMNS: [&str; 2] = ["events", "index"];

/// Our log in `dir`, with the settings that a node has by default.
pub(crate) async fn ours(dir: &Path) -> Result<EmbeddedLog, Failure> {
    let kv = RocksKv::open(dir, &RocksSettings::default()).context("opening our store")?;
    let log = Log::open(kv, SystemClock::default(), &SystemEntropy, LogSettings::default()).await;
    log.context("opening our log")
}

/// Raw RocksDB in `dir`.
pub(crate) fn raw(dir: &Path) -> Result<RawStore, Failure> {
    RawStore::open(dir, &COLUMNS)
}

/// The events of a store of ours that is open, for reading only: by RocksDB alone.
pub(crate) struct RawEvents {
    db: DB,
}

impl RawEvents {
    /// Sees what is in the store of `dir` now.
    pub(crate) fn beside(dir: &Path) -> Result<Self, Failure> {
        let mut options = Options::default();
        // As the store has it: RocksDB 11.8 crashes when a read-only opening would switch it off.
        options.set_track_and_verify_wals_in_manifest(true);
        let db = DB::open_cf_for_read_only(&options, dir.join("log"), COLUMNS, false);
        Ok(Self { db: db.context("opening our store for reading")? })
    }

    /// From the first record to the last; bytes of keys and values.
    pub(crate) fn iterate(&self) -> Result<u64, Failure> {
        let events = self.db.cf_handle(COLUMNS[0]);
        let events = events.ok_or_else(|| Failure::new("the store has no events"))?;
        let mut bytes = 0;
        for record in self.db.iterator_cf(&events, IteratorMode::Start) {
            let (key, value) = record.context("iterating")?;
            bytes += (key.len() + value.len()) as u64;
        }
        Ok(bytes)
    }
}

/// Our log over memory, to learn what it writes for some appends.
pub(crate) struct RecordingLog {
    kv: RecordingKv<MemoryKv>,
    log: Log<RecordingKv<MemoryKv>, SystemClock>,
}

impl RecordingLog {
    /// An empty one.
    pub(crate) async fn open() -> Result<Self, Failure> {
        let kv = RecordingKv::over(MemoryKv::new());
        let (clock, settings) = (SystemClock::default(), LogSettings::default());
        let log = Log::open(kv.clone(), clock, &SystemEntropy, settings).await;
        let log = log.context("opening the recording log")?;
        kv.take();
        Ok(Self { kv, log })
    }

    /// Makes the appends of all writers, and gives back the puts of each, writer by writer, and those
    /// that a batch holds once.
    pub(crate) async fn record(
        &self,
        lists: &[Vec<AppendRequest>],
    ) -> Result<(Vec<Vec<Vec<Put>>>, Vec<Put>), Failure> {
        for request in lists.iter().flatten() {
            self.log.append(request.clone()).await.context("recording an append")?;
        }
        let Recorded { appends, per_batch } = Recorded::from_batches(self.kv.take());
        let wanted: usize = lists.iter().map(Vec::len).sum();
        if appends.len() != wanted {
            let made = appends.len();
            return Err(Failure::new(format!("{wanted} appends were {made} synced writes")));
        }
        let mut appends = appends.into_iter();
        let puts = lists.iter().map(|list| appends.by_ref().take(list.len()).collect());
        Ok((puts.collect(), per_batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::workload::Workload;

    #[tokio::test]
    async fn raw_rocksdb_is_given_what_our_log_writes() {
        let recording = RecordingLog::open().await.expect("opens");
        let lists = Workload::new().and_then(|mut workload| workload.next(4, 40)).expect("appends");
        let (puts, _) = recording.record(&lists).await.expect("recorded");
        assert_eq!(puts.iter().map(Vec::len).collect::<Vec<_>>(), [10; 4]);
        for put in puts.iter().flatten() {
            let event = put.iter().find(|put| put.column == 0).expect("an event's record");
            assert!(event.value.as_ref().is_some_and(|value| value.len() >= 300));
        }
    }
}
