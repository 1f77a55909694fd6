//! Copies a log from one store to another, key by key: what a backup is, and a restore.

use bytes::Bytes;

use crate::error::StorageError;
use crate::event::RecordedEvent;
use crate::kv::{Durability, Kv, Range, Space, WriteBatch};
use crate::log::{envelope, intern, keys};
use crate::stream::GlobalPosition;
use crate::view_store::Kept;

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

/// Copies records and indexes of the log in `from` to `to`, which must hold none, and the views that are
/// `kept`, with their checkpoints; afterwards they survive a crash. Other views are not copied: they are
/// rebuilt. `from` must not change meanwhile: it is a store without a log on top, or a
/// [read-only view](crate::rocksdb::RocksKv::open_read_only) of one that is being written to. `progress` is told
/// how many records were copied, and how many there are.
///
/// The store's own identity is written last: a copy that was broken off opens as no log, and is no source.
pub async fn copy<F: Kv, T: Kv>(
    from: &F,
    to: &T,
    kept: &[Kept],
    mut progress: impl FnMut(u64, u64) + Send,
) -> Result<Copied, StorageError> {
    for space in [Space::Events, Space::Index] {
        if !to.scan(space, all(1)).await?.is_empty() {
            return Err(StorageError::invalid(
                "there is a log already where one is to be copied to",
            ));
        }
    }
    let identity = identity(from).await?;
    let mut copied = Copied::default();
    if let Some(last) = last(from).await? {
        copied.head = last.position;
        copied.chain = last.chain;
    }
    let head = copied.head.0;
    let mut done = 0;
    copy_range(from, to, Space::Events, all(ENTRIES), |entries| {
        done += entries;
        progress(done, head);
    })
    .await?;
    if done != head {
        return Err(StorageError::corrupt(format!(
            "{done} events were copied, and the last of them has position {head}: what was copied \
             from has lost some, or has changed meanwhile"
        )));
    }
    let mut index_entries = 0;
    copy_range(from, to, Space::Index, all(ENTRIES), |entries| index_entries += entries).await?;
    for kept in kept {
        for (start, end) in kept.ranges()? {
            let range = Range { from: start, to: end, ..all(ENTRIES) };
            copy_range(from, to, Space::Views, range, |_| {}).await?;
        }
    }
    for space in Space::ALL {
        to.flush(space).await?;
    }
    let mut batch = WriteBatch::default();
    batch.put(Space::Index, keys::meta::key(), identity);
    to.write(batch, Durability::Synced).await?;
    Ok(Copied { index_entries, ..copied })
}

/// What the log in a store says of itself, as it is stored.
async fn identity<K: Kv>(kv: &K) -> Result<Bytes, StorageError> {
    let Some(value) = kv.get(Space::Index, &keys::meta::key()).await? else {
        return Err(StorageError::corrupt(
            "there is no log to copy, or a part of one: the store's own identity is not there",
        ));
    };
    keys::meta::decode(&value)?;
    Ok(value)
}

/// Copies a part of a space but for the store's own identity, which is counted all the same.
async fn copy_range<F: Kv, T: Kv>(
    from: &F,
    to: &T,
    space: Space,
    mut range: Range,
    mut copied: impl FnMut(u64) + Send,
) -> Result<(), StorageError> {
    let identity = keys::meta::key();
    loop {
        let entries = from.scan(space, range.clone()).await?;
        let Some((last, _)) = entries.last().cloned() else { return Ok(()) };
        let count = entries.len();
        let mut batch = WriteBatch::default();
        for (key, value) in entries {
            if space != Space::Index || key != identity {
                batch.put(space, key, value);
            }
        }
        to.write(batch, Durability::Buffered).await?;
        copied(count as u64);
        if count < ENTRIES {
            return Ok(());
        }
        range = keys::resume(&range, &last);
    }
}

fn all(limit: usize) -> Range {
    Range { from: Bytes::new(), to: Bytes::new(), backward: false, limit }
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
    use std::sync::Arc;

    use parking_lot::Mutex;
    use uuid::Uuid;

    use super::*;
    use crate::clock::SystemEntropy;
    use crate::event::{AppendId, CorrelationId, EventId, EventType, NewEvent, NodeId};
    use crate::event_store::{
        AppendRequest, Claim, ClaimChange, EventStore, ExpectedVersion, StreamWrite,
    };
    use crate::kv::Entry;
    use crate::log::{Log, LogSettings};
    use crate::memory::{ManualClock, MemoryKv};
    use crate::stream::StreamId;
    use crate::view_store::{ViewSettings, Views};
    use crate::views::{Checkpoint, SecondaryKey, ViewBatch, ViewChange, ViewStore};

    /// A store that remembers what was written to it, in order.
    #[derive(Clone, Default)]
    struct Noted {
        kv: MemoryKv,
        written: Arc<Mutex<Vec<(WriteBatch, Durability)>>>,
    }

    impl Kv for Noted {
        async fn write(
            &self,
            batch: WriteBatch,
            durability: Durability,
        ) -> Result<(), StorageError> {
            self.written.lock().push((batch.clone(), durability));
            self.kv.write(batch, durability).await
        }

        async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
            self.kv.get(space, key).await
        }

        async fn get_many(
            &self,
            space: Space,
            keys: Vec<Bytes>,
        ) -> Result<Vec<Option<Bytes>>, StorageError> {
            self.kv.get_many(space, keys).await
        }

        async fn scan(&self, space: Space, range: Range) -> Result<Vec<Entry>, StorageError> {
            self.kv.scan(space, range).await
        }

        async fn flush(&self, space: Space) -> Result<(), StorageError> {
            self.kv.flush(space).await
        }
    }

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

    async fn try_open(kv: &MemoryKv) -> Result<Log<MemoryKv, ManualClock>, StorageError> {
        let (clock, settings) = (ManualClock::default(), LogSettings::default());
        Log::open(kv.clone(), clock, &SystemEntropy, settings).await
    }

    async fn open(kv: &MemoryKv) -> Log<MemoryKv, ManualClock> {
        try_open(kv).await.unwrap()
    }

    /// Copies what is refused, and says why.
    async fn refusal(from: &MemoryKv, to: &MemoryKv) -> String {
        copy(from, to, &[], |_, _| {}).await.unwrap_err().message
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
        let copied = copy(&kv, &to, &[], |done, all| seen = (done, all)).await.unwrap();
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
    async fn a_part_of_a_copy_is_no_log_and_no_source() {
        let (kv, to, part) = (MemoryKv::new(), Noted::default(), MemoryKv::new());
        let log = open(&kv).await;
        for number in 1..=ENTRIES as u64 + 7 {
            log.append(request(number.into())).await.unwrap();
        }
        log.close().await;
        copy(&kv, &to, &[], |_, _| {}).await.unwrap();
        let written = to.written.lock().clone();
        let ((last, durability), parts) = written.split_last().unwrap();
        assert!(parts.len() > 4, "{} writes", parts.len());
        for (batch, durability) in parts {
            part.write(batch.clone(), *durability).await.unwrap();
            let refused = try_open(&part).await.err().unwrap();
            assert!(refused.message.contains("identity"), "{refused}");
            let refused = refusal(&part, &MemoryKv::new()).await;
            assert!(refused.contains("identity"), "{refused}");
        }
        assert_eq!(*durability, Durability::Synced);
        part.write(last.clone(), *durability).await.unwrap();
        assert_eq!(open(&part).await.identity(), log.identity());
    }

    #[tokio::test]
    async fn a_log_that_misses_events_is_not_copied() {
        let (kv, to) = (MemoryKv::new(), MemoryKv::new());
        let log = open(&kv).await;
        for number in 1..=3 {
            log.append(request(number)).await.unwrap();
        }
        log.close().await;
        let mut batch = WriteBatch::default();
        batch.delete(Space::Events, keys::event::key(GlobalPosition(2)));
        kv.write(batch, Durability::Synced).await.unwrap();
        let refused = refusal(&kv, &to).await;
        assert!(refused.contains("2 events") && refused.contains("position 3"), "{refused}");
        assert!(try_open(&to).await.is_err());
    }

    #[tokio::test]
    async fn views_that_are_kept_come_along_with_their_checkpoint_and_no_others() {
        let (kv, to) = (MemoryKv::new(), MemoryKv::new());
        open(&kv).await.close().await;
        let views = Views::new(kv.clone(), ViewSettings::default());
        for name in ["kept", "kept.more", "keptmore", "other"] {
            let secondary = vec![SecondaryKey {
                index: "by".into(),
                partition: Bytes::from_static(b"p"),
                sort: Bytes::from_static(b"s"),
            }];
            let (key, document) = (Bytes::from_static(b"k"), Bytes::from(name));
            let put = ViewChange::Put { key, document, secondary };
            let after = GlobalPosition(7);
            let checkpoint = Checkpoint { subscription: name.into(), before: None, after };
            let changes = vec![(name.into(), put)];
            views.commit(ViewBatch { changes, checkpoints: vec![checkpoint] }).await.unwrap();
        }
        let kept =
            Kept { subscription: "kept".into(), views: vec!["kept".into(), "kept.more".into()] };
        copy(&kv, &to, &[kept], |_, _| {}).await.unwrap();
        let copied = Views::new(to, ViewSettings::default());
        assert_eq!(copied.verify().await.unwrap(), Vec::<String>::new());
        for (name, is_there, stands) in [
            ("kept", true, Some(GlobalPosition(7))),
            ("kept.more", true, None),
            ("keptmore", false, None),
            ("other", false, None),
        ] {
            let document = copied.get(name, b"k").await.unwrap();
            assert_eq!(document.as_deref(), is_there.then_some(name.as_bytes()), "{name}");
            assert_eq!(copied.count(name, "by", b"p").await.unwrap(), u64::from(is_there));
            assert_eq!(copied.checkpoint(name).await.unwrap(), stands, "{name}");
        }
    }

    #[tokio::test]
    async fn nothing_is_copied_over_a_log_or_from_where_there_is_none() {
        let (kv, to) = (MemoryKv::new(), MemoryKv::new());
        open(&kv).await.append(request(1)).await.unwrap();
        open(&to).await;
        let refused = refusal(&kv, &to).await;
        assert!(refused.contains("already"), "{refused}");
        let refused = refusal(&MemoryKv::new(), &MemoryKv::new()).await;
        assert!(refused.contains("no log"), "{refused}");
    }
}
