//! Index family 1: what the store says of itself. Written once: at creation, and in a copy last of all.
//!
//! - key: `01 | "store"`
//! - value: `format of the whole store, 4 bytes | store id, 16 bytes | creation in microseconds, 8 bytes`
//!
//! The format stands first and its place never changes, so that any program can tell whether it is the
//! one to read the rest.

use bytes::Bytes;
use uuid::Uuid;

use super::family::META;
use crate::clock::Timestamp;
use crate::error::StorageError;

/// The format this program writes, and the newest it reads.
pub(crate) const FORMAT: u32 = 1;

/// What is fixed at a store's creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreIdentity {
    /// The format of the whole store.
    pub format: u32,
    /// Drawn at creation: tells two stores apart.
    pub store_id: Uuid,
    /// When it was created.
    pub created_at: Timestamp,
}

pub(crate) fn key() -> Bytes {
    const KEY: &[u8] = &[META, b's', b't', b'o', b'r', b'e'];
    Bytes::from_static(KEY)
}

pub(crate) fn value(identity: &StoreIdentity) -> Bytes {
    let mut value = Vec::with_capacity(28);
    value.extend_from_slice(&identity.format.to_be_bytes());
    value.extend_from_slice(identity.store_id.as_bytes());
    value.extend_from_slice(&identity.created_at.0.to_be_bytes());
    Bytes::from(value)
}

/// Refuses what a newer program wrote.
pub(crate) fn decode(value: &[u8]) -> Result<StoreIdentity, StorageError> {
    let damaged = || super::damaged("meta", &key(), value);
    let (format, rest) = value.split_first_chunk::<4>().ok_or_else(damaged)?;
    let format = u32::from_be_bytes(*format);
    if format > FORMAT {
        return Err(StorageError::invalid(format!(
            "the store has format {format}, this program reads up to {FORMAT}: use the newer program"
        )));
    }
    let (id, created_at) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
    let created_at = super::number(created_at).map(Timestamp).ok_or_else(damaged)?;
    match format {
        FORMAT => Ok(StoreIdentity { format, store_id: Uuid::from_bytes(*id), created_at }),
        _ => Err(damaged()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorKind;

    proptest! {
        #[test]
        fn identities_come_back(id: u128, created_at: u64) {
            let identity = StoreIdentity {
                format: FORMAT,
                store_id: Uuid::from_u128(id),
                created_at: Timestamp(created_at),
            };
            prop_assert_eq!(decode(&value(&identity)).unwrap(), identity);
        }

        #[test]
        fn any_bytes_decode_or_are_reported(value: Vec<u8>) {
            let _either = decode(&value);
        }
    }

    #[test]
    fn a_newer_format_is_refused_even_when_the_rest_is_unreadable() {
        let error = decode(&[0, 0, 0, 2, 9]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains("format 2"), "{error}");
    }
}
