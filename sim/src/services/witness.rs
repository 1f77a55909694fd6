//! What the simulation's own adapters and services saw, for the evidence. It records; it judges nothing
//! and changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::evidence::{
    AppendResult, BankEffect, BankEntry, BusEntry, BusWhat, Handed, LockCall, LockWhat, RemoteCall,
    SentCall, ShardChange, StoreAnswer, StoreCall, StoreWhat, Swap, Unreached,
};
use crate::machine::Machine;

/// The record of one run. Clones are the same record.
#[derive(Debug, Clone, Default)]
pub struct Witness(Arc<Mutex<Witnessed>>);

/// Everything that was seen.
#[derive(Debug, Clone, Default)]
pub struct Witnessed {
    /// Requests to the store, in the order in which they were sent.
    pub store_calls: Vec<StoreCall>,
    /// Requests to the lock service, in the order in which they were sent.
    pub lock_calls: Vec<LockCall>,
    /// What the bus kept and handed out, in order.
    pub bus: Vec<BusEntry>,
    /// The bank's ledger, in order.
    pub bank: Vec<BankEntry>,
    /// What came to remote services, in order.
    pub remotes: Vec<RemoteCall>,
    /// Calls that left nodes for participants, in order.
    pub sent: Vec<SentCall>,
    /// Connections to participants that nodes could not open.
    pub unreached: Vec<Unreached>,
    /// What the consumer group of the nodes was handed, in order.
    pub handed: Vec<Handed>,
    /// Shards that nodes took and left.
    pub shards: Vec<ShardChange>,
    /// What the store told of that a power loss could still have taken.
    pub at_risk: Vec<String>,
    /// What the store answered, and what it had by then.
    pub store_answers: Vec<StoreAnswer>,
    /// Views that were built anew and took the place of others.
    pub swaps: Vec<Swap>,
}

/// A request that is on its way.
#[derive(Debug)]
#[must_use = "a call that is never answered stays open to the end of the run"]
pub struct OpenCall(usize);

impl Witness {
    /// A request leaves for the store. It counts as open to the end of time until it is answered: its
    /// asker may be killed at any moment.
    pub fn store_asked(&self, by: Machine, now_us: u64, what: StoreWhat) -> OpenCall {
        let mut seen = self.0.lock();
        seen.store_calls.push(StoreCall { by, sent_at_us: now_us, ended_at_us: u64::MAX, what });
        OpenCall(seen.store_calls.len() - 1)
    }

    /// An append was answered, or given up.
    pub fn append_ended(&self, call: OpenCall, now_us: u64, came: AppendResult) {
        self.ended(call, now_us, |what| {
            if let StoreWhat::Append { result, .. } = what {
                *result = came;
            }
        });
    }

    /// A read was answered with these versions or positions and ids; none: it failed.
    pub fn read_ended(&self, call: OpenCall, now_us: u64, came: Option<Vec<(u64, String)>>) {
        self.ended(call, now_us, |what| match what {
            StoreWhat::ReadStream { events, .. } | StoreWhat::ReadAll { events, .. } => {
                *events = came;
            }
            StoreWhat::Append { .. } => {}
        });
    }

    fn ended(&self, call: OpenCall, now_us: u64, learn: impl FnOnce(&mut StoreWhat)) {
        if let Some(call) = self.0.lock().store_calls.get_mut(call.0) {
            call.ended_at_us = now_us;
            learn(&mut call.what);
        }
    }

    /// A request leaves for the lock service. It counts as open to the end of time until it is answered.
    pub fn lock_asked(&self, call: LockCall) -> OpenCall {
        let mut seen = self.0.lock();
        seen.lock_calls.push(LockCall { ended_at_us: u64::MAX, ..call });
        OpenCall(seen.lock_calls.len() - 1)
    }

    /// It was answered.
    pub fn lock_ended(&self, call: OpenCall, now_us: u64, came: LockWhat) {
        if let Some(call) = self.0.lock().lock_calls.get_mut(call.0) {
            call.ended_at_us = now_us;
            call.what = came;
        }
    }

    /// The bank acted on a request or refused it; `entry.seq` is set here.
    pub fn bank(&self, mut entry: BankEntry) {
        let mut seen = self.0.lock();
        entry.seq = seen.bank.len() as u64 + 1;
        seen.bank.push(entry);
    }

    /// A line that the bank's disk has: told now, if it was never told of.
    pub fn bank_late(&self, entry: BankEntry) {
        let is_told = self.0.lock().bank.iter().any(|told| {
            let is_first = !matches!(
                told.effect,
                BankEffect::Repeated | BankEffect::Probed | BankEffect::TurnedAway
            );
            is_first && (&told.key, &told.operation) == (&entry.key, &entry.operation)
        });
        if !is_told {
            self.bank(entry);
        }
    }

    /// A remote service was asked and has answered.
    pub fn remote(&self, call: RemoteCall) {
        self.0.lock().remotes.push(call);
    }

    /// A call leaves a node for a participant.
    pub fn call_sent(&self, call: SentCall) -> OpenCall {
        let mut seen = self.0.lock();
        seen.sent.push(call);
        OpenCall(seen.sent.len() - 1)
    }

    /// Its answer comes.
    pub fn call_answered(&self, call: OpenCall, now_us: u64, status: u16) {
        if let Some(call) = self.0.lock().sent.get_mut(call.0) {
            call.answer = Some((now_us, status));
        }
    }

    /// A node could not open a connection to a participant.
    pub fn unreached(&self, unreached: Unreached) {
        self.0.lock().unreached.push(unreached);
    }

    /// How many lines the bank's ledger has.
    pub fn bank_len(&self) -> usize {
        self.0.lock().bank.len()
    }

    /// A step of a message's way.
    pub fn bus(&self, entry: BusEntry) {
        self.0.lock().bus.push(entry);
    }

    /// Messages that are on the bus's disk; those that were never told of are told now.
    pub fn published_late(&self, entries: impl Iterator<Item = BusEntry>) {
        let mut seen = self.0.lock();
        let key = |entry: &BusEntry| (entry.topic.clone(), entry.message.clone());
        let told = seen.bus.iter().filter(|entry| matches!(entry.what, BusWhat::Published { .. }));
        let mut told: BTreeMap<_, u32> = told.fold(BTreeMap::new(), |mut told, entry| {
            *told.entry(key(entry)).or_default() += 1;
            told
        });
        for entry in entries {
            match told.get_mut(&key(&entry)) {
                Some(times) if *times > 0 => *times -= 1,
                Some(_) | None => seen.bus.push(entry),
            }
        }
    }

    /// A consumer was handed an event, and has answered.
    pub fn handed(&self, handed: Handed) {
        self.0.lock().handed.push(handed);
    }

    /// A shard changed hands, as a node saw it.
    pub fn shard(&self, change: ShardChange) {
        self.0.lock().shards.push(change);
    }

    /// The shards that a node has taken since then and not left, each with its newest epoch.
    pub fn taken_by(&self, node: Machine, since_us: u64) -> BTreeMap<u32, u64> {
        let witnessed = self.0.lock();
        let of_node = witnessed.shards.iter().filter(|it| it.node == node && it.at_us >= since_us);
        let mut taken = BTreeMap::new();
        for change in of_node {
            match change.taken {
                true => drop(taken.insert(change.shard, change.epoch)),
                false => drop(taken.remove(&change.shard)),
            }
        }
        taken
    }

    /// The store told of something that a power loss could still have taken.
    pub fn at_risk(&self, what: String) {
        self.0.lock().at_risk.push(what);
    }

    /// The store gives an answer that is judged by what it has at this moment.
    pub fn store_answered(&self, answer: StoreAnswer) {
        self.0.lock().store_answers.push(answer);
    }

    /// A view that was built anew takes the place of another.
    pub fn swapped(&self, swap: Swap) {
        self.0.lock().swaps.push(swap);
    }

    /// Everything so far, which is then forgotten. Calls that were never answered end at `now_us`.
    pub fn take(&self, now_us: u64) -> Witnessed {
        let mut seen = std::mem::take(&mut *self.0.lock());
        for call in &mut seen.store_calls {
            call.ended_at_us = call.ended_at_us.min(now_us);
        }
        for call in &mut seen.lock_calls {
            call.ended_at_us = call.ended_at_us.min(now_us);
        }
        seen
    }

    /// Looks at the record without copying it.
    pub fn look<T>(&self, look: impl FnOnce(&Witnessed) -> T) -> T {
        look(&self.0.lock())
    }
}
