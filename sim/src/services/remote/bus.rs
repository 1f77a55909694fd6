//! The message bus, asked over the network.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sagaline_storage::StorageError;
use sagaline_storage::bus::{Consumer, ConsumerEvent, Delivery, Message, MessageBus};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::unavailable;
use crate::machine::Machine;
use crate::services::bus::protocol::{BusRequest, MemberId, Session, Told};
use crate::services::rpc::RpcClient;
use crate::services::within::within;
use crate::world::{MachineClock, World};

/// Signs of life within a lease.
const BEATS_PER_LEASE: u32 = 3;

/// [`MessageBus`] on the bus machine.
#[derive(Clone)]
pub struct RemoteBus {
    link: Link,
    lease: Duration,
}

#[derive(Clone)]
struct Link {
    bus: RpcClient<BusRequest>,
    clock: MachineClock,
}

impl Link {
    async fn ask<T: DeserializeOwned>(&self, request: &BusRequest) -> Result<T, StorageError> {
        self.bus.ask::<Result<T, StorageError>>(request).await.map_err(unavailable)?
    }
}

impl RemoteBus {
    /// Members that are silent for longer than `lease` lose their partitions.
    pub(crate) fn new(world: &World, machine: Machine, lease: Duration) -> Self {
        let bus = RpcClient::new(world, machine, Machine::Bus);
        Self { link: Link { bus, clock: world.clock(machine) }, lease }
    }
}

impl MessageBus for RemoteBus {
    type Consumer = RemoteConsumer;

    async fn publish(&self, topic: &str, messages: Vec<Message>) -> Result<(), StorageError> {
        let topic = topic.to_owned();
        self.link.ask(&BusRequest::Publish { topic, messages }).await
    }

    async fn partitions(&self, topic: &str) -> Result<u32, StorageError> {
        self.link.ask(&BusRequest::Partitions { topic: topic.to_owned() }).await
    }

    async fn subscribe(&self, topic: &str, group: &str) -> Result<RemoteConsumer, StorageError> {
        let (topic, group, lease) = (topic.to_owned(), group.to_owned(), self.lease);
        let request = BusRequest::Join { topic: topic.clone(), group: group.clone(), lease };
        let member = self.link.ask(&request).await?;
        let session = Arc::new(Mutex::new(Session { topic, group, member }));
        let (alive, dropped) = oneshot::channel();
        tokio::spawn(beat(self.link.clone(), session.clone(), lease, dropped));
        let link = self.link.clone();
        Ok(RemoteConsumer {
            link,
            lease,
            session,
            news: 0,
            held: Vec::new(),
            is_gone: false,
            alive,
        })
    }
}

/// Gives signs of life, also while nobody asks for news, and leaves when the consumer is dropped.
async fn beat(
    link: Link,
    session: Arc<Mutex<Session>>,
    lease: Duration,
    mut dropped: oneshot::Receiver<()>,
) {
    while within(&link.clock, lease / BEATS_PER_LEASE, &mut dropped).await.is_none() {
        let request = BusRequest::Beat(session.lock().clone());
        // Who is no member any more learns it when it asks for news.
        let _: Result<bool, _> = link.ask(&request).await;
    }
    let request = BusRequest::Leave(session.lock().clone());
    // What cannot be told the bus learns from the silence.
    let _: Result<(), _> = link.ask(&request).await;
}

/// One member of a group. When the bus has ended its session, its partitions are told as revoked and it
/// joins anew.
pub struct RemoteConsumer {
    link: Link,
    lease: Duration,
    session: Arc<Mutex<Session>>,
    /// How much it was told in this session.
    news: u64,
    held: Vec<u32>,
    is_gone: bool,
    /// Dropped with the consumer.
    #[allow(dead_code, reason = "its end is what counts")]
    alive: oneshot::Sender<()>,
}

impl RemoteConsumer {
    async fn join_again(&mut self) -> Result<(), StorageError> {
        let Session { topic, group, .. } = self.session.lock().clone();
        let lease = self.lease;
        let member: MemberId = self.link.ask(&BusRequest::Join { topic, group, lease }).await?;
        self.session.lock().member = member;
        (self.news, self.is_gone) = (0, false);
        Ok(())
    }

    fn learn(&mut self, event: &ConsumerEvent) {
        self.news += 1;
        match event {
            ConsumerEvent::Assigned(got) => self.held.extend(got),
            ConsumerEvent::Revoked(lost) => self.held.retain(|held| !lost.contains(held)),
            ConsumerEvent::Delivered(_) => {}
        }
    }
}

impl Consumer for RemoteConsumer {
    async fn next(&mut self) -> Result<ConsumerEvent, StorageError> {
        loop {
            if self.is_gone && !self.held.is_empty() {
                return Ok(ConsumerEvent::Revoked(std::mem::take(&mut self.held)));
            }
            if self.is_gone {
                self.join_again().await?;
            }
            let session = self.session.lock().clone();
            match self.link.ask(&BusRequest::Next { session, seq: self.news + 1 }).await? {
                Told::News(event) => {
                    self.learn(&event);
                    return Ok(event);
                }
                Told::Nothing => {}
                Told::Gone => self.is_gone = true,
            }
        }
    }

    async fn ack(&mut self, delivery: &Delivery) -> Result<bool, StorageError> {
        let session = self.session.lock().clone();
        if delivery.topic != session.topic {
            return Err(StorageError::invalid(format!(
                "delivery of topic {} acknowledged to a consumer of {}",
                delivery.topic, session.topic
            )));
        }
        let (partition, offset) = (delivery.partition, delivery.offset);
        self.link.ask(&BusRequest::Ack { session, partition, offset }).await
    }
}
