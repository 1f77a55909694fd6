//! Reads: both ways, from anywhere, filtered, in pages that always move on.

use std::sync::Arc;

use uuid::Uuid;

use crate::clock::{Clock, Timestamp};
use crate::event::{CorrelationId, EventId, EventType, RecordedEvent};
use crate::event_store::{AllQuery, Direction, EventStore, ExpectedVersion, Filter};
use crate::stream::{GlobalPosition, StreamVersion};

use super::request::append;
use super::{Factory, fresh, promises, reopened, stream, whole_log};

promises! {
    everything_that_was_given_comes_back,
    streams_are_read_both_ways_from_any_version,
    an_unknown_stream_is_an_empty_one,
    the_log_is_read_both_ways_from_any_position,
    filtered_pages_hold_exactly_what_the_filter_admits,
    a_filter_that_matches_nothing_still_reaches_the_end,
    a_filter_that_matches_nothing_still_reaches_the_beginning,
    a_cursor_goes_on_where_it_stopped_while_the_log_grows,
    a_reader_beyond_the_head_is_at_the_end,
    reads_are_the_same_after_reopening,
}

/// Metadata, payload, and the log's own: time, version, chain.
pub async fn everything_that_was_given_comes_back<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let mut request = append(7).to("order-1", ExpectedVersion::NoStream, 2).done();
    request.writes[0].events[1].causation_id = Some(EventId(Uuid::from_u128(7 << 32)));
    request.writes[0].events[1].schema_version = u16::MAX;
    request.writes[0].events[1].payload = bytes::Bytes::new();
    let before = factory.clock().now();
    store.append(request.clone()).await.unwrap();
    let after = factory.clock().now();
    let log = whole_log(&store).await;
    for (at, (stored, given)) in log.iter().zip(&request.writes[0].events).enumerate() {
        assert!(before <= stored.recorded_at && stored.recorded_at <= after);
        let wanted = RecordedEvent {
            position: GlobalPosition(at as u64 + 1),
            stream: request.writes[0].stream.clone(),
            version: StreamVersion(at as u64 + 1),
            id: given.id,
            event_type: given.event_type.clone(),
            schema_version: given.schema_version,
            correlation_id: given.correlation_id.clone(),
            causation_id: given.causation_id,
            node_id: request.node_id.clone(),
            recorded_at: stored.recorded_at,
            payload: given.payload.clone(),
            chain: stored.chain,
        };
        assert_eq!(*stored, wanted);
    }
    assert_ne!(log[0].chain, log[1].chain);
}

/// A log of many appends over several streams, types, categories and correlation ids; more than an
/// index block of it.
async fn varied<S: EventStore>(store: &S) -> Vec<RecordedEvent> {
    for number in 1..=250_u128 {
        let correlation = format!("c-{}", number / 5);
        let mut request = append(number)
            .typed(&format!("order-{}", number % 7), "OrderPlaced", &correlation)
            .typed(
                &format!("saga-{number}"),
                ["Started", "Ended"][number as usize % 2],
                &correlation,
            );
        if number % 90 == 0 {
            request = request.typed("audit-1", "Rare", "other");
        }
        if number % 11 == 0 {
            request = request.to("bulk-1", ExpectedVersion::Any, 5);
        }
        store.append(request.done()).await.unwrap();
    }
    whole_log(store).await
}

/// Every version as a start, several limits, against the log read as a whole.
pub async fn streams_are_read_both_ways_from_any_version<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let log = varied(&store).await;
    check_streams(&store, &log).await;
}

async fn check_streams<S: EventStore>(store: &S, log: &[RecordedEvent]) {
    for name in ["order-3", "bulk-1", "audit-1", "saga-77"] {
        let id = stream(name);
        let own: Vec<_> = log.iter().filter(|e| e.stream == id).cloned().collect();
        let starts = (0..=own.len() as u64 + 2).chain([u64::MAX - 1, u64::MAX]);
        for (from, limit) in starts.flat_map(|from| [1, 4, 1_000].map(|limit| (from, limit))) {
            for direction in [Direction::Forward, Direction::Backward] {
                let read = store.read_stream(&id, StreamVersion(from), direction, limit);
                let wanted: Vec<_> = match direction {
                    Direction::Forward => {
                        own.iter().filter(|e| e.version.0 >= from).take(limit).cloned().collect()
                    }
                    Direction::Backward => own
                        .iter()
                        .rev()
                        .filter(|e| e.version.0 <= from)
                        .take(limit)
                        .cloned()
                        .collect(),
                };
                assert_eq!(read.await.unwrap(), wanted, "{name} {direction:?} {from} {limit}");
            }
        }
    }
}

/// Not an error.
pub async fn an_unknown_stream_is_an_empty_one<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    store.append(append(1).to("s-10", ExpectedVersion::Any, 3).done()).await.unwrap();
    for name in ["s-1", "s-100", "s", "t"] {
        for (from, direction) in [(0, Direction::Forward), (u64::MAX, Direction::Backward)] {
            let read = store.read_stream(&stream(name), StreamVersion(from), direction, 10).await;
            assert_eq!(read.unwrap(), [], "{name}");
        }
    }
}

/// Reads all pages of a query; each moves on, and none holds more than asked for.
async fn all_pages<S: EventStore>(store: &S, mut query: AllQuery) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    loop {
        let page = store.read_all(query.clone()).await.unwrap();
        assert!(page.events.len() <= query.limit);
        events.extend(page.events);
        if page.end {
            return events;
        }
        match query.direction {
            Direction::Forward => assert!(page.next > query.from, "stuck at {}", page.next),
            Direction::Backward => assert!(page.next < query.from, "stuck at {}", page.next),
        }
        query.from = page.next;
    }
}

fn wanted(log: &[RecordedEvent], query: &AllQuery) -> Vec<RecordedEvent> {
    let admitted = log.iter().filter(|event| query.filter.admits(event));
    match query.direction {
        Direction::Forward => admitted.filter(|e| e.position > query.from).cloned().collect(),
        Direction::Backward => {
            admitted.rev().filter(|e| e.position < query.from).cloned().collect()
        }
    }
}

async fn check_log<S: EventStore>(store: &S, log: &[RecordedEvent], filter: &Filter) {
    let head = log.len() as u64;
    let starts = [0, 1, 2, 255, 256, 257, head / 2, head - 1, head, head + 1, u64::MAX];
    for (from, limit) in starts.iter().flat_map(|from| [13, 10_000].map(|limit| (*from, limit))) {
        for direction in [Direction::Forward, Direction::Backward] {
            let from = GlobalPosition(from);
            let query = AllQuery { from, direction, limit, filter: filter.clone() };
            let wanted = wanted(log, &query);
            let got = all_pages(store, query).await;
            let what = format!("{filter:?} {direction:?} {from} {limit}");
            assert_eq!(got.len(), wanted.len(), "{what}");
            assert!(got == wanted, "{what}");
        }
    }
}

/// Without a filter.
pub async fn the_log_is_read_both_ways_from_any_position<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let log = varied(&store).await;
    check_log(&store, &log, &Filter::ALL).await;
}

fn filters(log: &[RecordedEvent]) -> Vec<Filter> {
    let types = |names: &[&str]| names.iter().map(|name| EventType::new(*name).unwrap()).collect();
    let categories = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
    let correlation = |id: &str| Some(CorrelationId::new(id).unwrap());
    let times: Vec<Timestamp> = log.iter().map(|event| event.recorded_at).collect();
    let all = || Filter::ALL;
    vec![
        Filter { event_types: types(&["Rare"]), ..all() },
        Filter { event_types: types(&["Rare", "Ended"]), ..all() },
        Filter { categories: categories(&["audit"]), ..all() },
        Filter { categories: categories(&["audit", "saga"]), ..all() },
        Filter { correlation_id: correlation("c-7"), ..all() },
        Filter { correlation_id: correlation("corr"), ..all() },
        Filter { correlation_id: correlation("other"), event_types: types(&["Rare"]), ..all() },
        Filter {
            correlation_id: correlation("c-7"),
            event_types: types(&["Started"]),
            categories: categories(&["saga"]),
            ..all()
        },
        Filter { event_types: types(&["Started"]), categories: categories(&["order"]), ..all() },
        Filter {
            recorded_from: Some(times[log.len() / 3]),
            recorded_to: Some(times[log.len() / 2]),
            ..all()
        },
        Filter { recorded_to: Some(times[0]), ..all() },
        Filter { recorded_from: Some(times[log.len() - 1]), ..all() },
        Filter { recorded_from: Some(times[9]), recorded_to: Some(times[9]), ..all() },
        Filter { categories: categories(&["order"]), recorded_from: Some(times[90]), ..all() },
        Filter { event_types: types(&["Ended"]), recorded_to: Some(times[300]), ..all() },
        Filter { correlation_id: correlation("c-7"), recorded_from: Some(times[75]), ..all() },
        Filter {
            categories: categories(&["saga", "audit"]),
            correlation_id: correlation("other"),
            recorded_from: Some(times[200]),
            recorded_to: Some(times[500]),
            ..all()
        },
    ]
}

/// Every kind of filter and several together, both ways, from many starts.
pub async fn filtered_pages_hold_exactly_what_the_filter_admits<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let log = varied(&store).await;
    for filter in filters(&log) {
        check_log(&store, &log, &filter).await;
    }
}

/// So that a filtered subscription's checkpoint moves.
pub async fn a_filter_that_matches_nothing_still_reaches_the_end<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let log = varied(&store).await;
    let nothing = Filter { event_types: vec![EventType::new("Never").unwrap()], ..Filter::ALL };
    let mut query = AllQuery { filter: nothing, ..AllQuery::after(GlobalPosition::START, 10) };
    loop {
        let page = store.read_all(query.clone()).await.unwrap();
        assert_eq!(page.events, []);
        if page.end {
            assert_eq!(page.next.0, log.len() as u64, "the checkpoint gets to the head");
            return;
        }
        assert!(page.next > query.from);
        query.from = page.next;
    }
}

/// Backwards as well, also when it names nothing that an index knows.
pub async fn a_filter_that_matches_nothing_still_reaches_the_beginning<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let log = varied(&store).await;
    let never = Filter { recorded_to: Some(Timestamp(0)), ..Filter::ALL };
    let absent = Filter { categories: vec!["absent".into()], ..Filter::ALL };
    for filter in [never, absent] {
        let from = GlobalPosition(log.len() as u64 + 1);
        let mut query = AllQuery { from, direction: Direction::Backward, limit: 10, filter };
        loop {
            let page = store.read_all(query.clone()).await.unwrap();
            assert_eq!(page.events, []);
            if page.end {
                break;
            }
            assert!(page.next < query.from);
            query.from = page.next;
        }
    }
}

/// What is appended while somebody pages forward is on a later page, once; who pages backward is not
/// disturbed by it.
pub async fn a_cursor_goes_on_where_it_stopped_while_the_log_grows<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let old = varied(&store).await;
    let filter = Filter { categories: vec!["order".into()], ..Filter::ALL };
    let from = GlobalPosition(old.len() as u64 + 1);
    let backward = AllQuery { from, direction: Direction::Backward, limit: 7, filter };
    let forward =
        AllQuery { from: GlobalPosition::START, direction: Direction::Forward, ..backward.clone() };
    let (mut down, mut up) = (backward.clone(), forward.clone());
    let (mut newest_first, mut oldest_first) = (Vec::new(), Vec::new());
    for number in 1_000..1_010_u128 {
        for (query, seen) in [(&mut down, &mut newest_first), (&mut up, &mut oldest_first)] {
            let page = store.read_all(query.clone()).await.unwrap();
            seen.extend(page.events);
            query.from = page.next;
        }
        let more = append(number).typed("order-1", "OrderPlaced", "late");
        store.append(more.typed("saga-1", "Ended", "late").done()).await.unwrap();
    }
    newest_first.extend(all_pages(&store, down).await);
    oldest_first.extend(all_pages(&store, up).await);
    assert!(newest_first == wanted(&old, &backward), "as it was when it began");
    assert!(oldest_first == wanted(&whole_log(&store).await, &forward), "with what came");
}

/// Its place stays where it is.
pub async fn a_reader_beyond_the_head_is_at_the_end<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    for from in [0, 5] {
        let page = store.read_all(AllQuery::after(GlobalPosition(from), 5)).await.unwrap();
        assert_eq!((page.events.len(), page.next.0, page.end), (0, from, true));
    }
}

/// What was served from memory is served from the store in the same words.
pub async fn reads_are_the_same_after_reopening<F: Factory>(factory: &F) {
    if !F::REOPENS {
        return;
    }
    let (place, store) = fresh(factory).await;
    let log = varied(&store).await;
    let store = reopened(factory, &place, store).await;
    assert!(whole_log(&store).await == log);
    check_streams(&store, &log).await;
    check_log(&store, &log, &Filter::ALL).await;
    for filter in filters(&log) {
        check_log(&store, &log, &filter).await;
    }
    let empty = factory.place();
    let store = factory.open(&empty).await;
    assert_eq!(whole_log(&store).await, [], "places are apart");
}
