//! Family 4, how far each subscription has come.
//!
//! ```text
//! key    04 | subscription
//! value  u64 big-endian: the global position; no row: it never started
//! ```

use bytes::Bytes;

use crate::error::StorageError;
use crate::stream::GlobalPosition;

use super::Family;

/// The key of a subscription's checkpoint. The name must have been checked.
pub(in crate::view_store) fn key(subscription: &str) -> Bytes {
    let mut key = Vec::with_capacity(1 + subscription.len());
    key.push(Family::Checkpoint as u8);
    key.extend_from_slice(subscription.as_bytes());
    key.into()
}

/// The subscription in a checkpoint's key.
pub(in crate::view_store) fn subscription(key: &[u8]) -> Result<&str, StorageError> {
    let name = key.get(1..).and_then(|name| std::str::from_utf8(name).ok());
    name.ok_or_else(|| StorageError::corrupt(format!("view: key {key:?} is not a checkpoint's")))
}

/// The value of a checkpoint's key.
pub(in crate::view_store) fn value(position: GlobalPosition) -> Bytes {
    Bytes::copy_from_slice(&position.0.to_be_bytes())
}

/// The position in a stored value.
pub(in crate::view_store) fn position(value: &Bytes) -> Result<GlobalPosition, StorageError> {
    <[u8; 8]>::try_from(&value[..])
        .map(|bytes| GlobalPosition(u64::from_be_bytes(bytes)))
        .map_err(|_| StorageError::corrupt(format!("view: checkpoint {value:?} is not 8 bytes")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn checkpoints_come_back(number: u64) {
            let stored = GlobalPosition(number);
            prop_assert_eq!(position(&value(stored)).unwrap(), stored);
        }
    }

    #[test]
    fn the_bytes_of_a_checkpoint_are_these() {
        assert_eq!(&key("orders")[..], b"\x04orders");
        assert_eq!(subscription(&key("orders")).unwrap(), "orders");
        assert_eq!(value(GlobalPosition(7)), &b"\0\0\0\0\0\0\0\x07"[..]);
    }

    #[test]
    fn a_checkpoint_of_another_length_is_refused() {
        assert!(position(&Bytes::from_static(b"")).is_err());
    }
}
