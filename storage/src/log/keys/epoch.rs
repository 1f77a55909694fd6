//! Index family 9: how often a shard has changed hands.
//!
//! - key: `09 | shard, 4 bytes`
//! - value: `epoch, 8 bytes`
//!
//! A shard without an entry has epoch 0.

use bytes::Bytes;

use super::family::EPOCH;
use crate::error::StorageError;
use crate::event_store::{Epoch, Shard};
use crate::kv::Range;

pub(crate) fn key(shard: Shard) -> Bytes {
    let mut key = [EPOCH; 5];
    key[1..].copy_from_slice(&shard.0.to_be_bytes());
    Bytes::copy_from_slice(&key)
}

pub(crate) fn value(epoch: Epoch) -> Bytes {
    Bytes::copy_from_slice(&epoch.0.to_be_bytes())
}

pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Epoch, StorageError> {
    super::number(value).map(Epoch).ok_or_else(|| super::damaged("epoch", key, value))
}

/// Every shard that ever had an owner, by shard.
pub(crate) fn range(limit: usize) -> Range {
    let (from, to) = (Bytes::from_static(&[EPOCH]), Bytes::from_static(&[EPOCH + 1]));
    Range { from, to, backward: false, limit }
}

pub(crate) fn decode_key(key: &[u8]) -> Option<Shard> {
    let shard = key.strip_prefix(&[EPOCH])?.try_into().ok()?;
    Some(Shard(u32::from_be_bytes(shard)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn epochs_come_back(shard: u32, other: u32, epoch: u64) {
            let bytes = key(Shard(shard));
            prop_assert_eq!(decode(&bytes, &value(Epoch(epoch))).unwrap(), Epoch(epoch));
            prop_assert_eq!(decode_key(&bytes), Some(Shard(shard)));
            prop_assert!(range(1).from <= bytes && bytes < range(1).to);
            prop_assert_eq!(bytes == key(Shard(other)), shard == other);
        }
    }
}
