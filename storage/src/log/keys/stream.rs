//! Index family 2: where a stream's events are.
//!
//! One entry covers what one append added to the stream: versions and positions side by side.
//!
//! - key: `02 | stream | 00 | first version, 8 bytes`
//! - value: `first position, 8 bytes | number of events, 4 bytes`
//!
//! A stream exists exactly when its entry with first version 1 does: one point look-up that a bloom
//! filter answers. Its head is the end of its last entry.

use bytes::{BufMut, Bytes};

use super::family::STREAM;
use crate::error::StorageError;
use crate::kv::Range;
use crate::stream::{GlobalPosition, StreamId, StreamVersion};

/// Neighbouring events of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first_version: StreamVersion,
    pub(crate) first_position: GlobalPosition,
    pub(crate) events: u32,
}

impl Run {
    pub(crate) fn last_version(self) -> StreamVersion {
        StreamVersion(self.first_version.0 + u64::from(self.events) - 1)
    }

    pub(crate) fn last_position(self) -> GlobalPosition {
        GlobalPosition(self.first_position.0 + u64::from(self.events) - 1)
    }

    /// Where the event with `version` is; it must lie within the run.
    pub(crate) fn position_of(self, version: u64) -> GlobalPosition {
        GlobalPosition(self.first_position.0 + (version - self.first_version.0))
    }
}

pub(crate) fn key(stream: &StreamId, first: StreamVersion) -> Bytes {
    super::numbered(STREAM, stream.as_str(), first.0)
}

pub(crate) fn put_key(key: &mut impl BufMut, stream: &StreamId, first: StreamVersion) {
    super::put_numbered(key, STREAM, stream.as_str(), first.0);
}

pub(crate) fn put_value(value: &mut impl BufMut, run: Run) {
    value.put_u64(run.first_position.0);
    value.put_u32(run.events);
}

pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<(StreamId, Run), StorageError> {
    let parts = || {
        let (stream, first_version) = super::split_numbered(STREAM, key)?;
        let (position, events) = value.split_first_chunk::<8>()?;
        let run = Run {
            first_version: StreamVersion(first_version),
            first_position: GlobalPosition(u64::from_be_bytes(*position)),
            events: u32::from_be_bytes(events.try_into().ok()?),
        };
        let sound = run.events > 0
            && first_version.checked_add(run.events.into()).is_some()
            && run.first_position.0.checked_add(run.events.into()).is_some();
        sound.then_some((StreamId::new(stream).ok()?, run))
    };
    parts().ok_or_else(|| super::damaged("stream", key, value))
}

/// Entries of `stream` whose first version is in `from..=to`.
pub(crate) fn range(stream: &StreamId, from: u64, to: u64, backward: bool, limit: usize) -> Range {
    super::numbers(STREAM, stream.as_str(), from, to, backward, limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_come_back(
            name in "[A-Za-z0-9_.:@+-]{1,255}",
            version in 1..u64::MAX / 2,
            position in 1..u64::MAX / 2,
            events in 1..u32::MAX,
        ) {
            let stream = StreamId::new(name).unwrap();
            let run = Run {
                first_version: StreamVersion(version),
                first_position: GlobalPosition(position),
                events,
            };
            let (mut bytes, mut value) = (Vec::new(), Vec::new());
            put_key(&mut bytes, &stream, run.first_version);
            put_value(&mut value, run);
            prop_assert_eq!(&bytes, &key(&stream, run.first_version));
            let back = decode(&bytes, &value).unwrap();
            prop_assert_eq!(back, (stream, run));
        }

        #[test]
        fn any_bytes_decode_or_are_reported(key: Vec<u8>, value: Vec<u8>) {
            let _either = decode(&key, &value);
        }

        #[test]
        fn a_stream_s_range_holds_its_entries_only(
            name in "[a-z+-]{1,4}", other in "[a-z+-]{1,4}", version: u64,
        ) {
            let (mine, other) = (StreamId::new(name).unwrap(), StreamId::new(other).unwrap());
            let range = range(&mine, 0, u64::MAX, false, 1);
            let key = key(&other, StreamVersion(version));
            prop_assert_eq!(range.from <= key && key < range.to, mine == other);
        }
    }
}
