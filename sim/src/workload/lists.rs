//! What the clients do at the store themselves, as a service of one's own would: lists they append to
//! and read. Every request is witnessed by the adapter they go through.

use sagaline_storage::{
    AllQuery, AppendError, AppendId, AppendRequest, Clock, CorrelationId, Direction, EventId,
    EventStore, EventType, ExpectedVersion, GlobalPosition, NewEvent, NodeId, StorageError,
    StreamId, StreamVersion, StreamWrite, Timestamp,
};
use uuid::Uuid;

use crate::plan::{Expect, Planned};
use crate::seed::{Random, Seed};
use crate::services::remote::RemoteEvents;
use crate::world::MachineClock;

use super::alphabet::LISTS;
use super::patience::Patience;

const PAGE_EVENTS: usize = 500;
/// So many of a hundred appends also look at another list.
const BESIDE_PERCENT: u64 = 30;
/// So many of a hundred that were made are asked for again, and so many under their id with other content.
const AGAIN_PERCENT: u64 = 20;
/// In so many of a hundred seeds append ids rise with the time, as the product's do. Where they do not, ids of the
/// others' are below one of them before long.
const RISING_PERCENT: u64 = 70;
/// How long an answer is waited for.
const ANSWER_US: u64 = 15_000_000;

/// The stream of a list.
pub(super) fn stream_of(list: u32) -> StreamId {
    StreamId::new(format!("list-{list}")).expect("a word and a number are a name")
}

/// Appends so many events; asks again with the same id while nobody knows what came of it.
pub(super) async fn append(
    store: &RemoteEvents,
    planned: &Planned,
    seed: Seed,
    (list, expect, events): (u32, Expect, u32),
    (clock, mut patience): (MachineClock, Patience),
) {
    let stream = stream_of(list);
    let mut random = seed.stream(&format!("list/{}", planned.id));
    let Some(Ok(version)) = patience.wait(ANSWER_US, version(store, &stream)).await else { return };
    let expected = match expect {
        Expect::Any => ExpectedVersion::Any,
        Expect::JustRead if version == StreamVersion::NONE => ExpectedVersion::NoStream,
        Expect::JustRead => ExpectedVersion::Exact(version),
        Expect::Stale if version == StreamVersion::NONE => ExpectedVersion::StreamExists,
        Expect::Stale => ExpectedVersion::Exact(StreamVersion(version.0 - 1)),
    };
    let events = (0..events).map(|_| event(&mut random, planned.id)).collect();
    let mut writes = vec![StreamWrite { stream, expected, events }];
    let mut beside = seed.stream(&format!("list/beside/{}", planned.id));
    if beside.percent(BESIDE_PERCENT) {
        let checked = patience.wait(ANSWER_US, checked(store, list, &mut beside)).await;
        writes.extend(checked.and_then(Result::ok));
    }
    let request = AppendRequest {
        append_id: append_id(seed, &mut random, clock.now()),
        node_id: NodeId::new("clients").expect("a plain word is a name"),
        fence: None,
        writes,
        claims: Vec::new(),
    };
    loop {
        match patience.wait(ANSWER_US, store.append(request.clone())).await {
            Some(Err(AppendError::OutcomeUnknown(_) | AppendError::Unavailable(_))) | None => {}
            Some(Ok(_)) => break,
            Some(Err(_)) => return,
        }
        if !patience.pause(0).await {
            return;
        }
    }
    let mut random = seed.stream(&format!("list/again/{}", planned.id));
    if random.percent(AGAIN_PERCENT) {
        // Whatever comes of it is witnessed.
        let _again = patience.wait(ANSWER_US, store.append(request.clone())).await.is_some();
    }
    if random.percent(AGAIN_PERCENT) {
        let mut other = request;
        other.writes[0].events = vec![event(&mut random, planned.id)];
        let _other = patience.wait(ANSWER_US, store.append(other)).await.is_some();
    }
}

/// Another list that is only looked at, and is expected to be as it is now; some are expected otherwise.
async fn checked(
    store: &RemoteEvents,
    list: u32,
    random: &mut Random,
) -> Result<StreamWrite, StorageError> {
    let other = (list + 1 + u32::try_from(random.below(u64::from(LISTS) - 1)).unwrap_or(0)) % LISTS;
    let stream = stream_of(other);
    let StreamVersion(now) = version(store, &stream).await?;
    let expected = match now {
        0 => ExpectedVersion::NoStream,
        now if random.percent(25) => ExpectedVersion::Exact(StreamVersion(now - 1)),
        now => ExpectedVersion::Exact(StreamVersion(now)),
    };
    Ok(StreamWrite { stream, expected, events: Vec::new() })
}

fn append_id(seed: Seed, random: &mut Random, now: Timestamp) -> AppendId {
    if !seed.stream("lists/ids").percent(RISING_PERCENT) {
        return AppendId(uuid(random));
    }
    let mut bytes = [0; 10];
    random.fill(&mut bytes);
    AppendId(uuid::Builder::from_unix_timestamp_millis(now.millis(), &bytes).into_uuid())
}

fn uuid(random: &mut Random) -> Uuid {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

fn event(random: &mut Random, operation: u32) -> NewEvent {
    NewEvent {
        id: EventId(uuid(random)),
        event_type: EventType::new("Listed").expect("a plain word is a name"),
        schema_version: 1,
        correlation_id: CorrelationId::new(format!("list-{operation}"))
            .expect("a word and a number are a name"),
        causation_id: None,
        payload: format!("{{\"operation\":{operation}}}").into(),
    }
}

async fn version(store: &RemoteEvents, stream: &StreamId) -> Result<StreamVersion, StorageError> {
    let last = store.read_stream(stream, StreamVersion(u64::MAX), Direction::Backward, 1).await?;
    Ok(last.first().map_or(StreamVersion::NONE, |event| event.version))
}

/// Reads a stream from its beginning, or back from its end or a place near its beginning, until it is answered.
pub(super) async fn read(
    store: &RemoteEvents,
    stream: &StreamId,
    mut random: Random,
    mut patience: Patience,
) {
    let (from, direction, limit) = match random.below(4) {
        0 => (u64::MAX, Direction::Backward, random.between(1, 8)),
        1 => (random.below(8), Direction::Backward, random.between(1, 8)),
        _ => (1, Direction::Forward, PAGE_EVENTS as u64),
    };
    let limit = usize::try_from(limit).unwrap_or(PAGE_EVENTS);
    loop {
        let reading = store.read_stream(stream, StreamVersion(from), direction, limit);
        if patience.wait(ANSWER_US, reading).await.is_some_and(|read| read.is_ok()) {
            return;
        }
        if !patience.pause(0).await {
            return;
        }
    }
}

/// Reads the log from so many hundredths of it to its head.
pub(super) async fn read_all(store: &RemoteEvents, from_percent: u32, mut patience: Patience) {
    let mut from: Option<GlobalPosition> = None;
    loop {
        let page = patience.wait(ANSWER_US, next_page(store, from, from_percent)).await;
        match page {
            Some(Ok((_, true))) => return,
            Some(Ok((next, false))) => from = Some(next),
            Some(Err(_)) | None if !patience.pause(0).await => return,
            Some(Err(_)) | None => {}
        }
    }
}

async fn next_page(
    store: &RemoteEvents,
    from: Option<GlobalPosition>,
    from_percent: u32,
) -> Result<(GlobalPosition, bool), StorageError> {
    let after = match from {
        Some(after) => after,
        None => GlobalPosition(store.head().await?.0 * u64::from(from_percent) / 100),
    };
    let page = store.read_all(AllQuery::after(after, PAGE_EVENTS)).await?;
    Ok((page.next, page.end))
}
