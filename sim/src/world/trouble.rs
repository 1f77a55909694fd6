//! What the open episodes do to one machine's disk, whatever medium it is: how long a sync takes, which
//! reads and writes fail, and what the next crash leaves behind. Used by [`super::disk`] and by the disk
//! with RocksDB's files.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use sagaline_storage::StorageError;

use super::episodes::Episodes;
use super::timeline::{Timeline, Until};
use crate::bites::Bites;
use crate::fault::{Fault, FaultKind};
use crate::machine::Machine;
use crate::seed::{Random, Seed};

/// A sync takes between these.
const SYNC_MIN_US: u64 = 120;
const SYNC_MAX_US: u64 = 900;
/// Who is put aside goes on after so long at most: about as long as a write takes.
const PUT_ASIDE_MAX_US: u64 = 600;

/// The troubles of one disk. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) machine: Machine,
    pub(super) bites: Bites,
    timeline: Timeline,
    episodes: Episodes,
    random: Arc<Mutex<Random>>,
    put_aside_percent: Arc<AtomicU64>,
}

impl Trouble {
    pub(super) fn new(
        machine: Machine,
        seed: Seed,
        timeline: Timeline,
        bites: Bites,
        episodes: Episodes,
    ) -> Self {
        let random = Arc::new(Mutex::new(seed.stream(&format!("disk/{machine}"))));
        let put_aside_percent = Arc::default();
        Self { machine, bites, timeline, episodes, random, put_aside_percent }
    }

    /// Waits as long as the next sync takes.
    pub(super) fn sync(&self) -> Until {
        let took_us = self.random.lock().between(SYNC_MIN_US, SYNC_MAX_US);
        let added_ms = self.newest(|fault| match fault {
            Fault::DiskStall { machine, added_ms } => Some((*machine, *added_ms)),
            _ => None,
        });
        if added_ms.is_some_and(|ms| ms > 0) {
            self.bites.bit(FaultKind::DiskStall);
        }
        self.timeline.after(took_us + added_ms.unwrap_or(0) * 1_000)
    }

    /// Who reads is put aside, for a moment in which others go on; mostly it is not.
    pub(super) async fn put_aside(&self) {
        let percent = self.put_aside_percent.load(Ordering::Relaxed);
        if percent > 0 && self.draw(|random| random.percent(percent)) {
            let us = self.draw(|random| random.between(1, PUT_ASIDE_MAX_US));
            self.timeline.after(us).await;
        }
    }

    /// From now on so many of a hundred reads are.
    pub(super) fn put_readers_aside(&self, percent: u64) {
        self.put_aside_percent.store(percent, Ordering::Relaxed);
    }

    /// The error that this read or write meets, if it meets one.
    pub(super) fn io_error(&self, what: &str) -> Result<(), StorageError> {
        let percent = self.newest(|fault| match fault {
            Fault::DiskError { machine, percent } => Some((*machine, *percent)),
            _ => None,
        });
        if !percent.is_some_and(|percent| self.random.lock().percent(percent)) {
            return Ok(());
        }
        self.bites.bit(FaultKind::DiskError);
        Err(StorageError::unavailable(format!("disk of {}: {what}: I/O error", self.machine)))
    }

    /// The error that a write meets when the disk is full.
    pub(super) fn room(&self) -> Result<(), StorageError> {
        let full = self.newest(|fault| match fault {
            Fault::DiskFull { machine } => Some((*machine, ())),
            _ => None,
        });
        if full.is_none() {
            return Ok(());
        }
        self.bites.bit(FaultKind::DiskFull);
        Err(StorageError::unavailable(format!("disk of {}: no space left on device", self.machine)))
    }

    /// What the handle of a process that has crashed is told.
    pub(super) fn crashed(&self) -> StorageError {
        StorageError::closed(format!(
            "disk of {}: the process that opened it has crashed",
            self.machine
        ))
    }

    /// Whether a power loss tears the last write.
    pub(super) fn tears(&self) -> bool {
        let torn = self.newest(|fault| match fault {
            Fault::DiskTorn { machine } => Some((*machine, ())),
            _ => None,
        });
        torn.is_some()
    }

    /// Whether a bit is wrong after a crash.
    pub(super) fn flips(&self) -> bool {
        let flips = self.newest(|fault| match fault {
            Fault::DiskBitFlip { machine } => Some((*machine, ())),
            _ => None,
        });
        flips.is_some()
    }

    /// Draws from the disk's stream.
    pub(super) fn draw<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.random.lock())
    }

    fn newest<T>(&self, pick: impl Fn(&Fault) -> Option<(Machine, T)>) -> Option<T> {
        let ours = |fault: &Fault| pick(fault).filter(|(machine, _)| *machine == self.machine);
        self.episodes.newest(ours).map(|(_, picked)| picked)
    }
}
