//! Index family 8: claims that end by themselves, in the order in which they end.
//!
//! - key: `08 | end in microseconds, 8 bytes | the claim's key in family 7`
//! - value: empty
//!
//! Written with `ReleaseAt`, read by the appender, which deletes what has ended. An entry says only that
//! the claim *may* have ended: it stays behind when the claim is taken anew, and the claim's own entry
//! decides.

use bytes::Bytes;

use super::family::CLAIM_EXPIRY;
use crate::clock::Timestamp;
use crate::error::StorageError;
use crate::event_store::Claim;
use crate::kv::Range;

pub(crate) fn key(until: Timestamp, claim: &Claim) -> Bytes {
    let claim = super::claim::raw_key(&claim.kind, &claim.key);
    let mut key = Vec::with_capacity(9 + claim.len());
    key.push(CLAIM_EXPIRY);
    key.extend_from_slice(&until.0.to_be_bytes());
    key.extend_from_slice(&claim);
    Bytes::from(key)
}

pub(crate) fn decode(key: &[u8]) -> Result<(Timestamp, Claim), StorageError> {
    let parts = || {
        let (until, claim) = key.strip_prefix(&[CLAIM_EXPIRY])?.split_first_chunk::<8>()?;
        Some((Timestamp(u64::from_be_bytes(*until)), super::claim::decode_key(claim)?))
    };
    parts().ok_or_else(|| super::damaged("claim expiry", key, &[]))
}

/// Entries that end at `now` or before.
pub(crate) fn ended(now: Timestamp, limit: usize) -> Range {
    let mut to = vec![CLAIM_EXPIRY];
    to.extend_from_slice(&now.0.saturating_add(1).to_be_bytes());
    Range { from: Bytes::from_static(&[CLAIM_EXPIRY]), to: Bytes::from(to), backward: false, limit }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_come_back_in_order_of_time(
            kind in "[A-Za-z0-9_.:@+-]{1,64}", name: String, until in 0..u64::MAX, now in 0..u64::MAX,
        ) {
            let (until, now) = (Timestamp(until), Timestamp(now));
            let claim = Claim::new(kind, name);
            let bytes = key(until, &claim);
            let range = ended(now, 1);
            prop_assert_eq!(range.from <= bytes && bytes < range.to, until <= now);
            prop_assert_eq!(decode(&bytes).unwrap(), (until, claim));
        }

        #[test]
        fn any_bytes_decode_or_are_reported(key: Vec<u8>) {
            let _either = decode(&key);
        }
    }
}
