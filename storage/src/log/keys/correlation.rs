//! Index family 5: where the events of a correlation id are.
//!
//! One entry covers neighbouring events of one append: usually all of it.
//!
//! - key: `05 | correlation id | 00 | first position, 8 bytes`
//! - value: `number of events, 4 bytes`

use bytes::BufMut;

use super::family::CORRELATION;
use crate::error::StorageError;
use crate::event::CorrelationId;
use crate::kv::Range;
use crate::stream::GlobalPosition;

/// Neighbouring events with one correlation id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first_position: GlobalPosition,
    pub(crate) events: u32,
}

impl Run {
    pub(crate) fn last_position(self) -> GlobalPosition {
        GlobalPosition(self.first_position.0 + u64::from(self.events) - 1)
    }
}

pub(crate) fn put_key(key: &mut impl BufMut, id: &CorrelationId, first: GlobalPosition) {
    super::put_numbered(key, CORRELATION, id.as_str(), first.0);
}

pub(crate) fn put_value(value: &mut impl BufMut, run: Run) {
    value.put_u32(run.events);
}

pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<(CorrelationId, Run), StorageError> {
    let parts = || {
        let (id, first) = super::split_numbered(CORRELATION, key)?;
        let run = Run {
            first_position: GlobalPosition(first),
            events: u32::from_be_bytes(value.try_into().ok()?),
        };
        let sound = run.events > 0 && first.checked_add(run.events.into()).is_some();
        sound.then_some((CorrelationId::new(id).ok()?, run))
    };
    parts().ok_or_else(|| super::damaged("correlation", key, value))
}

/// Entries of `id` whose first position is in `from..=to`.
pub(crate) fn range(id: &CorrelationId, from: u64, to: u64, backward: bool, limit: usize) -> Range {
    super::numbers(CORRELATION, id.as_str(), from, to, backward, limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_come_back(
            name in "[A-Za-z0-9_.:@+-]{1,64}", first in 1..u64::MAX / 2, events in 1..u32::MAX,
        ) {
            let id = CorrelationId::new(name).unwrap();
            let run = Run { first_position: GlobalPosition(first), events };
            let (mut key, mut value) = (Vec::new(), Vec::new());
            put_key(&mut key, &id, run.first_position);
            put_value(&mut value, run);
            prop_assert_eq!(decode(&key, &value).unwrap(), (id, run));
        }

        #[test]
        fn any_bytes_decode_or_are_reported(key: Vec<u8>, value: Vec<u8>) {
            let _either = decode(&key, &value);
        }
    }
}
