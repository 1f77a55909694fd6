//! Copies a log from one store to another, key by key: what a backup is, and a restore.

use crate::error::StorageError;
use crate::event::RecordedEvent;
use crate::kv::{Durability, Entry, Kv, Range, Space, WriteBatch};
use crate::log::{envelope, intern, keys};
use crate::stream::GlobalPosition;

/// Entries of one write.
const ENTRIES: usize = 2_000;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// The last position.
    pub head: GlobalPosition,
    /// The hash chain up to and with it.
    pub chain: [u8; 32],
    /// Entries of the indexes.
    pub index_entries: u64,
}

/// Copies records and indexes of the log in `from` to `to`, which must hold none; afterwards they survive a
/// crash. Read models are not copied: they are rebuilt. `from` must not change meanwhile: it is a store
/// without a log on top, or a [read-only view](crate::rocksdb::RocksKv::open_read_only) of one that is being
/// written to. `progress` is told how many records were copied, and how many there are.
pub async fn copy<F: Kv, T: Kv>(
    from: &F,
    to: &T,
    mut progress: impl FnMut(u64, u64) + Send,
) -> Result<Copied, StorageError> {
    for space in [Space::Events, Space::Index] {
        if !to.scan(space, all(1)).await?.is_empty() {
            return Err(StorageError::invalid(
                "there is a log already where one is to be copied to",
            ));
        }
    }
    let mut copied = Copied::default();
    if let Some(last) = last(from).await? {
        copied.head = last.position;
        copied.chain = last.chain;
    }
    let head = copied.head.0;
    let mut done = 0;
    copy_space(from, to, Space::Events, |entries| {
        done += entries;
        progress(done, head);
    })
    .await?;
    let mut index_entries = 0;
    copy_space(from, to, Space::Index, |entries| index_entries += entries).await?;
    to.flush(Space::Index).await?;
    Ok(Copied { index_entries, ..copied })
}

async fn copy_space<F: Kv, T: Kv>(
    from: &F,
    to: &T,
    space: Space,
    mut copied: impl FnMut(u64) + Send,
) -> Result<(), StorageError> {
    let mut range = all(ENTRIES);
    loop {
        let entries = from.scan(space, range.clone()).await?;
        let Some((last, _)) = entries.last().cloned() else { return Ok(()) };
        let count = entries.len();
        let mut batch = WriteBatch::default();
        entries.into_iter().for_each(|(key, value): Entry| batch.put(space, key, value));
        to.write(batch, Durability::Buffered).await?;
        copied(count as u64);
        if count < ENTRIES {
            return to.flush(space).await;
        }
        range = keys::resume(&range, &last);
    }
}

fn all(limit: usize) -> Range {
    Range { from: bytes::Bytes::new(), to: bytes::Bytes::new(), backward: false, limit }
}

async fn last<K: Kv>(kv: &K) -> Result<Option<RecordedEvent>, StorageError> {
    let newest = Range { backward: true, ..all(1) };
    let Some((key, record)) = kv.scan(Space::Events, newest).await?.into_iter().next() else {
        return Ok(None);
    };
    let position = keys::event::decode(&key)?;
    envelope::decode(position, &record, &mut intern::Interner::default()).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemEntropy;
    use crate::event::{AppendId, CorrelationId, EventId, EventType, NewEvent, NodeId};
    use crate::event_store::{
        AppendRequest, Claim, ClaimChange, EventStore, ExpectedVersion, StreamWrite,
    };
    use crate::log::{Log, LogSettings};
    use crate::memory::{ManualClock, MemoryKv};
    use crate::stream::StreamId;
    use uuid::Uuid;

    fn request(number: u128) -> AppendRequest {
        let stream = StreamId::new(format!("s-{number}")).unwrap();
        let event = NewEvent {
            id: EventId(Uuid::from_u128(number)),
            event_type: EventType::new("Happened").unwrap(),
            schema_version: 1,
            correlation_id: CorrelationId::new("c").unwrap(),
            causation_id: None,
            payload: b"{}".as_slice().into(),
        };
        let claim = Claim::new("kind", number.to_string());
        AppendRequest {
            append_id: AppendId(Uuid::from_u128(number)),
            node_id: NodeId::new("n").unwrap(),
            fence: None,
            claims: vec![ClaimChange::Take { claim, owner: stream.clone() }],
            writes: vec![StreamWrite {
                stream,
                expected: ExpectedVersion::NoStream,
                events: vec![event],
            }],
        }
    }

    async fn open(kv: &MemoryKv) -> Log<MemoryKv, ManualClock> {
        let (clock, settings) = (ManualClock::default(), LogSettings::default());
        Log::open(kv.clone(), clock, &SystemEntropy, settings).await.unwrap()
    }

    #[tokio::test]
    async fn a_copy_is_the_log_and_goes_on_where_it_stood() {
        let (kv, to) = (MemoryKv::new(), MemoryKv::new());
        let log = open(&kv).await;
        let count = ENTRIES as u64 + 7;
        for number in 1..=count {
            log.append(request(number.into())).await.unwrap();
        }
        log.close().await;
        let mut seen = (0, 0);
        let copied = copy(&kv, &to, |done, all| seen = (done, all)).await.unwrap();
        assert_eq!((copied.head.0, seen), (count, (count, count)));
        assert!(copied.index_entries > 4 * count);

        let again = open(&to).await;
        assert_eq!(again.identity(), log.identity());
        assert!(again.verify(GlobalPosition::START, |_, _| {}).await.unwrap().is_sound());
        // An append that was made before is known, and the next one goes behind the last.
        let replayed = again.append(request(3)).await.unwrap();
        assert_eq!(replayed.position.0, 3);
        let next = again.append(request(u128::from(count) + 1)).await.unwrap();
        assert_eq!(next.position.0, count + 1);
    }

    #[tokio::test]
    async fn nothing_is_copied_over_a_log() {
        let (kv, to) = (MemoryKv::new(), MemoryKv::new());
        open(&kv).await.append(request(1)).await.unwrap();
        open(&to).await;
        let refused = copy(&kv, &to, |_, _| {}).await.unwrap_err();
        assert!(refused.message.contains("already"), "{refused}");
        assert_eq!(
            copy(&MemoryKv::new(), &MemoryKv::new(), |_, _| {}).await.unwrap(),
            Copied::default()
        );
    }
}
