//! The promises of the in-process bus, and what is its own: bounded memory.

#![allow(clippy::unwrap_used, reason = "a test")]

use bytes::Bytes;
use sagaline_storage::ErrorKind;
use sagaline_storage::bus::{Consumer, ConsumerEvent, Delivery, Headers, Message, MessageBus};
use sagaline_storage::conformance::bus::{self, BusFactory};
use sagaline_storage::memory::{BusSettings, LocalBus, LocalConsumer};

struct Local;

impl BusFactory for Local {
    type Bus = LocalBus;

    async fn create(&self) -> LocalBus {
        LocalBus::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_bus_keeps_every_promise() {
    bus::run_all(&Local).await;
}

fn small() -> LocalBus {
    LocalBus::new(BusSettings {
        partitions: 1,
        partition_messages_max: 4,
        partition_bytes_max: 1_000,
    })
}

fn message(number: usize, bytes: usize) -> Message {
    let payload = Bytes::from(vec![0; bytes]);
    Message { id: number.to_string(), key: "k".to_owned(), headers: Headers::default(), payload }
}

async fn next(consumer: &mut LocalConsumer) -> Delivery {
    loop {
        if let ConsumerEvent::Delivered(delivery) = consumer.next().await.unwrap() {
            return delivery;
        }
    }
}

#[tokio::test]
async fn full_partition_refuses_what_a_group_would_lose_and_keeps_nothing_of_it() {
    let bus = small();
    let mut consumer = bus.subscribe("t", "g").await.unwrap();
    for number in 0..4 {
        bus.publish("t", vec![message(number, 1)]).await.unwrap();
    }
    let error = bus.publish("t", vec![message(4, 1)]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    let first = next(&mut consumer).await;
    let second = next(&mut consumer).await;
    assert!(consumer.ack(&second).await.unwrap());
    bus.publish("t", vec![message(4, 1), message(5, 1)]).await.unwrap();
    bus.publish("t", vec![message(6, 1)]).await.unwrap_err();
    assert_eq!((first.offset, second.offset), (0, 1));
    for number in 2..6 {
        assert_eq!(next(&mut consumer).await.message.id, number.to_string());
    }
}

#[tokio::test]
async fn group_without_members_holds_nothing_back_and_goes_on_at_the_oldest() {
    let bus = small();
    let mut consumer = bus.subscribe("t", "g").await.unwrap();
    bus.publish("t", vec![message(0, 1)]).await.unwrap();
    assert_eq!(next(&mut consumer).await.message.id, "0");
    drop(consumer);
    for number in 1..10 {
        bus.publish("t", vec![message(number, 1)]).await.unwrap();
    }
    let mut consumer = bus.subscribe("t", "g").await.unwrap();
    for number in 6..10 {
        let delivery = next(&mut consumer).await;
        assert_eq!((delivery.message.id, delivery.redeliveries), (number.to_string(), 0));
        assert_eq!(delivery.offset, number as u64);
    }
}

#[tokio::test]
async fn bytes_are_bounded_and_a_single_big_message_still_passes() {
    let bus = small();
    bus.publish("t", vec![message(0, 400), message(1, 400)]).await.unwrap();
    bus.publish("t", vec![message(2, 5_000)]).await.unwrap();
    bus.publish("t", vec![message(3, 400)]).await.unwrap();
    let mut consumer = bus.subscribe("t", "g").await.unwrap();
    assert_eq!(next(&mut consumer).await.message.id, "3");
}

#[tokio::test]
async fn redeliveries_are_counted_per_message() {
    let bus = LocalBus::new(BusSettings { partitions: 1, ..BusSettings::default() });
    bus.publish("t", vec![message(0, 1), message(1, 1)]).await.unwrap();
    for round in 0..3 {
        let mut consumer = bus.subscribe("t", "g").await.unwrap();
        assert_eq!(next(&mut consumer).await.redeliveries, round);
        if round == 2 {
            assert_eq!(next(&mut consumer).await.redeliveries, 0);
        }
    }
}

#[tokio::test]
async fn partition_that_comes_back_is_told_as_lost_and_got() {
    let bus = LocalBus::new(BusSettings { partitions: 2, ..BusSettings::default() });
    let mut first = bus.subscribe("t", "g").await.unwrap();
    assert_eq!(first.next().await.unwrap(), ConsumerEvent::Assigned(vec![0, 1]));
    drop(bus.subscribe("t", "g").await.unwrap());
    assert_eq!(first.next().await.unwrap(), ConsumerEvent::Revoked(vec![1]));
    assert_eq!(first.next().await.unwrap(), ConsumerEvent::Assigned(vec![1]));
}

#[tokio::test]
async fn delivery_of_an_earlier_term_cannot_be_acknowledged_before_it_comes_again() {
    let bus = LocalBus::new(BusSettings { partitions: 2, ..BusSettings::default() });
    let mut first = bus.subscribe("t", "g").await.unwrap();
    let keys = (0..8).map(|key| Message { key: format!("k{key}"), ..message(key, 1) });
    bus.publish("t", keys.collect()).await.unwrap();
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(next(&mut first).await);
    }
    drop(bus.subscribe("t", "g").await.unwrap());
    assert_eq!(first.next().await.unwrap(), ConsumerEvent::Revoked(vec![1]));
    assert_eq!(first.next().await.unwrap(), ConsumerEvent::Assigned(vec![1]));
    let moved: Vec<_> = open.into_iter().filter(|delivery| delivery.partition == 1).collect();
    assert!(!moved.is_empty());
    for delivery in &moved {
        assert!(!first.ack(delivery).await.unwrap());
    }
    for delivery in moved {
        let again = next(&mut first).await;
        assert_eq!((again.offset, again.redeliveries), (delivery.offset, 1));
        assert!(first.ack(&delivery).await.unwrap());
    }
}
