//! Sagas from start to end.

use sagaline::engine::{Definition, NodeBuilder, RequestError, StartError, StartRequest};
use sagaline::saga::{
    AbortReason, End, Json, ParkReason, Phase, Policy, Refusal, SagaState, TimeUnits, Verb,
};
use sagaline_storage::memory::MemoryKv;
use sagaline_storage::{AllQuery, EventStore, GlobalPosition, StreamId};

use crate::trip::{self, Booking, Does, Memory, Trip, World};

fn request(key: &str) -> StartRequest {
    StartRequest { idempotency_key: Some(key.to_owned()), correlation_id: None }
}

fn to(city: &str) -> Trip {
    Trip { city: city.to_owned() }
}

async fn run(world: &World) -> (sagaline::engine::Node<Memory>, uuid::Uuid, SagaState) {
    let (node, definition) = trip::node(trip::backend(&MemoryKv::new()).await, world).await;
    let started = node.sagas().start(&definition, request("k"), &to("Rome")).await.unwrap();
    let end = node.sagas().wait(started.id).await.unwrap();
    (node, started.id, end)
}

#[tokio::test]
async fn a_saga_completes_with_one_append_a_call_and_one_more() {
    let world = World::default();
    let (node, id, end) = run(&world).await;
    assert_eq!(end.phase, Phase::Completed);
    assert_eq!(world.effective(), ["charge", "flight", "hotel"]);
    let booking = node.aggregates().load::<Booking>(&id.to_string()).await.unwrap().state;
    assert!(booking.confirmed && !booking.cancelled);
    // One for the shards' epochs, one for the start, one for each of the three calls; and the store's
    // own identity.
    let writes =
        sagaline_storage::backend::Backend::events(node.backend()).counters().durable_writes;
    assert!(writes <= 6, "{writes} durable writes");
    let claim = sagaline_storage::Claim::new("city", "Rome");
    let holder = sagaline_storage::backend::Backend::events(node.backend()).claim_holder(&claim);
    assert_eq!(holder.await.unwrap(), None);
}

#[tokio::test]
async fn whoever_begins_a_saga_hears_of_its_end_without_asking_for_it() {
    let (node, definition) =
        trip::node(trip::backend(&MemoryKv::new()).await, &World::default()).await;
    let (sagas, name) = (node.sagas(), definition.name());
    let input = Json::of(&to("Rome")).unwrap();
    let mut first = sagas.begin_named(name, request("k"), input.clone()).unwrap();
    assert_eq!(first.ended().await.unwrap().phase, Phase::Completed);
    let first = first.started().await.unwrap();
    assert!(!first.replayed && !first.state.has_ended(), "the start, and not the end");
    // One that an earlier call started is not this one's to hear of, and neither is one that was refused.
    let mut again = sagas.begin_named(name, request("k"), input).unwrap();
    assert!(again.ended().await.is_none());
    let again = again.started().await.unwrap();
    assert_eq!((again.id, again.replayed), (first.id, true));
    let other = Json::of(&to("Oslo")).unwrap();
    let mut other = sagas.begin_named(name, request("k"), other).unwrap();
    assert!(other.ended().await.is_none());
    assert!(
        matches!(other.started().await, Err(StartError::KeyReused { saga }) if saga == first.id)
    );
    let unfit = sagas.begin_named(name, request("l"), Json::null());
    assert!(matches!(unfit, Err(StartError::BadInput { .. })));
}

#[tokio::test]
async fn a_rejection_undoes_what_was_done_in_reverse() {
    let world = World::default();
    world.plan("charge", &[Does::Reject]);
    let (node, id, end) = run(&world).await;
    assert_eq!(end.phase, Phase::Compensated);
    assert!(matches!(end.aborted, Some(AbortReason::Rejected { .. })));
    assert_eq!(world.effective(), Vec::<String>::new());
    let booking = node.aggregates().load::<Booking>(&id.to_string()).await.unwrap().state;
    assert!(booking.cancelled);
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_the_probe_and_not_called_again() {
    let world = World::default();
    world.plan("charge", &[Does::LoseAnswer]);
    let (_, _, end) = run(&world).await;
    assert_eq!(end.phase, Phase::Completed);
    assert_eq!(world.count("charge"), 1);
}

#[tokio::test]
async fn a_failure_a_panic_and_a_hang_are_attempts_that_failed() {
    let world = World::default();
    world.plan("hotel", &[Does::Fail, Does::Panic, Does::Hang, Does::Succeed]);
    let (node, _, end) = run(&world).await;
    assert_eq!(end.phase, Phase::Completed);
    assert_eq!(world.count("hotel"), 4);
    assert_eq!(node.metrics().step_panics.get(), 1);
    assert_eq!(node.metrics().calls_outcome_unknown.get(), 3);
}

#[tokio::test]
async fn used_up_attempts_park_until_an_operator_retries() {
    let world = World::default();
    world.plan("flight", &[Does::Fail, Does::Fail, Does::Fail, Does::Fail, Does::Succeed]);
    let (node, id, end) = run(&world).await;
    let parked = end.parked.unwrap();
    assert!(matches!(parked.reason, ParkReason::AttemptsUsedUp { attempts: 4, .. }), "{parked:?}");
    assert_eq!(node.sagas().parked(None, 10).await.unwrap(), [id]);
    assert_eq!(node.sagas().live(), 0);
    node.sagas().operate(id, Verb::Retry, "it is back", "ada").await.unwrap();
    assert_eq!(node.sagas().wait(id).await.unwrap().phase, Phase::Completed);
    assert!(node.sagas().parked(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_undo_that_keeps_failing_parks_and_never_says_it_is_undone() {
    let world = World::default();
    world.plan("charge", &[Does::Reject]);
    world.plan("undo hotel", &[Does::Fail]);
    let (node, id, end) = run(&world).await;
    assert_eq!((end.status(), end.phase), ("parked", Phase::Compensating));
    world.plan("undo hotel", &[Does::Succeed]);
    node.sagas().operate(id, Verb::Retry, "the hotel answers again", "ada").await.unwrap();
    assert_eq!(node.sagas().wait(id).await.unwrap().phase, Phase::Compensated);
    assert_eq!(world.effective(), Vec::<String>::new());
}

#[tokio::test]
async fn the_same_key_is_the_same_saga_and_another_input_is_refused() {
    let world = World::default();
    let (node, definition) = trip::node(trip::backend(&MemoryKv::new()).await, &world).await;
    let sagas = node.sagas();
    let first = sagas.start(&definition, request("k"), &to("Rome")).await.unwrap();
    sagas.wait(first.id).await.unwrap();
    let again = sagas.start(&definition, request("k"), &to("Rome")).await.unwrap();
    assert_eq!((again.id, again.replayed), (first.id, true));
    let other = sagas.start(&definition, request("k"), &to("Oslo")).await.unwrap_err();
    assert!(matches!(other, StartError::KeyReused { saga } if saga == first.id), "{other}");
    assert_eq!(world.count("charge"), 1);
}

#[tokio::test]
async fn a_definition_that_the_node_does_not_have_starts_nothing() {
    let world = World::default();
    let (node, definition) = trip::node(trip::backend(&MemoryKv::new()).await, &world).await;
    let sagas = node.sagas();
    // Built again it has the same hash, and is the same.
    let rebuilt = trip::definition(&world);
    assert_eq!(rebuilt.hash(), definition.hash());
    let first = sagas.start(&rebuilt, request("k"), &to("Rome")).await.unwrap();
    sagas.wait(first.id).await.unwrap();
    let other = trip::with_attempt_timeout(&world, 201);
    let refused = sagas.start(&other, request("l"), &to("Oslo")).await.unwrap_err();
    let said = format!(
        "this node does not have definition {} of saga type `trip`: put it in with \
         NodeBuilder::saga before the node starts",
        other.hash()
    );
    assert!(matches!(refused, StartError::UnknownDefinition { .. }), "{refused:?}");
    assert_eq!(refused.to_string(), said);
    assert_eq!(sagas.started_under("trip", "l").await.unwrap(), None);
    // What a key has started it has started, under whichever definition.
    let again = sagas.start(&other, request("k"), &to("Rome")).await.unwrap();
    assert_eq!((again.id, again.replayed), (first.id, true));
}

#[tokio::test]
async fn a_node_without_sagas_says_how_to_put_one_in() {
    let backend = trip::backend(&MemoryKv::new()).await;
    let node = NodeBuilder::new(backend).start().await.unwrap();
    let refused = node.sagas().start_named("trip", request("k"), Json::null()).await.unwrap_err();
    let said = "saga type `trip` is not known here; none is known: NodeBuilder::saga puts one in";
    assert_eq!(refused.to_string(), said);
}

#[tokio::test]
async fn racing_starts_with_one_key_make_one_saga() {
    let world = World::default();
    let (node, definition) = trip::node(trip::backend(&MemoryKv::new()).await, &world).await;
    let starts = (0..20).map(|_| {
        let (sagas, definition) = (node.sagas(), definition.clone());
        tokio::spawn(async move { sagas.start(&definition, request("k"), &to("Rome")).await })
    });
    let mut ids = std::collections::BTreeSet::new();
    for start in starts.collect::<Vec<_>>() {
        ids.insert(start.await.unwrap().unwrap().id);
    }
    assert_eq!(ids.len(), 1);
    node.sagas().wait(*ids.first().unwrap()).await.unwrap();
    assert_eq!(world.count("charge"), 1);
}

#[tokio::test]
async fn a_claim_that_is_held_refuses_the_start_and_nothing_is_stored() {
    let world = World::default();
    world.plan("hotel", &[Does::Hang]);
    let (node, definition) = trip::node(trip::backend(&MemoryKv::new()).await, &world).await;
    let first = node.sagas().start(&definition, request("a"), &to("Rome")).await.unwrap();
    let second = node.sagas().start(&definition, request("b"), &to("Rome")).await.unwrap_err();
    let owner = StreamId::new(format!("booking-{}", first.id)).unwrap();
    assert!(matches!(second, StartError::ClaimTaken { owner: o, .. } if o == owner));
    assert_eq!(node.sagas().live(), 1);
}

#[tokio::test]
async fn a_local_first_step_that_says_no_refuses_the_start() {
    let world = World::default();
    let (node, definition) = trip::node(trip::backend(&MemoryKv::new()).await, &world).await;
    let refused = node.sagas().start(&definition, request("a"), &to("Atlantis")).await.unwrap_err();
    assert!(matches!(refused, StartError::Rejected { code, .. } if code == "BOOKING_REFUSED"));
    let events = sagaline_storage::backend::Backend::events(node.backend());
    let page = events.read_all(AllQuery::after(GlobalPosition::START, 10)).await.unwrap();
    assert_eq!(page.events, []);
}

#[tokio::test]
async fn a_cancel_before_the_pivot_wins_also_against_a_dead_participant() {
    let world = World::default();
    world.plan("hotel", &[Does::Hang]);
    let (node, definition) = trip::node(trip::backend(&MemoryKv::new()).await, &world).await;
    let started = node.sagas().start(&definition, request("a"), &to("Rome")).await.unwrap();
    node.sagas().cancel(started.id, "changed my mind", "ada").await.unwrap();
    let end = node.sagas().wait(started.id).await.unwrap();
    assert_eq!(end.phase, Phase::Compensated);
    assert!(matches!(end.aborted, Some(AbortReason::Cancelled { .. })));
    assert_eq!(world.effective(), Vec::<String>::new());
}

#[tokio::test]
async fn a_cancel_behind_the_pivot_is_refused_with_the_pivots_name() {
    let world = World::default();
    let (node, id, _) = run(&world).await;
    let refused = node.sagas().cancel(id, "too late", "ada").await.unwrap_err();
    assert!(matches!(refused, RequestError::Refused(Refusal::Ended { .. })), "{refused}");
    let unknown = node.sagas().cancel(uuid::Uuid::from_u128(9), "who", "ada").await.unwrap_err();
    assert_eq!(unknown, RequestError::NotFound);
}

#[tokio::test]
async fn every_event_is_caused_by_the_one_before_it() {
    let world = World::default();
    let (node, id, _) = run(&world).await;
    let events = sagaline_storage::backend::Backend::events(node.backend());
    let page = events.read_all(AllQuery::after(GlobalPosition::START, 100)).await.unwrap();
    let saga = sagaline::engine::saga_stream(id);
    let mut last = None;
    for event in page.events {
        assert_eq!(event.correlation_id.as_str().len(), 36);
        if event.stream == saga {
            assert_eq!(event.causation_id, last, "{}", event.event_type);
            last = Some(event.id);
        } else {
            assert!(event.causation_id.is_some(), "{}", event.event_type);
        }
    }
}

#[tokio::test]
async fn a_saga_of_local_steps_alone_begins_and_ends_in_one_append() {
    let definition = sagaline::engine::Definition::new("local-trip")
        .compensable(trip::Book)
        .pivot(trip::Settle)
        .after(trip::Book)
        .build()
        .unwrap();
    let builder = sagaline::engine::NodeBuilder::new(trip::backend(&MemoryKv::new()).await);
    let node = builder.saga(&definition).start().await.unwrap();
    let before = sagaline_storage::backend::Backend::events(node.backend()).counters().appends;
    for key in ["a", "b"] {
        let started = node.sagas().start(&definition, request(key), &to("Rome")).await.unwrap();
        assert_eq!(started.state.phase, Phase::Completed);
    }
    let after = sagaline_storage::backend::Backend::events(node.backend()).counters().appends;
    assert_eq!(after - before, 2);
}

#[tokio::test]
async fn a_result_that_is_not_named_is_not_given() {
    let world = World::default();
    let definition = Definition::new("curious")
        .compensable(trip::Hotel(world.clone()))
        .pivot(trip::Curious)
        .after_step("hotel")
        .retry(Policy::attempts(1))
        .build()
        .unwrap();
    let backend = trip::backend(&MemoryKv::new()).await;
    let node = NodeBuilder::new(backend).saga(&definition).start().await.unwrap();
    let started = node.sagas().start(&definition, "k", &to("Rome")).await.unwrap();
    let end = node.sagas().wait(started.id).await.unwrap();
    let Some(End::Parked(ParkReason::AttemptsUsedUp { cause, .. })) = end.end() else {
        panic!("{end:?}")
    };
    let way_out = "write `const READS: &'static [&'static str] = &[\"hotel\"];`";
    assert!(cause.contains(way_out) && cause.contains("retry the saga"), "{cause}");
}

#[tokio::test]
async fn a_heartbeat_lets_an_attempt_take_its_time() {
    let time = sagaline::testing::World::new();
    let definition = Definition::new("thorough")
        .pivot(trip::Thorough(time.clock().clone()))
        .retry(Policy::attempts(1).attempt_timeout(200.ms()))
        .build()
        .unwrap();
    let node = time.node().await.unwrap().saga(&definition).start().await.unwrap();
    let started = node.sagas().start(&definition, "k", &to("Rome")).await.unwrap();
    let end = time.end_of(&node, started.id, 10.s()).await.unwrap().unwrap();
    assert_eq!(end.end(), Some(End::Completed), "{end:?}");
}

#[test]
fn a_definition_tells_its_graph_its_hash_and_its_undo() {
    let world = World::default();
    let definition = trip::definition(&world);
    assert_eq!(definition.undo_order(), ["flight", "hotel", "book"]);
    assert!(definition.to_string().starts_with("trip\n  book "), "{definition}");
    assert!(definition.to_mermaid().starts_with("flowchart LR"));
    assert_ne!(definition.hash(), trip::with_attempt_timeout(&world, 201).hash());
    // As data, and back: what each step does is looked up by its name.
    let json = serde_json::to_string(definition.as_value()).unwrap();
    let read: sagaline::saga::Definition = serde_json::from_str(&json).unwrap();
    assert_eq!(&**read.hash(), definition.hash());
}
