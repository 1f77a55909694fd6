//! Every bound of the view store with its reason. Enforced before anything is read or written.

use crate::error::StorageError;

/// Bytes of a primary key: it stands in the row's key and in every index entry.
pub const KEY_BYTES_MAX: usize = 512;

/// Secondary keys of a document: each is one more row to write and to remove.
pub const SECONDARY_MAX: usize = 16;

/// Checkpoints of a batch: each is one more row to read before anything is written.
pub const CHECKPOINTS_MAX: usize = 16;

/// Bytes of a secondary key's partition. With the next bound and the two bytes a zero takes, the
/// list of 16 places stays below the 64 KiB that its length field can hold.
pub const PARTITION_BYTES_MAX: usize = 512;

/// Bytes of a secondary key's sort.
pub const SORT_BYTES_MAX: usize = 512;

/// Bytes of a document: it is written and read whole, and 1,000 of them make a page.
pub const DOCUMENT_BYTES_MAX: usize = 4 << 20;

/// Documents of a page.
pub const PAGE_MAX: usize = 1_000;

/// Documents passed over at the start of a query: every one is a key to read.
pub const SKIP_MAX: usize = 1_000_000;

/// Rows read or deleted at once while a view is cleared or documents are passed over: bounds the
/// memory taken and how long other commits wait.
pub(super) const CHUNK_ROWS: usize = 512;

/// Refuses more than there may be.
pub(super) fn check_at_most(what: &str, actual: usize, max: usize) -> Result<(), StorageError> {
    check_between(what, actual, 0, max)
}

/// Refuses less or more than there may be.
pub(super) fn check_between(
    what: &str,
    actual: usize,
    min: usize,
    max: usize,
) -> Result<(), StorageError> {
    if (min..=max).contains(&actual) {
        return Ok(());
    }
    Err(StorageError::invalid(format!("view: {what} is {actual}, wants {min} to {max}")))
}
