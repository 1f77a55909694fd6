//! Family 3, how many documents a partition of an index holds.
//!
//! ```text
//! key    03 | view | 00 | index | 00 | escaped partition
//! value  u64 big-endian, never 0: an empty partition has no row
//! ```
//! Always the number of entries of the group in family 2.

use bytes::Bytes;

use crate::error::StorageError;

use super::Family;

/// The key of a group's count; see [`super::place::group`].
pub(in crate::view_store) fn key(view: &str, group: &[u8]) -> Bytes {
    let mut key = super::prefix(Family::Count, view, group.len());
    key.extend_from_slice(group);
    key.into()
}

/// The value of a count's key; none when there is nothing to count.
pub(in crate::view_store) fn value(count: u64) -> Option<Bytes> {
    (count > 0).then(|| Bytes::copy_from_slice(&count.to_be_bytes()))
}

/// The count in a stored value, or in none.
pub(in crate::view_store) fn count(value: Option<&Bytes>) -> Result<u64, StorageError> {
    let Some(value) = value else { return Ok(0) };
    <[u8; 8]>::try_from(&value[..])
        .map(u64::from_be_bytes)
        .map_err(|_| StorageError::corrupt(format!("view: count {value:?} is not 8 bytes")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_come_back(number: u64) {
            prop_assert_eq!(count(value(number).as_ref()).unwrap(), number);
        }
    }

    #[test]
    fn the_bytes_of_a_count_are_these() {
        let group = super::super::place::group("by_user", b"ada");
        assert_eq!(&key("orders", &group)[..], b"\x03orders\0by_user\0ada\0\x01");
        assert_eq!(value(258).unwrap(), &b"\0\0\0\0\0\0\x01\x02"[..]);
    }

    #[test]
    fn a_count_of_another_length_is_refused() {
        assert!(count(Some(&Bytes::from_static(b"1"))).is_err());
    }
}
