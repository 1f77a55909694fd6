//! The bytes of the views' space ([`Space::Views`](crate::kv::Space::Views)): one file a key family.
//!
//! Every key starts with its family's number. Names (views, indexes, subscriptions) are checked to
//! hold no zero byte and end at one; other parts of variable length are [`escape`]d, unless they
//! stand last. So the order of keys is the order of their parts, and no key is the beginning of
//! another family's.
//!
//! Called by the view store alone. Never reads or writes anything.

pub(super) mod checkpoint;
pub(super) mod count;
pub(super) mod document;
pub(super) mod escape;
pub(super) mod place;
pub(super) mod secondary;

use bytes::Bytes;

use crate::error::StorageError;
use crate::stream::check_name;

/// The key families. The numbers are stored: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Family {
    /// [`document`].
    Document = 1,
    /// [`secondary`].
    Secondary = 2,
    /// [`count`].
    Count = 3,
    /// [`checkpoint`].
    Checkpoint = 4,
}

/// Ends a name. No name holds it, see [`check`].
const NAME_END: u8 = 0;

/// Longest name of a view, an index or a subscription, in bytes: it stands in every key.
const NAME_BYTES_MAX: usize = 128;

/// Refuses a name that cannot stand in a key; `field` says what it names.
pub(super) fn check(field: &str, name: &str) -> Result<(), StorageError> {
    check_name(field, name, NAME_BYTES_MAX)
}

/// `family | view | 00`, with room for `more` bytes.
fn prefix(family: Family, view: &str, more: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + view.len() + more);
    key.push(family as u8);
    key.extend_from_slice(view.as_bytes());
    key.push(NAME_END);
    key
}

/// The view in a key of any family that has one.
pub(super) fn view(key: &[u8]) -> Result<&str, StorageError> {
    let name = key.get(1..).and_then(|behind| behind.split(|byte| *byte == NAME_END).next());
    let name = name.and_then(|name| std::str::from_utf8(name).ok());
    name.ok_or_else(|| StorageError::corrupt(format!("view: key {key:?} has no view's name")))
}

/// Everything of `family` that belongs to `view`: first key, and what stands behind the last.
pub(super) fn range(family: Family, view: &str) -> (Bytes, Bytes) {
    let from = prefix(family, view, 0);
    let mut to = from.clone();
    to.truncate(from.len() - 1);
    to.push(NAME_END + 1);
    (from.into(), to.into())
}

/// The smallest key behind `key`.
pub(super) fn behind(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}
