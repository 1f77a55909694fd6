//! A machine's disk with RocksDB's own files: the adapter that production runs on, in the simulated
//! world. The episodes trouble it as they trouble [`super::FaultyDisk`]; what a crash leaves is what lies
//! in the folder at that moment, with the write that was under way torn at any byte.
//!
//! Slower than the disk in memory by far (two changes of threads for each call, milliseconds to open), so
//! it is for runs that are about the adapter. Its errors name folders, which are called differently in
//! every process: a run's transcript must not have them.

mod folder;
mod off_sim;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use parking_lot::Mutex;
use sagaline_storage::StorageError;
use sagaline_storage::kv::{Durability, Entry, Kv, Range, Space, WriteBatch};
use sagaline_storage::rocksdb::{RocksKv, RocksSettings};

use super::trouble::Trouble;
use crate::fault::FaultKind;

use folder::Folder;
use off_sim::off_sim;

/// A machine's disk with RocksDB's files, as one process of the machine has it open. Clones are the same
/// handle.
#[derive(Debug, Clone)]
pub struct RocksDisk {
    disk: Disk,
    crashes: u64,
}

/// The disk itself.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    trouble: Trouble,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    folder: Option<Folder>,
    /// Open, unless nobody has asked since the last crash.
    kv: Option<RocksKv>,
    crashes: u64,
    writes: u64,
    /// The write that is being synced.
    in_flight: Option<(u64, WriteBatch)>,
}

impl Drop for State {
    fn drop(&mut self) {
        let (kv, folder) = (self.kv.take(), self.folder.take());
        if kv.is_some() || folder.is_some() {
            off_sim(move || {
                drop(kv);
                drop(folder);
            });
        }
    }
}

impl Disk {
    pub(super) fn new(trouble: Trouble) -> Self {
        Self { trouble, state: Arc::default() }
    }

    /// Opens the store that is on it.
    pub(super) fn open(&self) -> Result<RocksDisk, StorageError> {
        let mut state = self.state.lock();
        if state.kv.is_none() {
            let (folder, kv) = open(state.folder.take(), self.trouble.machine.name())?;
            state.folder = Some(folder);
            state.kv = Some(kv);
        }
        Ok(RocksDisk { disk: self.clone(), crashes: state.crashes })
    }

    /// The processes of the machine have ended. Panics when the image cannot be made: the harness is out
    /// of disk then.
    pub(super) fn processes_ended(&self) {
        self.crash(false);
    }

    /// The machine has no power any more. Returns how many writes under way that tore.
    pub(super) fn power_lost(&self) -> usize {
        self.crash(true)
    }

    fn crash(&self, power_lost: bool) -> usize {
        let mut state = self.state.lock();
        state.crashes += 1;
        let under_way = state.in_flight.take().map(|(_, batch)| batch);
        let (Some(kv), Some(folder)) = (state.kv.take(), state.folder.take()) else { return 0 };
        let share = self.trouble.draw(|random| random.below(1_000));
        let torn = power_lost && under_way.is_some();
        let cut_to = torn.then_some(share);
        let name = self.trouble.machine.name();
        let image = off_sim(move || crash_image(kv, folder, under_way, cut_to, name));
        state.folder = Some(image.expect("a data folder of the simulation can be copied"));
        if torn && self.trouble.tears() {
            self.trouble.bites.bit(FaultKind::DiskTorn);
        }
        usize::from(torn)
    }
}

fn open(folder: Option<Folder>, name: &'static str) -> Result<(Folder, RocksKv), StorageError> {
    off_sim(move || {
        let unavailable = |error| StorageError::unavailable(format!("a folder: {error}"));
        let folder = folder.map_or_else(|| Folder::new(name).map_err(unavailable), Ok)?;
        let kv = RocksKv::open(folder.path(), &RocksSettings::default())?;
        Ok((folder, kv))
    })
}

/// What the folder holds now, with the write under way in it as far as `cut_to` thousandths of its bytes.
fn crash_image(
    kv: RocksKv,
    folder: Folder,
    under_way: Option<WriteBatch>,
    cut_to: Option<u64>,
    name: &str,
) -> std::io::Result<Folder> {
    let before = folder.wal_bytes()?;
    if let Some(batch) = under_way {
        let written = kv.write(batch, Durability::Buffered).now_or_never();
        if !matches!(written, Some(Ok(()))) {
            return Err(std::io::Error::other(format!("a write under way: {written:?}")));
        }
    }
    let image = folder.image(name)?;
    if let Some(thousandths) = cut_to {
        let written = image.wal_bytes()?.saturating_sub(before);
        image.cut_wal(before + written * thousandths / 1_000)?;
    }
    drop(kv);
    Ok(image)
}

impl RocksDisk {
    /// Calls the store, outside the simulation, while this handle's process lives.
    fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&RocksKv) -> Option<Result<T, StorageError>> + Send + 'static,
    ) -> Result<T, StorageError> {
        let state = self.disk.state.lock();
        let kv = state.kv.as_ref().filter(|_| state.crashes == self.crashes).cloned();
        let Some(kv) = kv else { return Err(self.disk.trouble.crashed()) };
        let answer = off_sim(move || call(&kv));
        // Its calls block their thread, so they are ready when they return.
        answer.unwrap_or_else(|| Err(StorageError::closed("RocksDB left a call unfinished")))
    }

    /// The batch is under way: a crash tears it.
    fn put_under_way(&self, batch: WriteBatch) -> Result<u64, StorageError> {
        let mut state = self.disk.state.lock();
        if state.crashes != self.crashes {
            return Err(self.disk.trouble.crashed());
        }
        state.writes += 1;
        let id = state.writes;
        state.in_flight = Some((id, batch));
        Ok(id)
    }

    fn take_under_way(&self, id: u64) {
        let mut state = self.disk.state.lock();
        if state.crashes == self.crashes {
            state.in_flight.take_if(|(under_way, _)| *under_way == id);
        }
    }
}

impl Kv for RocksDisk {
    async fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), StorageError> {
        let trouble = &self.disk.trouble;
        trouble.room()?;
        if durability == Durability::Synced {
            let id = self.put_under_way(batch.clone())?;
            trouble.sync().await;
            self.take_under_way(id);
        }
        trouble.io_error("write")?;
        self.call(move |kv| kv.write(batch, durability).now_or_never())
    }

    async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.disk.trouble.io_error("read")?;
        let key = Bytes::copy_from_slice(key);
        self.call(move |kv| kv.get(space, &key).now_or_never())
    }

    async fn get_many(
        &self,
        space: Space,
        keys: Vec<Bytes>,
    ) -> Result<Vec<Option<Bytes>>, StorageError> {
        self.disk.trouble.io_error("read")?;
        self.call(move |kv| kv.get_many(space, keys).now_or_never())
    }

    async fn scan(&self, space: Space, range: Range) -> Result<Vec<Entry>, StorageError> {
        self.disk.trouble.io_error("scan")?;
        self.call(move |kv| kv.scan(space, range).now_or_never())
    }

    async fn flush(&self, space: Space) -> Result<(), StorageError> {
        self.disk.trouble.sync().await;
        self.disk.trouble.io_error("flush")?;
        self.call(move |kv| kv.flush(space).now_or_never())
    }
}
