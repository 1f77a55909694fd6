//! The store's own algorithms over the faulty disk: they keep every promise of their ports, and lose
//! nothing that was acknowledged, however often the machine crashes.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use sagaline_sim::bites::Bites;
use sagaline_sim::fault::{Fault, FaultKind};
use sagaline_sim::machine::Machine::Store;
use sagaline_sim::seed::Seed;
use sagaline_sim::world::{FaultyDisk, MachineClock, World};
use sagaline_storage::conformance::event_store::{self, Factory};
use sagaline_storage::conformance::views::{self, CrashableViews, ViewsFactory};
use sagaline_storage::log::verify;
use sagaline_storage::{
    AllQuery, AppendId, AppendRequest, CorrelationId, Entropy, EventId, EventStore, EventType,
    ExpectedVersion, GlobalPosition, Log, LogSettings, NewEvent, NodeId, StreamId, StreamWrite,
    ViewSettings, Views,
};

use crate::stage::{MS, SECOND, bites, episode, in_world, pass};

struct OverFaultyDisk(World);

impl OverFaultyDisk {
    fn world(&self) -> World {
        World::new(Seed(1), Bites::default())
    }
}

impl Factory for OverFaultyDisk {
    type Store = Log<FaultyDisk, MachineClock>;
    type Place = World;
    type Clock = MachineClock;

    const REOPENS: bool = true;

    fn place(&self) -> World {
        self.world()
    }

    async fn open(&self, place: &World) -> Self::Store {
        open(place.disk(Store), self.clock(), &place.entropy(Store)).await
    }

    async fn close(&self, store: Self::Store) {
        store.close().await;
    }

    fn clock(&self) -> MachineClock {
        self.0.clock(Store)
    }
}

async fn open(
    disk: FaultyDisk,
    clock: MachineClock,
    entropy: &impl Entropy,
) -> Log<FaultyDisk, MachineClock> {
    Log::open(disk, clock, entropy, LogSettings::default()).await.expect("the disk can be read")
}

#[test]
fn the_log_over_the_faulty_disk_keeps_every_promise() {
    in_world(1, |world| async move { event_store::run_all(&OverFaultyDisk(world)).await });
}

/// Remembers the world of the views that it made last.
#[derive(Default)]
struct ViewsOverFaultyDisk(Mutex<Option<World>>);

impl ViewsFactory for ViewsOverFaultyDisk {
    type Store = Views<FaultyDisk>;

    async fn create(&self) -> Self::Store {
        let world = World::new(Seed(1), Bites::default());
        let disk = world.disk(Store);
        self.0.lock().replace(world);
        Views::new(disk, ViewSettings::default())
    }
}

impl CrashableViews for ViewsOverFaultyDisk {
    async fn crash(&self, store: Self::Store) -> Self::Store {
        drop(store);
        let world = self.0.lock().clone().expect("a store was made");
        world.machine(Store, |_| Box::pin(std::future::pending()));
        world.crash(Store, true);
        Views::new(world.disk(Store), ViewSettings::default())
    }
}

#[test]
fn views_over_the_faulty_disk_keep_every_promise() {
    in_world(1, |_| async move { views::run_all(&ViewsOverFaultyDisk::default()).await });
}

#[test]
fn a_power_loss_takes_whole_commits_of_the_views_from_their_end() {
    in_world(1, |_| async move { views::crash::run_all(&ViewsOverFaultyDisk::default()).await });
}

/// The positions of acknowledged appends, by their number.
type Acknowledged = Arc<Mutex<Vec<(u64, GlobalPosition)>>>;

fn request(number: u64) -> AppendRequest {
    let id = uuid::Uuid::from_u128(number.into());
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
fn appending_store(world: &World, acknowledged: &Acknowledged) {
    let acknowledged = Arc::clone(acknowledged);
    world.machine(Store, move |world| {
        let acknowledged = Arc::clone(&acknowledged);
        Box::pin(async move {
            let (clock, entropy) = (world.clock(Store), world.entropy(Store));
            let log = open(world.disk(Store), clock, &entropy).await;
            loop {
                let number = acknowledged.lock().last().map_or(1, |(number, _)| number + 1);
                let Ok(appended) = log.append(request(number)).await else { break };
                acknowledged.lock().push((number, appended.position));
            }
        })
    });
}

/// Everything acknowledged is in the log, at its position, and the log is sound.
async fn assert_kept(world: &World, acknowledged: &Acknowledged) {
    let disk = world.disk(Store);
    let verified = verify(&disk, GlobalPosition::START, |_, _| {}).await.unwrap();
    assert!(verified.is_sound(), "{:?}", verified.damage);
    let log = open(disk, world.clock(Store), &world.entropy(Store)).await;
    let acknowledged = acknowledged.lock().clone();
    for (number, position) in &acknowledged {
        let before = GlobalPosition(position.0 - 1);
        let page = log.read_all(AllQuery::after(before, 1)).await.unwrap();
        assert_eq!(page.events[0].id, EventId(uuid::Uuid::from_u128((*number).into())));
    }
    assert_eq!(log.head().await.unwrap().0, verified.records);
    log.close().await;
}

#[test]
fn no_crash_loses_what_was_acknowledged() {
    for seed in 0..20 {
        in_world(seed, |world| async move {
            let acknowledged = Acknowledged::default();
            let mut random = world.seed.stream("the test's crashes");
            appending_store(&world, &acknowledged);
            for round in 0..30 {
                pass(&world, random.between(MS, 30 * MS)).await;
                if random.percent(30) {
                    world.begin(&episode(round, Fault::DiskTorn { machine: Store }));
                }
                world.crash(Store, random.percent(70));
                world.heal(&[]);
            }
            pass(&world, 10 * MS).await;
            world.crash(Store, true);
            assert_kept(&world, &acknowledged).await;
            let appends = acknowledged.lock().len();
            assert!(appends > 200, "{appends} appends");
            assert!(bites(&world, FaultKind::Crash) > 3, "crashes that lost something");
        });
    }
}

#[test]
fn a_flipped_bit_is_never_served() {
    for seed in 0..20 {
        in_world(seed, |world| async move {
            let acknowledged = Acknowledged::default();
            appending_store(&world, &acknowledged);
            pass(&world, SECOND / 5).await;
            world.begin(&episode(1, Fault::DiskBitFlip { machine: Store }));
            world.crash(Store, true);
            let verified = verify(&world.disk(Store), GlobalPosition::START, |_, _| {}).await;
            let said = match verified {
                Ok(verified) => format!("{:?}", verified.damage),
                Err(error) => error.message,
            };
            assert!(said.contains("checksum"), "nobody saw it: {said}");
            assert!(bites(&world, FaultKind::DiskBitFlip) > 0);
            assert_not_served(&world, &acknowledged).await;
        });
    }
}

/// Reads fail where the bit is wrong, or the log does not open; no event comes back changed.
async fn assert_not_served(world: &World, acknowledged: &Acknowledged) {
    let (clock, entropy) = (world.clock(Store), world.entropy(Store));
    let opened = Log::open(world.disk(Store), clock, &entropy, LogSettings::default()).await;
    let Ok(log) = opened else { return };
    let mut refused = 0;
    let acknowledged = acknowledged.lock().clone();
    for (number, position) in &acknowledged {
        match log.read_all(AllQuery::after(GlobalPosition(position.0 - 1), 1)).await {
            Ok(page) => {
                let expected = &request(*number).writes[0].events[0];
                let event = &page.events[0];
                assert_eq!((event.id, &event.payload), (expected.id, &expected.payload));
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0, "the changed record was read as if it were sound");
}
