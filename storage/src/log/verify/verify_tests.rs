//! Whatever is changed behind the log's back is found, with its place.

use bytes::Bytes;

use super::*;
use crate::clock::{SystemClock, SystemEntropy};
use crate::event::{AppendId, CorrelationId, EventId, EventType, NewEvent, NodeId};
use crate::event_store::{AppendRequest, EventStore, ExpectedVersion, StreamWrite};
use crate::kv::{Durability, Entry, Range, WriteBatch};
use crate::log::{Log, LogSettings};
use crate::memory::MemoryKv;
use crate::stream::StreamId;

fn write(stream: &str, number: u128, events: usize) -> StreamWrite {
    let event = |at: usize| NewEvent {
        id: EventId(uuid::Uuid::from_u128(number * 100 + at as u128)),
        event_type: EventType::new(format!("Type{}", number % 3)).unwrap(),
        schema_version: 1,
        correlation_id: CorrelationId::new(format!("c-{}", number / 4)).unwrap(),
        causation_id: None,
        payload: Bytes::from(format!("{{\"number\":{number}}}")),
    };
    let stream = StreamId::new(stream).unwrap();
    StreamWrite { stream, expected: ExpectedVersion::Any, events: (0..events).map(event).collect() }
}

/// 20 appends of 3 events each on 6 streams.
async fn written() -> (MemoryKv, Log<MemoryKv, SystemClock>) {
    let kv = MemoryKv::new();
    let settings = LogSettings::default();
    let log =
        Log::open(kv.clone(), SystemClock::default(), &SystemEntropy, settings).await.unwrap();
    for number in 1..=20 {
        let own = format!("order-{}", number % 5);
        let request = AppendRequest {
            append_id: AppendId(uuid::Uuid::from_u128(number)),
            node_id: NodeId::new("node").unwrap(),
            fence: None,
            writes: vec![write(&own, number, 2), write("all-1", number + 50, 1)],
            claims: Vec::new(),
        };
        log.append(request).await.unwrap();
    }
    (kv, log)
}

async fn check(kv: &MemoryKv) -> Verified {
    verify(kv, GlobalPosition::START, |_, _| {}).await.unwrap()
}

async fn set(kv: &MemoryKv, space: Space, key: &Bytes, value: Option<Bytes>) {
    let batch = WriteBatch { changes: vec![(space, key.clone(), value)] };
    kv.write(batch, Durability::Synced).await.unwrap();
}

async fn entries(kv: &MemoryKv, space: Space) -> Vec<Entry> {
    let all = Range { from: Bytes::new(), to: Bytes::new(), backward: false, limit: usize::MAX };
    kv.scan(space, all).await.unwrap()
}

fn places(verified: &Verified) -> Vec<u64> {
    verified.damage.iter().map(|damage| damage.position.0).collect()
}

#[tokio::test]
async fn a_sound_log_is_sound_from_anywhere() {
    let (kv, log) = written().await;
    let verified = check(&kv).await;
    assert!(verified.is_sound(), "{:?}", verified.damage);
    assert_eq!((verified.records, verified.head.0), (60, 60));
    for after in 0..=60 {
        let mut seen = GlobalPosition::START;
        let part = log.verify(GlobalPosition(after), |at, _| seen = at).await.unwrap();
        assert!(part.is_sound(), "after {after}: {:?}", part.damage);
        assert_eq!(part.records, 60 - after);
        assert!(after == 60 || seen.0 == 60, "progress ends at the head");
    }
}

#[tokio::test]
async fn every_changed_record_is_found_at_its_position() {
    let (kv, _log) = written().await;
    for (key, record) in entries(&kv, Space::Events).await {
        let position = keys::event::decode(&key).unwrap().0;
        for at in [0, 5, 12, 20, 50, record.len() / 2, record.len() - 1] {
            let mut changed = record.to_vec();
            changed[at] ^= 0x20;
            set(&kv, Space::Events, &key, Some(changed.into())).await;
            let places = places(&check(&kv).await);
            assert!(places.contains(&position), "byte {at} of {position}: {places:?}");
        }
        set(&kv, Space::Events, &key, Some(record)).await;
    }
    assert!(check(&kv).await.is_sound());
}

#[tokio::test]
async fn a_missing_record_is_found_also_the_last_ones() {
    let (kv, _log) = written().await;
    for (key, record) in entries(&kv, Space::Events).await {
        let position = keys::event::decode(&key).unwrap().0;
        set(&kv, Space::Events, &key, None).await;
        let verified = check(&kv).await;
        assert!(places(&verified).contains(&position), "{position}: {:?}", verified.damage);
        set(&kv, Space::Events, &key, Some(record)).await;
    }
}

#[tokio::test]
async fn swapped_records_are_found_where_they_stand() {
    let (kv, _log) = written().await;
    let records = entries(&kv, Space::Events).await;
    // Two events of one stream and type: nothing but the chain tells them apart.
    let ((one, first), (two, second)) = (records[2].clone(), records[17].clone());
    set(&kv, Space::Events, &one, Some(second)).await;
    set(&kv, Space::Events, &two, Some(first)).await;
    let places = places(&check(&kv).await);
    assert!(places.contains(&3) && places.contains(&18), "{places:?}");
}

#[tokio::test]
async fn a_removed_or_changed_index_entry_is_found() {
    let (kv, _log) = written().await;
    for (key, value) in entries(&kv, Space::Index).await {
        if key[0] == keys::family::APPEND_ID {
            continue;
        }
        set(&kv, Space::Index, &key, None).await;
        let verified = check(&kv).await;
        assert!(!verified.is_sound(), "nobody missed {key:?}");
        // Any identity is one.
        if !value.is_empty() && key[0] != keys::family::META {
            let mut changed = value.to_vec();
            let last = changed.len() - 1;
            changed[last] ^= 1;
            set(&kv, Space::Index, &key, Some(changed.into())).await;
            let verified = check(&kv).await;
            assert!(!verified.is_sound(), "nobody saw the change of {key:?}");
        }
        set(&kv, Space::Index, &key, Some(value)).await;
    }
    assert!(check(&kv).await.is_sound());
}

#[tokio::test]
async fn foreign_and_superfluous_index_entries_are_found() {
    let (kv, _log) = written().await;
    let run = keys::stream::Run {
        first_version: crate::stream::StreamVersion(1),
        first_position: GlobalPosition(3),
        events: 1,
    };
    let ghost = keys::stream::key(&StreamId::new("ghost-1").unwrap(), run.first_version);
    let mut value = Vec::new();
    keys::stream::put_value(&mut value, run);
    let cases = [
        (ghost, Bytes::from(value)),
        (Bytes::from_static(&[200, 1]), Bytes::new()),
        (Bytes::from_static(&[keys::family::CLAIM, 1]), Bytes::from_static(b"x")),
    ];
    for (key, value) in cases {
        set(&kv, Space::Index, &key, Some(value)).await;
        assert_eq!(check(&kv).await.damage.len(), if key[0] == 2 { 2 } else { 1 });
        set(&kv, Space::Index, &key, None).await;
    }
}

#[tokio::test]
async fn findings_are_bounded() {
    let (kv, _log) = written().await;
    for number in 0..=u16::try_from(DAMAGE_MAX).unwrap() {
        let key = Bytes::from([[200].as_slice(), &number.to_be_bytes()].concat());
        set(&kv, Space::Index, &key, Some(Bytes::new())).await;
    }
    let verified = check(&kv).await;
    assert_eq!(verified.damage.len(), DAMAGE_MAX);
    assert!(verified.more_damage);
}

#[tokio::test]
async fn identity_that_is_gone_is_found_however_little_is_left() {
    let (kv, log) = written().await;
    log.close().await;
    set(&kv, Space::Index, &keys::meta::key(), None).await;
    let what = |verified: Verified| verified.damage.first().map(|damage| damage.what.clone());
    let gone = Some("the store's own identity is not there".to_owned());
    assert_eq!(what(check(&kv).await), gone);
    for space in [Space::Events, Space::Index] {
        for (key, _) in entries(&kv, space).await {
            set(&kv, space, &key, None).await;
        }
    }
    assert!(check(&kv).await.is_sound(), "nothing is a store to be");
    set(&kv, Space::Index, &keys::epoch::key(crate::event_store::Shard(1)), Some(Bytes::new()))
        .await;
    assert!(what(check(&kv).await).is_some());
}

#[tokio::test]
async fn entry_without_a_key_is_found() {
    for space in [Space::Events, Space::Index] {
        let (kv, _log) = written().await;
        set(&kv, space, &Bytes::new(), Some(Bytes::new())).await;
        assert!(!check(&kv).await.is_sound(), "{space:?}");
    }
}

/// A store in which the records of some positions cannot be read.
#[derive(Clone)]
struct Unreadable {
    kv: MemoryKv,
    positions: std::ops::RangeInclusive<u64>,
}

impl Unreadable {
    fn refuse(&self, space: Space, key: &[u8]) -> Result<(), StorageError> {
        let position = keys::event::decode(key).ok().filter(|_| space == Space::Events);
        match position.is_some_and(|position| self.positions.contains(&position.0)) {
            true => Err(StorageError::corrupt("block checksum mismatch")),
            false => Ok(()),
        }
    }
}

impl Kv for Unreadable {
    async fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), StorageError> {
        self.kv.write(batch, durability).await
    }

    async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let value = self.kv.get(space, key).await?;
        value.as_ref().map_or(Ok(()), |_| self.refuse(space, key))?;
        Ok(value)
    }

    async fn get_many(
        &self,
        space: Space,
        keys: Vec<Bytes>,
    ) -> Result<Vec<Option<Bytes>>, StorageError> {
        self.kv.get_many(space, keys).await
    }

    async fn scan(&self, space: Space, range: Range) -> Result<Vec<Entry>, StorageError> {
        let entries = self.kv.scan(space, range).await?;
        entries.iter().try_for_each(|(key, _)| self.refuse(space, key))?;
        Ok(entries)
    }

    async fn flush(&self, space: Space) -> Result<(), StorageError> {
        self.kv.flush(space).await
    }
}

#[tokio::test]
async fn records_that_cannot_be_read_are_found_one_by_one_also_at_the_end() {
    let (kv, _log) = written().await;
    for positions in [60..=60, 41..=60, 1..=60, 30..=33] {
        let damaged = Unreadable { kv: kv.clone(), positions: positions.clone() };
        let verified = verify(&damaged, GlobalPosition::START, |_, _| {}).await.unwrap();
        assert_eq!(verified.head.0, 60, "{positions:?}");
        let mut places = places(&verified);
        places.retain(|place| *place > 0);
        places.dedup();
        let count = positions.clone().count();
        assert_eq!(places[..count], positions.collect::<Vec<_>>()[..], "in order, and first");
    }
    // Whoever has read all of it is told as well.
    let damaged = Unreadable { kv: kv.clone(), positions: 60..=60 };
    let verified = verify(&damaged, GlobalPosition(60), |_, _| {}).await;
    assert!(verified.is_err() || !verified.unwrap().is_sound());
}

#[tokio::test]
async fn a_store_that_cannot_be_read_at_all_has_no_end() {
    #[derive(Clone)]
    struct Gone(MemoryKv);

    impl Kv for Gone {
        async fn write(&self, batch: WriteBatch, to: Durability) -> Result<(), StorageError> {
            self.0.write(batch, to).await
        }

        async fn get(&self, _: Space, _: &[u8]) -> Result<Option<Bytes>, StorageError> {
            Err(StorageError::corrupt("gone"))
        }

        async fn get_many(
            &self,
            _: Space,
            _: Vec<Bytes>,
        ) -> Result<Vec<Option<Bytes>>, StorageError> {
            Err(StorageError::corrupt("gone"))
        }

        async fn scan(&self, _: Space, _: Range) -> Result<Vec<Entry>, StorageError> {
            Err(StorageError::corrupt("gone"))
        }

        async fn flush(&self, space: Space) -> Result<(), StorageError> {
            self.0.flush(space).await
        }
    }

    let error = verify(&Gone(MemoryKv::new()), GlobalPosition::START, |_, _| {}).await.unwrap_err();
    assert_eq!(error, StorageError::corrupt("gone"));
}
