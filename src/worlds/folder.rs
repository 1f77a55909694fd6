//! The embedded store of the settings: where `sagaline` keeps everything. Called by `main`. A folder that was
//! filled in part is not opened.

use std::path::Path;

use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::embedded::{Embedded, LocalSettings, open_embedded};
use sagaline_storage::memory::ManualClock;
use sagaline_storage::rocksdb::{RocksKv, RocksSettings};
use sagaline_storage::{Log, LogSettings, StorageError};

use super::incomplete;
use crate::settings::Settings;

/// Opens the data folder of the settings, or makes it.
pub async fn open_folder(settings: &Settings) -> Result<Embedded, StorageError> {
    incomplete::refuse(&settings.node.data_dir)?;
    let (rocks, local) = (rocks(settings), LocalSettings::default());
    open_embedded(&settings.node.data_dir, &rocks, &local).await
}

/// The same, of a data folder that must hold a store.
pub async fn open_existing_folder(settings: &Settings) -> Result<Embedded, StorageError> {
    exists(&settings.node.data_dir)?;
    open_folder(settings).await
}

/// The store in a folder as it is at this moment, to be read, also while a node has it open.
pub fn open_read_only(settings: &Settings, folder: &Path) -> Result<RocksKv, StorageError> {
    exists(folder)?;
    RocksKv::open_read_only(folder, &rocks(settings))
}

/// A store of its own in a folder.
pub fn open_new(settings: &Settings, folder: &Path) -> Result<RocksKv, StorageError> {
    RocksKv::open(folder, &rocks(settings))
}

/// The log of a data folder as it is at this moment, without views, to be read, also while a node has it open.
pub async fn open_log_read_only(
    settings: &Settings,
) -> Result<Log<RocksKv, SystemClock>, StorageError> {
    let kv = open_read_only(settings, &settings.node.data_dir)?;
    Log::open_read_only(kv, SystemClock::default(), &SystemEntropy, LogSettings::default()).await
}

/// Opens the log of a data folder, or makes it, with a clock that stands where it is set: to give events
/// the times that they were recorded at.
pub async fn open_log_at(
    settings: &Settings,
    clock: ManualClock,
) -> Result<Log<RocksKv, ManualClock>, StorageError> {
    incomplete::refuse(&settings.node.data_dir)?;
    let kv = RocksKv::open(&settings.node.data_dir, &rocks(settings))?;
    Log::open(kv, clock, &SystemEntropy, LogSettings::default()).await
}

/// Refuses a folder that is not there, and one without a log: to open it would make an empty one, which
/// passes for what was asked for.
fn exists(folder: &Path) -> Result<(), StorageError> {
    let shown = folder.display();
    if !folder.is_dir() {
        return Err(StorageError::unavailable(format!("data folder {shown} does not exist")));
    }
    incomplete::refuse(folder)?;
    if !RocksKv::is_in(folder)? {
        return Err(StorageError::unavailable(format!("data folder {shown}: no store is in it")));
    }
    Ok(())
}

fn rocks(settings: &Settings) -> RocksSettings {
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let store = &settings.store;
    RocksSettings {
        block_cache_bytes: bytes(store.cache_bytes),
        // A quarter is the views': what is in it at a crash is rebuilt from the log.
        log_memtables_bytes: bytes(store.write_buffer_bytes / 4 * 3),
        views_memtables_bytes: bytes(store.write_buffer_bytes / 4),
        open_files_max: i32::try_from(store.open_files_max / 2).unwrap_or(i32::MAX),
        ..RocksSettings::default()
    }
}
