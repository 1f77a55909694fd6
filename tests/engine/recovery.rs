//! Nodes that stop in the middle, and the ones that go on after them.

use sagaline::engine::StartRequest;
use sagaline::saga::Phase;
use sagaline_storage::memory::MemoryKv;

use crate::trip::{self, Booking, Does, Trip, World};

const NO_KEY: StartRequest = StartRequest { idempotency_key: None, correlation_id: None };

#[tokio::test]
async fn a_saga_under_way_goes_on_after_a_restart() {
    let (world, kv) = (World::default(), MemoryKv::new());
    world.plan("charge", &[Does::Hang]);
    let (node, definition) = trip::node(trip::backend(&kv).await, &world).await;
    let trip = Trip { city: "Rome".to_owned() };
    let started = node.sagas().start(&definition, NO_KEY, &trip).await.unwrap();
    while world.count("charge") == 0 {
        tokio::task::yield_now().await;
    }
    drop(node);
    world.plan("charge", &[Does::Succeed]);
    let (node, _) = trip::node(trip::backend(&kv).await, &world).await;
    assert_eq!(node.recovered(), 1);
    assert_eq!(node.sagas().wait(started.id).await.unwrap().phase, Phase::Completed);
    assert_eq!(world.count("hotel"), 1, "what had its answer is not called again");
    assert_eq!(world.effective(), ["charge", "flight", "hotel"]);
    let booking = node.aggregates().load::<Booking>(&started.id.to_string()).await.unwrap();
    assert!(booking.state.confirmed);
}

#[tokio::test]
async fn the_older_node_is_fenced_once_a_newer_one_has_taken_its_shards() {
    let (world, kv) = (World::default(), MemoryKv::new());
    world.plan("hotel", &[Does::Hang]);
    let shared = trip::backend(&kv).await;
    let (old, definition) = trip::node(shared.clone(), &world).await;
    let trip = Trip { city: "Rome".to_owned() };
    let started = old.sagas().start(&definition, NO_KEY, &trip).await.unwrap();
    world.plan("hotel", &[Does::Succeed]);
    let (new, _) = trip::node(shared, &world).await;
    assert_eq!(new.sagas().wait(started.id).await.unwrap().phase, Phase::Completed);
    let late = old.sagas().start(&definition, NO_KEY, &Trip { city: "Oslo".to_owned() }).await;
    assert!(late.is_err());
    assert!(old.metrics().fenced_appends.get() >= 1);
}

#[tokio::test]
async fn a_drained_node_takes_no_sagas_and_leaves_nothing_half_done() {
    let (world, kv) = (World::default(), MemoryKv::new());
    let (node, definition) = trip::node(trip::backend(&kv).await, &world).await;
    let trip = Trip { city: "Rome".to_owned() };
    let started = node.sagas().start(&definition, NO_KEY, &trip).await.unwrap();
    node.drain().await.unwrap();
    assert!(node.ready().await.is_err());
    assert!(node.sagas().start(&definition, NO_KEY, &trip).await.is_err());
    let history = node.sagas().history(started.id).await.unwrap();
    assert_eq!(history.state.phase, Phase::Completed);
}

#[tokio::test]
async fn a_saga_of_an_unknown_definition_is_left_alone_and_counted() {
    let (world, kv) = (World::default(), MemoryKv::new());
    world.plan("hotel", &[Does::Hang]);
    let shared = trip::backend(&kv).await;
    let (node, definition) = trip::node(shared, &world).await;
    let trip = Trip { city: "Rome".to_owned() };
    let started = node.sagas().start(&definition, NO_KEY, &trip).await.unwrap();
    drop(node);
    let settings = sagaline::engine::EngineSettings { shards: 4, ..Default::default() };
    let stranger = sagaline::engine::NodeBuilder::new(trip::backend(&kv).await)
        .settings(settings)
        .start()
        .await
        .unwrap();
    let told = stranger.sagas().wait(started.id).await.unwrap_err().to_string();
    assert!(told.contains("trip") && told.contains("definition"), "{told}");
    assert_eq!(stranger.orphans(), [started.id]);
    assert_eq!(stranger.sagas().history(started.id).await.unwrap().state.phase, Phase::Running);
}

#[tokio::test]
async fn the_number_of_shards_is_fixed_for_the_life_of_a_store() {
    let (world, kv) = (World::default(), MemoryKv::new());
    let (node, _) = trip::node(trip::backend(&kv).await, &world).await;
    drop(node);
    let settings = sagaline::engine::EngineSettings { shards: 8, ..Default::default() };
    let builder = sagaline::engine::NodeBuilder::new(trip::backend(&kv).await).settings(settings);
    let refusal = builder.start().await.err().unwrap().to_string();
    assert!(refusal.contains("shards 8") && refusal.contains("made with 4"), "{refusal}");
}
