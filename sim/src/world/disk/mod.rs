//! A machine's disk: [`Kv`] that takes time to sync, loses what was not synced when the power fails, and
//! errs when an episode says so. What is on it outlives the machine's crashes. The store's machine hands
//! it to the log and the views; a handle dies with the process it was made for.

mod image;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use sagaline_storage::StorageError;
use sagaline_storage::kv::{Durability, Entry, Kv, Range, Space, WriteBatch};

use super::trouble::Trouble;
use crate::fault::FaultKind;

use image::{Image, Journal};

/// The disk of one machine, as one process of it has it open. Clones are the same handle.
#[derive(Debug, Clone)]
pub struct FaultyDisk {
    disk: Disk,
    /// The machine's crashes before this handle was made: after the next one it serves no more.
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
    image: Image,
    crashes: u64,
    synced_writes: u64,
    /// Records with a wrong bit. Their checksum says so to whoever reads them, as RocksDB's would.
    flipped: BTreeSet<Bytes>,
}

impl Disk {
    /// An empty one.
    pub(super) fn new(trouble: Trouble) -> Self {
        Self { trouble, state: Arc::default() }
    }

    /// A handle for whoever runs on the machine now.
    pub(super) fn open(&self) -> FaultyDisk {
        let mut state = self.state.lock();
        self.trouble.draw(|random| state.image.reopened(random));
        FaultyDisk { disk: self.clone(), crashes: state.crashes }
    }

    /// See [`Trouble::put_aside`].
    pub(super) fn put_readers_aside(&self, percent: u64) {
        self.trouble.put_readers_aside(percent);
    }

    /// The processes of the machine have ended.
    pub(super) fn processes_ended(&self) {
        let mut state = self.state.lock();
        self.trouble.draw(|random| state.image.processes_ended(random));
        self.crashed(&mut state);
    }

    /// The machine has no power any more. Returns how many un-synced batches are gone.
    pub(super) fn power_lost(&self) -> usize {
        let mut state = self.state.lock();
        let torn = self.trouble.tears();
        let lost = self.trouble.draw(|random| state.image.power_lost(random, torn));
        if lost.torn {
            self.trouble.bites.bit(FaultKind::DiskTorn);
        }
        self.crashed(&mut state);
        lost.batches
    }

    fn crashed(&self, state: &mut State) {
        state.crashes += 1;
        if self.trouble.flips() {
            let record = self.trouble.draw(|random| state.image.any_record(random));
            state.flipped.extend(record);
        }
    }
}

impl FaultyDisk {
    /// How many writes asked to be synced, over all handles.
    pub fn synced_writes(&self) -> u64 {
        self.disk.state.lock().synced_writes
    }

    /// How many batches a power loss of this moment would put at risk.
    pub fn unsynced_batches(&self) -> usize {
        self.disk.state.lock().image.unsynced_batches()
    }

    /// The key of the log's last record that no power loss can take any more; none: there is no such record.
    /// An error: the process of this handle has ended.
    pub fn last_record_kept(&self) -> Result<Option<Bytes>, StorageError> {
        self.alive(|state| state.image.last_record_kept())
    }

    /// How many batches of the log are there to be seen and can be taken by a power loss. An error: the
    /// process of this handle has ended.
    pub fn log_at_risk(&self) -> Result<usize, StorageError> {
        self.alive(|state| state.image.log_at_risk())
    }

    /// Whether a write of the log that was said to have failed, and may turn out to have happened when the
    /// disk is opened again, has these bytes in one of its keys. An error: the process of this handle has
    /// ended.
    pub fn may_hold(&self, part: &[u8]) -> Result<bool, StorageError> {
        self.alive(|state| state.image.may_hold(part))
    }

    /// The image, while this handle's process lives.
    fn alive<T>(&self, with: impl FnOnce(&mut State) -> T) -> Result<T, StorageError> {
        let mut state = self.disk.state.lock();
        if state.crashes != self.crashes {
            return Err(self.disk.trouble.crashed());
        }
        Ok(with(&mut state))
    }

    /// What `read` finds, unless one of the keys of the log that it `sees` has a wrong bit. What is found is of
    /// one moment, which is neither the first nor the last of the call where readers are put aside.
    async fn read<T>(
        &self,
        what: &str,
        read: impl FnOnce(&Image) -> T,
        sees: impl Fn(&T, &Bytes) -> bool,
    ) -> Result<T, StorageError> {
        self.disk.trouble.put_aside().await;
        let found = self.look(what, read, sees);
        self.disk.trouble.put_aside().await;
        found
    }

    fn look<T>(
        &self,
        what: &str,
        read: impl FnOnce(&Image) -> T,
        sees: impl Fn(&T, &Bytes) -> bool,
    ) -> Result<T, StorageError> {
        self.disk.trouble.io_error(what)?;
        self.alive(|state| {
            let found = read(&state.image);
            match state.flipped.iter().find(|key| sees(&found, key)) {
                None => Ok(found),
                Some(key) => {
                    self.disk.trouble.bites.bit(FaultKind::DiskBitFlip);
                    Err(self.fails_its_checksum(key))
                }
            }
        })?
    }

    fn fails_its_checksum(&self, key: &Bytes) -> StorageError {
        let machine = self.disk.trouble.machine;
        StorageError::corrupt(format!("disk of {machine}: record {key:02x?} fails its checksum"))
    }

    async fn write_synced(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let id = self.alive(|state| {
            state.synced_writes += 1;
            state.image.begin_sync(batch)
        })??;
        let Some(id) = id else { return Ok(()) };
        let syncing = Syncing { disk: self, id, done: false };
        self.disk.trouble.sync().await;
        syncing.finish()
    }
}

/// A sync under way. Dropped in its middle, it has happened: a real one blocks its thread and cannot be
/// taken back.
struct Syncing<'a> {
    disk: &'a FaultyDisk,
    id: u64,
    done: bool,
}

impl Syncing<'_> {
    fn finish(mut self) -> Result<(), StorageError> {
        self.done = true;
        let id = self.id;
        if let Err(error) = self.disk.disk.trouble.io_error("sync") {
            self.disk.alive(|state| state.image.fail_sync(id))?;
            return Err(error);
        }
        self.disk.alive(|state| state.image.end_sync(id))
    }
}

impl Drop for Syncing<'_> {
    fn drop(&mut self) {
        if !self.done {
            // After a crash the image knows nothing of it any more, and so it should.
            let _crashed = self.disk.alive(|state| state.image.end_sync(self.id)).is_err();
        }
    }
}

impl Kv for FaultyDisk {
    async fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), StorageError> {
        self.disk.trouble.room()?;
        match durability {
            Durability::Synced => self.write_synced(batch).await,
            Durability::Buffered => {
                self.disk.trouble.io_error("write")?;
                self.alive(|state| state.image.write_buffered(batch))?
            }
        }
    }

    async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let sees = |_: &Option<Bytes>, flipped: &Bytes| space == Space::Events && flipped == key;
        self.read("read", |image| image.get(space, key), sees).await
    }

    async fn get_many(
        &self,
        space: Space,
        keys: Vec<Bytes>,
    ) -> Result<Vec<Option<Bytes>>, StorageError> {
        let all = |image: &Image| keys.iter().map(|key| image.get(space, key)).collect();
        self.read("read", all, |_, flipped| space == Space::Events && keys.contains(flipped)).await
    }

    async fn scan(&self, space: Space, range: Range) -> Result<Vec<Entry>, StorageError> {
        let sees = |found: &Vec<Entry>, flipped: &Bytes| {
            space == Space::Events && found.iter().any(|(key, _)| key == flipped)
        };
        self.read("scan", |image| image.scan(space, &range), sees).await
    }

    async fn flush(&self, space: Space) -> Result<(), StorageError> {
        self.alive(|_| ())?;
        self.disk.trouble.sync().await;
        self.disk.trouble.io_error("flush")?;
        self.alive(|state| state.image.flush(Journal::of(space)))
    }
}
