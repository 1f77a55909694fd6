//! Draws what merchants do with orders: ship them, deliver them, give their money back. Drawn apart from the
//! other operations, so that these are the same in a seed with merchants and in one without.

use crate::machine::Machine;
use crate::plan::{Operation, Planned, put_among};
use crate::seed::{Random, Seed};

/// So many of a hundred seeds have merchants at work.
const SEEDS_PERCENT: u64 = 60;
/// So many of a hundred orders are handled.
const ORDERS_PERCENT: u64 = 12;
/// How soon after an order its merchant can come, and how soon after one thing the next: some come before
/// the money has moved, and are refused.
const SOON_MS: u64 = 40;
const LATE_MS: u64 = 4_000;
/// What is done with an order, one after the other.
const WAYS: [&[&str]; 6] = [
    &["ship", "deliver"],
    &["ship"],
    &["refund"],
    &["ship", "refund"],
    &["ship", "deliver", "refund"],
    &["deliver", "ship", "ship"],
];

/// Puts what the merchants of a seed do among its operations.
pub fn add(seed: Seed, chaos_ms: u64, operations: &mut Vec<Planned>) {
    let mut random = seed.stream("plan/merchants");
    if !random.percent(SEEDS_PERCENT) {
        return;
    }
    let handled = operations.iter().filter(|planned| {
        matches!(planned.operation, Operation::PlaceOrder { .. }) && random.percent(ORDERS_PERCENT)
    });
    let handled: Vec<_> = handled.map(|planned| (planned.id, planned.at_ms)).collect();
    let drawn = handled.into_iter().flat_map(|(order, at_ms)| way(&mut random, order, at_ms));
    let in_time = drawn.filter(|(at_ms, _)| *at_ms < chaos_ms).collect::<Vec<_>>();
    let drawn = in_time.into_iter().map(|(at_ms, operation)| {
        let to = *random.pick(&Machine::NODES).unwrap_or(&Machine::Node1);
        let to = if random.percent(50) { Machine::Balancer } else { to };
        (at_ms, to, operation)
    });
    put_among(operations, drawn);
}

/// What is done with an order that is placed then.
fn way(random: &mut Random, order: u32, at_ms: u64) -> Vec<(u64, Operation)> {
    let mut at_ms = at_ms;
    let way = random.pick(&WAYS).copied().unwrap_or(&[]);
    let done = way.iter().map(|verb| {
        let within_ms = if random.percent(50) { SOON_MS } else { LATE_MS };
        at_ms += random.between(2, within_ms);
        (at_ms, Operation::HandleOrder { order, verb: (*verb).to_owned() })
    });
    done.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::alphabet;

    #[test]
    fn most_seeds_have_merchants_and_nothing_else_depends_on_them() {
        let (mut seeds, mut verbs) = (0, std::collections::BTreeSet::new());
        for seed in (0..50).map(Seed) {
            let before = alphabet::operations(seed, 40_000, 400, &[]);
            let mut after = before.clone();
            add(seed, 40_000, &mut after);
            assert!(after.is_sorted_by_key(|planned| planned.at_ms));
            seeds += usize::from(after.len() > before.len());
            after.retain(|planned| match &planned.operation {
                Operation::HandleOrder { verb, .. } => {
                    verbs.insert(verb.clone());
                    false
                }
                _ => true,
            });
            assert_eq!(after, before);
        }
        assert!((20..45).contains(&seeds), "{seeds}");
        assert_eq!(Vec::from_iter(verbs), ["deliver", "refund", "ship"]);
    }
}
