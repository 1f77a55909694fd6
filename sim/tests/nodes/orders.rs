//! Orders reach their end, in quiet and in trouble, and one seed gives one run.

use std::future::Ready;

use sagaline_sim::fault::{CrashPoint, Fault, Link};
use sagaline_sim::machine::Machine;
use sagaline_sim::seed::Seed;
use sagaline_sim::transcript::Transcript;
use sagaline_sim::{fresh, once};

use crate::scene::{Scene, play};

const THREE: &[Machine] = &Machine::NODES;
/// Seeds of trouble that every test run tries.
const SEEDS: u64 = 20;
/// Faults of one run in trouble.
const FAULTS: u32 = 12;

fn quiet(seed: u64) -> Transcript {
    once::run(seed, move || play(seed, THREE, None::<fn(Scene) -> Ready<()>>))
}

fn troubled(seed: u64) -> Transcript {
    once::run(seed, move || play(seed, THREE, Some(move |scene| trouble(scene, seed))))
}

/// One fault after the other, as the seed says, while the orders are placed and worked on.
async fn trouble(scene: Scene, seed: u64) {
    let mut random = Seed(seed).stream("test/trouble");
    for id in 1..=FAULTS {
        let fault = random.pick(&faults()).cloned().expect("there are some");
        scene.fault(id, random.between(50, 900), fault).await;
        scene.pause_ms(random.below(200)).await;
    }
}

/// One node after the other is told to end, ends in good order, and is back, as when a new version is rolled out.
async fn rolled(scene: Scene) {
    for (id, machine) in (1..).zip(Machine::NODES) {
        scene.fault(id, 300, Fault::Stop { machine }).await;
        while !scene.world.stopping().is_empty() {
            scene.pause_ms(50).await;
        }
    }
}

fn faults() -> Vec<Fault> {
    let (node, other) = (Machine::Node1, Machine::Node2);
    let crash = |machine, loses_unsynced| Fault::Crash { machine, loses_unsynced };
    let at = |machine, point| Fault::CrashAt { machine, point };
    vec![
        crash(node, true),
        crash(other, false),
        Fault::Pause { machine: other },
        Fault::Partition { one: vec![node], other: vec![Machine::Bus], one_way: false },
        Fault::Partition { one: vec![other], other: vec![Machine::Store], one_way: false },
        Fault::BusRebalance,
        Fault::Duplicate { link: Link { from: Machine::Balancer, to: node }, percent: 50 },
        crash(Machine::Store, true),
        crash(Machine::Bank, true),
        crash(Machine::Bus, true),
        crash(Machine::Balancer, false),
        at(node, CrashPoint::AppendSent),
        at(node, CrashPoint::CallSent),
        at(node, CrashPoint::CallAnswered),
        at(Machine::Store, CrashPoint::AppendDurable),
        Fault::StoreAmbiguousCommit { percent: 40 },
        Fault::StoreKillConnections,
        Fault::StoreFailover,
        Fault::StoreSlow { added_ms: 30 },
        Fault::BusLeaderLoss,
        Fault::BankReplyLost { percent: 40 },
        Fault::BankLateDelivery { percent: 30, late_ms: 4_000 },
        Fault::BankDuplicate { percent: 50 },
        Fault::BankErrors { percent: 40 },
        Fault::BankDown,
        Fault::DiskError { machine: Machine::Store, percent: 10 },
    ]
}

#[test]
fn orders_reach_their_end() {
    fresh::hand_over(&quiet(fresh::seed()));
}

#[test]
fn orders_reach_their_end_in_trouble() {
    fresh::hand_over(&troubled(fresh::seed()));
}

#[test]
fn orders_reach_their_end_in_all_kinds_of_trouble() {
    for seed in 0..SEEDS {
        assert!(!troubled(seed).is_empty());
    }
}

#[test]
fn orders_reach_their_end_while_one_node_after_the_other_ends_in_good_order() {
    for seed in 0..4 {
        let transcript = once::run(seed, move || play(seed, THREE, Some(rolled)));
        assert!(!transcript.is_empty());
    }
}

#[test]
fn one_seed_gives_one_run() {
    for scenario in ["orders_reach_their_end", "orders_reach_their_end_in_trouble"] {
        let run = |seed| fresh::transcript_of(&format!("orders::{scenario}"), seed);
        let first = run(11);
        let events = first.lines().filter(|line| line.starts_with("event ")).count();
        assert!(events > 40, "only {events} events: this proves little");
        assert_eq!(first.first_difference(&run(11)), None, "{scenario}");
        let other = first.first_difference(&run(12));
        assert_ne!(other, None, "{scenario}: another seed, the same run");
    }
}
