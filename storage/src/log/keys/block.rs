//! Index families 3 and 4: in which blocks of the log an event type or a category occurs.
//!
//! - key: `03 | event type | 00 | block, 8 bytes` and `04 | category | 00 | block, 8 bytes`
//! - value: empty
//!
//! A block is [`BLOCK_EVENTS`] positions side by side (`position / BLOCK_EVENTS`). An entry per event
//! would be written with every event; an entry per block costs next to nothing, and a reader that
//! looks for something rare skips what lies between.

use bytes::Bytes;

use super::family;
use crate::error::StorageError;
use crate::kv::Range;
use crate::stream::GlobalPosition;

/// Positions in a block. Part of the stored format: changing it is a new format of the store.
pub(crate) const BLOCK_EVENTS: u64 = 256;

/// What a block is marked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    EventType,
    Category,
}

impl Mark {
    fn family(self) -> u8 {
        match self {
            Self::EventType => family::EVENT_TYPE,
            Self::Category => family::CATEGORY,
        }
    }
}

pub(crate) fn block_of(position: GlobalPosition) -> u64 {
    position.0 / BLOCK_EVENTS
}

pub(crate) fn key(mark: Mark, name: &str, block: u64) -> Bytes {
    super::numbered(mark.family(), name, block)
}

/// The name and the block of an entry.
pub(crate) fn decode(mark: Mark, key: &[u8]) -> Result<(&str, u64), StorageError> {
    super::split_numbered(mark.family(), key).ok_or_else(|| super::damaged("block", key, &[]))
}

/// Entries of `name` for the blocks `from..=to`.
pub(crate) fn range(
    mark: Mark,
    name: &str,
    from: u64,
    to: u64,
    backward: bool,
    limit: usize,
) -> Range {
    super::numbers(mark.family(), name, from, to, backward, limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MARKS: [Mark; 2] = [Mark::EventType, Mark::Category];

    proptest! {
        #[test]
        fn entries_come_back_and_keep_their_order(
            name in "[A-Za-z0-9_.:@+-]{1,255}", a: u64, b: u64,
        ) {
            for mark in MARKS {
                let bytes = key(mark, &name, a);
                prop_assert_eq!(decode(mark, &bytes).unwrap(), (name.as_str(), a));
                prop_assert_eq!(bytes.cmp(&key(mark, &name, b)), a.cmp(&b));
            }
        }

        #[test]
        fn any_bytes_decode_or_are_reported(key: Vec<u8>) {
            let _either = MARKS.map(|mark| decode(mark, &key).is_ok());
        }
    }
}
