//! Participants that fail for a while: breaker, bounded attempts, no double effect.

use sagaline::engine::{Definition, EngineSettings, Node, NodeBuilder, StartRequest};
use sagaline::saga::{Phase, Policy, Progress, Verb};
use sagaline_storage::memory::MemoryKv;

use crate::nodes::until;
use crate::trip::{self, Charge, Does, Hotel, Memory, Trip, World};

const NO_KEY: StartRequest = StartRequest { idempotency_key: None, correlation_id: None };

#[tokio::test]
async fn the_breaker_opens_while_a_participant_is_down_and_closes_when_it_is_back() {
    let world = World::default();
    world.plan("hotel", &[Does::Fail]);
    let (node, definition) = trip::node(trip::backend(&MemoryKv::new()).await, &world).await;
    let mut ids = Vec::new();
    for n in 0..12 {
        let trip = Trip { city: format!("City {n}") };
        ids.push(node.sagas().start(&definition, NO_KEY, &trip).await.unwrap().id);
    }
    let breaker = || {
        let health = node.participants();
        health.iter().find(|one| one.name == "hotel").map(|one| one.breaker)
    };
    while breaker() != Some("open") {
        tokio::task::yield_now().await;
    }
    world.plan("hotel", &[Does::Succeed]);
    for id in &ids {
        let mut end = node.sagas().wait(*id).await.unwrap();
        if end.parked.is_some() {
            node.sagas().operate(*id, Verb::Retry, "it is back", "ada").await.unwrap();
            end = node.sagas().wait(*id).await.unwrap();
        }
        assert_eq!(end.phase, Phase::Completed);
    }
    assert_eq!(world.effective().len(), 36, "each of three effects once a saga");
    // It closes at the end of a ramp, so that a participant that is back is not met by a storm.
    for n in 0..200 {
        let trip = Trip { city: format!("Town {n}") };
        let id = node.sagas().start(&definition, NO_KEY, &trip).await.unwrap().id;
        assert_eq!(node.sagas().wait(id).await.unwrap().phase, Phase::Completed);
    }
    assert_eq!(breaker(), Some("closed"));
}

#[tokio::test]
async fn a_damaged_saga_is_quarantined_and_delays_nobody() {
    use sagaline_storage::backend::Backend;
    use sagaline_storage::{
        AppendId, AppendRequest, CorrelationId, EventId, EventStore, EventType, ExpectedVersion,
        NewEvent, NodeId, StreamWrite,
    };
    let world = World::default();
    let (node, definition) = trip::node(trip::backend(&MemoryKv::new()).await, &world).await;
    let damaged = uuid::Uuid::from_u128(77);
    let event = NewEvent {
        id: EventId(uuid::Uuid::from_u128(1)),
        event_type: EventType::new("StepSucceeded").unwrap(),
        schema_version: 1,
        correlation_id: CorrelationId::new("c").unwrap(),
        causation_id: None,
        payload: bytes::Bytes::from_static(b"{\"step\":0,\"result\":1,\"atUs\":1}"),
    };
    let write = StreamWrite {
        stream: sagaline::engine::saga_stream(damaged),
        expected: ExpectedVersion::NoStream,
        events: vec![event],
    };
    let request = AppendRequest {
        append_id: AppendId(uuid::Uuid::from_u128(2)),
        node_id: NodeId::new("elsewhere").unwrap(),
        fence: None,
        writes: vec![write],
        claims: vec![],
    };
    node.backend().events().append(request).await.unwrap();
    assert!(node.sagas().cancel(damaged, "why", "ada").await.is_err());
    assert_eq!(node.metrics().sagas_quarantined.get(), 1);
    let trip = Trip { city: "Rome".to_owned() };
    let healthy = node.sagas().start(&definition, NO_KEY, &trip).await.unwrap();
    assert_eq!(node.sagas().wait(healthy.id).await.unwrap().phase, Phase::Completed);
}

fn patient(world: &World) -> Definition<Trip> {
    trip::with_attempt_timeout(world, 3_600_000)
}

async fn node_with(settings: EngineSettings, definition: &Definition<Trip>) -> Node<Memory> {
    let settings = EngineSettings { shards: 4, drain_timeout_ms: 100, ..settings };
    let backend = trip::backend(&MemoryKv::new()).await;
    NodeBuilder::new(backend).settings(settings).saga(definition).start().await.unwrap()
}

#[tokio::test]
async fn a_call_that_stands_in_line_does_not_leave_behind_its_undo() {
    let world = World::default();
    world.plan("hotel", &[Does::Hold]);
    let definition = patient(&world);
    let settings = EngineSettings { calls_per_participant_max: 1, ..EngineSettings::default() };
    let node = node_with(settings, &definition).await;
    let mut ids = Vec::new();
    for city in ["Rome", "Oslo"] {
        let trip = Trip { city: city.to_owned() };
        ids.push(node.sagas().start(&definition, NO_KEY, &trip).await.unwrap().id);
    }
    until(|| world.count("hotel") == 1 && world.count("flight") == 2).await;
    node.sagas().cancel(ids[1], "changed my mind", "ada").await.unwrap();
    world.plan("hotel", &[Does::Succeed]);
    assert_eq!(node.sagas().wait(ids[1]).await.unwrap().phase, Phase::Compensated);
    assert_eq!(node.sagas().wait(ids[0]).await.unwrap().phase, Phase::Completed);
    assert_eq!((world.count("hotel"), world.count("undo hotel")), (1, 1));
}

#[tokio::test]
async fn what_cannot_be_revoked_is_told_without_its_participant() {
    let world = World::default();
    world.plan("charge", &[Does::Fail]);
    let definition = patient(&world);
    let settings = EngineSettings { breaker_open_ms: 3_600_000, ..EngineSettings::default() };
    let node = node_with(settings, &definition).await;
    let mut ids = Vec::new();
    for n in 0..20 {
        let trip = Trip { city: format!("City {n}") };
        ids.push(node.sagas().start(&definition, NO_KEY, &trip).await.unwrap().id);
    }
    let breaker = || {
        let health = node.participants();
        health.iter().find(|one| one.name == "charge").map(|one| one.breaker)
    };
    until(|| breaker() == Some("open")).await;
    node.sagas().cancel(ids[0], "changed my mind", "ada").await.unwrap();
    let revocation = || async {
        let history = node.sagas().history(ids[0]).await.unwrap();
        history.state.steps[3].compensation.clone()
    };
    while !matches!(revocation().await, Progress::Rejected { .. }) {
        tokio::task::yield_now().await;
    }
    assert_eq!(breaker(), Some("open"), "nobody was asked");
}

#[tokio::test]
async fn a_saga_that_is_parked_on_its_way_back_is_not_under_way_until_its_deadline() {
    let world = World::default();
    world.plan("charge", &[Does::Reject]);
    world.plan("undo hotel", &[Does::Fail]);
    let policy = Policy {
        compensation_attempts: 2,
        backoff_min_ms: 5,
        backoff_max_ms: 10,
        ..Policy::default()
    };
    let definition = Definition::new("held")
        .compensable(Hotel(world.clone()))
        .pivot(Charge(world.clone()))
        .after(Hotel(world.clone()))
        .retry(policy)
        .deadline(std::time::Duration::from_secs(3_600))
        .build()
        .unwrap();
    let node = node_with(EngineSettings::default(), &definition).await;
    let trip = Trip { city: "Rome".to_owned() };
    let id = node.sagas().start(&definition, NO_KEY, &trip).await.unwrap().id;
    assert_eq!(node.sagas().wait(id).await.unwrap().status(), "parked");
    until(|| node.sagas().live() == 0).await;
    world.plan("undo hotel", &[Does::Succeed]);
    node.sagas().operate(id, Verb::Retry, "the hotel answers again", "ada").await.unwrap();
    assert_eq!(node.sagas().wait(id).await.unwrap().phase, Phase::Compensated);
}
