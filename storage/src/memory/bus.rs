//! A message bus of this process: topics of partitions, consumer groups, bounded memory.
//!
//! The outbox publishes to it, subscribers of the node consume from it. Nothing survives the process:
//! the log does, and the outbox publishes again what was not acknowledged to it. Never drops a message
//! that a group with members still needs: publishing is refused until they have caught up.

mod assignment;
mod group;
mod partition;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::bus::{Consumer, ConsumerEvent, Delivery, Message, MessageBus};
use crate::error::StorageError;
use crate::stream::check_name;

use group::{Group, Member, MemberId};
use partition::Partition;

/// Longest name of a topic or a group, in bytes: what Kafka takes for a topic.
const NAME_BYTES_MAX: usize = 249;

/// How much a bus keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusSettings {
    /// Partitions of every topic: how many consumers of a group can work side by side.
    pub partitions: u32,
    /// Messages kept in a partition.
    pub partition_messages_max: usize,
    /// Bytes kept in a partition, keys and headers included; a single bigger message is kept alone.
    pub partition_bytes_max: usize,
}

impl Default for BusSettings {
    /// Eight consumers side by side on a machine of few cores, and at most 8 MiB a topic.
    fn default() -> Self {
        Self { partitions: 8, partition_messages_max: 4_096, partition_bytes_max: 1 << 20 }
    }
}

/// [`MessageBus`] in memory. Clones are one bus.
#[derive(Clone)]
pub struct LocalBus {
    settings: BusSettings,
    topics: Arc<Mutex<HashMap<String, Topic>>>,
}

impl Default for LocalBus {
    fn default() -> Self {
        Self::new(BusSettings::default())
    }
}

impl LocalBus {
    /// A bus without topics; they come to be when they are first named. Of the settings, zero is
    /// taken as one.
    pub fn new(settings: BusSettings) -> Self {
        let settings = BusSettings {
            partitions: settings.partitions.max(1),
            partition_messages_max: settings.partition_messages_max.max(1),
            partition_bytes_max: settings.partition_bytes_max.max(1),
        };
        Self { settings, topics: Arc::default() }
    }

    fn with_topic<T>(&self, topic: &str, act: impl FnOnce(&mut Topic) -> T) -> T {
        let mut topics = self.topics.lock();
        match topics.get_mut(topic) {
            Some(topic) => act(topic),
            None => {
                act(topics.entry(topic.to_owned()).or_insert_with(|| Topic::new(self.settings)))
            }
        }
    }
}

impl fmt::Debug for LocalBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBus").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl MessageBus for LocalBus {
    type Consumer = LocalConsumer;

    async fn publish(&self, topic: &str, messages: Vec<Message>) -> Result<(), StorageError> {
        check_name("topic", topic, NAME_BYTES_MAX)?;
        self.with_topic(topic, |found| found.publish(topic, messages, self.settings))
    }

    async fn partitions(&self, topic: &str) -> Result<u32, StorageError> {
        check_name("topic", topic, NAME_BYTES_MAX)?;
        // A topic is made with this many, and never has others.
        Ok(self.settings.partitions)
    }

    async fn subscribe(&self, topic: &str, group: &str) -> Result<LocalConsumer, StorageError> {
        check_name("topic", topic, NAME_BYTES_MAX)?;
        check_name("group", group, NAME_BYTES_MAX)?;
        let member = self.with_topic(topic, |topic| topic.join(group));
        Ok(LocalConsumer {
            bus: self.clone(),
            topic: topic.to_owned(),
            group: group.to_owned(),
            member,
        })
    }
}

/// A topic: what is kept, and who has read how much of it.
struct Topic {
    partitions: Vec<Partition>,
    /// Ordered: consumers are woken in the same order in every run.
    groups: BTreeMap<String, Group>,
}

impl Topic {
    fn new(settings: BusSettings) -> Self {
        let partitions = (0..settings.partitions).map(|_| Partition::default()).collect();
        Self { partitions, groups: BTreeMap::new() }
    }

    /// Keeps all of `messages` or none.
    fn publish(
        &mut self,
        topic: &str,
        messages: Vec<Message>,
        settings: BusSettings,
    ) -> Result<(), StorageError> {
        let mut parts: Vec<Vec<Message>> = vec![Vec::new(); self.partitions.len()];
        let mut place = 0;
        for message in messages {
            // What one append brought has one key and comes side by side.
            let same = parts[place].last().is_some_and(|last| last.key == message.key);
            place = if same { place } else { partition_of(&message.key, parts.len()) };
            parts[place].push(message);
        }
        let evicted = self.room(topic, &parts, settings)?;
        for (index, (part, evicted)) in parts.into_iter().zip(evicted).enumerate() {
            if part.is_empty() {
                continue;
            }
            self.partitions[index].evict(evicted);
            self.partitions[index].push(part);
            self.groups.values().for_each(|group| group.wake_owner(index));
        }
        Ok(())
    }

    /// How many of the oldest messages of each partition must go.
    fn room(
        &self,
        topic: &str,
        parts: &[Vec<Message>],
        settings: BusSettings,
    ) -> Result<Vec<usize>, StorageError> {
        let room = |(index, part): (usize, &Vec<Message>)| {
            let needed_from =
                self.groups.values().filter_map(|group| group.needs_from(index)).min();
            self.partitions[index].room(part, needed_from, settings).ok_or_else(|| {
                StorageError::unavailable(format!(
                    "topic {topic}: partition {index} is full of messages that a group has not \
                     acknowledged; publish again when it has"
                ))
            })
        };
        parts.iter().enumerate().map(room).collect()
    }

    fn join(&mut self, group: &str) -> Member {
        let oldest = self.partitions.iter().map(Partition::oldest).collect::<Vec<_>>();
        match self.groups.get_mut(group) {
            Some(group) => group.join(&oldest),
            None => self
                .groups
                .entry(group.to_owned())
                .or_insert_with(|| Group::new(&oldest))
                .join(&oldest),
        }
    }
}

/// The same in every process and for ever, as messages of a key must meet in one partition.
fn partition_of(key: &str, partitions: usize) -> usize {
    let mut word = [0; 8];
    word.copy_from_slice(&blake3::hash(key.as_bytes()).as_bytes()[..8]);
    // Below `partitions`, so it fits.
    (u64::from_be_bytes(word) % partitions as u64) as usize
}

/// One member of a group of a [`LocalBus`].
pub struct LocalConsumer {
    bus: LocalBus,
    topic: String,
    group: String,
    member: Member,
}

impl LocalConsumer {
    fn with_group<T>(
        &self,
        act: impl FnOnce(&mut Group, &[Partition], MemberId) -> T,
    ) -> Option<T> {
        self.bus.with_topic(&self.topic, |topic| {
            let Topic { partitions, groups } = topic;
            Some(act(groups.get_mut(&self.group)?, partitions, self.member.id))
        })
    }

    fn next_now(&self) -> Option<ConsumerEvent> {
        self.with_group(|group, partitions, member| group.next(partitions, member, &self.topic))?
    }
}

impl fmt::Debug for LocalConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalConsumer")
            .field("topic", &self.topic)
            .field("group", &self.group)
            .field("member", &self.member.id)
            .finish_non_exhaustive()
    }
}

impl Consumer for LocalConsumer {
    async fn next(&mut self) -> Result<ConsumerEvent, StorageError> {
        loop {
            if let Some(event) = self.next_now() {
                return Ok(event);
            }
            // A permit that came in between is kept: nothing published is slept through.
            self.member.wake.notified().await;
        }
    }

    async fn ack(&mut self, delivery: &Delivery) -> Result<bool, StorageError> {
        if delivery.topic != self.topic {
            return Err(StorageError::invalid(format!(
                "delivery of topic {} acknowledged to a consumer of {}",
                delivery.topic, self.topic
            )));
        }
        let acked = self.with_group(|group, _, member| group.ack(member, delivery));
        Ok(acked.unwrap_or(false))
    }
}

impl Drop for LocalConsumer {
    fn drop(&mut self) {
        self.with_group(|group, _, member| group.leave(member));
    }
}
