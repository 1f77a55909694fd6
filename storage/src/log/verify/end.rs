//! Where a log ends, also when its end cannot be read.

use crate::error::{ErrorKind, StorageError};
use crate::kv::{Kv, Space};
use crate::log::keys;
use crate::stream::GlobalPosition;

/// No log has a record here or behind it.
const POSITIONS: u64 = 1 << 62;

/// The last position, and why it could not be read if so: then it is the last one at which something is.
pub(super) async fn find<K: Kv>(
    kv: &K,
) -> Result<(GlobalPosition, Option<StorageError>), StorageError> {
    match kv.scan(Space::Events, keys::event::range(0, u64::MAX, true, 1)).await {
        Ok(last) => match last.first() {
            Some((key, _)) => Ok((keys::event::decode(key)?, None)),
            None => Ok((GlobalPosition::START, None)),
        },
        Err(error) if error.kind == ErrorKind::Corrupt => {
            Ok((search(kv, &error).await?, Some(error)))
        }
        Err(error) => Err(error),
    }
}

/// Looks for the end by asking for single records: first which power of two is there, then between it and the
/// next. Where all positions are said to be there nothing is known, and the search ends with `error`.
async fn search<K: Kv>(kv: &K, error: &StorageError) -> Result<GlobalPosition, StorageError> {
    let mut behind = POSITIONS;
    if is_there(kv, behind).await? {
        return Err(error.clone());
    }
    while behind > 1 && !is_there(kv, behind / 2).await? {
        behind /= 2;
    }
    let mut there = behind / 2;
    while behind - there > 1 {
        let between = there + (behind - there) / 2;
        match is_there(kv, between).await? {
            true => there = between,
            false => behind = between,
        }
    }
    Ok(GlobalPosition(there))
}

/// Whether there is a record, readable or not.
async fn is_there<K: Kv>(kv: &K, position: u64) -> Result<bool, StorageError> {
    match kv.get(Space::Events, &keys::event::key(GlobalPosition(position))).await {
        Ok(record) => Ok(record.is_some()),
        Err(error) if error.kind == ErrorKind::Corrupt => Ok(true),
        Err(error) => Err(error),
    }
}
