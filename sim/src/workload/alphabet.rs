//! Draws operations: which kinds a seed has, how much of each, when, whose, to whom.

use crate::machine::Machine;
use crate::plan::{Expect, Operation, OrderShape, Otherwise, Planned};
use crate::seed::{Random, Seed};
use crate::shape::SagaShape;
use crate::strategy::Crowd;
use crate::swarm;
use crate::trip::{self, Policies};

/// Customers of a run.
pub const CUSTOMERS: u32 = 12;
/// Products that several customers want at once; all others are wanted once.
pub const HOT_PRODUCTS: u32 = 5;
/// Lists that the clients keep at the store.
pub const LISTS: u32 = 6;
/// Locks that the clients work under.
const LOCKS: u32 = 2;
/// How soon after its order a cancel can come.
const CHASE_MS: u64 = 12;
/// How soon an operator can come: a saga that has to wait for something is still there then.
const OPERATE_MS: u64 = 60;
/// The token that stands for a payment outside, which a merchant confirms.
pub const EXTERNAL: &str = "external";

/// So many of a hundred repetitions say one thing otherwise.
const OTHERWISE_PERCENT: u64 = 25;
/// And so many of those of trips, of which there are fewer.
const OTHER_TRIP_PERCENT: u64 = 50;
/// So many of a hundred who take a lock stay until its time is over.
const OVERSTAY_PERCENT: u64 = 25;

/// The card's token, and how often it is drawn when the seed has it on.
const TOKENS: [(&str, u64); 7] = [
    ("tok_ok", 60),
    ("tok_decline", 8),
    ("tok_capture_decline", 8),
    ("tok_flaky", 10),
    ("tok_slow", 5),
    ("tok_void_fails", 1),
    (EXTERNAL, 6),
];
const SHAPES: [(OrderShape, u64); 6] = [
    (OrderShape::Plain, 80),
    (OrderShape::Zero, 4),
    (OrderShape::Maximum, 4),
    (OrderShape::Unicode, 6),
    (OrderShape::Oversize, 2),
    (OrderShape::Malformed, 2),
];
const VERBS: [&str; 7] =
    ["retry", "compensate", "skip", "resolve-succeeded", "resolve-rejected", "pause", "resume"];

/// A kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Place,
    Repeat,
    Cancel,
    Confirm,
    ReadOrder,
    ReadSaga,
    Trace,
    List,
    Operate,
    ReadStream,
    AppendList,
    ReadList,
    ReadAll,
    HoldLock,
    Trip,
}

/// How often each is drawn when the seed has it on. What is never off is what everything else needs.
const KINDS: [(Kind, u64, bool); 15] = [
    (Kind::Place, 34, true),
    (Kind::Repeat, 6, false),
    (Kind::Cancel, 7, false),
    (Kind::Confirm, 4, false),
    (Kind::ReadOrder, 14, true),
    (Kind::ReadSaga, 5, false),
    (Kind::Trace, 3, false),
    (Kind::List, 4, false),
    (Kind::Operate, 5, false),
    (Kind::ReadStream, 3, false),
    (Kind::AppendList, 9, true),
    (Kind::ReadList, 6, true),
    (Kind::ReadAll, 1, false),
    (Kind::HoldLock, 3, true),
    (Kind::Trip, 5, true),
];

/// The operations of a seed, by their time.
pub fn operations(seed: Seed, chaos_ms: u64, count: u32, crowds: &[Crowd]) -> Vec<Planned> {
    let mut random = seed.stream("plan/operations");
    let mut moments: Vec<_> = (0..count).map(|_| moment(&mut random, chaos_ms, crowds)).collect();
    moments.sort_unstable();
    let mut drawing = Drawing::new(seed, random);
    let planned = (1..).zip(moments).map(|(id, at_ms)| drawing.planned(id, at_ms));
    let mut planned: Vec<_> = planned.collect();
    planned.sort_by_key(|planned| planned.at_ms);
    planned
}

/// Any time of the chaos; half of all operations crowd when there is a crowd.
fn moment(random: &mut Random, chaos_ms: u64, crowds: &[Crowd]) -> u64 {
    match random.pick(crowds) {
        Some(crowd) if random.percent(50) => crowd.at_ms + random.below(crowd.for_ms.max(1)),
        _ => random.below(chaos_ms),
    }
}

/// An order that was drawn before: later operations are about it.
#[derive(Debug, Clone)]
struct Placed {
    id: u32,
    at_ms: u64,
    customer: u32,
    external: bool,
    operation: Operation,
}

struct Drawing {
    seed: Seed,
    random: Random,
    kinds: Vec<(Kind, u64)>,
    tokens: Vec<(&'static str, u64)>,
    shapes: Vec<(OrderShape, u64)>,
    placed: Vec<Placed>,
    trip: Option<SagaShape>,
    trips: Vec<Placed>,
}

impl Drawing {
    fn new(seed: Seed, random: Random) -> Self {
        let weighed = |label: String, usual: u64, always: bool| {
            let weight = swarm::weight(seed, &label);
            if always { usual * weight.max(40) } else { usual * weight }
        };
        let kind =
            |(kind, usual, always)| (kind, weighed(format!("operation/{kind:?}"), usual, always));
        let token =
            |(token, usual)| (token, weighed(format!("token/{token}"), usual, token == "tok_ok"));
        let shape = |(shape, usual)| {
            (shape, weighed(format!("shape/{shape:?}"), usual, shape == OrderShape::Plain))
        };
        Self {
            seed,
            random,
            kinds: KINDS.map(kind).to_vec(),
            tokens: TOKENS.map(token).to_vec(),
            shapes: SHAPES.map(shape).to_vec(),
            placed: Vec::new(),
            trip: trip::shape(Policies::draw(seed)),
            trips: Vec::new(),
        }
    }

    fn planned(&mut self, id: u32, at_ms: u64) -> Planned {
        let kind = swarm::pick(&mut self.random, &self.kinds).unwrap_or(Kind::Place);
        let mut customer = u32::try_from(self.random.below(CUSTOMERS.into())).unwrap_or(0);
        let about = self.about(kind);
        if let Some(placed) = &about {
            // Mostly one's own; else what must never be seen is asked for.
            if !self.random.percent(4) {
                customer = placed.customer;
            }
        }
        let operation = self.operation(kind, id, about.as_ref());
        if let Operation::StartSaga { .. } = &operation {
            // Whoever starts these is one person.
            customer = 0;
        }
        let external =
            matches!(&operation, Operation::PlaceOrder { token, .. } if token == EXTERNAL);
        let placed = Placed { id, at_ms, customer, external, operation: operation.clone() };
        match (kind, &operation) {
            (Kind::Place, Operation::PlaceOrder { .. }) => self.placed.push(placed),
            (Kind::Trip, Operation::StartSaga { .. }) => self.trips.push(placed),
            _ => {}
        }
        let to = if self.random.percent(70) {
            Machine::Balancer
        } else {
            *self.random.pick(&Machine::NODES).unwrap_or(&Machine::Node1)
        };
        let impatient = self.random.percent(15);
        let gives_up_after_ms = impatient.then(|| self.random.heavy_tailed(400).max(20));
        let at_ms = match (kind, &about) {
            (Kind::Cancel, Some(placed)) => self.chase(id, placed, CHASE_MS).unwrap_or(at_ms),
            (Kind::Operate, Some(placed)) => self.chase(id, placed, OPERATE_MS).unwrap_or(at_ms),
            _ => at_ms,
        };
        Planned { id, at_ms, customer, to, gives_up_after_ms, operation }
    }

    /// Half of the cancels, and of what operators do, come as soon as there is something to cancel, while
    /// its money moves: an order takes some milliseconds. Drawn apart, so that nothing else depends on it.
    fn chase(&self, id: u32, placed: &Placed, within_ms: u64) -> Option<u64> {
        let mut random = self.seed.stream(&format!("plan/chase/{id}"));
        random.percent(50).then(|| placed.at_ms + random.between(2, within_ms))
    }

    /// The order an operation is about: one of the last, so that it is still alive.
    fn about(&mut self, kind: Kind) -> Option<Placed> {
        if matches!(kind, Kind::Operate | Kind::Repeat | Kind::ReadSaga) && self.random.percent(25)
        {
            let recent = self.trips.len().min(12);
            return self.random.pick(&self.trips[self.trips.len() - recent..]).cloned();
        }
        let recent = self.placed.len().min(12);
        let recent = &self.placed[self.placed.len() - recent..];
        let external: Vec<_> = recent.iter().filter(|placed| placed.external).cloned().collect();
        match kind {
            Kind::Place
            | Kind::List
            | Kind::AppendList
            | Kind::ReadList
            | Kind::ReadAll
            | Kind::HoldLock
            | Kind::Trip => None,
            Kind::Confirm if !external.is_empty() => self.random.pick(&external).cloned(),
            Kind::Repeat
            | Kind::Cancel
            | Kind::Confirm
            | Kind::ReadOrder
            | Kind::ReadSaga
            | Kind::Trace
            | Kind::Operate
            | Kind::ReadStream => self.random.pick(recent).cloned(),
        }
    }

    fn operation(&mut self, kind: Kind, id: u32, about: Option<&Placed>) -> Operation {
        let order = about.map_or(0, |placed| placed.id);
        let stream = u32::try_from(self.random.below(LISTS.into())).unwrap_or(0);
        match (kind, about) {
            (Kind::Repeat, Some(placed)) => self.repeat(id, placed),
            (Kind::Place | Kind::Repeat, _) => self.place(id),
            (Kind::Cancel, _) => Operation::CancelOrder { order },
            (Kind::Confirm, _) => Operation::ConfirmOrder { order },
            (Kind::ReadOrder, _) => Operation::ReadOrder { order },
            (Kind::ReadSaga, _) => Operation::ReadSaga { order },
            (Kind::Trace, _) => Operation::TraceOrder { order },
            (Kind::List, _) => Operation::ListOrders,
            (Kind::Operate, _) => {
                let verb = (*self.random.pick(&VERBS).unwrap_or(&"retry")).to_owned();
                Operation::Operate { order, verb }
            }
            (Kind::ReadStream, _) => Operation::ReadStream { order },
            (Kind::AppendList, _) => {
                let expects = [Expect::Any, Expect::JustRead, Expect::JustRead, Expect::Stale];
                let expect = *self.random.pick(&expects).unwrap_or(&Expect::Any);
                let events = u32::try_from(self.random.between(1, 3)).unwrap_or(1);
                Operation::AppendList { stream, expect, events }
            }
            (Kind::ReadList, _) => Operation::ReadList { stream },
            (Kind::ReadAll, _) => {
                let from_percent = u32::try_from(self.random.below(100)).unwrap_or(0);
                Operation::ReadAll { from_percent }
            }
            (Kind::HoldLock, _) => self.hold_lock(id, stream),
            (Kind::Trip, _) => self.trip(id),
        }
    }

    /// One of few locks; a third works longer than its lock lasts. Drawn apart, some stay longer than they
    /// have asked for.
    fn hold_lock(&mut self, id: u32, stream: u32) -> Operation {
        let ttl_ms = self.random.between(200, 3_000);
        let is_late = self.random.percent(33);
        let share = if is_late { self.random.between(100, 250) } else { self.random.below(80) };
        let work_ms = ttl_ms * share / 100;
        let (lock, renews) = (stream % LOCKS, self.random.percent(30));
        let mut random = self.seed.stream(&format!("plan/overstay/{id}"));
        if random.percent(OVERSTAY_PERCENT) {
            let renewals = u32::try_from(random.between(2, 4)).unwrap_or(2);
            let leaves = random.percent(50);
            return Operation::OverstayLock { lock, ttl_ms: ttl_ms / 2, renewals, leaves };
        }
        Operation::HoldLock { lock, ttl_ms, work_ms, renews }
    }

    fn trip(&mut self, id: u32) -> Operation {
        match self.trip.clone() {
            Some(shape) => {
                let mut start = trip::start(&shape, id, &mut self.random);
                let random = self.seed.stream(&format!("plan/left-alone/{id}"));
                trip::leave_alone(&shape, &mut start, random);
                if Policies::of(&shape) == Policies::Own {
                    let random = self.seed.stream(&format!("plan/policies/{id}"));
                    trip::meet_policies(&mut start, random);
                }
                let random = self.seed.stream(&format!("plan/undo-left-alone/{id}"));
                trip::leave_undo_alone(&mut start, random);
                start
            }
            None => self.place(id),
        }
    }

    fn place(&mut self, id: u32) -> Operation {
        let product = |random: &mut Random| {
            let hot = random.percent(15);
            if hot {
                u32::try_from(random.below(HOT_PRODUCTS.into())).unwrap_or(0)
            } else {
                1_000 + id
            }
        };
        let mut products = vec![product(&mut self.random)];
        if self.random.percent(15) {
            products.push(10_000 + id);
        }
        let keyless = self.random.percent(4);
        Operation::PlaceOrder {
            key: if keyless { 0 } else { id },
            products,
            token: swarm::pick(&mut self.random, &self.tokens).unwrap_or("tok_ok").to_owned(),
            shape: swarm::pick(&mut self.random, &self.shapes).unwrap_or(OrderShape::Plain),
            otherwise: None,
            wait_s: self.random.percent(25).then_some(10),
        }
    }

    /// The same again under its key; now and then another order under that key, which must be refused: with
    /// one product more, or, drawn apart, with one thing said otherwise; or another trip.
    fn repeat(&mut self, id: u32, placed: &Placed) -> Operation {
        let mut again = placed.operation.clone();
        let mut random = self.seed.stream(&format!("plan/otherwise/{id}"));
        match &mut again {
            Operation::PlaceOrder { key, products, otherwise, .. } => {
                if self.random.percent(10) {
                    products.push(99_999);
                } else if *key > 0 && random.percent(OTHERWISE_PERCENT) {
                    *otherwise = random.pick(&Otherwise::ALL).copied();
                }
            }
            Operation::StartSaga { input, .. } if random.percent(OTHER_TRIP_PERCENT) => {
                trip::stay_longer(input);
            }
            _ => {}
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn drawn(seed: u64) -> Vec<Planned> {
        operations(Seed(seed), 40_000, 1_000, &[])
    }

    #[test]
    fn operations_are_in_order_and_about_orders_before_them() {
        for seed in 0..50 {
            let operations = drawn(seed);
            assert_eq!(operations.len(), 1_000);
            assert!(operations.is_sorted_by_key(|planned| planned.at_ms));
            for planned in &operations {
                if let Operation::CancelOrder { order } | Operation::ReadOrder { order } =
                    &planned.operation
                {
                    assert!(*order < planned.id, "{planned:?}");
                }
            }
        }
    }

    #[test]
    fn seeds_have_other_operations_and_all_of_them_place_and_read_orders() {
        let mut kinds = BTreeMap::<String, usize>::new();
        for seed in 0..50 {
            let operations = drawn(seed);
            let count = |wanted: &str| {
                let name =
                    |planned: &Planned| format!("{:?}", planned.operation).starts_with(wanted);
                operations.iter().filter(|planned| name(planned)).count()
            };
            assert!(count("PlaceOrder") > 80, "seed {seed}: {}", count("PlaceOrder"));
            assert!(count("ReadOrder") > 20 && count("AppendList") > 10, "seed {seed}");
            for kind in ["CancelOrder", "Operate", "ConfirmOrder", "ReadAll", "TraceOrder"] {
                *kinds.entry(kind.to_owned()).or_default() += usize::from(count(kind) == 0);
            }
        }
        assert!(kinds.values().all(|without| (5..45).contains(without)), "{kinds:?}");
    }

    #[test]
    fn some_trips_are_asked_for_again_and_some_of_these_otherwise() {
        let (mut same, mut other) = (0, 0);
        for seed in 0..20 {
            let mut first = BTreeMap::new();
            for planned in drawn(seed) {
                let Operation::StartSaga { key, input, .. } = planned.operation else { continue };
                match first.get(&key) {
                    None => drop(first.insert(key, input)),
                    Some(before) if *before == input => same += 1,
                    Some(_) => other += 1,
                }
            }
        }
        assert!(same > 10 && other > 10, "{same} and {other}");
    }

    #[test]
    fn a_crowd_comes_at_its_time() {
        let crowd = Crowd { at_ms: 10_000, for_ms: 500 };
        let operations = operations(Seed(1), 40_000, 1_000, &[crowd]);
        let within = |planned: &&Planned| (10_000..10_500).contains(&planned.at_ms);
        assert!(operations.iter().filter(within).count() > 400);
    }
}
