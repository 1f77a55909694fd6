//! The machine `bus`: topics of partitions on its disk, consumer groups with sessions. What it took it
//! has after any crash; who is silent for longer than their lease loses their partitions.

mod core;
mod disk;
mod group;
pub(crate) mod protocol;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sagaline_storage::bus::{ConsumerEvent, Delivery, Message};
use sagaline_storage::{Clock, StorageError};
use tokio::sync::watch;

use super::dice::Dice;
use super::rpc::{self, Answer, Caller, Connections, Service};
use super::witness::Witness;
use crate::evidence::{BusEntry, BusWhat};
use crate::fault::{Fault, FaultKind};
use crate::machine::Machine;
use crate::world::{FaultyDisk, MachineClock, MachineEntropy, World};
use core::Core;
use disk::Kept;
use group::Mischief;
use protocol::{BusRequest, MemberId, Session, Told};

/// Longest name of a topic or a group, in bytes: what Kafka takes for a topic.
const NAME_BYTES_MAX: usize = 249;
/// A member that asks for news is answered by then: below the asker's own bound.
const POLL: Duration = Duration::from_secs(2);
/// How often messages that are held back are looked at again, and sessions.
const LOOK: Duration = Duration::from_millis(100);
/// Between two attempts to read a disk that does not serve.
const OPEN_PAUSE: Duration = Duration::from_millis(200);

/// Switches the bus on.
pub(super) fn switch_on(world: &World, witness: &Witness) {
    let witness = witness.clone();
    world.machine(Machine::Bus, move |world| Box::pin(run(world, witness.clone())));
}

async fn run(world: World, witness: Witness) {
    let (clock, dice) = (world.clock(Machine::Bus), Dice(world.entropy(Machine::Bus)));
    let disk = world.disk(Machine::Bus);
    let core = loop {
        match load(&world, &witness, &disk).await {
            Ok(core) => break core,
            Err(_) => clock.sleep(OPEN_PAUSE).await,
        }
    };
    let listener = world.network.listen(Machine::Bus, Machine::Bus.address().port());
    let listener = listener.expect("nothing else listens on this machine");
    let (core, news) = (Mutex::new(core), watch::Sender::new(()));
    let publishing = tokio::sync::Mutex::new(());
    let bus = Arc::new(Bus { world, witness, clock, dice, disk, core, news, publishing });
    tokio::spawn(watch_groups(bus.clone()));
    rpc::serve(listener, bus, Connections::default()).await;
}

/// What the disk has. What was kept and never told of, since the machine crashed in between, is told now.
async fn load(world: &World, witness: &Witness, disk: &FaultyDisk) -> Result<Core, StorageError> {
    let now_us = world.now_us();
    // Grows from boot to boot, as time does.
    let mut core = Core::after_boot(now_us);
    let mut untold = Vec::new();
    disk::load(disk, &mut core, |kept| untold.push(kept.clone())).await?;
    witness.published_late(untold.iter().map(|kept| published(kept, now_us)));
    Ok(core)
}

fn published(kept: &Kept, at_us: u64) -> BusEntry {
    BusEntry {
        at_us,
        topic: kept.topic.clone(),
        message: kept.message.id.clone(),
        key: kept.message.key.clone(),
        what: BusWhat::published(kept.by, &kept.message),
    }
}

struct Bus {
    world: World,
    witness: Witness,
    clock: MachineClock,
    dice: Dice<MachineEntropy>,
    disk: FaultyDisk,
    core: Mutex<Core>,
    /// Something changed for somebody who asks for news.
    news: watch::Sender<()>,
    /// Held from the choice of offsets until the messages are kept.
    publishing: tokio::sync::Mutex<()>,
}

impl Bus {
    fn mischief(&self) -> Mischief {
        let added = self.world.active(|fault| match fault {
            Fault::BusDelayedRedelivery { added_ms } => Some(*added_ms),
            _ => None,
        });
        Mischief { redelivery_after: Duration::from_millis(added.unwrap_or(0)) }
    }

    fn check_leader(&self) -> Result<(), StorageError> {
        if self.world.active(|fault| matches!(fault, Fault::BusLeaderLoss).then_some(())).is_some()
        {
            self.world.bites.bit(FaultKind::BusLeaderLoss);
            return Err(StorageError::unavailable("the bus has no leader"));
        }
        Ok(())
    }

    async fn publish(
        &self,
        topic: &str,
        messages: Vec<Message>,
        by: Machine,
    ) -> Result<(), StorageError> {
        check_name("topic", topic)?;
        self.check_leader()?;
        let _turn = self.publishing.lock().await;
        let kept = self.places(topic, messages, by);
        disk::keep(&self.disk, &kept).await?;
        let at_us = self.world.now_us();
        for kept in kept {
            self.witness.bus(published(&kept, at_us));
            self.core.lock().kept(&kept.topic, kept.partition, kept.message);
        }
        self.news.send_replace(());
        Ok(())
    }

    fn places(&self, topic: &str, messages: Vec<Message>, by: Machine) -> Vec<Kept> {
        let mut core = self.core.lock();
        let mut places = Vec::with_capacity(messages.len());
        let mut taken = std::collections::BTreeMap::<u32, u64>::new();
        for message in messages {
            let partition = Core::partition_of(&message.key);
            let next = taken.entry(partition).or_insert_with(|| core.next_offset(topic, partition));
            let offset = *next;
            *next += 1;
            places.push(Kept { topic: topic.to_owned(), partition, offset, by, message });
        }
        places
    }

    /// Every topic has as many from its beginning.
    fn partitions(&self, topic: &str) -> Result<u32, StorageError> {
        check_name("topic", topic)?;
        self.check_leader()?;
        Ok(core::PARTITIONS)
    }

    fn join(&self, topic: &str, group: &str, lease: Duration) -> Result<MemberId, StorageError> {
        check_name("topic", topic)?;
        check_name("group", group)?;
        let (now, how) = (self.clock.monotonic(), self.mischief());
        let member = self.core.lock().join(topic, group, lease, now, how);
        self.news.send_replace(());
        Ok(member)
    }

    /// Waits for news for a bounded time.
    async fn next(&self, session: &Session, seq: u64) -> Result<Told, StorageError> {
        let (mut news, mut changes) = (self.news.subscribe(), self.world.changes());
        let begun = self.clock.monotonic();
        self.core.lock().hear(session, begun);
        loop {
            self.check_leader()?;
            let (told, held_back) = self.next_now(session, seq);
            let left = (begun + POLL).saturating_sub(self.clock.monotonic());
            if told != Told::Nothing || left.is_zero() {
                return Ok(told);
            }
            let pause = if held_back { LOOK.min(left) } else { left };
            tokio::select! {
                biased;
                _ = news.changed() => {}
                _ = changes.changed() => {}
                () = self.clock.sleep(pause) => {}
            }
        }
    }

    /// What there is now, and whether something is held back.
    fn next_now(&self, session: &Session, seq: u64) -> (Told, bool) {
        let percent = self.world.active(|fault| match fault {
            Fault::BusDuplicate { percent } => Some(*percent),
            _ => None,
        });
        let duplicate = || self.dice.percent(percent);
        let now = self.clock.monotonic();
        let handed = self.core.lock().next(session, seq, now, duplicate);
        if handed.is_duplicate {
            self.world.bites.bit(FaultKind::BusDuplicate);
        }
        if handed.held_back {
            self.world.bites.bit(FaultKind::BusDelayedRedelivery);
        }
        if let Told::News(ConsumerEvent::Delivered(delivery)) = &handed.told {
            self.delivered(session, delivery);
        }
        (handed.told, handed.held_back)
    }

    fn delivered(&self, session: &Session, delivery: &Delivery) {
        self.witness.bus(BusEntry {
            at_us: self.world.now_us(),
            topic: delivery.topic.clone(),
            message: delivery.message.id.clone(),
            key: delivery.message.key.clone(),
            what: BusWhat::Delivered { group: session.group.clone() },
        });
    }

    async fn ack(
        &self,
        session: &Session,
        partition: u32,
        offset: u64,
    ) -> Result<bool, StorageError> {
        self.check_leader()?;
        let Some(acked) = self.core.lock().ack(session, partition, offset) else {
            return Ok(false);
        };
        let group = (session.topic.as_str(), session.group.as_str());
        disk::come_to(&self.disk, group, partition, acked).await?;
        Ok(true)
    }

    fn leave(&self, session: &Session) {
        let (now, how) = (self.clock.monotonic(), self.mischief());
        if self.core.lock().leave(session, now, how) {
            self.news.send_replace(());
        }
    }
}

impl Service for Bus {
    type Request = BusRequest;

    async fn answer(&self, request: BusRequest, Caller(by): Caller) -> Answer {
        match request {
            BusRequest::Publish { topic, messages } => {
                Answer::of(&self.publish(&topic, messages, by).await)
            }
            BusRequest::Partitions { topic } => Answer::of(&self.partitions(&topic)),
            BusRequest::Join { topic, group, lease } => {
                Answer::of(&self.join(&topic, &group, lease))
            }
            BusRequest::Next { session, seq } => Answer::of(&self.next(&session, seq).await),
            BusRequest::Ack { session, partition, offset } => {
                Answer::of(&self.ack(&session, partition, offset).await)
            }
            BusRequest::Beat(session) => {
                let hears = self.core.lock().hear(&session, self.clock.monotonic());
                Answer::of(&Ok::<_, StorageError>(hears))
            }
            BusRequest::Leave(session) => {
                self.leave(&session);
                Answer::of(&Ok::<_, StorageError>(()))
            }
        }
    }
}

/// Ends the sessions of the silent, and lets partitions change hands when such an episode begins.
async fn watch_groups(bus: Arc<Bus>) {
    let mut was_on = false;
    loop {
        let (now, how) = (bus.clock.monotonic(), bus.mischief());
        let is_on =
            bus.world.active(|fault| matches!(fault, Fault::BusRebalance).then_some(())).is_some();
        let mut changed = bus.core.lock().expire(now, how);
        if is_on && !was_on && bus.core.lock().rotate(now, how) {
            bus.world.bites.bit(FaultKind::BusRebalance);
            changed = true;
        }
        was_on = is_on;
        if changed {
            bus.news.send_replace(());
        }
        bus.clock.sleep(LOOK).await;
    }
}

fn check_name(what: &str, name: &str) -> Result<(), StorageError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.:@+-".contains(&b);
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(StorageError::invalid(format!(
        "{what} {name:?}: wants 1 to {NAME_BYTES_MAX} bytes of [A-Za-z0-9_.:@+-]"
    )))
}
