//! Index family 7: who holds a claim.
//!
//! - key: `07 | kind | 00 | the claim's key`
//! - value: `01 | 0 or 1: has an end, 1 byte | end in microseconds, 8 bytes (zero without one) | owner`
//!
//! A kind is a name without zero bytes; the claim's key is any UTF-8 and stands last, so claims of a
//! kind are ordered by key. An entry whose end has passed holds nothing; it stays until the claim is
//! taken anew or swept (see [`super::claim_expiry`]).

use bytes::Bytes;

use super::family::CLAIM;
use crate::clock::Timestamp;
use crate::error::StorageError;
use crate::event_store::{Claim, ClaimHolder};
use crate::kv::Range;
use crate::stream::StreamId;

const FORMAT: u8 = 1;

/// The holder's side of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) owner: StreamId,
    pub(crate) until: Option<Timestamp>,
}

impl Held {
    /// Whether it still holds at `now`: the end itself is free.
    pub(crate) fn holds_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

pub(crate) fn key(claim: &Claim) -> Bytes {
    Bytes::from(raw_key(&claim.kind, &claim.key))
}

pub(super) fn raw_key(kind: &str, key: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(2 + kind.len() + key.len());
    bytes.push(CLAIM);
    bytes.extend_from_slice(kind.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

pub(crate) fn value(held: &Held) -> Bytes {
    let mut value = Vec::with_capacity(10 + held.owner.as_str().len());
    value.push(FORMAT);
    value.push(u8::from(held.until.is_some()));
    value.extend_from_slice(&held.until.unwrap_or_default().0.to_be_bytes());
    value.extend_from_slice(held.owner.as_str().as_bytes());
    Bytes::from(value)
}

pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<ClaimHolder, StorageError> {
    let parts = || {
        let claim = decode_key(key)?;
        let (&[format, ends], rest) = value.split_first_chunk::<2>()?;
        let (until, owner) = rest.split_first_chunk::<8>()?;
        let until = Timestamp(u64::from_be_bytes(*until));
        let until = match (format, ends) {
            (FORMAT, 0) => None,
            (FORMAT, 1) => Some(until),
            _ => return None,
        };
        let owner = StreamId::new(std::str::from_utf8(owner).ok()?).ok()?;
        Some(ClaimHolder { claim, owner, until })
    };
    parts().ok_or_else(|| super::damaged("claim", key, value))
}

pub(super) fn decode_key(key: &[u8]) -> Option<Claim> {
    let rest = key.strip_prefix(&[CLAIM])?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    let (kind, key) = (&rest[..end], &rest[end + 1..]);
    Some(Claim::new(std::str::from_utf8(kind).ok()?, std::str::from_utf8(key).ok()?))
}

/// Claims of `kind` with keys behind `after`.
pub(crate) fn range(kind: &str, after: Option<&str>, limit: usize) -> Range {
    let from = match after {
        Some(after) => {
            let mut from = raw_key(kind, after);
            from.push(0);
            from
        }
        None => raw_key(kind, ""),
    };
    let mut to = raw_key(kind, "");
    to.pop();
    to.push(1);
    Range { from: Bytes::from(from), to: Bytes::from(to), backward: false, limit }
}

/// Claims of every kind, behind `after`.
pub(crate) fn whole_range(after: Option<&Claim>, limit: usize) -> Range {
    let from = after.map_or_else(
        || vec![CLAIM],
        |after| {
            let mut from = raw_key(&after.kind, &after.key);
            from.push(0);
            from
        },
    );
    let to = Bytes::from_static(&[CLAIM + 1]);
    Range { from: Bytes::from(from), to, backward: false, limit }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn claims_come_back(
            kind in "[A-Za-z0-9_.:@+-]{1,64}", name: String, until: Option<u64>,
            owner in "[A-Za-z0-9_.:@+-]{1,255}",
        ) {
            let claim = Claim::new(kind, name);
            let held = Held { owner: StreamId::new(owner).unwrap(), until: until.map(Timestamp) };
            let back = decode(&key(&claim), &value(&held)).unwrap();
            prop_assert_eq!(back, ClaimHolder { claim, owner: held.owner, until: held.until });
        }

        #[test]
        fn any_bytes_decode_or_are_reported(key: Vec<u8>, value: Vec<u8>) {
            let _either = decode(&key, &value);
        }

        #[test]
        fn a_kind_s_range_holds_what_is_behind(
            kind in "[ab]{1,3}", other in "[ab]{1,3}", after: String, name: String,
        ) {
            let range = range(&kind, Some(&after), 1);
            let key = key(&Claim::new(other.as_str(), name.as_str()));
            let inside = range.from <= key && key < range.to;
            prop_assert_eq!(inside, kind == other && name > after);
        }
    }
}
