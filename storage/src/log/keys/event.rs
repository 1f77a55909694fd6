//! Events space: the log itself.
//!
//! - key: position, 8 bytes
//! - value: a record, see `log/envelope.rs`

use bytes::{BufMut, Bytes};

use crate::error::StorageError;
use crate::kv::Range;
use crate::stream::GlobalPosition;

pub(crate) fn key(position: GlobalPosition) -> Bytes {
    Bytes::copy_from_slice(&position.0.to_be_bytes())
}

pub(crate) fn put_key(key: &mut impl BufMut, position: GlobalPosition) {
    key.put_u64(position.0);
}

pub(crate) fn decode(key: &[u8]) -> Result<GlobalPosition, StorageError> {
    super::number(key).map(GlobalPosition).ok_or_else(|| super::damaged("event", key, &[]))
}

/// The positions `from..=to`.
pub(crate) fn range(from: u64, to: u64, backward: bool, limit: usize) -> Range {
    let behind = match to.checked_add(1) {
        Some(behind) => key(GlobalPosition(behind)),
        None => Bytes::new(),
    };
    Range { from: key(GlobalPosition(from)), to: behind, backward, limit }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn positions_come_back_and_keep_their_order(a: u64, b: u64) {
            let (a, b) = (GlobalPosition(a), GlobalPosition(b));
            prop_assert_eq!(decode(&key(a)).unwrap(), a);
            let mut bytes = Vec::new();
            put_key(&mut bytes, a);
            prop_assert_eq!(bytes, key(a));
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
        }
    }
}
