//! A finished run as the oracles look at it: the evidence, and what follows from it by sorting and folding
//! once. Made by [`super::judge()`]; never changed.

use std::collections::BTreeMap;

use crate::evidence::{Evidence, LogEntry};
use crate::fault::Fault;
use crate::machine::Machine;
use crate::plan::{Operation, OrderShape};

use super::naive::append::Append;
use super::naive::order::Order;
use super::naive::payment::Payment;
use super::naive::saga::Saga;

/// What the oracles are given.
#[derive(Debug)]
pub struct Case<'a> {
    /// Everything about the run.
    pub evidence: &'a Evidence,
    /// The log, stream by stream, by version.
    pub streams: BTreeMap<&'a str, Vec<&'a LogEntry>>,
    /// The log by the events' ids.
    pub by_id: BTreeMap<&'a str, &'a LogEntry>,
    /// Sagas by their id.
    pub sagas: BTreeMap<&'a str, Saga<'a>>,
    /// Orders by their id.
    pub orders: BTreeMap<&'a str, Order<'a>>,
    /// Payments by their order.
    pub payments: BTreeMap<&'a str, Payment>,
    /// Appends, by their first call.
    pub appends: Vec<Append<'a>>,
    /// For each event's id the append that was to write it: a place in `appends`.
    pub written_by: BTreeMap<&'a str, usize>,
}

impl<'a> Case<'a> {
    /// Sorts and folds.
    pub fn new(evidence: &'a Evidence) -> Self {
        let mut streams: BTreeMap<&str, Vec<&LogEntry>> = BTreeMap::new();
        for entry in &evidence.log {
            streams.entry(&entry.stream).or_default().push(entry);
        }
        streams.values_mut().for_each(|entries| entries.sort_by_key(|entry| entry.version));
        let appends = Append::all(&evidence.store_calls);
        let events = |(place, append): (usize, &Append<'a>)| {
            append.events().map(move |id| (id, place)).collect::<Vec<_>>()
        };
        Self {
            by_id: evidence.log.iter().map(|entry| (entry.id.as_str(), entry)).collect(),
            sagas: of_category(&streams, "saga-", Saga::fold),
            orders: of_category(&streams, "order-", Order::fold),
            payments: of_category(&streams, "payment-", |_, entries| Payment::fold(entries)),
            written_by: appends.iter().enumerate().flat_map(events).collect(),
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

    /// Whether such an operation is planned.
    pub fn plans(&self, wanted: impl Fn(&Operation) -> bool) -> bool {
        self.evidence.plan.operations.iter().any(|planned| wanted(&planned.operation))
    }

    /// By how much two clocks of the plan can disagree at the most, in microseconds.
    pub fn clock_skew_us(&self) -> u64 {
        let off_us = |fault: &Fault, for_ms: u64| match fault {
            Fault::ClockOffset { offset_ms: ms, .. } | Fault::ClockStep { step_ms: ms, .. } => {
                ms.unsigned_abs() * 1_000
            }
            // A drift is in millionths: so many nanoseconds in a millisecond.
            Fault::ClockDrift { ppm, .. } => ppm.unsigned_abs() * for_ms / 1_000,
            _ => 0,
        };
        let plan = &self.evidence.plan;
        plan.episodes.iter().map(|episode| off_us(&episode.fault, episode.for_ms)).sum::<u64>() * 2
    }

    /// The append that wrote an event.
    pub fn append_of(&self, event: &str) -> Option<&Append<'a>> {
        self.written_by.get(event).and_then(|place| self.appends.get(*place))
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
