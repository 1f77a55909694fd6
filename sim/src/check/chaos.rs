//! The plan of a seed: sagas that are started, repeated, looked at and sent back while everything that may
//! go wrong does.

use super::Faults;
use super::starts::Start;
use crate::fate::Fate;
use crate::fault::{Episode, Fault, FaultKind};
use crate::machine::Machine;
use crate::plan::{Knobs, Operation, Plan, Planned};
use crate::seed::{Random, Seed};
use crate::shape::{SagaShape, StepKind};
use crate::strategy::{Scenario, ground_of, left_broken};

/// The name of the scenario.
pub(super) const CHAOS: &str = "check";
/// How long it lasts: longer than the longest lease.
const CHAOS_MS: u64 = 15_000;
/// Sagas that are started meanwhile.
const STARTS: u32 = 40;
/// Other operations for each of them, in hundredths.
const OTHERS_PERCENT: u64 = 60;
/// What else is asked of a saga that was started: often enough to meet, rarely enough to let most finish.
const VERBS: [&str; 4] = ["compensate", "compensate", "retry", "pause"];

/// The faults of the remote services: each seed has two of these at least, so that a small batch has all.
pub(super) const REMOTE: [FaultKind; 7] = [
    FaultKind::BankReplyLost,
    FaultKind::BankLateDelivery,
    FaultKind::BankDuplicate,
    FaultKind::BankErrors,
    FaultKind::BankThrottle,
    FaultKind::BankSlow,
    FaultKind::BankDown,
];

/// What a seed does to the sagas.
pub(super) fn plan(seed: Seed, starts: &[Start], faults: &Faults) -> Plan {
    let knobs = Knobs::draw(seed);
    let ground = ground_of(seed, Scenario::Standard, &knobs, CHAOS_MS);
    let mut episodes = ground.into_episodes();
    episodes.extend(at_the_services(seed));
    episodes.retain(|episode| faults.allow(&episode.fault));
    episodes.sort_by_key(|episode| episode.at_ms);
    for (id, episode) in (1..).zip(&mut episodes) {
        episode.id = id;
    }
    let calm = faults.is_none();
    Plan {
        seed,
        scenario: CHAOS.to_owned(),
        knobs,
        sagas: starts.iter().map(|start| start.shape.clone()).collect(),
        chaos_ms: CHAOS_MS,
        left_broken: if calm { Vec::new() } else { left_broken(seed, Scenario::Standard) },
        episodes,
        operations: operations(seed, starts),
    }
}

/// Trouble at the remote services: two kinds in turn, each for a third of the chaos.
fn at_the_services(seed: Seed) -> Vec<Episode> {
    let mut random = seed.stream("check/services");
    let turn = usize::try_from(seed.0 % REMOTE.len() as u64).unwrap_or(0);
    let kinds = [REMOTE[turn], REMOTE[(turn + 3) % REMOTE.len()]];
    let episode = |kind| Episode {
        id: 0,
        at_ms: random.between(0, CHAOS_MS / 2),
        for_ms: CHAOS_MS / 3,
        fault: fault(kind, &mut random),
    };
    kinds.map(episode).into()
}

fn fault(kind: FaultKind, random: &mut Random) -> Fault {
    let percent = random.between(20, 60);
    match kind {
        FaultKind::BankReplyLost => Fault::BankReplyLost { percent },
        FaultKind::BankLateDelivery => {
            Fault::BankLateDelivery { percent, late_ms: random.between(500, 12_000) }
        }
        FaultKind::BankDuplicate => Fault::BankDuplicate { percent },
        FaultKind::BankErrors => Fault::BankErrors { percent },
        FaultKind::BankThrottle => Fault::BankThrottle { percent, retry_after_s: 1 },
        FaultKind::BankSlow => Fault::BankSlow { added_ms: random.between(100, 3_000) },
        _ => Fault::BankDown,
    }
}

fn operations(seed: Seed, starts: &[Start]) -> Vec<Planned> {
    let mut random = seed.stream("check/operations");
    let mut moments: Vec<_> = (0..STARTS).map(|_| random.below(CHAOS_MS)).collect();
    moments.sort_unstable();
    let mut operations = Vec::new();
    for (id, at_ms) in (1..).zip(moments) {
        let Some(start) = random.pick(starts) else { break };
        let fate = fate(&start.shape, &mut random);
        let mut planned = start.planned(id, at_ms, &mut random, fate);
        planned.to = anywhere(&mut random);
        planned.gives_up_after_ms = random.percent(10).then(|| random.heavy_tailed(400).max(20));
        operations.push(planned);
    }
    for id in STARTS + 1..=STARTS + STARTS * u32::try_from(OTHERS_PERCENT).unwrap_or(0) / 100 {
        let Some(first) = random.pick(&operations[..STARTS as usize]).cloned() else { break };
        operations.push(other(id, first, &mut random));
    }
    operations.sort_by_key(|planned| planned.at_ms);
    operations
}

/// What some sagas meet beside the faults: a service says no, or is too busy at first.
fn fate(shape: &SagaShape, random: &mut Random) -> Fate {
    let names = |kind: fn(StepKind) -> bool| -> Vec<String> {
        let of = shape.steps.iter().filter(|step| kind(step.kind));
        of.map(|step| step.name.clone()).collect()
    };
    let mut fate = Fate::default();
    match random.below(100) {
        0..30 => fate.no = random.pick(&names(|kind| kind != StepKind::Retriable)).cloned(),
        30..40 => fate.busy = random.pick(&names(|_| true)).cloned(),
        _ => {}
    }
    fate
}

/// Something that is asked about a saga that was started.
fn other(id: u32, first: Planned, random: &mut Random) -> Planned {
    let order = first.id;
    let operation = match random.below(100) {
        0..30 => first.operation,
        30..60 => Operation::ReadSaga { order },
        _ => {
            let verb = random.pick(&VERBS).copied().unwrap_or("compensate");
            Operation::Operate { order, verb: verb.to_owned() }
        }
    };
    let at_ms = (first.at_ms + random.heavy_tailed(1_500)).min(CHAOS_MS - 1);
    Planned { id, at_ms, to: anywhere(random), operation, ..first }
}

fn anywhere(random: &mut Random) -> Machine {
    if random.percent(70) {
        return Machine::Balancer;
    }
    random.pick(&Machine::NODES).copied().unwrap_or(Machine::Balancer)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::shape::tests::trip;

    fn drawn(seed: u64, faults: &Faults) -> Plan {
        let start = Start::new(trip(), |random| random.below(10));
        plan(Seed(seed), &[start], faults)
    }

    #[test]
    fn a_seed_has_one_plan_and_another_seed_another() {
        assert_eq!(drawn(7, &Faults::all()), drawn(7, &Faults::all()));
        assert_ne!(drawn(7, &Faults::all()).operations, drawn(8, &Faults::all()).operations);
        let text = serde_json::to_string(&drawn(7, &Faults::all())).expect("plain data");
        let read: Plan = serde_json::from_str(&text).expect("what was written");
        assert_eq!(read, drawn(7, &Faults::all()));
    }

    #[test]
    fn a_handful_of_seeds_has_every_fault_of_the_services_and_every_no() {
        let plans: Vec<_> = (0..10).map(|seed| drawn(seed, &Faults::all())).collect();
        let episodes = plans.iter().flat_map(|plan| &plan.episodes);
        let kinds: BTreeSet<_> = episodes.map(|episode| episode.fault.kind()).collect();
        assert!(REMOTE.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
        let starts = plans.iter().flat_map(|plan| &plan.operations);
        let nos: BTreeSet<_> = starts
            .filter_map(|planned| match &planned.operation {
                Operation::StartSaga { fate, .. } => fate.no.as_deref(),
                _ => None,
            })
            .collect();
        assert_eq!(nos, BTreeSet::from(["hotel", "flight", "charge"]));
    }

    #[test]
    fn without_faults_nothing_goes_wrong() {
        let plan = drawn(3, &Faults::none());
        assert!(plan.episodes.is_empty() && plan.left_broken.is_empty());
        assert!(plan.operations.is_sorted_by_key(|planned| planned.at_ms));
    }
}
