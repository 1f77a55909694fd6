//! Appends: expectations are enforced where the data lives, a request happens whole or not at all.

use tokio::sync::Barrier;

use std::sync::Arc;

use crate::event_store::{AppendError, Appended, Direction, EventStore, ExpectedVersion};
use crate::stream::{GlobalPosition, StreamVersion};

use super::request::{append, exact};
use super::{Factory, fresh, promises, stream, whole_log};

promises! {
    an_append_says_where_its_events_went,
    every_expected_version_is_enforced,
    writes_to_several_streams_happen_together_or_not_at_all,
    a_stream_that_is_only_checked_guards_the_append,
    exactly_one_racer_wins_each_version,
    exactly_one_racer_creates_a_stream,
    every_racer_without_expectation_wins,
    racers_that_guard_each_other_do_not_both_win,
    a_refused_append_leaves_no_trace_for_its_neighbours,
    an_append_without_events_answers_with_the_head,
}

const RACERS: u64 = 16;

/// Positions in the order of the request, versions afterwards.
pub async fn an_append_says_where_its_events_went<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let first = append(1).to("a-1", ExpectedVersion::NoStream, 2).to("b-1", exact(0), 1).done();
    let appended = store.append(first).await.unwrap();
    let versions = vec![StreamVersion(2), StreamVersion(1)];
    assert_eq!(appended, Appended { position: GlobalPosition(3), events: 3, versions });

    let second = append(2).to("b-1", exact(1), 1).to("a-1", exact(2), 3).done();
    let appended = store.append(second).await.unwrap();
    let versions = vec![StreamVersion(2), StreamVersion(5)];
    assert_eq!(appended, Appended { position: GlobalPosition(7), events: 4, versions });

    let log = whole_log(&store).await;
    let places: Vec<_> = log.iter().map(|e| (e.stream.as_str(), e.version.0)).collect();
    let wanted =
        [("a-1", 1), ("a-1", 2), ("b-1", 1), ("b-1", 2), ("a-1", 3), ("a-1", 4), ("a-1", 5)];
    assert_eq!(places, wanted);
    assert_eq!(store.head().await.unwrap(), GlobalPosition(7));
}

/// Each kind of expectation against a stream that is not there and one that is.
pub async fn every_expected_version_is_enforced<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    store.append(append(1).to("old-1", ExpectedVersion::Any, 3).done()).await.unwrap();
    let cases = [
        (ExpectedVersion::Any, true, true),
        (ExpectedVersion::NoStream, true, false),
        (ExpectedVersion::StreamExists, false, true),
        (exact(0), true, false),
        (exact(2), false, false),
        (exact(3), false, true),
        (exact(4), false, false),
    ];
    for (number, (expected, on_new, on_old)) in (10_u128..).step_by(10).zip(cases) {
        let new = format!("new-{number}");
        for (number, name, actual, admitted) in
            [(number, new.as_str(), 0, on_new), (number + 1, "old-1", 3, on_old)]
        {
            // Checks only, so that the next case finds the stream unchanged.
            let result = store.append(append(number).to(name, expected, 0).done()).await;
            let refused = AppendError::WrongExpectedVersion {
                stream: stream(name),
                expected,
                actual: StreamVersion(actual),
            };
            let wanted = if admitted {
                let position = GlobalPosition(3);
                Ok(Appended { position, events: 0, versions: vec![StreamVersion(actual)] })
            } else {
                Err(refused)
            };
            assert_eq!(result, wanted, "{name} expected at {expected}");
        }
    }
}

/// One stream that is not as expected refuses all of them.
pub async fn writes_to_several_streams_happen_together_or_not_at_all<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    store.append(append(1).to("a-1", ExpectedVersion::NoStream, 1).done()).await.unwrap();
    let mixed = append(2)
        .to("b-1", ExpectedVersion::NoStream, 1)
        .to("a-1", exact(7), 1)
        .to("c-1", ExpectedVersion::Any, 1)
        .take("4711", "b-1");
    let refused = store.append(mixed.done()).await.unwrap_err();
    assert!(matches!(refused, AppendError::WrongExpectedVersion { .. }), "{refused}");
    assert_eq!(whole_log(&store).await.len(), 1);
    for name in ["b-1", "c-1"] {
        let read = store.read_stream(&stream(name), StreamVersion(0), Direction::Forward, 10).await;
        assert_eq!(read.unwrap(), [], "{name} was written");
    }
    let whole = append(3).to("b-1", ExpectedVersion::NoStream, 1).take("4711", "b-1").done();
    store.append(whole).await.expect("nothing of the refused append is there");
}

/// A check without events is part of the atomic batch.
pub async fn a_stream_that_is_only_checked_guards_the_append<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    store.append(append(1).to("user-1", ExpectedVersion::NoStream, 2).done()).await.unwrap();
    let stale = append(2).to("user-1", exact(1), 0).to("order-1", ExpectedVersion::NoStream, 1);
    let refused = store.append(stale.done()).await.unwrap_err();
    assert!(matches!(refused, AppendError::WrongExpectedVersion { .. }), "{refused}");
    let right = append(3).to("user-1", exact(2), 0).to("order-1", ExpectedVersion::NoStream, 1);
    let appended = store.append(right.done()).await.unwrap();
    assert_eq!(appended.versions, [StreamVersion(2), StreamVersion(1)]);
}

/// N writers that all read the same version and then append: the acknowledged set is the stored set,
/// with one winner for each version.
pub async fn exactly_one_racer_wins_each_version<F: Factory>(factory: &F) {
    const ROUNDS: u64 = 10;
    let (_place, store) = fresh(factory).await;
    let barrier = Arc::new(Barrier::new(RACERS as usize));
    let racer = |racer: u64| {
        let (store, barrier) = (store.clone(), Arc::clone(&barrier));
        async move {
            let mut won = Vec::new();
            for round in 0..ROUNDS {
                barrier.wait().await;
                let number = u128::from(racer * 1_000 + round + 1);
                let append = append(number).to("hot-1", exact(round), 1).done();
                match store.append(append).await {
                    Ok(appended) => won.push(appended.position),
                    Err(AppendError::WrongExpectedVersion { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
                barrier.wait().await;
            }
            won
        }
    };
    let racers: Vec<_> = (0..RACERS).map(|number| tokio::spawn(racer(number))).collect();
    let mut acknowledged = Vec::new();
    for racer in racers {
        acknowledged.extend(racer.await.unwrap());
    }
    acknowledged.sort_unstable();
    let stored: Vec<_> = whole_log(&store).await.iter().map(|event| event.position).collect();
    assert_eq!(acknowledged, stored);
    assert_eq!(stored.len() as u64, ROUNDS, "one winner for each version");
}

/// The same for the first version.
pub async fn exactly_one_racer_creates_a_stream<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let racers = (1..=u128::from(RACERS)).map(|number| {
        let store = store.clone();
        let append = append(number).to("order-1", ExpectedVersion::NoStream, 2).done();
        tokio::spawn(async move { store.append(append).await })
    });
    let racers: Vec<_> = racers.collect();
    let mut winners = 0;
    for racer in racers {
        winners += usize::from(racer.await.unwrap().is_ok());
    }
    assert_eq!((winners, whole_log(&store).await.len()), (1, 2));
}

/// Without an expectation, and with "exists", nobody is refused and nobody is lost.
pub async fn every_racer_without_expectation_wins<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    store.append(append(999).to("log-1", ExpectedVersion::NoStream, 1).done()).await.unwrap();
    let racers = (1..=u128::from(RACERS)).map(|number| {
        let store = store.clone();
        let kind = [ExpectedVersion::Any, ExpectedVersion::StreamExists][number as usize % 2];
        let append = append(number).to("log-1", kind, 1).done();
        tokio::spawn(async move { store.append(append).await.unwrap().versions[0].0 })
    });
    let racers: Vec<_> = racers.collect();
    let mut versions = Vec::new();
    for racer in racers {
        versions.push(racer.await.unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (2..=RACERS + 1).collect::<Vec<_>>());
}

/// Two appends, each on the condition that the other's stream is empty: write skew would let both in.
pub async fn racers_that_guard_each_other_do_not_both_win<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    for round in 0..20_u128 {
        let (left, right) = (format!("left-{round}"), format!("right-{round}"));
        let one = append(round * 2 + 1).to(&left, exact(0), 0).to(&right, exact(0), 1).done();
        let two = append(round * 2 + 2).to(&right, exact(0), 0).to(&left, exact(0), 1).done();
        let (first, second) = (store.clone(), store.clone());
        let one = tokio::spawn(async move { first.append(one).await });
        let two = tokio::spawn(async move { second.append(two).await });
        let won = [one.await.unwrap().is_ok(), two.await.unwrap().is_ok()];
        assert_ne!(won[0], won[1], "exactly one of the two, round {round}");
    }
}

/// Refused appends among good ones, all at once: the good ones stand as if alone.
pub async fn a_refused_append_leaves_no_trace_for_its_neighbours<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    store
        .append(append(9_999).to("taken-1", exact(0), 1).take("k", "taken-1").done())
        .await
        .unwrap();
    let requests = (0..30_u128).map(|number| {
        let name = format!("s-{}", number / 3);
        match number % 3 {
            // Refused by its last part, after it would have created the stream.
            0 => append(number + 1).to(&name, exact(0), 1).to("taken-1", exact(0), 1).done(),
            1 => append(number + 1).to(&name, exact(0), 1).take("k", &name).done(),
            _ => append(number + 1).to(&name, exact(0), 1).done(),
        }
    });
    let results = futures_util::future::join_all(requests.map(|r| store.append(r))).await;
    let admitted: Vec<_> = results.iter().map(Result::is_ok).collect();
    assert_eq!(admitted, [false, false, true].repeat(10));
    assert_eq!(whole_log(&store).await.len(), 11);
}

/// There is nothing to point at but the head.
pub async fn an_append_without_events_answers_with_the_head<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let claim = append(1).take("4711", "order-1").done();
    let appended = store.append(claim).await.unwrap();
    let nothing = Appended { position: GlobalPosition::START, events: 0, versions: Vec::new() };
    assert_eq!(appended, nothing);
    store.append(append(2).to("order-1", exact(0), 2).done()).await.unwrap();
    let check = append(3).to("order-1", exact(2), 0).done();
    let appended = store.append(check).await.unwrap();
    let versions = vec![StreamVersion(2)];
    assert_eq!(appended, Appended { position: GlobalPosition(2), events: 0, versions });
}
