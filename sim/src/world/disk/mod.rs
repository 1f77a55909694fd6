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

use super::episodes::Episodes;
use super::timeline::Timeline;
use crate::bites::Bites;
use crate::fault::{Fault, FaultKind};
use crate::machine::Machine;
use crate::seed::{Random, Seed};

use image::{Image, Journal};

/// A sync takes between these.
const SYNC_MIN_US: u64 = 120;
const SYNC_MAX_US: u64 = 900;

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
    machine: Machine,
    timeline: Timeline,
    bites: Bites,
    episodes: Episodes,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    image: Image,
    random: Random,
    crashes: u64,
    synced_writes: u64,
    /// Records with a wrong bit. Their checksum says so to whoever reads them, as RocksDB's would.
    flipped: BTreeSet<Bytes>,
}

impl Disk {
    /// An empty one.
    pub(super) fn new(
        machine: Machine,
        seed: Seed,
        timeline: Timeline,
        bites: Bites,
        episodes: Episodes,
    ) -> Self {
        let random = seed.stream(&format!("disk/{machine}"));
        let (image, flipped) = (Image::default(), BTreeSet::new());
        let state = State { image, random, crashes: 0, synced_writes: 0, flipped };
        Self { machine, timeline, bites, episodes, state: Arc::new(Mutex::new(state)) }
    }

    /// A handle for whoever runs on the machine now.
    pub(super) fn open(&self) -> FaultyDisk {
        let mut state = self.state.lock();
        let State { image, random, .. } = &mut *state;
        image.reopened(random);
        FaultyDisk { disk: self.clone(), crashes: state.crashes }
    }

    /// The processes of the machine have ended.
    pub(super) fn processes_ended(&self) {
        let mut state = self.state.lock();
        let State { image, random, .. } = &mut *state;
        image.processes_ended(random);
        state.crashes += 1;
        self.flip(&mut state);
    }

    /// The machine has no power any more. Returns how many un-synced batches are gone.
    pub(super) fn power_lost(&self) -> usize {
        let torn = self
            .has(|fault| matches!(fault, Fault::DiskTorn { machine } if *machine == self.machine));
        let mut state = self.state.lock();
        let State { image, random, .. } = &mut *state;
        let lost = image.power_lost(random, torn);
        state.crashes += 1;
        if lost.torn {
            self.bites.bit(FaultKind::DiskTorn);
        }
        self.flip(&mut state);
        lost.batches
    }

    fn flip(&self, state: &mut State) {
        let wanted = |fault: &Fault| matches!(fault, Fault::DiskBitFlip { machine } if *machine == self.machine);
        if self.has(wanted) {
            let State { image, random, flipped, .. } = state;
            flipped.extend(image.any_record(random));
        }
    }

    fn has(&self, wanted: impl Fn(&Fault) -> bool) -> bool {
        self.episodes.any(wanted)
    }

    /// How long the next sync takes.
    fn sync_us(&self) -> u64 {
        let took = self.state.lock().random.between(SYNC_MIN_US, SYNC_MAX_US);
        let added_ms = self.episodes.newest(|fault| match fault {
            Fault::DiskStall { machine, added_ms } if *machine == self.machine => Some(*added_ms),
            _ => None,
        });
        if added_ms.is_some_and(|ms| ms > 0) {
            self.bites.bit(FaultKind::DiskStall);
        }
        took + added_ms.unwrap_or(0) * 1_000
    }

    /// The error that this read or write meets, if it meets one.
    fn io_error(&self, what: &str) -> Result<(), StorageError> {
        let percent = self.episodes.newest(|fault| match fault {
            Fault::DiskError { machine, percent } if *machine == self.machine => Some(*percent),
            _ => None,
        });
        let Some(percent) = percent else { return Ok(()) };
        if !self.state.lock().random.percent(percent) {
            return Ok(());
        }
        self.bites.bit(FaultKind::DiskError);
        Err(StorageError::unavailable(format!("disk of {}: {what}: I/O error", self.machine)))
    }

    fn room(&self) -> Result<(), StorageError> {
        if !self
            .has(|fault| matches!(fault, Fault::DiskFull { machine } if *machine == self.machine))
        {
            return Ok(());
        }
        self.bites.bit(FaultKind::DiskFull);
        Err(StorageError::unavailable(format!("disk of {}: no space left on device", self.machine)))
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

    /// The image, while this handle's process lives.
    fn alive<T>(&self, with: impl FnOnce(&mut State) -> T) -> Result<T, StorageError> {
        let mut state = self.disk.state.lock();
        if state.crashes != self.crashes {
            return Err(StorageError::closed(format!(
                "disk of {}: the process that opened it has crashed",
                self.disk.machine
            )));
        }
        Ok(with(&mut state))
    }

    /// What `read` finds, unless one of the keys of the log that it `sees` has a wrong bit.
    fn read<T>(
        &self,
        what: &str,
        read: impl FnOnce(&Image) -> T,
        sees: impl Fn(&T, &Bytes) -> bool,
    ) -> Result<T, StorageError> {
        self.disk.io_error(what)?;
        self.alive(|state| {
            let found = read(&state.image);
            match state.flipped.iter().find(|key| sees(&found, key)) {
                None => Ok(found),
                Some(key) => {
                    self.disk.bites.bit(FaultKind::DiskBitFlip);
                    Err(self.fails_its_checksum(key))
                }
            }
        })?
    }

    fn fails_its_checksum(&self, key: &Bytes) -> StorageError {
        let machine = self.disk.machine;
        StorageError::corrupt(format!("disk of {machine}: record {key:02x?} fails its checksum"))
    }

    async fn write_synced(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let id = self.alive(|state| {
            state.synced_writes += 1;
            state.image.begin_sync(batch)
        })??;
        let Some(id) = id else { return Ok(()) };
        let syncing = Syncing { disk: self, id, done: false };
        self.disk.timeline.after(self.disk.sync_us()).await;
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
        if let Err(error) = self.disk.disk.io_error("sync") {
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
        self.disk.room()?;
        match durability {
            Durability::Synced => self.write_synced(batch).await,
            Durability::Buffered => {
                self.disk.io_error("write")?;
                self.alive(|state| state.image.write_buffered(batch))?
            }
        }
    }

    async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let sees = |_: &Option<Bytes>, flipped: &Bytes| space == Space::Events && flipped == key;
        self.read("read", |image| image.get(space, key), sees)
    }

    async fn get_many(
        &self,
        space: Space,
        keys: Vec<Bytes>,
    ) -> Result<Vec<Option<Bytes>>, StorageError> {
        let all = |image: &Image| keys.iter().map(|key| image.get(space, key)).collect();
        self.read("read", all, |_, flipped| space == Space::Events && keys.contains(flipped))
    }

    async fn scan(&self, space: Space, range: Range) -> Result<Vec<Entry>, StorageError> {
        let sees = |found: &Vec<Entry>, flipped: &Bytes| {
            space == Space::Events && found.iter().any(|(key, _)| key == flipped)
        };
        self.read("scan", |image| image.scan(space, &range), sees)
    }

    async fn flush(&self, space: Space) -> Result<(), StorageError> {
        self.alive(|_| ())?;
        self.disk.timeline.after(self.disk.sync_us()).await;
        self.disk.io_error("flush")?;
        self.alive(|state| state.image.flush(Journal::of(space)))
    }
}
