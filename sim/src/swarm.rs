//! Swarm testing: each seed leaves some kinds of faults, operations and settings out altogether and gives
//! the others unequal weights, so that a batch reaches corners that an even mixture never does. Weights
//! are pure functions of seed and label: a kind that is added later changes none of the others.

use crate::fault::FaultKind;
use crate::seed::Seed;

/// So many of a hundred kinds are left out of a seed.
const LEFT_OUT_PERCENT: u64 = 35;

/// How much a kind counts in this seed: 0 (left out) or 1 to 100.
pub fn weight(seed: Seed, label: &str) -> u64 {
    let mut random = seed.stream(&format!("swarm/{label}"));
    if random.percent(LEFT_OUT_PERCENT) { 0 } else { random.between(1, 100) }
}

/// How much a kind of fault counts in this seed.
pub fn fault_weight(seed: Seed, kind: FaultKind) -> u64 {
    weight(seed, &format!("fault/{kind:?}"))
}

/// One of these by their weights; none when all of them are left out.
pub fn pick<T: Copy>(random: &mut crate::seed::Random, weighted: &[(T, u64)]) -> Option<T> {
    let mut left = random.below(weighted.iter().map(|(_, weight)| weight).sum());
    weighted.iter().filter(|(_, weight)| *weight > 0).find_map(|(thing, weight)| {
        let chosen = left < *weight;
        left = left.saturating_sub(*weight);
        chosen.then_some(*thing)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seed_leaves_other_kinds_out() {
        let left_out = |seed| {
            FaultKind::ALL.into_iter().filter(|kind| fault_weight(Seed(seed), *kind) == 0).collect()
        };
        let (first, second): (Vec<_>, Vec<_>) = (left_out(1), left_out(2));
        assert_ne!(first, second);
        assert!((4..30).contains(&first.len()), "{first:?}");
    }

    #[test]
    fn every_kind_is_in_and_out_over_a_batch() {
        for kind in FaultKind::ALL {
            let weights: Vec<_> = (0..100).map(|seed| fault_weight(Seed(seed), kind)).collect();
            assert!(weights.contains(&0), "{kind:?}");
            assert!(weights.iter().any(|weight| *weight > 50), "{kind:?}");
            assert!(weights.iter().all(|weight| *weight <= 100), "{kind:?}");
        }
    }

    #[test]
    fn what_is_left_out_is_never_picked() {
        let mut random = Seed(1).stream("pick");
        let picked: Vec<_> =
            (0..1_000).filter_map(|_| pick(&mut random, &[('a', 0), ('b', 1), ('c', 9)])).collect();
        let of = |wanted| picked.iter().filter(|picked| **picked == wanted).count();
        assert_eq!((picked.len(), of('a')), (1_000, 0));
        assert!((50..200).contains(&of('b')), "{}", of('b'));
        assert_eq!(pick(&mut random, &[('a', 0)]), None);
    }
}
