//! A consumer group of a topic: members with sessions, who owns which partition, and what was handed out
//! and acknowledged. Pure: the time is given.

use std::collections::BTreeMap;
use std::time::Duration;

use sagaline_storage::bus::{ConsumerEvent, Delivery, Message};

use super::protocol::{MemberId, Told};

/// One member.
#[derive(Debug)]
struct Member {
    lease: Duration,
    heard_at: Duration,
    /// Partitions it was told to own, with the term it was told of.
    told: BTreeMap<usize, u64>,
    /// What it was told last, and as which number.
    last: Option<(u64, ConsumerEvent)>,
    /// The partition to look at first: a full one must not starve the others.
    turn: usize,
}

/// How far the group has come in one partition.
#[derive(Debug, Default)]
struct Progress {
    owner: Option<MemberId>,
    /// Grows with every change of hands.
    term: u64,
    /// Everything below is done.
    acked: u64,
    /// The next offset to hand out.
    next: u64,
    /// What is handed out a second time, for no reason.
    again: Option<u64>,
    /// How often each open message was handed out before.
    handed_out: BTreeMap<u64, u32>,
    /// Nothing is handed out before this.
    held_until: Duration,
}

/// What changes hands, and how. For the faults.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mischief {
    /// Open messages that change hands are held back for so long.
    pub(super) redelivery_after: Duration,
}

/// A message that was handed out.
pub(super) struct HandedOut {
    pub(super) told: Told,
    /// It is the same message as before, to the same member, and nobody wanted it.
    pub(super) is_duplicate: bool,
    /// A message was there that is held back.
    pub(super) held_back: bool,
}

/// A group. Without members it keeps its progress.
#[derive(Debug)]
pub(super) struct Group {
    members: BTreeMap<MemberId, Member>,
    partitions: Vec<Progress>,
}

impl Group {
    /// Starts behind these offsets.
    pub(super) fn new(acked: Vec<u64>) -> Self {
        let progress = |acked| Progress { acked, next: acked, ..Progress::default() };
        Self { members: BTreeMap::new(), partitions: acked.into_iter().map(progress).collect() }
    }

    pub(super) fn join(&mut self, member: MemberId, lease: Duration, now: Duration, how: Mischief) {
        let (told, last) = (BTreeMap::new(), None);
        self.members.insert(member, Member { lease, heard_at: now, told, last, turn: 0 });
        self.share_out(now, how);
    }

    /// Whether it was a member.
    pub(super) fn leave(&mut self, member: MemberId, now: Duration, how: Mischief) -> bool {
        let was = self.members.remove(&member).is_some();
        if was {
            self.share_out(now, how);
        }
        was
    }

    /// Whether it is a member; its session goes on.
    pub(super) fn hear(&mut self, member: MemberId, now: Duration) -> bool {
        self.members.get_mut(&member).map(|member| member.heard_at = now).is_some()
    }

    /// Ends the sessions of those who were silent for too long; whether there were any.
    pub(super) fn expire(&mut self, now: Duration, how: Mischief) -> bool {
        let before = self.members.len();
        self.members.retain(|_, member| now < member.heard_at + member.lease);
        let expired = self.members.len() < before;
        if expired {
            self.share_out(now, how);
        }
        expired
    }

    /// Every partition goes to the next member, or to the same one anew; whether anything moved.
    pub(super) fn rotate(&mut self, now: Duration, how: Mischief) -> bool {
        let members: Vec<_> = self.members.keys().copied().collect();
        for progress in &mut self.partitions {
            let Some(owner) = progress.owner else { continue };
            let place = members.iter().position(|member| *member == owner).unwrap_or(0);
            progress.give(members.get((place + 1) % members.len().max(1)).copied(), now, how);
        }
        !members.is_empty()
    }

    fn share_out(&mut self, now: Duration, how: Mischief) {
        let members: Vec<_> = self.members.keys().copied().collect();
        let owners: Vec<_> = self.partitions.iter().map(|progress| progress.owner).collect();
        for (progress, owner) in self.partitions.iter_mut().zip(shares(&owners, &members)) {
            if progress.owner != owner {
                progress.give(owner, now, how);
            }
        }
    }

    /// What the member is told as its news number `seq`: what it lost, what it got, then messages.
    pub(super) fn next(
        &mut self,
        topic: &str,
        partitions: &[Vec<Message>],
        member: MemberId,
        seq: u64,
        now: Duration,
        duplicate: impl FnOnce() -> bool,
    ) -> HandedOut {
        let mut handed = HandedOut { told: Told::Gone, is_duplicate: false, held_back: false };
        let Some(asking) = self.members.get_mut(&member) else { return handed };
        handed.told = Told::Nothing;
        if let Some((last, event)) = asking.last.as_ref().filter(|(last, _)| *last >= seq) {
            if *last == seq {
                handed.told = Told::News(event.clone());
            }
            return handed;
        }
        let changed = revoked(asking, member, &self.partitions)
            .or_else(|| assigned(asking, member, &self.partitions));
        let news = match changed {
            Some(event) => Some(event),
            None => self.deliver(topic, partitions, member, now, duplicate, &mut handed),
        };
        if let (Some(event), Some(asking)) = (news, self.members.get_mut(&member)) {
            asking.last = Some((seq, event.clone()));
            handed.told = Told::News(event);
        }
        handed
    }

    fn deliver(
        &mut self,
        topic: &str,
        partitions: &[Vec<Message>],
        member: MemberId,
        now: Duration,
        duplicate: impl FnOnce() -> bool,
        handed: &mut HandedOut,
    ) -> Option<ConsumerEvent> {
        let asking = self.members.get_mut(&member)?;
        let turn = asking.turn;
        let owned = asking.told.range(turn..).chain(asking.told.range(..turn));
        let owned: Vec<usize> = owned.map(|(index, _)| *index).collect();
        let index = owned.into_iter().find(|index| {
            let progress = &self.partitions[*index];
            let has_more = progress.has_more(&partitions[*index]);
            handed.held_back |= has_more && progress.held_until > now;
            has_more && progress.held_until <= now
        })?;
        asking.turn = index + 1;
        let progress = &mut self.partitions[index];
        handed.is_duplicate = progress.again.is_some();
        let (offset, redeliveries) = progress.hand_out(duplicate);
        let message = partitions[index].get(usize::try_from(offset).ok()?)?.clone();
        let (topic, partition) = (topic.to_owned(), index as u32);
        Some(ConsumerEvent::Delivered(Delivery { topic, partition, offset, redeliveries, message }))
    }

    /// Whether an acknowledgement counts; how far the partition is done then.
    pub(super) fn ack(&mut self, member: MemberId, partition: u32, offset: u64) -> Option<u64> {
        let index = partition as usize;
        let told = self.members.get(&member)?.told.get(&index);
        let progress = self.partitions.get_mut(index)?;
        let owns = progress.owner == Some(member) && told == Some(&progress.term);
        // What was not handed out in this term will come again.
        if !owns || offset >= progress.next {
            return None;
        }
        progress.acked = progress.acked.max(offset + 1);
        progress.handed_out = progress.handed_out.split_off(&progress.acked);
        Some(progress.acked)
    }
}

impl Progress {
    fn give(&mut self, owner: Option<MemberId>, now: Duration, how: Mischief) {
        self.owner = owner;
        self.term += 1;
        if self.next > self.acked && !how.redelivery_after.is_zero() {
            self.held_until = now + how.redelivery_after;
        }
        self.next = self.acked;
        self.again = None;
    }

    fn has_more(&self, messages: &[Message]) -> bool {
        self.again.is_some() || self.next < messages.len() as u64
    }

    /// What is handed out now, and how often it was before.
    fn hand_out(&mut self, duplicate: impl FnOnce() -> bool) -> (u64, u32) {
        let offset = match self.again.take() {
            Some(offset) => offset,
            None => {
                self.next += 1;
                self.again = duplicate().then_some(self.next - 1);
                self.next - 1
            }
        };
        let count = self.handed_out.entry(offset).or_insert(0);
        *count += 1;
        (offset, *count - 1)
    }
}

/// Shares partitions out evenly; an owner keeps what fits its share.
fn shares(owners: &[Option<MemberId>], members: &[MemberId]) -> Vec<Option<MemberId>> {
    let Some(share) = owners.len().checked_div(members.len()) else {
        return vec![None; owners.len()];
    };
    let mut bigger = owners.len() % members.len();
    let mut held: BTreeMap<MemberId, usize> = members.iter().map(|member| (*member, 0)).collect();
    let mut shared: Vec<Option<MemberId>> = Vec::with_capacity(owners.len());
    for owner in owners {
        let keeps = owner.filter(|owner| {
            let Some(count) = held.get_mut(owner) else { return false };
            let is_bigger = *count == share && bigger > 0;
            let keeps = *count < share || is_bigger;
            bigger -= usize::from(is_bigger);
            *count += usize::from(keeps);
            keeps
        });
        shared.push(keeps);
    }
    for owner in shared.iter_mut().filter(|owner| owner.is_none()) {
        let least = held.iter_mut().min_by_key(|(_, count)| **count);
        *owner = least.map(|(member, count)| {
            *count += 1;
            *member
        });
    }
    shared
}

fn revoked(asking: &mut Member, id: MemberId, partitions: &[Progress]) -> Option<ConsumerEvent> {
    let mut lost = Vec::new();
    asking.told.retain(|index, term| {
        let progress = &partitions[*index];
        let keeps = progress.owner == Some(id) && progress.term == *term;
        if !keeps {
            lost.push(*index as u32);
        }
        keeps
    });
    (!lost.is_empty()).then_some(ConsumerEvent::Revoked(lost))
}

fn assigned(asking: &mut Member, id: MemberId, partitions: &[Progress]) -> Option<ConsumerEvent> {
    let mut got = Vec::new();
    for (index, progress) in partitions.iter().enumerate() {
        if progress.owner == Some(id) && !asking.told.contains_key(&index) {
            asking.told.insert(index, progress.term);
            got.push(index as u32);
        }
    }
    (!got.is_empty()).then_some(ConsumerEvent::Assigned(got))
}
