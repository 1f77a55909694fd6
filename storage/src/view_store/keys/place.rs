//! A document's place in a secondary index, and the list of places that stands in its row.
//!
//! ```text
//! group  index | 00 | escaped partition         what is counted together
//! place  group | escaped sort                   where the document stands in the group
//! list   (u16 length of group | group | u16 length of sort | escaped sort)*, sorted
//! ```
//! Lengths are big-endian. The same bytes stand in the secondary key and the count key, so removing
//! the old entries of a document is copying, not encoding.

use crate::error::StorageError;
use crate::view_store::limits::{
    PARTITION_BYTES_MAX, SECONDARY_MAX, SORT_BYTES_MAX, check_at_most,
};
use crate::views::SecondaryKey;

use super::{NAME_END, escape};

/// A place, as stored: both parts escaped and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::view_store) struct Place<'a> {
    /// Index and partition.
    pub(in crate::view_store) group: &'a [u8],
    /// The order within the group.
    pub(in crate::view_store) sort: &'a [u8],
}

/// The group of a partition. The index's name must have been checked.
pub(in crate::view_store) fn group(index: &str, partition: &[u8]) -> Vec<u8> {
    let mut group = Vec::with_capacity(index.len() + partition.len() + 3);
    push_group(&mut group, index, partition);
    group
}

fn push_group(group: &mut Vec<u8>, index: &str, partition: &[u8]) {
    group.extend_from_slice(index.as_bytes());
    group.push(NAME_END);
    escape::push(group, partition);
}

/// The list of a document's places. Refuses too many, too long ones, and two in one partition: a
/// partition's count is a count of documents. The same key given twice is one place.
pub(in crate::view_store) fn encode(
    mut secondary: Vec<SecondaryKey>,
) -> Result<Vec<u8>, StorageError> {
    check_at_most("number of secondary keys", secondary.len(), SECONDARY_MAX)?;
    secondary.sort_unstable();
    secondary.dedup();
    let twice = secondary
        .windows(2)
        .find(|pair| (&pair[0].index, &pair[0].partition) == (&pair[1].index, &pair[1].partition));
    if let Some([key, _]) = twice {
        let SecondaryKey { index, partition, .. } = key;
        return Err(StorageError::invalid(format!(
            "document stands twice in partition {partition:?} of index {index}: wants once"
        )));
    }
    // Lengths and ends; bytes that must be escaped take a little more.
    let bytes =
        |key: &SecondaryKey| key.index.len() + key.partition.len() + key.sort.len() + 2 * 2 + 5;
    let mut list = Vec::with_capacity(secondary.iter().map(bytes).sum());
    for key in &secondary {
        push(&mut list, key)?;
    }
    Ok(list)
}

fn push(list: &mut Vec<u8>, key: &SecondaryKey) -> Result<(), StorageError> {
    super::check("index", &key.index)?;
    check_at_most(
        "bytes of a secondary key's partition",
        key.partition.len(),
        PARTITION_BYTES_MAX,
    )?;
    check_at_most("bytes of a secondary key's sort", key.sort.len(), SORT_BYTES_MAX)?;
    push_part(list, |part| push_group(part, &key.index, &key.partition));
    push_part(list, |part| escape::push(part, &key.sort));
    Ok(())
}

/// Adds a part and, before it, its length. The limits keep every part below 64 KiB.
fn push_part(list: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = list.len();
    list.extend_from_slice(&[0; 2]);
    write(list);
    let length = u16::try_from(list.len() - start - 2).unwrap_or(u16::MAX);
    list[start..start + 2].copy_from_slice(&length.to_be_bytes());
}

/// The places of a list, in order; an error for a list that was not made by [`encode`].
pub(in crate::view_store) fn decode(
    list: &[u8],
) -> impl Iterator<Item = Result<Place<'_>, StorageError>> {
    let mut rest = list;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let place = take_place(&mut rest);
        if place.is_none() {
            rest = &[];
        }
        Some(place.ok_or_else(|| StorageError::corrupt("view: list of secondary keys is cut")))
    })
}

fn take_place<'a>(rest: &mut &'a [u8]) -> Option<Place<'a>> {
    Some(Place { group: take_part(rest)?, sort: take_part(rest)? })
}

fn take_part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk()?;
    let (part, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *rest = tail;
    Some(part)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn key(index: &str, partition: &[u8], sort: &[u8]) -> SecondaryKey {
        SecondaryKey {
            index: index.into(),
            partition: Bytes::copy_from_slice(partition),
            sort: Bytes::copy_from_slice(sort),
        }
    }

    proptest! {
        #[test]
        fn a_list_comes_back_sorted(
            keys in proptest::collection::btree_map(
                ("[a-c]", proptest::collection::vec(0u8..3, 0..4)),
                proptest::collection::vec(0u8..3, 0..4),
                0..8,
            )
        ) {
            let given: Vec<_> = keys.iter().rev().map(|((i, p), s)| key(i, p, s)).collect();
            let list = encode(given).unwrap();
            let places: Vec<_> = decode(&list).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(places.len(), keys.len());
            for (place, ((index, partition), sort)) in places.iter().zip(&keys) {
                let mut escaped = Vec::new();
                escape::push(&mut escaped, sort);
                prop_assert_eq!(place.group, group(index, partition));
                prop_assert_eq!(place.sort, escaped);
            }
        }

        #[test]
        fn a_cut_list_is_refused(sort in proptest::collection::vec(any::<u8>(), 0..8)) {
            let list = encode(vec![key("by_user", b"ada", &sort)]).unwrap();
            for cut in 1..list.len() {
                prop_assert!(decode(&list[..cut]).any(|place| place.is_err()));
            }
        }
    }

    #[test]
    fn a_document_stands_once_in_a_partition() {
        let same = vec![key("by_user", b"ada", b"1"), key("by_user", b"ada", b"1")];
        assert_eq!(decode(&encode(same).unwrap()).count(), 1);
        let twice = vec![key("by_user", b"ada", b"1"), key("by_user", b"ada", b"2")];
        assert!(encode(twice).is_err());
    }
}
