//! Family 2, entries of the secondary indexes: by them a partition is read in order.
//!
//! ```text
//! key    02 | view | 00 | index | 00 | escaped partition | escaped sort | primary key
//! value  nothing
//! ```
//! An entry exists exactly while the document's row lists its place.

use bytes::Bytes;

use crate::error::StorageError;

use super::place::Place;
use super::{Family, escape};

/// The key of an entry.
pub(in crate::view_store) fn key(view: &str, place: Place<'_>, primary: &[u8]) -> Bytes {
    let more = place.group.len() + place.sort.len() + primary.len();
    let mut key = super::prefix(Family::Secondary, view, more);
    key.extend_from_slice(place.group);
    key.extend_from_slice(place.sort);
    key.extend_from_slice(primary);
    key.into()
}

/// What all entries of a group start with.
pub(in crate::view_store) fn group_prefix(view: &str, group: &[u8]) -> Bytes {
    let mut prefix = super::prefix(Family::Secondary, view, group.len());
    prefix.extend_from_slice(group);
    prefix.into()
}

/// Behind the last entry of a group: its prefix ends with the end of an escaped part, `00 01`, and
/// nothing but another partition starts with `00 02`.
pub(in crate::view_store) fn group_end(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end.into()
}

/// The primary key in what follows a group's prefix: behind the escaped sort.
pub(in crate::view_store) fn primary(suffix: &Bytes) -> Result<Bytes, StorageError> {
    match escape::length(suffix) {
        Some(sort) if sort < suffix.len() => Ok(suffix.slice(sort..)),
        _ => Err(StorageError::corrupt(format!("view: secondary key ends in {suffix:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::place;
    use super::*;

    fn entry(partition: &[u8], sort: &[u8], primary_key: &[u8]) -> Bytes {
        let mut escaped = Vec::new();
        escape::push(&mut escaped, sort);
        let group = place::group("by_user", partition);
        key("orders", Place { group: &group, sort: &escaped }, primary_key)
    }

    fn part(from: usize) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(0), Just(1), Just(2), Just(0xFF)], from..5)
    }

    proptest! {
        #[test]
        fn entries_have_the_order_of_their_parts(
            a in (part(0), part(0), part(1)),
            b in (part(0), part(0), part(1)),
        ) {
            prop_assert_eq!(entry(&a.0, &a.1, &a.2).cmp(&entry(&b.0, &b.1, &b.2)), a.cmp(&b));
        }

        #[test]
        fn a_group_holds_its_partition_and_no_other(
            (partition, other) in (part(0), part(0)),
            (sort, primary_key) in (part(0), part(1)),
        ) {
            let prefix = group_prefix("orders", &place::group("by_user", &partition));
            let entry = entry(&other, &sort, &primary_key);
            let inside = prefix <= entry && entry < group_end(&prefix);
            prop_assert_eq!(inside, partition == other);
            if inside {
                prop_assert_eq!(primary(&entry.slice(prefix.len()..)).unwrap(), primary_key);
            }
        }
    }

    #[test]
    fn the_bytes_of_an_entry_are_these() {
        let wanted: &[u8] = b"\x02orders\0by_user\0a\0\xFFda\0\x01s\0\x01o-1";
        assert_eq!(&entry(b"a\0da", b"s", b"o-1")[..], wanted);
    }
}
