//! A consumer group that runs beside everything else in every drawn plan. Of each stream it writes down the
//! positions of the events that it has acted on, in a document of its own. Some events fail at first, and
//! some are refused until an operator has them delivered again, or skips them.

#[cfg(madsim)]
use std::collections::BTreeSet;

#[cfg(madsim)]
use parking_lot::Mutex;
#[cfg(madsim)]
use sagaline::prelude::*;

use crate::machine::Machine;
use crate::plan::{Operation, Planned, put_among};
use crate::seed::Seed;
use crate::workload::alphabet::LISTS;

/// The group's name.
pub const GROUP: &str = "statement";
/// Of which streams it is given events.
pub const CATEGORIES: &[&str] = &["account", "list"];

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
/// And every so manieth is refused, once by each node.
#[cfg(madsim)]
const REFUSED_EACH: u64 = 13;

/// The consumer of one node, and what it has refused.
#[cfg(madsim)]
#[derive(Debug, Default)]
pub struct Statement(Mutex<BTreeSet<u64>>);

#[cfg(madsim)]
impl Consumer for Statement {
    const NAME: &'static str = GROUP;
    const CATEGORIES: &'static [&'static str] = CATEGORIES;
    const CONCURRENCY: usize = 4;

    fn policy(&self) -> Policy {
        Policy {
            attempts: 5,
            backoff_max_ms: 1_000,
            attempt_timeout_ms: 2_500,
            ..Policy::default()
        }
    }

    async fn consume(&self, delivery: &Delivery) -> Outcome<Ack> {
        let event = delivery.envelope();
        let position = event.position.0;
        if position.is_multiple_of(FAILS_EACH) && delivery.attempt() < 3 {
            return Err(Failure::unknown("it is this event's lot to fail at first"));
        }
        if position.is_multiple_of(REFUSED_EACH) && self.0.lock().insert(position) {
            return Err(Failure::rejected("REFUSED", "until an operator says otherwise"));
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
