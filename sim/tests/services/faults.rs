//! Each fault of the store, the locks and the bus does what it says, and counts when it was felt.

use std::time::Duration;

use bytes::Bytes;
use sagaline_sim::evidence::{AppendResult, StoreWhat};
use sagaline_sim::fault::{CrashPoint, Fault, FaultKind};
use sagaline_sim::machine::Machine;
use sagaline_sim::services::SimBackend;
use sagaline_storage::bus::{Consumer, ConsumerEvent, Delivery, Headers, Message, MessageBus};
use sagaline_storage::lock::LockService;
use sagaline_storage::{
    AllQuery, AppendError, AppendId, AppendRequest, Appended, CorrelationId, EventId, EventStore,
    EventType, ExpectedVersion, GlobalPosition, NewEvent, NodeId, StreamId, StreamWrite,
};
use uuid::Uuid;

use crate::world::{LEASE, Services, with};

const TTL: Duration = Duration::from_secs(60);

fn request(number: u128) -> AppendRequest {
    let event = NewEvent {
        id: EventId(Uuid::from_u128(number)),
        event_type: EventType::new("Happened").expect("a name"),
        schema_version: 1,
        correlation_id: CorrelationId::new("c").expect("a name"),
        causation_id: None,
        payload: Bytes::from_static(b"{}"),
    };
    let stream = StreamId::new("list-1").expect("a name");
    let expected = ExpectedVersion::Any;
    AppendRequest {
        append_id: AppendId(Uuid::from_u128(number)),
        node_id: NodeId::new("n").expect("a name"),
        fence: None,
        writes: vec![StreamWrite { stream, expected, events: vec![event] }],
        claims: Vec::new(),
    }
}

async fn append(ports: &SimBackend, number: u128) -> Result<Appended, AppendError> {
    ports.events.append(request(number)).await
}

async fn log_len(ports: &SimBackend) -> usize {
    let all = AllQuery::after(GlobalPosition::START, 100);
    ports.events.read_all(all).await.expect("the store serves").events.len()
}

/// Appends until the outcome is known.
async fn append_certainly(services: &Services, ports: &SimBackend, number: u128) -> Appended {
    loop {
        match append(ports, number).await {
            Ok(appended) => return appended,
            Err(AppendError::OutcomeUnknown(_) | AppendError::Unavailable(_)) => {
                services.pass_ms(50).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn bites(services: &Services, kind: FaultKind) -> u64 {
    services.world.bites.counts().get(&kind).copied().unwrap_or(0)
}

#[test]
fn an_ambiguous_commit_is_told_as_unknown_and_learnt_by_asking_again() {
    with(|services| async move {
        let ports = services.ports();
        let fault = services.begin(Fault::StoreAmbiguousCommit { percent: 100 });
        assert!(matches!(append(&ports, 1).await, Err(AppendError::OutcomeUnknown(_))));
        assert_eq!(bites(&services, FaultKind::StoreAmbiguousCommit), 0);
        services.world.end(&fault);
        assert_eq!(append_certainly(&services, &ports, 1).await.position, GlobalPosition(1));
        assert_eq!(log_len(&ports).await, 1);
        assert_eq!(bites(&services, FaultKind::StoreAmbiguousCommit), 1);
        let results: Vec<_> = services.witness.look(|seen| {
            let result = |what: &StoreWhat| match what {
                StoreWhat::Append { result, .. } => Some(result.clone()),
                StoreWhat::ReadStream { .. } | StoreWhat::ReadAll { .. } => None,
            };
            seen.store_calls.iter().filter_map(|call| result(&call.what)).collect()
        });
        let appended = AppendResult::Appended { position: 1, versions: vec![1] };
        assert_eq!(results, [AppendResult::Unknown, appended]);
    });
}

#[test]
fn a_store_that_crashes_behind_the_write_has_the_append() {
    with(|services| async move {
        let ports = services.ports();
        let point = CrashPoint::AppendDurable;
        let fault = services.begin(Fault::CrashAt { machine: Machine::Store, point });
        assert!(matches!(append(&ports, 1).await, Err(AppendError::OutcomeUnknown(_))));
        services.world.end(&fault);
        append_certainly(&services, &ports, 1).await;
        assert_eq!(log_len(&ports).await, 1);
        assert_eq!(bites(&services, FaultKind::CrashAt), 1);
    });
}

#[test]
fn cut_connections_are_made_again() {
    with(|services| async move {
        let ports = services.ports();
        append_certainly(&services, &ports, 1).await;
        services.begin(Fault::StoreKillConnections);
        services.pass_ms(100).await;
        append_certainly(&services, &ports, 2).await;
        assert_eq!(log_len(&ports).await, 2);
        assert_eq!(bites(&services, FaultKind::StoreKillConnections), 1);
    });
}

#[test]
fn a_failover_loses_nothing_that_was_acknowledged() {
    with(|services| async move {
        let ports = services.ports();
        append_certainly(&services, &ports, 1).await;
        let fault = services.begin(Fault::StoreFailover);
        services.pass_ms(100).await;
        assert!(ports.events.head().await.is_err());
        services.world.end(&fault);
        append_certainly(&services, &ports, 2).await;
        assert_eq!(log_len(&ports).await, 2);
        assert_eq!(bites(&services, FaultKind::StoreFailover), 1);
    });
}

#[test]
fn a_store_whose_disk_fails_comes_back_with_everything_acknowledged() {
    with(|services| async move {
        let ports = services.ports();
        append_certainly(&services, &ports, 1).await;
        let fault = services.begin(Fault::DiskError { machine: Machine::Store, percent: 30 });
        for number in 2..20 {
            append_certainly(&services, &ports, number).await;
        }
        services.world.end(&fault);
        append_certainly(&services, &ports, 20).await;
        assert_eq!(log_len(&ports).await, 20);
        assert!(services.world.boots(Machine::Store) > 1);
    });
}

#[test]
fn a_slow_store_is_slow() {
    with(|services| async move {
        let ports = services.ports();
        services.begin(Fault::StoreSlow { added_ms: 700 });
        let before_us = services.world.now_us();
        append_certainly(&services, &ports, 1).await;
        assert!(services.world.now_us() - before_us >= 700_000);
        assert!(bites(&services, FaultKind::StoreSlow) > 0);
    });
}

#[test]
fn locks_are_lost_evicted_and_lied_about() {
    with(|services| async move {
        let locks = services.ports().locks;
        let held = locks.acquire("a", "one", TTL).await.expect("it answers").expect("it is free");
        let lie = services.begin(Fault::LocksLie { percent: 100 });
        let lied = locks.acquire("a", "two", TTL).await.expect("it answers").expect("it lies");
        services.world.end(&lie);
        assert_eq!(locks.renew(&held).await, Ok(true));
        // The service knows nothing of what it lied about.
        assert_eq!(locks.renew(&lied).await, Ok(false));
        assert!(lied.token > held.token);
        let evicted = services.begin(Fault::LocksEvicted { percent: 100 });
        services.pass_ms(100).await;
        assert_eq!(locks.renew(&held).await, Ok(false));
        services.world.end(&evicted);
        locks.acquire("a", "one", TTL).await.expect("it answers").expect("it is free");
        services.begin(Fault::LocksLost);
        services.pass_ms(100).await;
        assert_eq!(locks.inspect("a").await, Ok(None));
        for kind in [FaultKind::LocksLie, FaultKind::LocksEvicted, FaultKind::LocksLost] {
            assert_eq!(bites(&services, kind), 1, "{kind:?}");
        }
    });
}

#[test]
fn slow_locks_are_slow() {
    with(|services| async move {
        services.begin(Fault::LocksSlow { added_ms: 300 });
        let before_us = services.world.now_us();
        services.ports().locks.inspect("a").await.expect("it answers");
        assert!(services.world.now_us() - before_us >= 300_000);
        assert_eq!(bites(&services, FaultKind::LocksSlow), 1);
    });
}

fn message(number: usize) -> Message {
    let (id, payload) = (number.to_string(), Bytes::from_static(b"{}"));
    Message { id, key: "k".to_owned(), headers: Headers::default(), payload }
}

async fn publish(ports: &SimBackend, numbers: std::ops::Range<usize>) {
    ports.bus.publish("t", numbers.map(message).collect()).await.expect("the bus takes it");
}

async fn next(consumer: &mut impl Consumer) -> Delivery {
    loop {
        match consumer.next().await {
            Ok(ConsumerEvent::Delivered(delivery)) => return delivery,
            Ok(ConsumerEvent::Assigned(_) | ConsumerEvent::Revoked(_)) | Err(_) => {}
        }
    }
}

async fn assigned(consumer: &mut impl Consumer) -> Vec<u32> {
    loop {
        if let ConsumerEvent::Assigned(got) = consumer.next().await.expect("the bus serves") {
            return got;
        }
    }
}

#[test]
fn what_the_bus_took_survives_a_power_loss() {
    with(|services| async move {
        let ports = services.ports();
        publish(&ports, 0..3).await;
        let mut consumer = ports.bus.subscribe("t", "g").await.expect("the bus serves");
        let first = next(&mut consumer).await;
        assert!(consumer.ack(&first).await.expect("the bus serves"));
        services.world.crash(Machine::Bus, true);
        services.world.restart(Machine::Bus);
        services.pass_ms(100).await;
        let mut seen = Vec::new();
        while seen.last().map(String::as_str) != Some("2") {
            seen.push(next(&mut consumer).await.message.id);
        }
        assert!(seen.ends_with(&["1".to_owned(), "2".to_owned()]), "{seen:?}");
    });
}

#[test]
fn a_silent_member_loses_its_partitions_and_learns_it() {
    with(|services| async move {
        let ports = services.ports();
        let mut silent = ports.bus.subscribe("t", "g").await.expect("the bus serves");
        assert_eq!(assigned(&mut silent).await.len(), 8);
        // Nothing of it reaches the bus any more.
        let (one, other) = (vec![Machine::Clients], vec![Machine::Bus]);
        let fault = services.begin(Fault::Partition { one, other, one_way: false });
        services.pass_ms(3 * u64::try_from(LEASE.as_millis()).expect("short")).await;
        services.world.end(&fault);
        let event = loop {
            if let Ok(event) = silent.next().await {
                break event;
            }
        };
        assert_eq!(event, ConsumerEvent::Revoked((0..8).collect()));
        assert_eq!(assigned(&mut silent).await.len(), 8);
    });
}

#[test]
fn a_rebalance_moves_open_messages() {
    with(|services| async move {
        let ports = services.ports();
        publish(&ports, 0..1).await;
        let mut consumer = ports.bus.subscribe("t", "g").await.expect("the bus serves");
        let open = next(&mut consumer).await;
        services.begin(Fault::BusRebalance);
        services.pass_ms(300).await;
        assert_eq!(consumer.ack(&open).await, Ok(false));
        let again = next(&mut consumer).await;
        assert_eq!((again.offset, again.redeliveries), (open.offset, 1));
        assert_eq!(bites(&services, FaultKind::BusRebalance), 1);
    });
}

#[test]
fn a_duplicate_is_delivered_twice_also_when_it_was_acknowledged() {
    with(|services| async move {
        let ports = services.ports();
        publish(&ports, 0..1).await;
        let fault = services.begin(Fault::BusDuplicate { percent: 100 });
        let mut consumer = ports.bus.subscribe("t", "g").await.expect("the bus serves");
        let first = next(&mut consumer).await;
        services.world.end(&fault);
        assert!(consumer.ack(&first).await.expect("the bus serves"));
        let second = next(&mut consumer).await;
        assert_eq!(first.message, second.message);
        assert!(consumer.ack(&second).await.expect("the bus serves"));
        publish(&ports, 1..2).await;
        assert_eq!(next(&mut consumer).await.message.id, "1");
        assert_eq!(bites(&services, FaultKind::BusDuplicate), 1);
    });
}

#[test]
fn a_bus_without_leader_takes_and_gives_nothing() {
    with(|services| async move {
        let ports = services.ports();
        let fault = services.begin(Fault::BusLeaderLoss);
        assert!(ports.bus.publish("t", vec![message(0)]).await.is_err());
        services.world.end(&fault);
        publish(&ports, 0..1).await;
        assert!(bites(&services, FaultKind::BusLeaderLoss) > 0);
    });
}

#[test]
fn open_messages_of_a_lost_member_come_again_late() {
    with(|services| async move {
        let ports = services.ports();
        publish(&ports, 0..1).await;
        let mut first = ports.bus.subscribe("t", "g").await.expect("the bus serves");
        next(&mut first).await;
        services.begin(Fault::BusDelayedRedelivery { added_ms: 4_000 });
        drop(first);
        services.pass_ms(100).await;
        let before_us = services.world.now_us();
        let mut second = ports.bus.subscribe("t", "g").await.expect("the bus serves");
        assert_eq!(next(&mut second).await.redeliveries, 1);
        assert!(services.world.now_us() - before_us >= 3_500_000);
        assert!(bites(&services, FaultKind::BusDelayedRedelivery) > 0);
    });
}
