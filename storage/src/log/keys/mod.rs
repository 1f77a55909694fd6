//! The keys of the log: one file a family, each documents its bytes and has a round trip.
//!
//! | space | first byte | family |
//! |---|---|---|
//! | events | – | [`event`]: the records by position; the space holds nothing else |
//! | index | 1 | [`meta`]: what the store says of itself |
//! | index | 2 | [`stream`]: runs of a stream's events |
//! | index | 3 | [`block`]: blocks of the log that hold an event type |
//! | index | 4 | [`block`]: blocks of the log that hold a category |
//! | index | 5 | [`correlation`]: runs of events with one correlation id |
//! | index | 6 | [`append_id`]: the results of all appends |
//! | index | 7 | [`claim`]: who holds what |
//! | index | 8 | [`claim_expiry`]: claims that end by themselves, by time |
//! | index | 9 | [`epoch`]: the shards' epochs |
//!
//! Numbers are big-endian, so that the order of bytes is the order of numbers. Names hold only
//! `[A-Za-z0-9_.:@+-]`, so a zero byte ends one, and no name is a prefix of another with its zero.
//! A first byte is never used again for something else.

pub(crate) mod append_id;
pub(crate) mod block;
pub(crate) mod claim;
pub(crate) mod claim_expiry;
pub(crate) mod correlation;
pub(crate) mod epoch;
pub(crate) mod event;
pub(crate) mod meta;
pub(crate) mod stream;

use bytes::{BufMut, Bytes};

use crate::error::StorageError;
use crate::kv::Range;

/// The first bytes of the index space.
pub(crate) mod family {
    pub(crate) const META: u8 = 1;
    pub(crate) const STREAM: u8 = 2;
    pub(crate) const EVENT_TYPE: u8 = 3;
    pub(crate) const CATEGORY: u8 = 4;
    pub(crate) const CORRELATION: u8 = 5;
    pub(crate) const APPEND_ID: u8 = 6;
    pub(crate) const CLAIM: u8 = 7;
    pub(crate) const CLAIM_EXPIRY: u8 = 8;
    pub(crate) const EPOCH: u8 = 9;
}

/// `family | name | 0 | number`.
fn numbered(family: u8, name: &str, number: u64) -> Bytes {
    let mut key = Vec::with_capacity(1 + name.len() + 1 + 8);
    put_numbered(&mut key, family, name, number);
    Bytes::from(key)
}

/// The same, behind what is in `key`.
fn put_numbered(key: &mut impl BufMut, family: u8, name: &str, number: u64) {
    key.put_u8(family);
    key.put_slice(name.as_bytes());
    key.put_u8(0);
    key.put_u64(number);
}

/// The reverse of [`numbered`].
fn split_numbered(family: u8, key: &[u8]) -> Option<(&str, u64)> {
    let (name, number) = key.strip_prefix(&[family])?.split_last_chunk::<8>()?;
    let name = std::str::from_utf8(name.strip_suffix(&[0])?).ok()?;
    Some((name, u64::from_be_bytes(*number)))
}

/// The keys of `name` with numbers in `from..=to`; nothing when `to` is below `from`.
fn numbers(family: u8, name: &str, from: u64, to: u64, backward: bool, limit: usize) -> Range {
    let mut behind = numbered(family, name, to).to_vec();
    // The first key behind one is the key with a zero byte added.
    behind.push(0);
    Range { from: numbered(family, name, from), to: Bytes::from(behind), backward, limit }
}

/// The whole of a family.
pub(crate) fn whole_family(family: u8, limit: usize) -> Range {
    let to = family.checked_add(1).map_or_else(Bytes::new, |next| Bytes::from(vec![next]));
    Range { from: Bytes::from(vec![family]), to, backward: false, limit }
}

/// The range behind an entry that was read, up to the end of `range`.
pub(crate) fn resume(range: &Range, last: &[u8]) -> Range {
    let mut from = last.to_vec();
    from.push(0);
    Range { from: Bytes::from(from), ..range.clone() }
}

/// A number that fills `bytes` exactly.
fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

fn damaged(family: &str, key: &[u8], value: &[u8]) -> StorageError {
    let mut hex = String::new();
    for byte in key.iter().take(96) {
        hex.push_str(&format!("{byte:02x}"));
    }
    StorageError::corrupt(format!(
        "index: the {family} entry under key {hex} ({} bytes of value) cannot be read",
        value.len()
    ))
}
