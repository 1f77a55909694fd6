//! The message bus: at least once, in order per key, to groups of consumers.

mod headers;

use std::future::Future;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use headers::Headers;

use crate::error::StorageError;

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Stable over redeliveries: what a consumer's inbox remembers.
    pub id: String,
    /// Messages of one key are delivered in the order in which they were published.
    pub key: String,
    /// Names and values beside the payload (CloudEvents attributes).
    pub headers: Headers,
    /// The body.
    pub payload: Bytes,
}

/// A message handed to a consumer, to be acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Where it came from.
    pub topic: String,
    /// The partition its key falls in.
    pub partition: u32,
    /// Its place in the partition.
    pub offset: u64,
    /// How often it was handed out before.
    pub redeliveries: u32,
    /// The message.
    pub message: Message,
}

/// What a consumer is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsumerEvent {
    /// These partitions are this consumer's from now on.
    Assigned(Vec<u32>),
    /// These are no longer; deliveries of them that are still open will come to someone else.
    Revoked(Vec<u32>),
    /// A message of an assigned partition.
    Delivered(Delivery),
}

/// Publishing, and joining a group of consumers.
pub trait MessageBus: Clone + Send + Sync + 'static {
    /// One member of a group.
    type Consumer: Consumer;

    /// After `Ok` every message is kept by the bus; after an error some may be, so publish again.
    /// Messages of one key stay in the order given.
    fn publish(
        &self,
        topic: &str,
        messages: Vec<Message>,
    ) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// How many partitions `topic` has: they are numbered from 0. A topic that is not there is made, with
    /// as many as this bus is set up to give. The same for every member of a group at a time.
    fn partitions(&self, topic: &str) -> impl Future<Output = Result<u32, StorageError>> + Send;

    /// Joins `group` on `topic`. A group starts at the oldest message the bus still has.
    fn subscribe(
        &self,
        topic: &str,
        group: &str,
    ) -> impl Future<Output = Result<Self::Consumer, StorageError>> + Send;
}

/// One member of a consumer group. Dropping it leaves the group.
pub trait Consumer: Send + 'static {
    /// Waits for the next assignment, revocation or message. A wait that is dropped takes nothing with
    /// it: what it would have returned comes next.
    ///
    /// After an `Unavailable` error ask again: the consumer is a member still, or tells first what it has
    /// lost and becomes one again by itself. After any other error it is of no use: subscribe anew.
    fn next(&mut self) -> impl Future<Output = Result<ConsumerEvent, StorageError>> + Send;

    /// This delivery and all before it in its partition are done. False: the partition was revoked in
    /// the meantime, and the message will be delivered again to another member.
    fn ack(
        &mut self,
        delivery: &Delivery,
    ) -> impl Future<Output = Result<bool, StorageError>> + Send;
}
