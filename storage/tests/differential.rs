//! The log against a naive model: random operations, every answer and the final state equal.
//!
//! One generated run is played on the log over memory, on the log over RocksDB and on the model.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "differential/model.rs"]
mod model;
#[path = "differential/ops.rs"]
mod ops;

use std::future::Future;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sagaline_storage::clock::{Clock, SystemEntropy, Timestamp};
use sagaline_storage::event_store::{AllQuery, Direction, Epoch, EventStore, Filter, Shard};
use sagaline_storage::kv::Kv;
use sagaline_storage::log::{Log, LogSettings, verify};
use sagaline_storage::memory::{ManualClock, MemoryKv};
use sagaline_storage::rocksdb::{RocksKv, RocksSettings};
use sagaline_storage::stream::{GlobalPosition, StreamId, StreamVersion};

use model::Model;
use ops::{Op, runs};

/// Caches and pages so small that everything is forgotten, read again and cut all the time.
fn tight() -> LogSettings {
    LogSettings {
        batch_requests_max: 3,
        ring_events_max: 7,
        ring_bytes_max: 1 << 20,
        streams_cached: 2,
        claims_cached: 2,
        append_ids_cached: 2,
        page_examined_max: 5,
        page_bytes_max: 700,
        ..LogSettings::default()
    }
}

const START: Timestamp = Timestamp(1_000_000_000);

/// Plays a run on one store and on a model of its own.
async fn play<K, F>(
    ops: &[Op],
    settings: LogSettings,
    mut open: impl FnMut() -> F,
) -> Result<(), TestCaseError>
where
    K: Kv,
    F: Future<Output = K>,
{
    let clock = ManualClock::starting_at(START);
    let mut model = Model::default();
    let mut log = start(open().await, &clock, settings).await;
    for op in ops {
        match op {
            Op::Appends(appends) => {
                let requests: Vec<_> = appends.iter().map(|a| a.request(clock.now())).collect();
                // Polled in order, so queued in order: the batch is as if one came after the other.
                let answers = requests.iter().map(|request| log.append(request.clone()));
                let answers = futures_util::future::join_all(answers).await;
                for (request, answer) in requests.iter().zip(answers) {
                    prop_assert_eq!(answer, model.append(request, clock.now()));
                }
            }
            Op::Raise(shards) => {
                let shards: Vec<_> = shards.iter().map(|shard| Shard(*shard)).collect();
                let raised = log.raise_epochs(&shards).await;
                prop_assert_eq!(raised.unwrap(), model.raise(&shards));
            }
            Op::Advance(micros) => clock.advance(Duration::from_micros(*micros)),
            Op::Reopen => {
                log.close().await;
                drop(log);
                log = start(open().await, &clock, settings).await;
            }
        }
    }
    compare(&log, &model, clock.now()).await?;
    log.close().await;
    drop(log);
    let kv = open().await;
    let verified = verify(&kv, GlobalPosition::START, |_, _| {}).await.unwrap();
    prop_assert!(verified.is_sound(), "{:?}", verified.damage);
    let log = start(kv, &clock, settings).await;
    compare(&log, &model, clock.now()).await?;
    log.close().await;
    Ok(())
}

async fn start<K: Kv>(kv: K, clock: &ManualClock, settings: LogSettings) -> Log<K, ManualClock> {
    Log::open(kv, clock.clone(), &SystemEntropy, settings).await.unwrap()
}

async fn compare<K: Kv>(
    log: &Log<K, ManualClock>,
    model: &Model,
    now: Timestamp,
) -> Result<(), TestCaseError> {
    for filter in ops::filters() {
        for direction in [Direction::Forward, Direction::Backward] {
            let got = pages(log, direction, &filter).await;
            prop_assert_eq!(got, model.log(direction, &filter), "{:?} {:?}", filter, direction);
        }
    }
    for name in ops::STREAMS {
        let stream = StreamId::new(*name).unwrap();
        for from in [0, 1, 2, 5, u64::MAX] {
            for direction in [Direction::Forward, Direction::Backward] {
                let read =
                    log.read_stream(&stream, StreamVersion(from), direction, 4).await.unwrap();
                let got: Vec<_> = read.iter().map(|event| event.id).collect();
                prop_assert_eq!(got, model.stream(&stream, from, direction, 4));
            }
        }
    }
    prop_assert_eq!(log.claims("k", None, 100).await.unwrap(), model.claims(now));
    for shard in (0..3).map(Shard) {
        let epoch = model.epochs.get(&shard).copied().unwrap_or(Epoch(0));
        prop_assert_eq!(log.epoch(shard).await.unwrap(), epoch);
    }
    Ok(())
}

/// Every event of a filtered read, and that each page moves on.
async fn pages<K: Kv>(
    log: &Log<K, ManualClock>,
    direction: Direction,
    filter: &Filter,
) -> Vec<(u64, uuid::Uuid)> {
    let from = match direction {
        Direction::Forward => GlobalPosition::START,
        Direction::Backward => GlobalPosition::END,
    };
    let mut query = AllQuery { from, direction, limit: 3, filter: filter.clone() };
    let mut got = Vec::new();
    loop {
        let page = log.read_all(query.clone()).await.unwrap();
        got.extend(page.events.iter().map(|event| (event.position.0, event.id.0)));
        if page.end {
            return got;
        }
        assert_ne!(page.next, query.from, "a page moves on");
        query.from = page.next;
    }
}

fn on_one_thread<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_log_over_memory_answers_as_the_model(ops in runs(60)) {
        for settings in [tight(), LogSettings::default()] {
            let kv = MemoryKv::new();
            on_one_thread(play(&ops, settings, || async { kv.clone() }))?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_log_over_rocksdb_answers_as_the_model(ops in runs(60)) {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let open = || async { RocksKv::open(folder.path(), &RocksSettings::default()).unwrap() };
        on_one_thread(play(&ops, tight(), open))?;
    }
}
