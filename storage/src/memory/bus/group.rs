//! A consumer group of a topic: who owns which partition, and what is delivered and done.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::bus::{ConsumerEvent, Delivery};

use super::assignment::assign;
use super::partition::Partition;

/// A member of a group; numbers are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct MemberId(pub(super) u64);

/// What a consumer holds of its membership.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) id: MemberId,
    /// Notified when there may be something new for it.
    pub(super) wake: Arc<Notify>,
}

/// What the group knows of a member.
struct Membership {
    wake: Arc<Notify>,
    /// The partitions it was told to own, each with the term it was told of.
    told: BTreeMap<usize, u64>,
    /// The partition to look at first, so that a full one does not starve the others.
    turn: usize,
}

/// How far the group has come in one partition.
struct Progress {
    owner: Option<MemberId>,
    /// Grows whenever the owner changes: whoever was told of an older term owns it no longer, even
    /// when the partition has come back to it in the meantime.
    term: u64,
    /// Everything below is done.
    acked: u64,
    /// The next offset to hand out in this term.
    next: u64,
    /// How often the messages from `acked` on were handed out, in any term.
    handed_out: VecDeque<u32>,
}

impl Progress {
    fn starting_at(offset: u64) -> Self {
        Self { owner: None, term: 0, acked: offset, next: offset, handed_out: VecDeque::new() }
    }

    /// Everything below `offset` is done or gone.
    fn done_below(&mut self, offset: u64) {
        let done = usize::try_from(offset.saturating_sub(self.acked)).unwrap_or(usize::MAX);
        self.handed_out.drain(..done.min(self.handed_out.len()));
        self.acked = self.acked.max(offset);
        self.next = self.next.max(self.acked);
    }

    /// Counts that the message at `next` is handed out; how often it was before.
    fn hand_out(&mut self) -> u32 {
        let place = usize::try_from(self.next - self.acked).unwrap_or(usize::MAX);
        if place >= self.handed_out.len() {
            self.handed_out.resize(place + 1, 0);
        }
        let before = self.handed_out[place];
        self.handed_out[place] = before.saturating_add(1);
        self.next += 1;
        before
    }
}

/// The members in the order in which they came, and the partitions' progress. A group without members
/// keeps its progress and holds no message back.
pub(super) struct Group {
    members: BTreeMap<MemberId, Membership>,
    members_ever: u64,
    partitions: Vec<Progress>,
}

impl Group {
    /// A group without members that starts at these offsets.
    pub(super) fn new(oldest: &[u64]) -> Self {
        let partitions = oldest.iter().map(|&offset| Progress::starting_at(offset)).collect();
        Self { members: BTreeMap::new(), members_ever: 0, partitions }
    }

    /// A new member; partitions move to it. What went while nobody was there is passed over.
    pub(super) fn join(&mut self, oldest: &[u64]) -> Member {
        for (progress, &oldest) in self.partitions.iter_mut().zip(oldest) {
            progress.done_below(oldest);
        }
        self.members_ever += 1;
        let member = Member { id: MemberId(self.members_ever), wake: Arc::default() };
        let wake = Arc::clone(&member.wake);
        self.members.insert(member.id, Membership { wake, told: BTreeMap::new(), turn: 0 });
        self.share_out();
        member
    }

    /// The member's partitions move to the others, and what it had not acknowledged with them.
    pub(super) fn leave(&mut self, member: MemberId) {
        self.members.remove(&member);
        self.share_out();
    }

    fn share_out(&mut self) {
        let members: Vec<_> = self.members.keys().copied().collect();
        let mut owners: Vec<_> = self.partitions.iter().map(|progress| progress.owner).collect();
        assign(&mut owners, &members);
        for (progress, owner) in self.partitions.iter_mut().zip(owners) {
            if progress.owner != owner {
                progress.owner = owner;
                progress.term += 1;
                progress.next = progress.acked;
            }
        }
        self.members.values().for_each(|member| member.wake.notify_one());
    }

    /// The oldest offset that members of this group have not acknowledged.
    pub(super) fn needs_from(&self, partition: usize) -> Option<u64> {
        (!self.members.is_empty()).then(|| self.partitions[partition].acked)
    }

    /// There is something new in `partition`.
    pub(super) fn wake_owner(&self, partition: usize) {
        let owner = self.partitions[partition].owner;
        if let Some(member) = owner.and_then(|owner| self.members.get(&owner)) {
            member.wake.notify_one();
        }
    }

    /// What `member` is told next: first what it lost, then what it got, then messages.
    pub(super) fn next(
        &mut self,
        partitions: &[Partition],
        member: MemberId,
        topic: &str,
    ) -> Option<ConsumerEvent> {
        let Self { members, partitions: progress, .. } = self;
        let membership = members.get_mut(&member)?;
        revoked(membership, member, progress)
            .or_else(|| assigned(membership, member, progress))
            .or_else(|| delivered(membership, progress, partitions, topic))
    }

    /// See [`Consumer::ack`](crate::bus::Consumer::ack).
    pub(super) fn ack(&mut self, member: MemberId, delivery: &Delivery) -> bool {
        let Ok(index) = usize::try_from(delivery.partition) else { return false };
        let Some(progress) = self.partitions.get_mut(index) else { return false };
        let told = self.members.get(&member).and_then(|membership| membership.told.get(&index));
        let owns = progress.owner == Some(member) && told == Some(&progress.term);
        // An offset not handed out in this term is one of an earlier term that will come again.
        if !owns || delivery.offset >= progress.next {
            return false;
        }
        progress.done_below(delivery.offset + 1);
        true
    }
}

fn revoked(
    membership: &mut Membership,
    member: MemberId,
    progress: &[Progress],
) -> Option<ConsumerEvent> {
    let mut lost = Vec::new();
    membership.told.retain(|&index, term| {
        let kept = progress[index].owner == Some(member) && progress[index].term == *term;
        if !kept {
            lost.push(index as u32);
        }
        kept
    });
    (!lost.is_empty()).then_some(ConsumerEvent::Revoked(lost))
}

fn assigned(
    membership: &mut Membership,
    member: MemberId,
    progress: &[Progress],
) -> Option<ConsumerEvent> {
    let mut got = Vec::new();
    for (index, progress) in progress.iter().enumerate() {
        if progress.owner == Some(member) && !membership.told.contains_key(&index) {
            membership.told.insert(index, progress.term);
            got.push(index as u32);
        }
    }
    (!got.is_empty()).then_some(ConsumerEvent::Assigned(got))
}

/// The next message of the told partitions, which are the owned ones: the two before have seen to it.
fn delivered(
    membership: &mut Membership,
    progress: &mut [Progress],
    partitions: &[Partition],
    topic: &str,
) -> Option<ConsumerEvent> {
    let turn = membership.turn;
    let (behind, before) = (membership.told.range(turn..), membership.told.range(..turn));
    let index = behind
        .chain(before)
        .map(|(&index, _)| index)
        .find(|&index| partitions[index].get(progress[index].next).is_some())?;
    let offset = progress[index].next;
    let message = partitions[index].get(offset)?.clone();
    let redeliveries = progress[index].hand_out();
    membership.turn = index + 1;
    let (topic, partition) = (topic.to_owned(), index as u32);
    Some(ConsumerEvent::Delivered(Delivery { topic, partition, offset, redeliveries, message }))
}
