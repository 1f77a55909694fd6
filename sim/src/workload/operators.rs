//! Draws when an operator holds up sagas that are under way, and lets them go on. Drawn apart from the other
//! operations, so that these are the same in a seed with such an operator and in one without.

use crate::machine::Machine;
use crate::plan::{Operation, Planned, put_among};
use crate::seed::Seed;

/// So many of a hundred seeds have one.
const SEEDS_PERCENT: u64 = 50;
/// Sagas that are held up in such a seed.
const HELD_UP: usize = 40;
/// How soon after a saga's start: it takes some milliseconds, longer in trouble.
const SOON_MS: u64 = 14;
/// For how long.
const HELD_UP_MS: u64 = 1_500;

/// Puts what the operator of a seed does among its operations.
pub fn add(seed: Seed, chaos_ms: u64, operations: &mut Vec<Planned>) {
    let mut random = seed.stream("plan/operators");
    if !random.percent(SEEDS_PERCENT) {
        return;
    }
    let starts = |operation: &Operation| {
        matches!(operation, Operation::PlaceOrder { .. } | Operation::StartSaga { .. })
    };
    let started = operations.iter().filter(|planned| starts(&planned.operation));
    let started: Vec<_> = started.map(|planned| (planned.id, planned.at_ms)).collect();
    let mut drawn = Vec::new();
    for _ in 0..HELD_UP {
        let Some(&(order, started_ms)) = random.pick(&started) else { return };
        let mut at_ms = started_ms + random.between(2, SOON_MS);
        for verb in ["pause", "resume"] {
            if at_ms >= chaos_ms {
                break;
            }
            let to = *random.pick(&Machine::NODES).unwrap_or(&Machine::Node1);
            drawn.push((at_ms, to, Operation::Operate { order, verb: verb.to_owned() }));
            at_ms += random.between(20, HELD_UP_MS);
        }
    }
    put_among(operations, drawn);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::alphabet;

    #[test]
    fn half_of_the_seeds_hold_sagas_up_and_nothing_else_depends_on_it() {
        let mut seeds = 0;
        for seed in (0..50).map(Seed) {
            let before = alphabet::operations(seed, 40_000, 400, &[]);
            let mut after = before.clone();
            add(seed, 40_000, &mut after);
            assert!(after.is_sorted_by_key(|planned| planned.at_ms));
            let last = before.iter().map(|planned| planned.id).max().unwrap();
            let added: Vec<_> = after.iter().filter(|planned| planned.id > last).collect();
            seeds += usize::from(!added.is_empty());
            let pauses = added.iter().filter(|planned| {
                matches!(&planned.operation, Operation::Operate { verb, .. } if verb == "pause")
            });
            assert!(added.is_empty() || pauses.count() > HELD_UP / 2);
            after.retain(|planned| planned.id <= last);
            assert_eq!(after, before);
        }
        assert!((15..35).contains(&seeds), "{seeds}");
    }
}
