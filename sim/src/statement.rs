//! A consumer group that runs beside everything else in every drawn plan. Of each stream it writes down the
//! positions of the events that it has acted on, in a document of its own. Some events fail at first, some as
//! often as they are tried, and some are refused; the last two until an operator has them delivered again, or
//! skips them.

#[cfg(madsim)]
use std::collections::BTreeSet;

#[cfg(madsim)]
use parking_lot::Mutex;
#[cfg(madsim)]
use sagaline::prelude::*;

#[cfg(madsim)]
use crate::evidence::{Came, Handed};
use crate::machine::Machine;
use crate::plan::{Operation, Planned, put_among};
use crate::seed::Seed;
#[cfg(madsim)]
use crate::services::Witness;
use crate::workload::alphabet::LISTS;
#[cfg(madsim)]
use crate::world::World;

/// The group's name.
pub const GROUP: &str = "statement";
/// Of which streams it is given events.
pub const CATEGORIES: &[&str] = &["account", "list"];
/// So often an event is tried before it is parked.
pub const ATTEMPTS: u32 = 5;
/// With this word begins why an event is parked that was refused.
pub const REFUSED: &str = "REFUSED";

/// The view of its records.
pub fn records() -> String {
    format!("consumer.{GROUP}")
}

/// The view of its documents.
pub fn documents() -> String {
    format!("consumer.{GROUP}.documents")
}

/// Requests of operators in a run.
const REQUESTS: u32 = 12;
/// Every so manieth position fails twice.
#[cfg(madsim)]
const FAILS_EACH: u64 = 5;
/// The first time it wants to be left alone for so long.
#[cfg(madsim)]
const LEFT_ALONE_MS: u64 = 400;
/// And every so manieth is refused, once by each node.
#[cfg(madsim)]
const REFUSED_EACH: u64 = 13;
/// And every so manieth of the others fails as often as it is tried, once with each node.
#[cfg(madsim)]
const GIVEN_UP_EACH: u64 = 29;

/// The consumer of one node, and what it has refused or failed at to the end.
#[cfg(madsim)]
#[derive(Debug)]
pub struct Statement {
    world: World,
    witness: Witness,
    machine: Machine,
    known: Mutex<BTreeSet<u64>>,
}

#[cfg(madsim)]
impl Statement {
    /// That of a node that has just been switched on.
    pub fn new(world: &World, witness: &Witness, machine: Machine) -> Self {
        let (world, witness) = (world.clone(), witness.clone());
        Self { world, witness, machine, known: Mutex::default() }
    }

    /// What comes of an event when it is tried.
    fn lot(&self, position: u64, attempt: u32) -> Came {
        if position.is_multiple_of(FAILS_EACH) && attempt < 3 {
            return Came::Failed { not_before_ms: (attempt == 1).then_some(LEFT_ALONE_MS) };
        }
        let mut known = self.known.lock();
        if position.is_multiple_of(REFUSED_EACH) {
            return if known.insert(position) { Came::Refused } else { Came::Done };
        }
        if !position.is_multiple_of(GIVEN_UP_EACH) || known.contains(&position) {
            return Came::Done;
        }
        if attempt >= ATTEMPTS {
            known.insert(position);
        }
        Came::Failed { not_before_ms: None }
    }
}

#[cfg(madsim)]
impl Consumer for Statement {
    const NAME: &'static str = GROUP;
    const CATEGORIES: &'static [&'static str] = CATEGORIES;
    const CONCURRENCY: usize = 4;

    fn policy(&self) -> Policy {
        Policy {
            attempts: ATTEMPTS,
            backoff_max_ms: 1_000,
            attempt_timeout_ms: 2_500,
            ..Policy::default()
        }
    }

    async fn consume(&self, delivery: &Delivery) -> Outcome<Ack> {
        let event = delivery.envelope();
        let position = event.position.0;
        let attempt = delivery.attempt();
        let came = self.lot(position, attempt);
        let (at_us, node) = (self.world.now_us(), self.machine);
        let boot = self.world.boots(node);
        self.witness.handed(Handed { at_us, node, boot, position, attempt, came });
        match came {
            Came::Done => {}
            Came::Failed { not_before_ms: retry_after_ms } => {
                let cause = "it is this event's lot to fail".to_owned();
                return Err(Failure::Unknown { cause, retry_after_ms });
            }
            Came::Refused => {
                return Err(Failure::rejected(REFUSED, "until an operator says otherwise"));
            }
        }
        let added = move |seen: Option<Vec<u64>>| {
            let mut seen = seen.unwrap_or_default();
            seen.push(position);
            Some(seen)
        };
        Ok(Ack::new().change(event.stream.as_str(), added))
    }
}

/// Puts what operators ask of the group among the operations of a seed. Drawn apart, so that these are the
/// same with it and without.
pub fn add(seed: Seed, chaos_ms: u64, operations: &mut Vec<Planned>) {
    let mut random = seed.stream("plan/consumers");
    let drawn = (0..REQUESTS).map(|_| {
        let list = format!("list-{}", random.below(LISTS.into()));
        let skips = random.percent(30);
        let key = (skips || random.percent(40)).then_some(list);
        let (group, verb) = (GROUP.to_owned(), if skips { "skip" } else { "replay" }.to_owned());
        let to = *random.pick(&Machine::NODES).unwrap_or(&Machine::Node1);
        // Towards the end as well: what is parked then is delivered all the same.
        let at_ms = chaos_ms / 10 + random.below(chaos_ms);
        let at_ms = at_ms.min(chaos_ms.saturating_sub(1));
        (at_ms, to, Operation::AskConsumer { group, verb, key })
    });
    put_among(operations, drawn);
}
