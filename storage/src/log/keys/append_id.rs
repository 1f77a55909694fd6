//! Index family 6: what every append was and how it ended. Kept as long as the log.
//!
//! - key: `06 | append id, 16 bytes`
//! - value: `01 | content digest, 32 bytes | position, 8 bytes | number of events, 4 bytes |
//!   each write's version afterwards, 8 bytes`

use bytes::{BufMut, Bytes};
use uuid::Uuid;

use super::family::APPEND_ID;
use crate::error::StorageError;
use crate::event::AppendId;
use crate::event_store::Appended;
use crate::kv::Range;
use crate::stream::{GlobalPosition, StreamVersion};

const FORMAT: u8 = 1;

/// An append that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    /// Over what was asked for; see `envelope::append_digest`.
    pub(crate) digest: [u8; 32],
    pub(crate) appended: Appended,
}

pub(crate) fn key(id: AppendId) -> Bytes {
    let mut key = Vec::with_capacity(17);
    put_key(&mut key, id);
    Bytes::from(key)
}

pub(crate) fn put_key(key: &mut impl BufMut, id: AppendId) {
    key.put_u8(APPEND_ID);
    key.put_slice(id.0.as_bytes());
}

pub(crate) fn put_value(value: &mut impl BufMut, made: &Made) {
    value.put_u8(FORMAT);
    value.put_slice(&made.digest);
    value.put_u64(made.appended.position.0);
    value.put_u32(made.appended.events);
    for version in &made.appended.versions {
        value.put_u64(version.0);
    }
}

/// The whole family, greatest id first.
pub(crate) fn greatest_first(limit: usize) -> Range {
    Range { backward: true, ..super::whole_family(APPEND_ID, limit) }
}

pub(crate) fn decode_key(key: &[u8]) -> Result<AppendId, StorageError> {
    let id = key.strip_prefix(&[APPEND_ID]).and_then(|id| Uuid::from_slice(id).ok());
    id.map(AppendId).ok_or_else(|| super::damaged("append id", key, &[]))
}

pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Made, StorageError> {
    let parts = || {
        let (digest, rest) = value.strip_prefix(&[FORMAT])?.split_first_chunk::<32>()?;
        let (position, rest) = rest.split_first_chunk::<8>()?;
        let (events, versions) = rest.split_first_chunk::<4>()?;
        let (versions, []) = versions.as_chunks::<8>() else { return None };
        let versions = versions.iter().map(|v| StreamVersion(u64::from_be_bytes(*v))).collect();
        let position = GlobalPosition(u64::from_be_bytes(*position));
        let appended = Appended { position, events: u32::from_be_bytes(*events), versions };
        Some(Made { digest: *digest, appended })
    };
    parts().ok_or_else(|| super::damaged("append id", key, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn results_come_back(
            id: u128, digest: [u8; 32], position: u64, events: u32,
            versions in prop::collection::vec(any::<u64>(), 0..20),
        ) {
            let id = AppendId(Uuid::from_u128(id));
            let versions = versions.into_iter().map(StreamVersion).collect();
            let appended = Appended { position: GlobalPosition(position), events, versions };
            let made = Made { digest, appended };
            prop_assert_eq!(decode_key(&key(id)).unwrap(), id);
            let mut value = Vec::new();
            put_value(&mut value, &made);
            prop_assert_eq!(decode(&key(id), &value).unwrap(), made);
        }

        #[test]
        fn any_bytes_decode_or_are_reported(key: Vec<u8>, value: Vec<u8>) {
            let _either = (decode_key(&key), decode(&key, &value));
        }
    }
}
