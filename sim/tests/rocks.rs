//! RocksDB's own files in the simulated world: the log over them keeps every promise, loses nothing that
//! was acknowledged when the power fails in the middle of a write, and one seed gives one run.
#![cfg(all(madsim, feature = "rocksdb"))]

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use sagaline_sim::bites::Bites;
use sagaline_sim::fault::{Episode, Fault, FaultKind};
use sagaline_sim::machine::Machine::Store;
use sagaline_sim::seed::Seed;
use sagaline_sim::transcript::Transcript;
use sagaline_sim::world::{MachineClock, RocksDisk, World};
use sagaline_sim::{fresh, once};
use sagaline_storage::conformance::event_store::{self, Factory};
use sagaline_storage::{
    AllQuery, AppendId, AppendRequest, CorrelationId, EventId, EventStore, EventType,
    ExpectedVersion, GlobalPosition, Log, LogSettings, NewEvent, NodeId, StreamId, StreamWrite,
};
use uuid::Uuid;

struct OverRocks(World);

impl Factory for OverRocks {
    type Store = Log<RocksDisk, MachineClock>;
    type Place = World;
    type Clock = MachineClock;

    const REOPENS: bool = true;

    fn place(&self) -> World {
        World::new(Seed(1), Bites::default())
    }

    async fn open(&self, place: &World) -> Self::Store {
        open(place, self.clock()).await
    }

    async fn close(&self, store: Self::Store) {
        store.close().await;
    }

    fn clock(&self) -> MachineClock {
        self.0.clock(Store)
    }
}

async fn open(world: &World, clock: MachineClock) -> Log<RocksDisk, MachineClock> {
    let disk = world.rocks_disk(Store).expect("the folder opens");
    let log = Log::open(disk, clock, &world.entropy(Store), LogSettings::default()).await;
    log.expect("the folder can be read")
}

#[test]
fn the_log_over_rocksdb_keeps_every_promise_in_the_simulation() {
    once::run(1, || async {
        event_store::run_all(&OverRocks(World::new(Seed(1), Bites::default()))).await;
    });
}

fn request(number: u64) -> AppendRequest {
    let id = Uuid::from_u128(number.into());
    let event = NewEvent {
        id: EventId(id),
        event_type: EventType::new("Happened").unwrap(),
        schema_version: 1,
        correlation_id: CorrelationId::new("c").unwrap(),
        causation_id: None,
        payload: Bytes::from(format!("{{\"number\":{number}}}")),
    };
    let stream = StreamId::new(format!("list-{}", number % 7)).unwrap();
    let write = StreamWrite { stream, expected: ExpectedVersion::Any, events: vec![event] };
    AppendRequest {
        append_id: AppendId(id),
        node_id: NodeId::new("node-1").unwrap(),
        fence: None,
        writes: vec![write],
        claims: Vec::new(),
    }
}

/// A store that appends as fast as it can, from the number behind the last acknowledged one.
fn appending_store(world: &World, acknowledged: &Arc<Mutex<Vec<u64>>>) {
    let acknowledged = Arc::clone(acknowledged);
    world.machine(Store, move |world| {
        let acknowledged = Arc::clone(&acknowledged);
        Box::pin(async move {
            let log = open(&world, world.clock(Store)).await;
            loop {
                let number = acknowledged.lock().last().map_or(1, |number| number + 1);
                if log.append(request(number)).await.is_err() {
                    break;
                }
                acknowledged.lock().push(number);
            }
        })
    });
}

/// Crashes a store that appends again and again; the log it is left with.
async fn crashes() -> Transcript {
    let world = World::new(Seed(fresh::seed()), Bites::default());
    let acknowledged = Arc::default();
    let mut random = world.seed.stream("the test's crashes");
    appending_store(&world, &acknowledged);
    let torn = Fault::DiskTorn { machine: Store };
    world.begin(&Episode { id: 1, at_ms: 0, for_ms: 0, fault: torn });
    for _ in 0..12 {
        world.timeline().after(random.between(5_000, 30_000)).await;
        world.crash(Store, random.percent(80));
        world.restart(Store);
    }
    world.timeline().after(10_000).await;
    world.crash(Store, true);
    assert_eq!(world.crashes(), [] as [String; 0]);
    assert!(world.bites.counts()[&FaultKind::DiskTorn] > 5, "{:?}", world.bites.counts());
    let transcript = kept(&world, &acknowledged.lock()).await;
    assert!(transcript.len() > 100, "{} events", transcript.len());
    transcript
}

/// Everything acknowledged is there and sound; the log as lines.
async fn kept(world: &World, acknowledged: &[u64]) -> Transcript {
    let log = open(world, world.clock(Store)).await;
    let verified = log.verify(GlobalPosition::START, |_, _| {}).await.unwrap();
    assert!(verified.is_sound(), "{:?}", verified.damage);
    let page = log.read_all(AllQuery::after(GlobalPosition::START, 10_000)).await.unwrap();
    assert!(page.end);
    let mut transcript = Transcript::default();
    page.events.iter().for_each(|event| transcript.event(event));
    let there: Vec<_> = page.events.iter().map(|event| event.id).collect();
    for number in acknowledged {
        assert!(there.contains(&EventId(Uuid::from_u128((*number).into()))), "{number} is lost");
    }
    log.close().await;
    transcript
}

#[test]
fn no_power_loss_takes_what_rocksdb_has_synced() {
    fresh::hand_over(&once::run(fresh::seed(), crashes));
}

#[test]
fn one_seed_gives_one_log_in_two_processes() {
    let run = |seed| fresh::transcript_of("no_power_loss_takes_what_rocksdb_has_synced", seed);
    for seed in [1, 2, 3] {
        assert_eq!(run(seed).first_difference(&run(seed)), None);
    }
    assert_ne!(run(1).first_difference(&run(2)), None);
}
