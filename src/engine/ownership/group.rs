//! The node's place in the consumer group that divides the shards among the nodes. Nothing is published
//! to the group's topic: what counts is which of its partitions are assigned to whom.
//!
//! A shard is taken by raising its epoch in the store, and its sagas are then taken up. While the bus is
//! down nothing changes hands: what is owned is worked on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sagaline_storage::bus::{Consumer, ConsumerEvent, MessageBus};
use sagaline_storage::{Backend, Clock, Entropy, ErrorKind, EventStore, Shard, StorageError};
use tokio::sync::watch;

use super::super::core::Core;
use super::super::recovery;
use super::partitions::shards_of;
use crate::canary::planted;

/// The topic whose partitions stand for shards.
pub(crate) const TOPIC: &str = "sagaline-shards";
/// The group of all nodes.
pub(crate) const GROUP: &str = "sagaline-nodes";

/// So often at the least the store is asked whether what is held to be owned is owned: twice within a lease,
/// within these bounds. A shard without appends has no other way to show that it was lost.
const VERIFY_MIN: Duration = Duration::from_millis(250);
const VERIFY_MAX: Duration = Duration::from_secs(5);
/// Between attempts to reach the bus or the store, doubling up to half a lease within these bounds: shards
/// that nobody works on are taken soon after the store can be reached again.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// A shard that another node took, though the bus says it is this node's, is taken back after this time,
/// doubling up to half a lease: mostly the bus is about to say something else.
const TAKE_BACK_MIN: Duration = Duration::from_secs(1);

type ConsumerOf<B> = <<B as Backend>::Bus as MessageBus>::Consumer;

/// A node's membership.
pub(crate) struct Group<B: Backend> {
    core: Arc<Core<B>>,
    /// True: leave at the next opportunity.
    stop: watch::Receiver<bool>,
    half_lease: Duration,
    verify_every: Duration,
    partitions: u32,
    assigned: BTreeSet<u32>,
    /// Something was assigned or revoked since it joined: only then what is not assigned is not its own.
    told: bool,
    /// Shards that are owned, whose sagas are not all taken up yet.
    to_recover: BTreeSet<Shard>,
    /// How often in a row shards were taken back that another node had taken.
    taken_back: u32,
    /// How often in a row the bus or the store did not answer.
    failures: u32,
}

/// What the member heard.
enum Heard {
    Stop,
    Event(Result<ConsumerEvent, StorageError>),
    Loss,
    Tick,
}

impl<B: Backend> Group<B> {
    pub(crate) fn new(core: Arc<Core<B>>, stop: watch::Receiver<bool>) -> Self {
        let half_lease = Duration::from_millis(core.settings.lease_ms / 2);
        Self {
            core,
            stop,
            half_lease,
            verify_every: half_lease.clamp(VERIFY_MIN, VERIFY_MAX),
            partitions: 1,
            assigned: BTreeSet::new(),
            told: false,
            to_recover: BTreeSet::new(),
            taken_back: 0,
            failures: 0,
        }
    }

    /// Is a member until it is told to stop, and joins again when the membership ends by itself. Leaving
    /// lets the bus assign the partitions to the other nodes at once.
    pub(crate) async fn run(mut self) {
        while !*self.stop.borrow() {
            if let Err(error) = self.membership().await {
                tracing::warn!(%error, "not in the group of nodes, joining again");
                let pause = self.failed();
                self.pause(pause).await;
            }
        }
        self.core.give_up(&self.core.ownership.owned());
    }

    /// From joining to the consumer's end.
    async fn membership(&mut self) -> Result<(), StorageError> {
        let bus = self.core.backend.bus().clone();
        self.partitions = bus.partitions(TOPIC).await?;
        let mut consumer = bus.subscribe(TOPIC, GROUP).await?;
        self.assigned.clear();
        self.told = false;
        let mut pause = self.verify_every;
        loop {
            pause = match self.hear(&mut consumer, pause).await {
                Heard::Stop => {
                    if planted("ends-without-leaving") {
                        std::mem::forget(consumer);
                    }
                    return Ok(());
                }
                Heard::Event(Ok(event)) => self.learn(&mut consumer, event).await?,
                Heard::Event(Err(error)) if error.kind == ErrorKind::Unavailable => {
                    tracing::warn!(%error, "the bus does not answer; this node keeps its shards");
                    let pause = self.failed();
                    self.pause(pause).await;
                    self.kept().await
                }
                Heard::Event(Err(error)) => return Err(error),
                Heard::Loss => {
                    let times = self.taken_back.saturating_add(1);
                    let longest = self.half_lease.max(TAKE_BACK_MIN);
                    self.jittered(backoff(TAKE_BACK_MIN, longest, times))
                }
                Heard::Tick if self.is_settled() => self.verified().await,
                Heard::Tick => {
                    self.taken_back = self.taken_back.saturating_add(1);
                    self.adjusted().await
                }
            };
        }
    }

    /// While the bus is away the store tells of shards that another node has taken. Nothing is taken back from
    /// it: who is to have them only the bus could say.
    async fn kept(&mut self) -> Duration {
        let kept = match self.recover().await {
            Ok(()) => self.verify().await,
            Err(error) => Err(error),
        };
        match kept {
            Ok(_) => self.verify_every,
            Err(error) => self.later(&error),
        }
    }

    async fn hear(&mut self, consumer: &mut ConsumerOf<B>, pause: Duration) -> Heard {
        tokio::select! {
            biased;
            () = told(&mut self.stop) => Heard::Stop,
            event = consumer.next() => Heard::Event(event),
            () = self.core.ownership.lost() => Heard::Loss,
            () = self.core.backend.clock().sleep(pause) => Heard::Tick,
        }
    }

    /// Returns after how long to look again.
    async fn learn(
        &mut self,
        consumer: &mut ConsumerOf<B>,
        event: ConsumerEvent,
    ) -> Result<Duration, StorageError> {
        match event {
            ConsumerEvent::Assigned(partitions) => {
                tracing::info!(?partitions, "shards assigned");
                self.assigned.extend(partitions);
            }
            ConsumerEvent::Revoked(partitions) => {
                tracing::info!(?partitions, "shards revoked");
                self.assigned.retain(|assigned| !partitions.contains(assigned));
            }
            ConsumerEvent::Delivered(delivery) => {
                tracing::warn!(id = %delivery.message.id, "nobody publishes to {TOPIC}: passed over");
                consumer.ack(&delivery).await?;
                return Ok(self.verify_every);
            }
        }
        self.taken_back = 0;
        let first = !std::mem::replace(&mut self.told, true);
        // What was kept over the time without a membership may have had another owner meanwhile.
        if first && let Err(error) = self.verify().await {
            return Ok(self.later(&error));
        }
        Ok(self.adjusted().await)
    }

    async fn adjusted(&mut self) -> Duration {
        match self.adjust().await {
            Ok(()) => {
                self.failures = 0;
                self.verify_every
            }
            Err(error) => self.later(&error),
        }
    }

    /// Owns afterwards what is assigned, and nothing else; works on every saga that comes with it.
    async fn adjust(&mut self) -> Result<(), StorageError> {
        let due = self.due();
        let owned = self.core.ownership.owned();
        let surplus: Vec<_> = owned.into_iter().filter(|shard| !due.contains(shard)).collect();
        if self.told && !surplus.is_empty() {
            self.core.give_up(&surplus);
        }
        let missing = self.missing();
        recovery::take_shards(&self.core, &missing).await?;
        self.to_recover.extend(missing);
        self.recover().await
    }

    /// Works on every saga of the shards that were taken last.
    async fn recover(&mut self) -> Result<(), StorageError> {
        let owned = |shard: &Shard| self.core.ownership.owns(*shard);
        let shards: Vec<_> = self.to_recover.iter().copied().filter(owned).collect();
        if planted("taken-up-once") {
            self.to_recover.clear();
        }
        recovery::recover(&self.core, &shards).await?;
        self.to_recover.clear();
        Ok(())
    }

    /// Nothing is left to be done about what is assigned.
    fn is_settled(&self) -> bool {
        self.to_recover.is_empty() && self.missing().is_empty()
    }

    async fn verified(&mut self) -> Duration {
        match self.verify().await {
            Ok(all_owned) => {
                self.failures = 0;
                if all_owned {
                    self.taken_back = 0;
                }
                self.verify_every
            }
            Err(error) => self.later(&error),
        }
    }

    /// Drops what another node has taken. True: nothing was.
    async fn verify(&self) -> Result<bool, StorageError> {
        let mut all_owned = true;
        for shard in self.core.ownership.owned() {
            let current = self.core.backend.events().epoch(shard).await?;
            all_owned &= !self.core.lose(shard, current);
        }
        Ok(all_owned)
    }

    /// The shards that are assigned.
    fn due(&self) -> BTreeSet<Shard> {
        let shards = self.core.settings.shards;
        let of = |partition: &u32| shards_of(*partition, self.partitions, shards);
        self.assigned.iter().flat_map(of).collect()
    }

    /// The shards to be taken, by a draining node too: until it leaves nobody else is given them.
    fn missing(&self) -> Vec<Shard> {
        if planted("takes-nothing-before-its-end") && self.core.is_draining() {
            return Vec::new();
        }
        self.due().into_iter().filter(|shard| !self.core.ownership.owns(*shard)).collect()
    }

    fn later(&mut self, error: &StorageError) -> Duration {
        tracing::warn!(%error, "shards are not as they are assigned yet, again");
        self.failed()
    }

    /// How long to wait after one more failure.
    fn failed(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.jittered(retry_pause(self.half_lease, self.failures))
    }

    /// Up to twice as long, so that nodes that failed together do not come back together.
    fn jittered(&self, pause: Duration) -> Duration {
        let share = (self.core.backend.entropy().next_u64() >> 54) as u32;
        pause + pause * share / 1_024
    }

    async fn pause(&mut self, pause: Duration) {
        tokio::select! {
            biased;
            () = told(&mut self.stop) => {}
            () = self.core.backend.clock().sleep(pause) => {}
        }
    }
}

/// Returns when it is time to leave, however often that was heard before.
async fn told(stop: &mut watch::Receiver<bool>) {
    // The sender lives as long as the node; without it there is no node to be a member.
    let _told = stop.wait_for(|stop| *stop).await.is_ok();
}

/// Before the next attempt, after so many failures in a row.
fn retry_pause(half_lease: Duration, failures: u32) -> Duration {
    backoff(RETRY_MIN, half_lease.clamp(RETRY_MIN, RETRY_MAX), failures)
}

/// Doubles with every time, from `min` at the first to `max`.
fn backoff(min: Duration, max: Duration, times: u32) -> Duration {
    min.saturating_mul(1 << times.saturating_sub(1).min(16)).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound() {
        let pause = |times| retry_pause(Duration::from_secs(60), times);
        assert_eq!(pause(1), RETRY_MIN);
        assert_eq!(pause(2), RETRY_MIN * 2);
        assert_eq!((pause(30), pause(u32::MAX)), (RETRY_MAX, RETRY_MAX));
    }

    #[test]
    fn pauses_are_no_longer_than_half_a_lease() {
        let second = Duration::from_secs(1);
        assert_eq!((retry_pause(second, 2), retry_pause(second, 30)), (RETRY_MIN * 2, second));
        assert_eq!(retry_pause(Duration::ZERO, 30), RETRY_MIN);
    }
}
