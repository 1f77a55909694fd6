//! Draws when an operator has a read model built anew. Drawn apart from the other operations, so that these
//! are the same in a seed with rebuilds and in one without.

use crate::machine::Machine;
use crate::plan::{Operation, Planned, put_among};
use crate::seed::Seed;

/// So many of a hundred seeds have rebuilds.
const SEEDS_PERCENT: u64 = 30;
/// What can be rebuilt.
const VIEWS: [&str; 3] = ["orders", "payments", "sagas"];
/// No more of them: each is a fold of the whole log.
const REBUILDS_MAX: u64 = 3;

/// Puts the rebuilds of a seed among its operations.
pub fn add(seed: Seed, chaos_ms: u64, operations: &mut Vec<Planned>) {
    let mut random = seed.stream("plan/rebuilds");
    if !random.percent(SEEDS_PERCENT) {
        return;
    }
    let drawn = (0..random.between(1, REBUILDS_MAX)).map(|_| {
        let view = (*random.pick(&VIEWS).unwrap_or(&"orders")).to_owned();
        let to = *random.pick(&Machine::NODES).unwrap_or(&Machine::Node1);
        (random.below(chaos_ms), to, Operation::Rebuild { view })
    });
    put_among(operations, drawn);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::alphabet;

    #[test]
    fn some_seeds_rebuild_and_nothing_else_depends_on_it() {
        let mut rebuild = 0;
        for seed in (0..100).map(Seed) {
            let before = alphabet::operations(seed, 40_000, 100, &[]);
            let mut after = before.clone();
            add(seed, 40_000, &mut after);
            assert!(after.is_sorted_by_key(|planned| planned.at_ms));
            rebuild += usize::from(after.len() > before.len());
            after.retain(|planned| !matches!(planned.operation, Operation::Rebuild { .. }));
            assert_eq!(after, before);
        }
        assert!((15..50).contains(&rebuild), "{rebuild}");
    }
}
