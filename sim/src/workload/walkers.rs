//! Draws who goes through lists page by page while faults are on. Drawn apart from the other operations, so that
//! these are the same in a seed with such readers and in one without.

use crate::evidence::Role;
use crate::machine::Machine;
use crate::plan::{Drawn, Operation, Planned, next_id, put_among};
use crate::seed::{Random, Seed};

use super::alphabet::CUSTOMERS;

/// So many of a hundred seeds have them.
const SEEDS_PERCENT: u64 = 50;
/// Lists that are gone through in such a seed.
const WALKS: u32 = 14;
/// Between two pages, at most: what is listed changes meanwhile.
const REST_MAX_MS: u64 = 400;

/// What customers go through: most often their orders.
const OF_CUSTOMERS: &[&str] = &[
    "/orders",
    "/orders",
    "/orders?status=paid",
    "/orders?status=pending",
    "/sagas",
    "/sagas?type=order-processing",
    "/sagas?status=completed",
];
/// What administrators go through: everybody's.
const OF_ADMINS: &[&str] = &[
    "/orders",
    "/orders",
    "/orders?status=paid",
    "/orders?status=cancelled",
    "/sagas",
    "/sagas?type=trip",
    "/sagas/status/started",
];
const OF_MERCHANTS: &[&str] = &["/payments", "/payments?status=completed"];

/// Puts the readers of a seed among its operations.
pub fn add(seed: Seed, chaos_ms: u64, operations: &mut Vec<Planned>) {
    let mut random = seed.stream("plan/walkers");
    if !random.percent(SEEDS_PERCENT) {
        return;
    }
    let first = next_id(operations);
    let drawn: Vec<Drawn> = (0..WALKS).map(|_| walk(&mut random, chaos_ms)).collect();
    put_among(operations, drawn);
    for planned in operations.iter_mut().filter(|planned| planned.id >= first) {
        planned.customer = u32::try_from(random.below(CUSTOMERS.into())).unwrap_or(0);
    }
}

/// Not at the very beginning: lists are short then.
fn walk(random: &mut Random, chaos_ms: u64) -> Drawn {
    let from_ms = chaos_ms / 8;
    let at_ms = from_ms + random.below(chaos_ms - from_ms);
    let (role, paths, limit) = match random.below(10) {
        0..6 => (Role::Customer, OF_CUSTOMERS, random.between(2, 8)),
        6..9 => (Role::Admin, OF_ADMINS, random.between(15, 60)),
        _ => (Role::Merchant, OF_MERCHANTS, random.between(15, 60)),
    };
    let path = (*random.pick(paths).unwrap_or(&"/orders")).to_owned();
    let rest_ms = random.between(1, REST_MAX_MS);
    let node = *random.pick(&Machine::NODES).unwrap_or(&Machine::Node1);
    let to = if random.percent(60) { Machine::Balancer } else { node };
    (at_ms, to, Operation::WalkList { role, path, limit, rest_ms })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workload::alphabet;

    #[test]
    fn half_of_the_seeds_have_readers_and_nothing_else_depends_on_them() {
        let (mut seeds, mut roles, mut customers) = (0, BTreeSet::new(), BTreeSet::new());
        for seed in (0..50).map(Seed) {
            let before = alphabet::operations(seed, 40_000, 400, &[]);
            let mut after = before.clone();
            add(seed, 40_000, &mut after);
            assert!(after.is_sorted_by_key(|planned| planned.at_ms));
            assert!(after.iter().all(|planned| planned.at_ms < 40_000));
            seeds += usize::from(after.len() > before.len());
            after.retain(|planned| match &planned.operation {
                Operation::WalkList { role, .. } => {
                    roles.insert(*role);
                    customers.insert(planned.customer);
                    false
                }
                _ => true,
            });
            assert_eq!(after, before);
        }
        assert!((15..35).contains(&seeds), "{seeds}");
        assert_eq!(Vec::from_iter(roles), [Role::Customer, Role::Merchant, Role::Admin]);
        assert!(customers.len() > 8, "{customers:?}");
    }
}
