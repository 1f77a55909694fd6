//! Family 1, documents: the truth of a view; the other families repeat parts of it.
//!
//! ```text
//! key    01 | view | 00 | primary key
//! value  01 (format) | u16 length of the places | places | document
//! ```
//! The places are [`super::place`]'s list: what must be removed when the document changes.

use bytes::Bytes;

use crate::error::StorageError;

use super::Family;

const FORMAT: u8 = 1;
const HEAD: usize = 3;

/// A stored document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::view_store) struct Row {
    /// Where the indexes hold it.
    pub(in crate::view_store) places: Bytes,
    /// The document.
    pub(in crate::view_store) document: Bytes,
}

/// The key of a document.
pub(in crate::view_store) fn key(view: &str, primary: &[u8]) -> Bytes {
    let mut key = super::prefix(Family::Document, view, primary.len());
    key.extend_from_slice(primary);
    key.into()
}

/// The primary key in a document's key of `view`.
pub(in crate::view_store) fn primary(view: &str, key: &Bytes) -> Result<Bytes, StorageError> {
    let prefix = super::prefix(Family::Document, view, 0);
    if key.starts_with(&prefix) && key.len() > prefix.len() {
        return Ok(key.slice(prefix.len()..));
    }
    Err(StorageError::corrupt(format!("view {view}: key {key:?} is not a document's")))
}

/// The value of a document's key. Places are at most 64 KiB by their limits.
pub(in crate::view_store) fn value(places: &[u8], document: &[u8]) -> Bytes {
    let length = u16::try_from(places.len()).unwrap_or(u16::MAX);
    let mut value = Vec::with_capacity(HEAD + places.len() + document.len());
    value.push(FORMAT);
    value.extend_from_slice(&length.to_be_bytes());
    value.extend_from_slice(places);
    value.extend_from_slice(document);
    value.into()
}

/// The row in a document's value; shares its memory.
pub(in crate::view_store) fn row(value: &Bytes) -> Result<Row, StorageError> {
    let Some(&[format, high, low]) = value.first_chunk::<HEAD>() else {
        return Err(StorageError::corrupt("view: document row is cut"));
    };
    if format != FORMAT {
        return Err(StorageError::corrupt(format!(
            "view: document row has format {format}, this version reads {FORMAT}"
        )));
    }
    let end = HEAD + usize::from(u16::from_be_bytes([high, low]));
    if value.len() < end {
        return Err(StorageError::corrupt("view: document row is cut in its secondary keys"));
    }
    Ok(Row { places: value.slice(HEAD..end), document: value.slice(end..) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_and_rows_come_back(
            view in "[a-z]{1,8}",
            primary_key in proptest::collection::vec(any::<u8>(), 1..32),
            places in proptest::collection::vec(any::<u8>(), 0..64),
            document in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            prop_assert_eq!(primary(&view, &key(&view, &primary_key)).unwrap(), &primary_key[..]);
            let row = row(&value(&places, &document)).unwrap();
            prop_assert_eq!(row.places, places);
            prop_assert_eq!(row.document, document);
        }

        #[test]
        fn keys_have_the_order_of_their_parts(
            a in ("[ab]{1,3}", proptest::collection::vec(0u8..3, 1..4)),
            b in ("[ab]{1,3}", proptest::collection::vec(0u8..3, 1..4)),
        ) {
            prop_assert_eq!(key(&a.0, &a.1).cmp(&key(&b.0, &b.1)), a.cmp(&b));
        }

        #[test]
        fn a_cut_row_is_refused(places in proptest::collection::vec(any::<u8>(), 1..16)) {
            let whole = value(&places, b"");
            for cut in 0..whole.len() {
                prop_assert!(row(&whole.slice(..cut)).is_err());
            }
        }
    }

    #[test]
    fn the_bytes_of_a_document_are_these() {
        assert_eq!(&key("orders", b"o-1")[..], b"\x01orders\0o-1");
        assert_eq!(&value(b"pl", b"{}")[..], b"\x01\0\x02pl{}");
    }

    #[test]
    fn a_row_of_a_newer_format_is_refused() {
        assert!(row(&Bytes::from_static(b"\x02\0\0{}")).is_err());
    }
}
