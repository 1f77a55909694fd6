//! Scenarios: which strategies a run has, by a name that a command line knows; and the drawing of a
//! whole plan from a seed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::plan::{Knobs, Plan};
use crate::seed::Seed;
use crate::swarm;
use crate::trip::{self, Policies};
use crate::workload::{accounts, alphabet, merchants, operators, rebuilds, walkers};
use crate::{statement, visit};

use super::Strategy;
use super::ground::Ground;

/// How long the chaos of every scenario lasts.
const CHAOS_MS: u64 = 40_000;
/// What the clients do meanwhile.
const OPERATIONS: u32 = 1_000;

/// What a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scenario {
    /// All strategies and all faults, as the seed weighs them.
    Standard,
    /// Nothing goes wrong: what fails here has nothing to do with faults.
    Quiet,
    /// One strategy alone.
    Only(Strategy),
}

impl Scenario {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Standard, Self::Quiet];
        all.extend(Strategy::ALL.map(Self::Only));
        all
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Quiet => "quiet",
            Self::Only(strategy) => strategy.name(),
        }
    }

    /// The strategies that this seed uses.
    pub fn strategies(self, seed: Seed) -> Vec<Strategy> {
        match self {
            Self::Quiet => Vec::new(),
            Self::Only(strategy) => vec![strategy],
            Self::Standard => {
                let chosen = |strategy: &Strategy| {
                    let weight = swarm::weight(seed, &format!("strategy/{}", strategy.name()));
                    // A quarter of them: enough to meet, too few to drown each other.
                    weight > 62
                };
                let mut strategies: Vec<_> = Strategy::ALL.into_iter().filter(chosen).collect();
                if !strategies.contains(&Strategy::Random) {
                    strategies.push(Strategy::Random);
                }
                strategies
            }
        }
    }
}

impl Plan {
    /// The plan of a seed: the same for ever, as long as this code is the same.
    pub fn draw(seed: Seed, scenario: Scenario) -> Self {
        let knobs = Knobs::draw(seed);
        let ground = ground(seed, scenario, &knobs);
        let mut operations = alphabet::operations(seed, CHAOS_MS, OPERATIONS, &ground.crowds);
        rebuilds::add(seed, CHAOS_MS, &mut operations);
        statement::add(seed, CHAOS_MS, &mut operations);
        merchants::add(seed, CHAOS_MS, &mut operations);
        operators::add(seed, CHAOS_MS, &mut operations);
        visit::add(seed, CHAOS_MS, &mut operations);
        accounts::add(seed, CHAOS_MS, &mut operations);
        walkers::add(seed, CHAOS_MS, &mut operations);
        operators::add_beside_calls(seed, CHAOS_MS, &mut operations);
        Self {
            seed,
            scenario: scenario.name().to_owned(),
            knobs,
            sagas: trip::shape(Policies::draw(seed)).into_iter().chain(visit::shape()).collect(),
            chaos_ms: CHAOS_MS,
            left_broken: left_broken(seed, scenario),
            episodes: ground.into_episodes(),
            operations,
        }
    }
}

/// What goes wrong.
fn ground(seed: Seed, scenario: Scenario, knobs: &Knobs) -> Ground {
    ground_of(seed, scenario, knobs, CHAOS_MS)
}

/// What goes wrong in a chaos of this length.
pub(crate) fn ground_of(seed: Seed, scenario: Scenario, knobs: &Knobs, chaos_ms: u64) -> Ground {
    let mut ground = Ground::new(seed, knobs.clone(), chaos_ms);
    for strategy in scenario.strategies(seed) {
        strategy.draw(&mut ground);
    }
    ground
}

impl Knobs {
    /// The product's settings of a seed.
    pub fn draw(seed: Seed) -> Self {
        let mut random = seed.stream("plan/knobs");
        let mut one_of = |among: &[u64]| *random.pick(among).expect("some values to choose from");
        let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        Self {
            shards: small(one_of(&[3, 8, 16])),
            lease_ms: one_of(&[2_000, 4_000, 6_000, 10_000]),
            product_lock_ms: one_of(&[0, 500, 5_000]),
            participant_calls_max: usize::try_from(one_of(&[4, 32, 256])).unwrap_or(32),
            breaker_outcomes: small(one_of(&[5, 10, 32])),
            breaker_open_ms: one_of(&[200, 500, 2_000]),
            lock_per_customer: one_of(&[0, 0, 1]) == 1,
            snapshot_events: usize::try_from(one_of(&[2, 512, 512])).unwrap_or(512),
            retry_burst: small(one_of(&[5, 100])),
            retries_per_s: small(one_of(&[3, 10])),
            followers_page: usize::try_from(one_of(&[4, 2_000])).unwrap_or(2_000),
            store_keeps: usize::try_from(one_of(&[8, 64, 4_096])).unwrap_or(4_096),
            store_batch: usize::try_from(one_of(&[1, 8, 1_024])).unwrap_or(1_024),
            conflict_retries: small(one_of(&[1, 8])),
            short_tokens_s: one_of(&[0, 0, 0, 3]),
            subscriptions: one_of(&[0, 1]) == 1,
            reads_put_aside_percent: one_of(&[0, 0, 5, 30]),
        }
    }
}

/// In half of the seeds a machine stays out when the rest heals: a node, never more than one, since two
/// nodes are the core that has to finish the work.
pub(crate) fn left_broken(seed: Seed, scenario: Scenario) -> Vec<Machine> {
    let mut random = seed.stream("plan/left-broken");
    if scenario == Scenario::Quiet || random.percent(50) {
        return Vec::new();
    }
    random.pick(&Machine::NODES).copied().into_iter().collect()
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = Self::all();
        let known = all.iter().copied().find(|scenario| scenario.name() == name);
        let names: Vec<_> = all.iter().map(|scenario| scenario.name()).collect();
        known.ok_or_else(|| format!("scenario {name:?}: wants one of {}", names.join(", ")))
    }
}

impl TryFrom<String> for Scenario {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<Scenario> for String {
    fn from(scenario: Scenario) -> Self {
        scenario.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::fault::{Episode, Fault, FaultKind};

    /// What goes wrong in many seeds.
    fn batch(scenario: Scenario) -> Vec<Vec<Episode>> {
        let episodes =
            |seed| ground(Seed(seed), scenario, &Knobs::draw(Seed(seed))).into_episodes();
        (0..200).map(episodes).collect()
    }

    #[test]
    fn a_seed_has_one_plan_and_another_seed_another() {
        let plan = |seed| Plan::draw(Seed(seed), Scenario::Standard);
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7).episodes, plan(8).episodes);
        assert_ne!(plan(7).operations, plan(8).operations);
    }

    #[test]
    fn a_plan_survives_its_file() {
        let plan = Plan::draw(Seed(7), Scenario::Standard);
        let text = serde_json::to_string(&plan).expect("a plan is plain data");
        assert_eq!(serde_json::from_str::<Plan>(&text).expect("what was written"), plan);
    }

    #[test]
    fn a_batch_draws_every_kind_of_fault_that_a_design_can_survive() {
        let plans = batch(Scenario::Standard);
        let drawn: BTreeSet<_> =
            plans.iter().flatten().map(|episode| episode.fault.kind()).collect();
        let missing: Vec<_> = FaultKind::ALL.iter().filter(|kind| !drawn.contains(kind)).collect();
        assert_eq!(missing, [&FaultKind::DiskBitFlip]);
    }

    #[test]
    fn quiet_has_no_faults_and_every_other_scenario_has_some() {
        assert!(batch(Scenario::Quiet).iter().all(Vec::is_empty));
        for strategy in Strategy::ALL.into_iter().filter(|strategy| *strategy != Strategy::Random) {
            assert!(
                batch(Scenario::Only(strategy)).iter().all(|plan| !plan.is_empty()),
                "{strategy:?}"
            );
        }
        let calm = batch(Scenario::Standard).iter().filter(|plan| plan.is_empty()).count();
        assert!(calm < 10, "{calm} of 200 seeds have no fault at all");
    }

    #[test]
    fn episodes_are_in_order_within_the_chaos_and_have_ids_of_their_own() {
        for plan in batch(Scenario::Standard) {
            let ids: BTreeSet<_> = plan.iter().map(|episode| episode.id).collect();
            assert_eq!(ids.len(), plan.len());
            assert!(plan.is_sorted_by_key(|episode| episode.at_ms));
            assert!(plan.iter().all(|e| e.for_ms > 0 && e.at_ms + e.for_ms <= CHAOS_MS));
        }
    }

    #[test]
    fn partitions_have_two_sides_without_a_machine_on_both() {
        for episode in Scenario::all().into_iter().flat_map(batch).flatten() {
            if let Fault::Partition { one, other, .. } = episode.fault {
                assert!(!one.is_empty() && !other.is_empty());
                assert!(one.iter().all(|machine| !other.contains(machine)), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_scenario_is_written_as_it_is_read() {
        for scenario in Scenario::all() {
            assert_eq!(scenario.name().parse(), Ok(scenario));
        }
        assert!("chaos".parse::<Scenario>().expect_err("no such scenario").contains("swizzle"));
    }
}
