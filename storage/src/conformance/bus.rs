//! The promises of a [`MessageBus`].
//!
//! Called by the tests of its adapters, with a factory. Nothing here waits for silence: that no
//! message comes is seen by the one that comes in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;

use crate::bus::{Consumer, ConsumerEvent, Delivery, Headers, Message, MessageBus};
use crate::error::ErrorKind;

use super::turn::give_turn;

/// Makes the buses to be tested.
pub trait BusFactory: Sync {
    /// What is tested.
    type Bus: MessageBus;

    /// A bus without messages, with at least two partitions a topic.
    fn create(&self) -> impl Future<Output = Self::Bus> + Send;
}

/// All of them.
pub async fn run_all<F: BusFactory>(factory: &F) {
    messages_of_a_key_stay_together_and_in_order(factory).await;
    message_arrives_as_it_was_sent(factory).await;
    every_group_gets_every_message(factory).await;
    topics_are_apart(factory).await;
    waiting_consumer_is_woken(factory).await;
    dropped_wait_loses_nothing(factory).await;
    members_share_the_partitions(factory).await;
    members_know_how_many_partitions_there_are(factory).await;
    whoever_stays_gets_the_partitions_of_who_leaves(factory).await;
    unacknowledged_messages_come_again(factory).await;
    acknowledged_messages_do_not_come_again(factory).await;
    ack_of_a_revoked_partition_is_refused(factory).await;
    nothing_is_lost_while_members_come_and_go(factory).await;
    senseless_names_are_refused(factory).await;
}

const TOPIC: &str = "orders";

fn headers<const N: usize>(all: [(&'static str, &str); N]) -> Headers {
    let mut headers = Headers::default();
    all.iter().for_each(|(name, value)| headers.push(*name, &[value.as_bytes()]));
    headers
}

fn message(key: &str, number: usize) -> Message {
    Message {
        id: format!("{key}/{number}"),
        key: key.to_owned(),
        headers: headers([("ce_type", "OrderPlaced")]),
        payload: Bytes::from(number.to_string()),
    }
}

fn number(delivery: &Delivery) -> usize {
    let text = std::str::from_utf8(&delivery.message.payload).expect("the payload is a number");
    text.parse().expect("the payload is a number")
}

async fn publish<B: MessageBus>(bus: &B, messages: impl IntoIterator<Item = Message>) {
    bus.publish(TOPIC, messages.into_iter().collect()).await.expect("the bus takes it");
}

/// `per_key` messages for each of `keys` keys, one after the other.
fn messages(keys: usize, per_key: usize) -> Vec<Message> {
    let key = |number| format!("key-{}", number % keys);
    (0..keys * per_key).map(|number| message(&key(number), number)).collect()
}

/// A consumer, and what it was told to own.
struct Member<C> {
    consumer: C,
    owned: BTreeSet<u32>,
}

impl<C: Consumer> Member<C> {
    async fn join<B: MessageBus<Consumer = C>>(bus: &B, group: &str) -> Self {
        let consumer = bus.subscribe(TOPIC, group).await.expect("the bus lets it in");
        Self { consumer, owned: BTreeSet::new() }
    }

    /// The next message; assignments on the way are checked and remembered.
    async fn next(&mut self) -> Delivery {
        loop {
            let event = self.consumer.next().await.expect("the bus answers");
            if let Some(delivery) = self.note(event) {
                return delivery;
            }
        }
    }

    fn note(&mut self, event: ConsumerEvent) -> Option<Delivery> {
        match event {
            ConsumerEvent::Assigned(partitions) => {
                for partition in partitions {
                    assert!(self.owned.insert(partition), "{partition} was its own already");
                }
                None
            }
            ConsumerEvent::Revoked(partitions) => {
                for partition in partitions {
                    assert!(self.owned.remove(&partition), "{partition} was not its own");
                }
                None
            }
            ConsumerEvent::Delivered(delivery) => {
                assert!(self.owned.contains(&delivery.partition), "{delivery:?} is not its own");
                Some(delivery)
            }
        }
    }

    /// Waits until all partitions are its own.
    async fn owns_all_of(&mut self, count: u32) {
        while !self.owned.iter().copied().eq(0..count) {
            let event = self.consumer.next().await.expect("the bus answers");
            self.note(event);
        }
    }

    async fn ack(&mut self, delivery: &Delivery) -> bool {
        self.consumer.ack(delivery).await.expect("the bus answers")
    }
}

/// The next message of whoever gets one first.
async fn next_of_any<C: Consumer>(members: &mut [Member<C>]) -> (usize, Delivery) {
    loop {
        let (index, event) = {
            let nexts = members.iter_mut().map(|member| Box::pin(member.consumer.next()));
            let (event, index, _) = futures_util::future::select_all(nexts).await;
            (index, event.expect("the bus answers"))
        };
        if let Some(delivery) = members[index].note(event) {
            return (index, delivery);
        }
    }
}

/// One partition a key, and in it the order of publishing, also within one call.
pub async fn messages_of_a_key_stay_together_and_in_order<F: BusFactory>(factory: &F) {
    let bus = factory.create().await;
    let mut member = Member::join(&bus, "g").await;
    let all = messages(7, 6);
    publish(&bus, all[..20].iter().cloned()).await;
    publish(&bus, all[20..].iter().cloned()).await;
    let mut seen: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
    for _ in 0..all.len() {
        let delivery = member.next().await;
        seen.entry(delivery.message.key.clone()).or_default().push(delivery);
    }
    assert_eq!(seen.len(), 7);
    for deliveries in seen.values() {
        assert_eq!(deliveries.len(), 6);
        assert!(deliveries.iter().all(|found| found.partition == deliveries[0].partition));
        assert!(deliveries.is_sorted_by(|one, next| one.offset < next.offset));
        assert!(deliveries.is_sorted_by(|one, next| number(one) < number(next)));
    }
}

/// With every part of it.
pub async fn message_arrives_as_it_was_sent<F: BusFactory>(factory: &F) {
    let bus = factory.create().await;
    let sent = Message {
        id: "e-1".to_owned(),
        key: "schlüssel ✓".to_owned(),
        headers: headers([("b", ""), ("a", "ü")]),
        payload: Bytes::from_static(b"\0\xFF"),
    };
    publish(&bus, [sent.clone()]).await;
    let delivery = Member::join(&bus, "g").await.next().await;
    assert_eq!((delivery.topic.as_str(), delivery.message), (TOPIC, sent));
}

/// Also one that comes later: it starts at the oldest message.
pub async fn every_group_gets_every_message<F: BusFactory>(factory: &F) {
    let bus = factory.create().await;
    publish(&bus, messages(3, 4)).await;
    for group in ["g", "g2"] {
        let mut member = Member::join(&bus, group).await;
        let mut seen = BTreeSet::new();
        for _ in 0..12 {
            let delivery = member.next().await;
            seen.insert(number(&delivery));
            assert!(member.ack(&delivery).await);
        }
        assert_eq!(seen.len(), 12);
    }
}

/// What is published to one is not seen in another.
pub async fn topics_are_apart<F: BusFactory>(factory: &F) {
    let bus = factory.create().await;
    bus.publish("payments", vec![message("k", 1)]).await.expect("the bus takes it");
    publish(&bus, [message("k", 2)]).await;
    assert_eq!(number(&Member::join(&bus, "g").await.next().await), 2);
}

/// By a message that is published while it waits.
pub async fn waiting_consumer_is_woken<F: BusFactory>(factory: &F) {
    let bus = factory.create().await;
    let mut member = Member::join(&bus, "g").await;
    for number_sent in 0..20 {
        let waiting = tokio::spawn(async move {
            let delivery = member.next().await;
            (member, delivery)
        });
        give_turn().await;
        publish(&bus, [message("k", number_sent)]).await;
        let (back, delivery) = waiting.await.expect("the consumer does not panic");
        member = back;
        assert_eq!(number(&delivery), number_sent);
    }
}

/// A wait that is given up, as in a select, takes no message with it.
pub async fn dropped_wait_loses_nothing<F: BusFactory>(factory: &F) {
    let bus = factory.create().await;
    let mut member = Member::join(&bus, "g").await;
    for number_sent in 0..20 {
        {
            let mut wait = pin!(member.next());
            let polled = std::future::poll_fn(|context| Poll::Ready(wait.as_mut().poll(context)));
            assert!(polled.await.is_pending(), "nothing is there yet");
            publish(&bus, [message("k", number_sent)]).await;
        }
        assert_eq!(number(&member.next().await), number_sent);
    }
}

/// Each partition has one owner, and with as many messages as it takes everybody has work.
pub async fn members_share_the_partitions<F: BusFactory>(factory: &F) {
    let bus = factory.create().await;
    let mut members = [Member::join(&bus, "g").await, Member::join(&bus, "g").await];
    publish(&bus, messages(64, 2)).await;
    let mut seen = [BTreeSet::new(), BTreeSet::new()];
    while seen[0].len() + seen[1].len() < 128 {
        let (index, delivery) = next_of_any(&mut members).await;
        if members[index].ack(&delivery).await {
            seen[index].insert(number(&delivery));
        }
    }
    assert!(seen.iter().all(|seen| !seen.is_empty()), "both have work");
    assert!(seen[0].is_disjoint(&seen[1]));
    assert!(members[0].owned.is_disjoint(&members[1].owned));
}

/// Every partition that there is has an owner, also while nothing was ever published.
pub async fn members_know_how_many_partitions_there_are<F: BusFactory>(factory: &F) {
    let bus = factory.create().await;
    let count = bus.partitions(TOPIC).await.expect("the bus answers");
    assert!(count >= 2, "{count} partitions");
    let mut member = Member::join(&bus, "g").await;
    member.owns_all_of(count).await;
    assert_eq!(bus.partitions(TOPIC).await.expect("the bus answers"), count);
}

/// Without anything being published: assignment alone wakes a member.
pub async fn whoever_stays_gets_the_partitions_of_who_leaves<F: BusFactory>(factory: &F) {
    let bus = factory.create().await;
    let count = bus.partitions(TOPIC).await.expect("the bus answers");
    let mut first = Member::join(&bus, "g").await;
    first.owns_all_of(count).await;
    let mut second = Member::join(&bus, "g").await;
    // Each learns of its share while the other does: a bus may wait for both before it moves anything.
    while second.owned.is_empty() || first.owned.len() + second.owned.len() != count as usize {
        let mut both = [&mut first, &mut second];
        let nexts = both.iter_mut().map(|member| Box::pin(member.consumer.next()));
        let (event, index, _) = futures_util::future::select_all(nexts).await;
        both[index].note(event.expect("the bus answers"));
    }
    assert!(first.owned.is_disjoint(&second.owned));
    drop(second);
    first.owns_all_of(count).await;
}

/// To another member, from the first one that was not acknowledged, in order.
pub async fn unacknowledged_messages_come_again<F: BusFactory>(factory: &F) {
    let bus = factory.create().await;
    publish(&bus, (0..5).map(|number| message("k", number))).await;
    let mut first = Member::join(&bus, "g").await;
    let delivery = first.next().await;
    assert!(first.ack(&delivery).await);
    for wanted in 1..4 {
        assert_eq!(number(&first.next().await), wanted);
    }
    drop(first);
    let mut second = Member::join(&bus, "g").await;
    for wanted in 1..5 {
        assert_eq!(number(&second.next().await), wanted);
    }
}

/// An ack covers everything before it in the partition, and outlives the members.
pub async fn acknowledged_messages_do_not_come_again<F: BusFactory>(factory: &F) {
    let bus = factory.create().await;
    publish(&bus, (0..4).map(|number| message("k", number))).await;
    let mut first = Member::join(&bus, "g").await;
    let mut delivery = first.next().await;
    while number(&delivery) < 3 {
        delivery = first.next().await;
    }
    assert!(first.ack(&delivery).await);
    assert!(first.ack(&delivery).await, "a second time is no harm");
    drop(first);
    publish(&bus, [message("k", 4)]).await;
    assert_eq!(number(&Member::join(&bus, "g").await.next().await), 4);
}

/// And its messages go to the new owner, from the first open one.
pub async fn ack_of_a_revoked_partition_is_refused<F: BusFactory>(factory: &F) {
    let bus = factory.create().await;
    publish(&bus, messages(32, 1)).await;
    let mut first = Member::join(&bus, "g").await;
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(first.next().await);
    }
    let mut members = [first, Member::join(&bus, "g").await];
    let mut again = BTreeSet::new();
    while members[1].owned.is_empty() || !members[0].owned.is_disjoint(&members[1].owned) {
        let (index, delivery) = next_of_any(&mut members).await;
        again.extend((index == 1).then(|| number(&delivery)));
    }
    let [first, second] = &mut members;
    let lost: Vec<_> = open.iter().filter(|one| second.owned.contains(&one.partition)).collect();
    assert!(!lost.is_empty(), "something was revoked");
    for delivery in lost {
        assert!(!first.ack(delivery).await, "{delivery:?} is another's");
        while !again.contains(&number(delivery)) {
            again.insert(number(&second.next().await));
        }
    }
}

/// Every message is seen, and none is first seen before an earlier one of its key.
pub async fn nothing_is_lost_while_members_come_and_go<F: BusFactory>(factory: &F) {
    const KEYS: usize = 12;
    const MESSAGES: usize = KEYS * 20;
    let bus = factory.create().await;
    let mut members = vec![Member::join(&bus, "g").await];
    let mut next_of_key = BTreeMap::<String, usize>::new();
    let (mut sent, mut step) = (messages(KEYS, 20).into_iter(), 0);
    while next_of_key.values().sum::<usize>() < MESSAGES {
        publish(&bus, sent.by_ref().take(7)).await;
        for _ in 0..5 {
            if next_of_key.values().sum::<usize>() == MESSAGES {
                break;
            }
            step += 1;
            let (index, delivery) = next_of_any(&mut members).await;
            let place = number(&delivery) / KEYS;
            let next = next_of_key.entry(delivery.message.key.clone()).or_default();
            assert!(place <= *next, "{delivery:?} came before number {next} of its key");
            *next = (*next).max(place + 1);
            // Not acknowledged now and then: it comes again when its member goes.
            if step % 3 != 0 {
                members[index].ack(&delivery).await;
            }
        }
        match step % 4 {
            0 => members.push(Member::join(&bus, "g").await),
            1 if members.len() > 1 => drop(members.remove(step % members.len())),
            _ => {}
        }
    }
}

/// Of topics and groups.
pub async fn senseless_names_are_refused<F: BusFactory>(factory: &F) {
    let bus = factory.create().await;
    for name in ["", "a b", "a/b"] {
        let published = bus.publish(name, vec![message("k", 1)]).await;
        assert_eq!(published.map_err(|error| error.kind), Err(ErrorKind::Invalid));
        let counted = bus.partitions(name).await;
        assert_eq!(counted.map_err(|error| error.kind), Err(ErrorKind::Invalid));
        for (topic, group) in [(name, "g"), (TOPIC, name)] {
            let subscribed = bus.subscribe(topic, group).await;
            assert_eq!(subscribed.err().map(|error| error.kind), Some(ErrorKind::Invalid));
        }
    }
}
