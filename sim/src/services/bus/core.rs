//! Topics, partitions and groups of the bus: pure, with the time given. The bus machine holds one, and
//! keeps on its disk what must outlive it.

use std::collections::BTreeMap;
use std::time::Duration;

use sagaline_storage::bus::Message;

use super::group::{Group, HandedOut, Mischief};
use super::protocol::{MemberId, Session, Told};

/// Partitions of every topic.
pub(super) const PARTITIONS: u32 = 8;

/// Everything the bus knows.
#[derive(Debug, Default)]
pub(super) struct Core {
    topics: BTreeMap<String, Topic>,
    last_member: u64,
}

#[derive(Debug)]
struct Topic {
    partitions: Vec<Vec<Message>>,
    groups: BTreeMap<String, Group>,
    /// How far groups had come before the machine was started.
    acked: BTreeMap<(String, u32), u64>,
}

impl Default for Topic {
    fn default() -> Self {
        let partitions = (0..PARTITIONS).map(|_| Vec::new()).collect();
        Self { partitions, groups: BTreeMap::new(), acked: BTreeMap::new() }
    }
}

impl Core {
    /// A bus after a start: members of before are none any more, and numbers are not used again.
    pub(super) fn after_boot(first_member: u64) -> Self {
        Self { topics: BTreeMap::new(), last_member: first_member }
    }

    /// The partition of a key, the same for ever.
    pub(super) fn partition_of(key: &str) -> u32 {
        let hash = blake3::hash(key.as_bytes());
        u32::from(hash.as_bytes()[0]) % PARTITIONS
    }

    /// The offset that the next message of a partition gets.
    pub(super) fn next_offset(&mut self, topic: &str, partition: u32) -> u64 {
        self.topic(topic).partitions[partition as usize].len() as u64
    }

    /// A message is kept.
    pub(super) fn kept(&mut self, topic: &str, partition: u32, message: Message) {
        self.topic(topic).partitions[partition as usize].push(message);
    }

    /// A group had come so far before the start.
    pub(super) fn came_to(&mut self, topic: &str, group: &str, partition: u32, acked: u64) {
        self.topic(topic).acked.insert((group.to_owned(), partition), acked);
    }

    pub(super) fn join(
        &mut self,
        topic: &str,
        group: &str,
        lease: Duration,
        now: Duration,
        how: Mischief,
    ) -> MemberId {
        self.last_member += 1;
        let member = MemberId(self.last_member);
        let topic = self.topic(topic);
        let acked = |partition| topic.acked.get(&(group.to_owned(), partition)).copied();
        let starts = (0..PARTITIONS).map(|partition| acked(partition).unwrap_or(0)).collect();
        let group = topic.groups.entry(group.to_owned()).or_insert_with(|| Group::new(starts));
        group.join(member, lease, now, how);
        member
    }

    pub(super) fn next(
        &mut self,
        session: &Session,
        seq: u64,
        now: Duration,
        duplicate: impl FnOnce() -> bool,
    ) -> HandedOut {
        let gone = HandedOut { told: Told::Gone, is_duplicate: false, held_back: false };
        let Some(topic) = self.topics.get_mut(&session.topic) else { return gone };
        let Some(group) = topic.groups.get_mut(&session.group) else { return gone };
        group.next(&session.topic, &topic.partitions, session.member, seq, now, duplicate)
    }

    /// How far the partition is done when the acknowledgement counts.
    pub(super) fn ack(&mut self, session: &Session, partition: u32, offset: u64) -> Option<u64> {
        self.group(session)?.ack(session.member, partition, offset)
    }

    pub(super) fn hear(&mut self, session: &Session, now: Duration) -> bool {
        self.group(session).is_some_and(|group| group.hear(session.member, now))
    }

    pub(super) fn leave(&mut self, session: &Session, now: Duration, how: Mischief) -> bool {
        self.group(session).is_some_and(|group| group.leave(session.member, now, how))
    }

    /// Ends the sessions of the silent; whether there were any.
    pub(super) fn expire(&mut self, now: Duration, how: Mischief) -> bool {
        let expired = self.groups().map(|group| group.expire(now, how));
        expired.fold(false, |any, expired| any | expired)
    }

    /// Every partition changes hands; whether there were any.
    pub(super) fn rotate(&mut self, now: Duration, how: Mischief) -> bool {
        let moved = self.groups().map(|group| group.rotate(now, how));
        moved.fold(false, |any, moved| any | moved)
    }

    fn topic(&mut self, topic: &str) -> &mut Topic {
        self.topics.entry(topic.to_owned()).or_default()
    }

    fn group(&mut self, session: &Session) -> Option<&mut Group> {
        self.topics.get_mut(&session.topic)?.groups.get_mut(&session.group)
    }

    fn groups(&mut self) -> impl Iterator<Item = &mut Group> {
        self.topics.values_mut().flat_map(|topic| topic.groups.values_mut())
    }
}
