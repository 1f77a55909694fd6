//! Draws people who come with an account of their own: they register, log in, have their tokens replaced,
//! order something, are shut out and let in again, and are forgotten. Drawn apart from the other operations,
//! so that these are the same in a seed with such people and in one without.

use crate::machine::Machine;
use crate::plan::{AccountStep, Deed, Operation, Planned, SHORT_LIVED, put_among};
use crate::seed::{Random, Seed};
use crate::swarm;

use super::alphabet::CUSTOMERS;

/// Nobody's.
pub const WRONG_PASSWORD: &str = "another password";
/// So many of a hundred seeds have them.
const SEEDS_PERCENT: u64 = 60;
/// People of such a seed.
const PEOPLE: u32 = 8;
/// So many of a hundred want an address that somebody else wants at the same time.
const RIVALS_PERCENT: u64 = 20;
const STEPS_MIN: u64 = 6;
const STEPS_MAX: u64 = 20;
/// Between two steps: mostly at once, so that they meet what the one before has left behind.
const SOON_MS: u64 = 20;
const LATE_MS: u64 = 4_000;
/// How often each is drawn.
const DEEDS: [(Deed, u64); 15] = [
    (Deed::Register, 3),
    (Deed::LogIn, 12),
    (Deed::LogInWrongly, 1),
    (Deed::Refresh, 24),
    (Deed::RefreshAgain, 3),
    (Deed::LogOut, 4),
    (Deed::Profile, 8),
    (Deed::Order, 8),
    (Deed::LookAtOrder, 8),
    (Deed::ShowOrder, 8),
    (Deed::ShowUser, 8),
    (Deed::Disable, 3),
    (Deed::Enable, 5),
    (Deed::Forget, 2),
    (Deed::ForgetUser, 2),
];
/// Further people of such a seed: the node lets them in whose tokens may be short-lived, and they come back
/// so much later. Then such an access token is over, and a refresh token may be.
const LATE_COMERS: u32 = 2;
const BACK_MIN_MS: u64 = 4_000;
const BACK_MAX_MS: u64 = 7_000;
/// And people who stay there: they have their tokens replaced shortly before the first refresh token is over,
/// and again so much later, when it would have been and the one that replaced it is not.
const STAYING: u32 = 2;
const STAYED_MIN_MS: u64 = 3_500;
const STAYED_MAX_MS: u64 = 4_500;
const AGAIN_MIN_MS: u64 = 3_000;
const AGAIN_MAX_MS: u64 = 4_000;
/// What is done once somebody was forgotten, each on a node of its own choosing.
const BEHIND_IT: [Deed; 5] =
    [Deed::ShowUser, Deed::ShowOrder, Deed::LogIn, Deed::Refresh, Deed::Register];

/// What stands in everything personal of an account, and nowhere else.
pub fn mark(operation: u32) -> String {
    format!("Qx{operation}xQ")
}

/// Puts what such people do among the operations of a seed.
pub fn add(seed: Seed, chaos_ms: u64, operations: &mut Vec<Planned>) {
    let mut random = seed.stream("plan/accounts");
    if !random.percent(SEEDS_PERCENT) {
        return;
    }
    let mut drawn = Vec::new();
    for address in 0..PEOPLE {
        let at_ms = random.below(chaos_ms);
        let steps = steps(&mut random);
        let to = to(&mut random);
        drawn.push((at_ms, to, Operation::Account { address, steps }));
        if random.percent(RIVALS_PERCENT) {
            let step = AccountStep { after_ms: 0, to, deed: Deed::Register };
            let again = AccountStep { after_ms: random.below(LATE_MS), deed: Deed::LogIn, ..step };
            let at_ms = at_ms + random.below(SOON_MS);
            drawn.push((at_ms, to, Operation::Account { address, steps: vec![step, again] }));
        }
    }
    let mut random = seed.stream("plan/accounts/late");
    for address in PEOPLE..PEOPLE + LATE_COMERS {
        let at_ms = random.below(chaos_ms);
        let steps = late(&mut random);
        drawn.push((at_ms, SHORT_LIVED, Operation::Account { address, steps }));
    }
    let mut random = seed.stream("plan/accounts/staying");
    for address in PEOPLE + LATE_COMERS..PEOPLE + LATE_COMERS + STAYING {
        let at_ms = random.below(chaos_ms);
        let steps = staying(&mut random);
        drawn.push((at_ms, SHORT_LIVED, Operation::Account { address, steps }));
    }
    put_among(operations, drawn);
    for planned in operations {
        if matches!(planned.operation, Operation::Account { .. }) {
            // None of the customers who were there before.
            planned.customer = CUSTOMERS + planned.id;
        }
    }
}

fn steps(random: &mut Random) -> Vec<AccountStep> {
    let mut steps = vec![step(random, Deed::Register)];
    for _ in 0..random.between(STEPS_MIN, STEPS_MAX) {
        let deed = swarm::pick(random, &DEEDS).unwrap_or(Deed::Profile);
        steps.push(step(random, deed));
        if matches!(deed, Deed::Forget | Deed::ForgetUser) {
            let behind = BEHIND_IT.map(|deed| step(random, deed));
            steps.extend(behind);
        }
    }
    steps
}

/// Somebody is let in and looks at once, comes back late, twice, and has the tokens replaced in the end.
fn late(random: &mut Random) -> Vec<AccountStep> {
    let mut steps = Vec::new();
    for entry in [Deed::Register, Deed::LogIn] {
        steps.push(AccountStep { to: SHORT_LIVED, ..step(random, entry) });
        let at_once = random.below(SOON_MS);
        steps.push(AccountStep { after_ms: at_once, ..step(random, Deed::Profile) });
        let back_ms = random.between(BACK_MIN_MS, BACK_MAX_MS);
        steps.push(AccountStep { after_ms: back_ms, ..step(random, Deed::Profile) });
        steps.push(step(random, Deed::Refresh));
        steps.push(step(random, Deed::Profile));
    }
    steps
}

/// Somebody is let in and has the tokens replaced twice, the second time behind the end of the first ones.
fn staying(random: &mut Random) -> Vec<AccountStep> {
    let mut steps = Vec::new();
    for entry in [Deed::Register, Deed::LogIn] {
        steps.push(AccountStep { to: SHORT_LIVED, ..step(random, entry) });
        let stayed_ms = random.between(STAYED_MIN_MS, STAYED_MAX_MS);
        steps.push(AccountStep { after_ms: stayed_ms, ..step(random, Deed::Refresh) });
        let again_ms = random.between(AGAIN_MIN_MS, AGAIN_MAX_MS);
        steps.push(AccountStep { after_ms: again_ms, ..step(random, Deed::Refresh) });
        steps.push(step(random, Deed::Profile));
    }
    steps
}

fn step(random: &mut Random, deed: Deed) -> AccountStep {
    let within_ms = if random.percent(70) { SOON_MS } else { LATE_MS };
    AccountStep { after_ms: random.below(within_ms), to: to(random), deed }
}

fn to(random: &mut Random) -> Machine {
    let node = *random.pick(&Machine::NODES).unwrap_or(&Machine::Node1);
    if random.percent(40) { Machine::Balancer } else { node }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workload::alphabet;

    #[test]
    fn who_stays_comes_back_between_the_ends_of_two_tokens() {
        // As long as the short-lived refresh tokens of a seed are good.
        const LIFE_MS: u64 = 6_000;
        for seed in (0..50).map(Seed) {
            let steps = staying(&mut seed.stream("plan/accounts/staying"));
            let refreshes = steps.iter().filter(|step| step.deed == Deed::Refresh);
            let pauses: Vec<_> = refreshes.map(|step| step.after_ms).collect();
            for pair in pauses.chunks(2) {
                assert!(pair[0] + 1_000 < LIFE_MS && pair[1] + 1_000 < LIFE_MS, "{pair:?}");
                assert!(pair[0] + pair[1] > LIFE_MS, "{pair:?}");
            }
        }
    }

    #[test]
    fn most_seeds_have_people_of_their_own_and_nothing_else_depends_on_them() {
        let (mut seeds, mut deeds, mut rivals) = (0, BTreeSet::new(), 0);
        for seed in (0..50).map(Seed) {
            let before = alphabet::operations(seed, 40_000, 400, &[]);
            let mut after = before.clone();
            add(seed, 40_000, &mut after);
            assert!(after.is_sorted_by_key(|planned| planned.at_ms));
            seeds += usize::from(after.len() > before.len());
            let mut addresses = BTreeSet::new();
            after.retain(|planned| match &planned.operation {
                Operation::Account { address, steps } => {
                    assert_eq!(steps[0].deed, Deed::Register);
                    deeds.extend(steps.iter().map(|step| step.deed));
                    rivals += usize::from(!addresses.insert(*address));
                    false
                }
                _ => true,
            });
            assert_eq!(after, before);
        }
        assert!((20..45).contains(&seeds), "{seeds}");
        assert!(rivals > 20, "{rivals}");
        assert_eq!(deeds.len(), DEEDS.len());
    }
}
