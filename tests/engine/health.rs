//! Participants that fail for a while: breaker, bounded attempts, no double effect.

use sagaline::engine::StartRequest;
use sagaline::saga::{Phase, Verb};
use sagaline_storage::memory::MemoryKv;

use crate::trip::{self, Does, Trip, World};

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
