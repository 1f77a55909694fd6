//! A store in which something was changed: every read of it is an answer or an error that says where, and
//! `verify` sees any change of a record, unless no more is left than the store had at an earlier moment.

use std::sync::LazyLock;

use bytes::Bytes;
use sagaline_storage::kv::{Durability, Kv, Range, Space, WriteBatch};
use sagaline_storage::log::verify;
use sagaline_storage::memory::{ManualClock, MemoryKv};
use sagaline_storage::{
    AllQuery, AppendId, AppendRequest, Claim, ClaimChange, CorrelationId, Direction, Entropy,
    EventId, EventStore, EventType, ExpectedVersion, Filter, GlobalPosition, Log, LogSettings,
    NewEvent, NodeId, Shard, StreamId, StreamVersion, StreamWrite, Timestamp,
};
use uuid::Uuid;

use super::node::block_on;

/// An entry of a store.
type Entry = (Space, Bytes, Bytes);

/// What a sound store holds: before its first append, and after each. The same in every process: seeds count
/// on it.
static MOMENTS: LazyLock<Vec<Vec<Entry>>> = LazyLock::new(|| block_on(moments()));

/// The last of them.
fn sound() -> &'static Vec<Entry> {
    MOMENTS.last().unwrap()
}

/// Changes, one after the other: a kind, which entry, how many bytes, those bytes.
///
/// | kind | what it does with the entry |
/// |---|---|
/// | 0 | the bytes are its value |
/// | 1 | it is gone |
/// | 2 | pairs: at this place, these bits are turned |
/// | 3 | it has lost its end: the first byte says how much |
/// | 4 | the bytes are an index entry: length of its key, key, value |
pub fn run(bytes: &[u8]) {
    let mut entries = sound().clone();
    let mut rest = bytes;
    while let [kind, which, length, behind @ ..] = rest {
        let (own, behind) = behind.split_at(usize::from(*length).min(behind.len()));
        change(&mut entries, *kind, usize::from(*which), own);
        rest = behind;
    }
    block_on(look(&entries));
}

fn change(entries: &mut Vec<Entry>, kind: u8, which: usize, bytes: &[u8]) {
    if entries.is_empty() {
        return;
    }
    let which = which % entries.len();
    let value = &mut entries[which].2;
    match kind % 5 {
        0 => *value = Bytes::copy_from_slice(bytes),
        1 => drop(entries.remove(which)),
        2 => {
            let mut turned = value.to_vec();
            for pair in bytes.as_chunks::<2>().0 {
                let at = usize::from(pair[0]) % turned.len().max(1);
                turned.get_mut(at).into_iter().for_each(|byte| *byte ^= pair[1]);
            }
            *value = turned.into();
        }
        3 => {
            let lost = bytes.first().map_or(0, |lost| usize::from(*lost)).min(value.len());
            *value = value.slice(..value.len() - lost);
        }
        _ => {
            let Some((&length, rest)) = bytes.split_first() else { return };
            let (key, value) = rest.split_at(usize::from(length).min(rest.len()));
            let entry = (Space::Index, Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
            entries.push(entry);
        }
    }
}

fn records(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(|(space, ..)| *space == Space::Events)
}

/// Index families whose entries lead to no record: the store's identity, marks that say where a search may
/// pass over, claims, when these end, epochs. Nothing ties one of them to the records of a moment.
const TIED_TO_NO_RECORD: [u8; 6] = [1, 3, 4, 7, 8, 9];

/// Whether that is a store as it once was, or what is left of one: nothing tells of what came later.
fn was_once(entries: &[Entry]) -> bool {
    let is_free = |(space, key, _): &Entry| {
        *space == Space::Index && key.first().is_some_and(|it| TIED_TO_NO_RECORD.contains(it))
    };
    MOMENTS.iter().any(|moment| {
        let fits = |entry: &Entry| is_free(entry) || moment.contains(entry);
        records(entries).eq(records(moment)) && entries.iter().all(fits)
    })
}

/// What a sound store does not have, and what it has beside these.
fn difference(entries: &[Entry]) -> [Vec<&Entry>; 2] {
    let without = |one: &'_ [Entry], other: &[Entry]| -> Vec<usize> {
        (0..one.len()).filter(|at| !other.contains(&one[*at])).collect()
    };
    let (more, less) = (without(entries, sound()), without(sound(), entries));
    [
        more.into_iter().map(|at| &entries[at]).collect(),
        less.into_iter().map(|at| &sound()[at]).collect(),
    ]
}

async fn look(entries: &[Entry]) {
    let kv = MemoryKv::new();
    let mut batch = WriteBatch::default();
    entries.iter().for_each(|(space, key, value)| batch.put(*space, key.clone(), value.clone()));
    kv.write(batch, Durability::Synced).await.unwrap();
    let verified = verify(&kv, GlobalPosition::START, |_, _| {}).await;
    if records(entries).ne(records(sound())) && !was_once(entries) {
        let seen = verified.is_err() || verified.is_ok_and(|v| !v.is_sound());
        assert!(seen, "damage was not seen: {:#?}", difference(entries));
    }
    let clock = ManualClock::starting_at(Timestamp(2_000_000));
    let Ok(log) = Log::open(kv, clock, &Zeros, LogSettings::default()).await else { return };
    read(&log).await;
    let event = event(99, "again");
    let stream = StreamId::new("order-1").unwrap();
    let write = StreamWrite { stream, expected: ExpectedVersion::Any, events: vec![event] };
    // Made or refused; what was asked of a damaged store is answered.
    drop(log.append(request(99, vec![write], Vec::new())).await);
    read(&log).await;
    log.close().await;
}

async fn read(log: &Log<MemoryKv, ManualClock>) {
    let filters = [
        Filter::ALL,
        Filter { event_types: vec![EventType::new("Odd").unwrap()], ..Filter::ALL },
        Filter { categories: vec!["order".into()], ..Filter::ALL },
        Filter { correlation_id: Some(CorrelationId::new("c-1").unwrap()), ..Filter::ALL },
    ];
    for filter in filters {
        for (direction, from) in [(Direction::Forward, 0), (Direction::Backward, u64::MAX)] {
            let query = AllQuery {
                from: GlobalPosition(from),
                direction,
                limit: 100,
                filter: filter.clone(),
            };
            if let Ok(page) = log.read_all(query).await {
                assert!(page.events.iter().all(|event| filter.admits(event)));
            }
        }
        for name in ["order-1", "order-2", "none"] {
            let stream = StreamId::new(name).unwrap();
            let read = log.read_stream(&stream, StreamVersion(0), Direction::Forward, 100).await;
            if let Ok(events) = read {
                assert!(events.iter().all(|event| event.stream == stream));
            }
        }
    }
    drop(log.every_claim(None, 100).await);
    drop(log.every_epoch().await);
    drop(log.claim_holder(&Claim::new("email", "a@example.org")).await);
    drop(log.head().await);
}

async fn moments() -> Vec<Vec<Entry>> {
    let kv = MemoryKv::new();
    let clock = ManualClock::starting_at(Timestamp(1_000_000));
    let opened = Log::open(kv.clone(), clock, &Zeros, LogSettings::default()).await;
    let log = opened.unwrap();
    log.raise_epochs(&[Shard(1), Shard(2)]).await.unwrap();
    let mut moments = vec![everything(&kv).await];
    for number in 0..4_u128 {
        let stream = StreamId::new(format!("order-{}", number % 2 + 1)).unwrap();
        let events = vec![event(10 * number, "placed"), event(10 * number + 1, "odd")];
        let write = StreamWrite { stream: stream.clone(), expected: ExpectedVersion::Any, events };
        let claim =
            Claim::new("email", format!("{}@example.org", ["a", "b", "c", "d"][number as usize]));
        let mut claims = vec![ClaimChange::Take { claim: claim.clone(), owner: stream.clone() }];
        if number == 1 {
            let at = Timestamp(9_000_000);
            claims.push(ClaimChange::ReleaseAt { claim, owner: stream, at });
        }
        log.append(request(number, vec![write], claims)).await.unwrap();
        moments.push(everything(&kv).await);
    }
    log.close().await;
    moments
}

async fn everything(kv: &MemoryKv) -> Vec<Entry> {
    let mut entries = Vec::new();
    for space in [Space::Events, Space::Index] {
        let all = Range { from: Bytes::new(), to: Bytes::new(), backward: false, limit: 1_000 };
        let found = kv.scan(space, all).await.unwrap();
        entries.extend(found.into_iter().map(|(key, value)| (space, key, value)));
    }
    entries
}

fn request(id: u128, writes: Vec<StreamWrite>, claims: Vec<ClaimChange>) -> AppendRequest {
    let (append_id, node_id) = (AppendId(Uuid::from_u128(id)), NodeId::new("n1").unwrap());
    AppendRequest { append_id, node_id, fence: None, writes, claims }
}

fn event(id: u128, what: &str) -> NewEvent {
    NewEvent {
        id: EventId(Uuid::from_u128(id)),
        event_type: EventType::new(if what == "odd" { "Odd" } else { "Happened" }).unwrap(),
        schema_version: 1,
        correlation_id: CorrelationId::new(format!("c-{}", id % 3)).unwrap(),
        causation_id: (id % 2 == 1).then(|| EventId(Uuid::from_u128(id - 1))),
        payload: Bytes::from(format!("{{\"what\":\"{what}\"}}")),
    }
}

/// Draws nothing but zeros: the store's identity is the same each time.
#[derive(Clone)]
struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}
