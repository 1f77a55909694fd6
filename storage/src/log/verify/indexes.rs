//! From the indexes to the records: every entry can be read and speaks of something that is there.

use crate::error::{ErrorKind, StorageError};
use crate::event::RecordedEvent;
use crate::kv::{Entry, Kv, Space};
use crate::log::envelope;
use crate::log::intern::Interner;
use crate::log::keys::block::Mark;
use crate::log::keys::{self, family, stream};
use crate::stream::{GlobalPosition, StreamId, StreamVersion};

use super::Verified;

/// Entries read at a time.
const ENTRIES_PER_SCAN: usize = 512;

/// The end of the stream that was looked at last.
type StreamEnd = Option<(StreamId, StreamVersion)>;

pub(super) async fn check<K: Kv>(kv: &K, verified: &mut Verified) -> Result<(), StorageError> {
    let mut end = StreamEnd::None;
    for family in 0..=u8::MAX {
        let mut range = keys::whole_family(family, ENTRIES_PER_SCAN);
        loop {
            let entries = match kv.scan(Space::Index, range.clone()).await {
                Ok(entries) => entries,
                Err(error) => {
                    verified.unreadable(GlobalPosition::START, error)?;
                    break;
                }
            };
            for entry in &entries {
                verified.index_entries += 1;
                if let Err(error) = check_entry(kv, verified, family, entry, &mut end).await {
                    verified.unreadable(GlobalPosition::START, error)?;
                }
            }
            match entries.last() {
                Some((last, _)) if entries.len() == ENTRIES_PER_SCAN => {
                    range = keys::resume(&range, last);
                }
                Some(_) | None => break,
            }
        }
    }
    Ok(())
}

async fn check_entry<K: Kv>(
    kv: &K,
    verified: &mut Verified,
    family: u8,
    (key, value): &Entry,
    end: &mut StreamEnd,
) -> Result<(), StorageError> {
    match family {
        family::META => drop(keys::meta::decode(value)?),
        family::STREAM => {
            return check_stream(kv, verified, stream::decode(key, value)?, end).await;
        }
        family::EVENT_TYPE => drop(keys::block::decode(Mark::EventType, key)?),
        family::CATEGORY => drop(keys::block::decode(Mark::Category, key)?),
        family::CORRELATION => {
            let (id, run) = keys::correlation::decode(key, value)?;
            for position in [run.first_position, run.last_position()] {
                if !is_there(kv, position, |event| event.correlation_id == id).await? {
                    let what = format!("the index of correlation id {id} leads here, wrongly");
                    verified.found(position, what);
                }
            }
        }
        family::APPEND_ID => {
            let id = keys::append_id::decode_key(key)?;
            let appended = keys::append_id::decode(key, value)?.appended;
            let position = appended.position;
            if appended.events > 0 && !is_there(kv, position, |_| true).await? {
                let what = format!("append {} was acknowledged up to here; it is not there", id.0);
                verified.found(position, what);
            }
        }
        family::CLAIM => drop(keys::claim::decode(key, value)?),
        family::CLAIM_EXPIRY => drop(keys::claim_expiry::decode(key)?),
        family::EPOCH => drop(keys::epoch::decode(key, value)?),
        unknown => verified.found(
            GlobalPosition::START,
            format!("the index holds an entry of the unknown family {unknown}"),
        ),
    }
    Ok(())
}

/// A run leads to its stream's events, and follows the run before it.
async fn check_stream<K: Kv>(
    kv: &K,
    verified: &mut Verified,
    (id, run): (StreamId, stream::Run),
    end: &mut StreamEnd,
) -> Result<(), StorageError> {
    let before = match end.take() {
        Some((last, version)) if last == id => version,
        Some(_) | None => StreamVersion::NONE,
    };
    if run.first_version.0 != before.0 + 1 {
        let what =
            format!("the index of stream {id} goes from version {before} to {}", run.first_version);
        verified.found(run.first_position, what);
    }
    for (version, position) in
        [(run.first_version, run.first_position), (run.last_version(), run.last_position())]
    {
        let leads = |event: &RecordedEvent| event.stream == id && event.version == version;
        if !is_there(kv, position, leads).await? {
            let what = format!("the index of stream {id} leads version {version} here, wrongly");
            verified.found(position, what);
        }
    }
    *end = Some((id, run.last_version()));
    Ok(())
}

/// Whether the event at a position is the one that an entry speaks of. One that cannot be read was
/// reported by the walk over the records, and is not reported once more.
async fn is_there<K: Kv>(
    kv: &K,
    position: GlobalPosition,
    wanted: impl Fn(&RecordedEvent) -> bool,
) -> Result<bool, StorageError> {
    let event = match kv.get(Space::Events, &keys::event::key(position)).await {
        Ok(Some(record)) => envelope::decode(position, &record, &mut Interner::default()),
        Ok(None) => return Ok(false),
        Err(error) => Err(error),
    };
    match event {
        Ok(event) => Ok(wanted(&event)),
        Err(error) if error.kind == ErrorKind::Corrupt => Ok(true),
        Err(error) => Err(error),
    }
}
