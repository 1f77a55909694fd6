//! One order for everybody: dense, in commit order, and nothing appears behind a reader's back.

use crate::event::RecordedEvent;
use crate::event_store::{AllQuery, EventStore, ExpectedVersion};
use crate::stream::GlobalPosition;

use super::request::append;
use super::{Factory, fresh, promises, reopened, whole_log};

promises! {
    events_of_an_append_stand_side_by_side,
    positions_are_dense_under_concurrency,
    a_reader_never_misses_an_event,
    what_was_answered_is_visible,
    await_after_loses_no_wake_up,
    await_after_returns_at_once_for_what_is_there,
    the_log_goes_on_where_it_was_after_reopening,
}

const WRITERS: u128 = 8;
const APPENDS: u128 = 25;

/// Several writers with appends of one to three events on streams of their own.
fn write_concurrently<S: EventStore>(store: &S) -> Vec<tokio::task::JoinHandle<Vec<(u64, u32)>>> {
    let writer = |writer: u128| {
        let store = store.clone();
        async move {
            let mut places = Vec::new();
            for turn in 0..APPENDS {
                let events = 1 + ((writer + turn) % 3) as usize;
                let request = append(writer * 1_000 + turn + 1)
                    .to(&format!("w-{writer}"), ExpectedVersion::Any, events)
                    .done();
                let appended = store.append(request).await.unwrap();
                places.push((appended.position.0, appended.events));
            }
            places
        }
    };
    (0..WRITERS).map(|number| tokio::spawn(writer(number))).collect()
}

/// The answer's position and count name exactly the append's events.
pub async fn events_of_an_append_stand_side_by_side<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let mut places = Vec::new();
    for writer in write_concurrently(&store) {
        places.extend(writer.await.unwrap());
    }
    let log = whole_log(&store).await;
    let append_of = |event: &RecordedEvent| event.id.0.as_u128() >> 32;
    for (last, events) in places {
        let own = &log[(last - u64::from(events)) as usize..last as usize];
        assert!(own.iter().all(|event| append_of(event) == append_of(&own[0])));
        let all = log.iter().filter(|event| append_of(event) == append_of(&own[0])).count();
        assert_eq!(all, own.len(), "an append's events stand together");
    }
}

/// Every position is used once; `whole_log` checks that there is no gap.
pub async fn positions_are_dense_under_concurrency<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let mut acknowledged = 0;
    for writer in write_concurrently(&store) {
        acknowledged += writer.await.unwrap().iter().map(|place| place.1 as usize).sum::<usize>();
    }
    assert_eq!(whole_log(&store).await.len(), acknowledged);
    assert_eq!(store.head().await.unwrap().0, acknowledged as u64);
}

/// Readers that follow by position while writers write see the final log, each event once, in order.
pub async fn a_reader_never_misses_an_event<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let total: u64 = (0..WRITERS)
        .flat_map(|writer| (0..APPENDS).map(move |turn| 1 + ((writer + turn) % 3) as u64))
        .sum();
    let reader = |limit: usize| {
        let store = store.clone();
        async move {
            let mut seen = Vec::new();
            let mut after = GlobalPosition::START;
            while after.0 < total {
                store.await_after(after).await;
                let page = store.read_all(AllQuery::after(after, limit)).await.unwrap();
                seen.extend(page.events);
                after = page.next;
            }
            seen
        }
    };
    let readers: Vec<_> = [1, 3, 100].map(|limit| tokio::spawn(reader(limit))).into();
    for writer in write_concurrently(&store) {
        writer.await.unwrap();
    }
    let log = whole_log(&store).await;
    for reader in readers {
        assert_eq!(reader.await.unwrap(), log);
    }
}

/// After `Ok` the events are there for everybody, at once.
pub async fn what_was_answered_is_visible<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    for number in 1..=20 {
        let request = append(number).to("s-1", ExpectedVersion::Any, 1).done();
        let appended = store.append(request).await.unwrap();
        assert!(store.head().await.unwrap() >= appended.position);
        let before = GlobalPosition(appended.position.0 - 1);
        let page = store.read_all(AllQuery::after(before, 1)).await.unwrap();
        assert_eq!(page.events[0].id.0.as_u128() >> 32, number);
    }
}

/// A reader that asks, finds nothing and then waits is woken, however the write falls between.
pub async fn await_after_loses_no_wake_up<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    for number in 1..=50_u64 {
        let waiter = store.clone();
        let waiting = tokio::spawn(async move {
            let position = GlobalPosition(number - 1);
            while waiter.head().await.unwrap() <= position {
                waiter.await_after(position).await;
            }
        });
        if number % 2 == 0 {
            tokio::task::yield_now().await;
        }
        let request = append(number.into()).to("s-1", ExpectedVersion::Any, 1).done();
        store.append(request).await.unwrap();
        waiting.await.unwrap();
    }
}

/// Nothing to wait for: the event is there already.
pub async fn await_after_returns_at_once_for_what_is_there<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    store.append(append(1).to("s-1", ExpectedVersion::Any, 3).done()).await.unwrap();
    for position in 0..3 {
        store.await_after(GlobalPosition(position)).await;
    }
}

/// All that was acknowledged is there, and the next position is the next number.
pub async fn the_log_goes_on_where_it_was_after_reopening<F: Factory>(factory: &F) {
    if !F::REOPENS {
        return;
    }
    let (place, mut store) = fresh(factory).await;
    let mut before = Vec::new();
    for number in 1..=5_u64 {
        let request = append(number.into()).to("s-1", ExpectedVersion::Any, 2).done();
        let appended = store.append(request).await.unwrap();
        assert_eq!(appended.position.0, number * 2);
        assert_eq!(appended.versions[0].0, number * 2);
        store = reopened(factory, &place, store).await;
        let log = whole_log(&store).await;
        assert_eq!(log[..before.len()], before);
        assert_eq!(log.len() as u64, number * 2);
        assert_eq!(store.head().await.unwrap().0, number * 2);
        before = log;
    }
}
