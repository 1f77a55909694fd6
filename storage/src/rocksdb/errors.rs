//! RocksDB's errors in the words of the ports: what to do, where, and what the system said.

use std::path::Path;

use ::rocksdb::{Error, ErrorKind};

use crate::error::StorageError;

/// An operation on an open store failed.
pub(super) fn failed(path: &Path, operation: &str, error: &Error) -> StorageError {
    let message = format!("data folder {}: {operation}: {error}", path.display());
    match error.kind() {
        ErrorKind::Corruption => StorageError::corrupt(message),
        ErrorKind::NotSupported | ErrorKind::InvalidArgument => StorageError::invalid(message),
        ErrorKind::ShutdownInProgress | ErrorKind::ColumnFamilyDropped => {
            StorageError::closed(message)
        }
        ErrorKind::NotFound
        | ErrorKind::IOError
        | ErrorKind::MergeInProgress
        | ErrorKind::Incomplete
        | ErrorKind::TimedOut
        | ErrorKind::Aborted
        | ErrorKind::Busy
        | ErrorKind::Expired
        | ErrorKind::TryAgain
        | ErrorKind::CompactionTooLarge
        | ErrorKind::Unknown => StorageError::unavailable(message),
    }
}

/// The store could not be opened.
pub(super) fn open_failed(path: &Path, error: &Error) -> StorageError {
    let text = error.as_ref();
    if error.kind() == ErrorKind::IOError && text.contains("LOCK") && text.contains("lock") {
        return StorageError::unavailable(format!(
            "data folder {} is in use by another process (or opened twice by this one)",
            path.display()
        ));
    }
    failed(path, "open", error)
}
