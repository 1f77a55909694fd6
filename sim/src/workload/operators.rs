//! Draws when an operator holds up sagas that are under way, and lets them go on. Drawn apart from the other
//! operations, so that these are the same in a seed with such an operator and in one without.

use crate::machine::Machine;
use crate::plan::{Drawn, Operation, Planned, put_among};
use crate::seed::{Random, Seed};

/// So many of a hundred seeds have one.
const SEEDS_PERCENT: u64 = 50;
/// Sagas that are held up in such a seed.
const HELD_UP: usize = 40;
/// How soon after a saga's start: it takes some milliseconds, longer in trouble.
const SOON_MS: u64 = 14;
/// For how long.
const HELD_UP_MS: u64 = 1_500;
/// So many of a hundred seeds have one who comes while calls are under way.
const BESIDE_PERCENT: u64 = 50;
/// The token of an order whose bank takes two seconds for each of its two answers.
const SLOW: &str = "tok_slow";
/// Such orders that are held up in such a seed, at the most.
const SLOW_HELD_UP: usize = 16;
/// How soon after their start.
const SLOW_MS: u64 = 3_600;

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
        let at_ms = started_ms + random.between(2, SOON_MS);
        hold_up(&mut random, (order, at_ms), chaos_ms, &mut drawn);
    }
    put_among(operations, drawn);
}

/// Puts what an operator does beside calls that are under way among the operations of a seed: two of three
/// times at another node than the one that waits for the answer, which learns from the log that another hand
/// has written to its saga.
pub fn add_beside_calls(seed: Seed, chaos_ms: u64, operations: &mut Vec<Planned>) {
    let mut random = seed.stream("plan/operators/beside");
    if !random.percent(BESIDE_PERCENT) {
        return;
    }
    let mut drawn = Vec::new();
    for order in operations.iter().filter(|planned| is_slow(planned)).take(SLOW_HELD_UP) {
        let at_ms = order.at_ms + random.between(20, SLOW_MS);
        hold_up(&mut random, (order.id, at_ms), chaos_ms, &mut drawn);
    }
    put_among(operations, drawn);
}

fn is_slow(planned: &Planned) -> bool {
    matches!(&planned.operation, Operation::PlaceOrder { token, .. } if token == SLOW)
}

/// Holds up what an operation has started, from then on, and lets it go on.
fn hold_up(
    random: &mut Random,
    (order, mut at_ms): (u32, u64),
    chaos_ms: u64,
    drawn: &mut Vec<Drawn>,
) {
    for verb in ["pause", "resume"] {
        if at_ms >= chaos_ms {
            break;
        }
        let to = *random.pick(&Machine::NODES).unwrap_or(&Machine::Node1);
        drawn.push((at_ms, to, Operation::Operate { order, verb: verb.to_owned() }));
        at_ms += random.between(20, HELD_UP_MS);
    }
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

    #[test]
    fn half_of_the_seeds_hold_orders_up_while_their_bank_takes_its_time() {
        let (mut seeds, mut held_up) = (0, 0);
        for seed in (0..50).map(Seed) {
            let before = alphabet::operations(seed, 40_000, 400, &[]);
            let mut after = before.clone();
            add_beside_calls(seed, 40_000, &mut after);
            assert!(after.is_sorted_by_key(|planned| planned.at_ms));
            let last = before.iter().map(|planned| planned.id).max().unwrap();
            let added: Vec<_> = after.iter().filter(|planned| planned.id > last).collect();
            seeds += usize::from(!added.is_empty());
            held_up += added.len();
            for planned in added {
                let Operation::Operate { order, .. } = planned.operation else {
                    panic!("{planned:?} is no operator's");
                };
                let placed = before.iter().find(|placed| placed.id == order).unwrap();
                assert!(is_slow(placed) && placed.at_ms < planned.at_ms, "{placed:?}");
            }
            after.retain(|planned| planned.id <= last);
            assert_eq!(after, before);
        }
        assert!((6..35).contains(&seeds), "{seeds}");
        assert!(held_up > 2 * seeds, "{held_up} in {seeds}");
    }
}
