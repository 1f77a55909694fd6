//! A finished run as the oracles look at it: the evidence, and what follows from it by sorting and folding
//! once. Made by [`super::judge()`]; never changed.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;

use crate::evidence::{Call, Evidence, LogEntry};
use crate::fault::{Episode, Fault};
use crate::machine::Machine;
use crate::plan::{Operation, OrderShape};
use crate::shape::SagaShape;

use super::naive::append::Append;
use super::naive::order::Order;
use super::naive::payment::Payment;
use super::naive::saga::Saga;

/// What is looked up by an id and never gone through: with a hasher that has no seed of its own, so that the
/// same evidence is judged in the same steps.
pub type Lookup<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// What the oracles are given.
#[derive(Debug)]
pub struct Case<'a> {
    /// Everything about the run.
    pub evidence: &'a Evidence,
    /// The log, stream by stream, by version.
    pub streams: BTreeMap<&'a str, Vec<&'a LogEntry>>,
    /// Sagas by their id.
    pub sagas: BTreeMap<&'a str, Saga<'a>>,
    /// Orders by their id.
    pub orders: BTreeMap<&'a str, Order<'a>>,
    /// Refunds: for each order the ids of the sagas that give its money back.
    pub refunds: BTreeMap<&'a str, Vec<&'a str>>,
    /// Payments by their order.
    pub payments: BTreeMap<&'a str, Payment>,
    /// Appends, by their first call.
    pub appends: Vec<Append<'a>>,
    /// For each entry of the log, by its place there, the append that wrote it: a place in `appends`.
    pub writers: Vec<Option<usize>>,
    /// Events that were to be appended and are not in the log, and by which append.
    pub unlogged: Lookup<&'a str, usize>,
    /// Where in the log an event is.
    places: Lookup<&'a str, usize>,
}

impl<'a> Case<'a> {
    /// Sorts and folds.
    pub fn new(evidence: &'a Evidence) -> Self {
        let mut streams: BTreeMap<&str, Vec<&LogEntry>> = BTreeMap::new();
        for entry in &evidence.log {
            streams.entry(&entry.stream).or_default().push(entry);
        }
        streams.values_mut().for_each(|entries| entries.sort_by_key(|entry| entry.version));
        let log = &evidence.log;
        let places: Lookup<&str, usize> =
            log.iter().enumerate().map(|(place, entry)| (entry.id.as_str(), place)).collect();
        let mut appends = Append::all(&evidence.store_calls);
        let mut writers = vec![None; log.len()];
        let mut unlogged = Lookup::default();
        for (number, append) in appends.iter_mut().enumerate() {
            append.entries = append.events().map(|id| Some(&log[*places.get(id)?])).collect();
            for id in append.events() {
                match places.get(id) {
                    Some(place) => writers[*place] = Some(number),
                    None => drop(unlogged.insert(id, number)),
                }
            }
        }
        let sagas = of_category(&streams, "saga-", Saga::fold);
        let mut refunds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (id, saga) in &sagas {
            if let Some(order) = saga.refunds() {
                refunds.entry(order).or_default().push(id);
            }
        }
        Self {
            refunds,
            sagas,
            orders: of_category(&streams, "order-", Order::fold),
            payments: of_category(&streams, "payment-", |_, entries| Payment::fold(entries)),
            writers,
            unlogged,
            places,
            appends,
            streams,
            evidence,
        }
    }

    /// Whether the world came to rest: only then everything has to be done.
    pub fn is_quiet(&self) -> bool {
        self.evidence.phases.quiet_at_us.is_some()
    }

    /// Whether a machine stays broken when the others heal.
    pub fn is_left_broken(&self, machine: Machine) -> bool {
        self.evidence.plan.left_broken.contains(&machine)
    }

    /// Whether an operation is planned that can bring an order into being.
    pub fn places_orders(&self) -> bool {
        self.plans(|operation| match operation {
            Operation::PlaceOrder { shape, .. } => {
                !matches!(shape, OrderShape::Oversize | OrderShape::Malformed)
            }
            _ => false,
        })
    }

    /// Whether an operation is planned that can bring a saga into being.
    pub fn starts_sagas(&self) -> bool {
        self.places_orders() || self.plans(|it| matches!(it, Operation::StartSaga { .. }))
    }

    /// What the plan says of a user's sagas of this type.
    pub fn shape_of(&self, saga_type: &str) -> Option<&'a SagaShape> {
        self.evidence.plan.sagas.iter().find(|shape| shape.name == saga_type)
    }

    /// Whether such an operation is planned.
    pub fn plans(&self, wanted: impl Fn(&Operation) -> bool) -> bool {
        self.evidence.plan.operations.iter().any(|planned| wanted(&planned.operation))
    }

    /// Whether a request of a client may have been acted upon twice: on its way were copies made, of which any
    /// is answered, and another may arrive long after that.
    pub fn may_arrive_twice(&self, call: &Call) -> bool {
        let chaos_at_us = self.evidence.phases.chaos_at_us;
        let was_on = |episode: &Episode| {
            let from_us = chaos_at_us + episode.at_ms * 1_000;
            let until_us = from_us + episode.for_ms * 1_000;
            call.sent_at_us <= until_us && (call.answer.is_none() || from_us <= call.ended_at_us)
        };
        let hurts = |fault: &Fault| match fault {
            Fault::Duplicate { link, .. } => {
                matches!(link.from, Machine::Clients | Machine::Balancer)
            }
            _ => false,
        };
        let mut episodes = self.evidence.plan.episodes.iter();
        episodes.any(|episode| hurts(&episode.fault) && was_on(episode))
    }

    /// By how much two clocks of these machines can disagree at the most, in microseconds.
    pub fn clock_skew_us(&self, of: &[Machine]) -> u64 {
        let off_us = |fault: &Fault, for_ms: u64| match fault {
            Fault::ClockOffset { machine, offset_ms: ms }
            | Fault::ClockStep { machine, step_ms: ms }
                if of.contains(machine) =>
            {
                ms.unsigned_abs() * 1_000
            }
            // A drift is in millionths: so many nanoseconds in a millisecond.
            Fault::ClockDrift { machine, ppm } if of.contains(machine) => {
                ppm.unsigned_abs() * for_ms / 1_000
            }
            _ => 0,
        };
        let plan = &self.evidence.plan;
        plan.episodes.iter().map(|episode| off_us(&episode.fault, episode.for_ms)).sum::<u64>() * 2
    }

    /// The sagas that give an order's money back.
    pub fn refunds_of(&self, order: &str) -> impl Iterator<Item = &Saga<'a>> {
        let ids = self.refunds.get(order).into_iter().flatten();
        ids.filter_map(|id| self.sagas.get(id))
    }

    /// The append that wrote an entry of the log.
    pub fn append_of(&self, entry: &LogEntry) -> Option<&Append<'a>> {
        let writer = self.writers.get(self.place_of(entry)?).copied().flatten();
        writer.and_then(|writer| self.appends.get(writer))
    }

    /// Where in the log an entry is: at its position, unless the log is not dense.
    pub fn place_of(&self, entry: &LogEntry) -> Option<usize> {
        let dense = self.at(entry.position).filter(|there| std::ptr::eq(*there, entry));
        match dense {
            Some(there) => usize::try_from(there.position - 1).ok(),
            None => self.place(&entry.id),
        }
    }

    /// Where in the log an event is; the last of several places.
    pub fn place(&self, event: &str) -> Option<usize> {
        self.places.get(event).copied()
    }

    /// Whether some event is in the log more than once.
    pub fn repeats(&self) -> bool {
        self.places.len() < self.evidence.log.len()
    }

    /// The entry at a position.
    pub fn at(&self, position: u64) -> Option<&'a LogEntry> {
        let place = usize::try_from(position.checked_sub(1)?).ok()?;
        let entry = self.evidence.log.get(place)?;
        (entry.position == position).then_some(entry)
    }
}

/// The streams of one category, folded, by their key.
fn of_category<'a, T>(
    streams: &BTreeMap<&'a str, Vec<&'a LogEntry>>,
    prefix: &'static str,
    fold: impl Fn(&'a str, &[&'a LogEntry]) -> Option<T>,
) -> BTreeMap<&'a str, T> {
    let of = streams.range(prefix..).take_while(|(name, _)| name.starts_with(prefix));
    let folded = of.filter_map(|(name, entries)| {
        let key = &name[prefix.len()..];
        Some((key, fold(key, entries)?))
    });
    folded.collect()
}
