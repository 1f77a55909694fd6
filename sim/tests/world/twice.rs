//! One seed gives one run, in any process, with faults of every kind going on.

use sagaline_sim::fault::{Episode, Fault, Link};
use sagaline_sim::fresh;
use sagaline_sim::machine::Machine::{self, Clients, Node1, Node2, Node3};
use sagaline_sim::plan::{Knobs, Plan};
use sagaline_sim::seed::{Random, Seed};
use sagaline_sim::transcript::Transcript;
use sagaline_sim::world::{World, nemesis};

use crate::http::{call, client, node};
use crate::stage::{MS, SECOND, in_world, pass, within};

const CHAOS_MS: u64 = 20_000;

fn fault(random: &mut Random) -> Fault {
    let machine = random.pick(&[Node1, Node2, Node3]).copied().expect("three");
    let link = Link { from: Clients, to: machine };
    let back = Link { from: machine, to: Clients };
    match random.below(14) {
        0 => Fault::Partition { one: vec![Clients], other: vec![machine], one_way: false },
        1 => Fault::Partition { one: vec![machine], other: vec![Clients], one_way: true },
        2 => Fault::SlowLink { link, added_ms: random.between(1, 800) },
        3 => Fault::Loss { link: back, percent: 30 },
        4 => Fault::Duplicate { link, percent: 80 },
        5 => Fault::Reorder { link, spread_ms: 200 },
        6 => Fault::Reset { link: back },
        7 => Fault::HalfOpen { link },
        8 => Fault::ConnectHang { link },
        9 => Fault::Crash { machine, loses_unsynced: true },
        10 => Fault::Crash { machine, loses_unsynced: false },
        11 => Fault::Pause { machine },
        12 => Fault::ClockDrift { machine, ppm: 200_000 },
        _ => Fault::ClockStep { machine, step_ms: -7_000 },
    }
}

fn plan(seed: Seed) -> Plan {
    let mut random = seed.stream("plan");
    let episode = |id| Episode {
        id,
        at_ms: random.below(CHAOS_MS),
        for_ms: random.heavy_tailed(1_500),
        fault: fault(&mut random),
    };
    let knobs = Knobs {
        shards: 1,
        lease_ms: 1,
        product_lock_ms: 1,
        participant_calls_max: 1,
        breaker_outcomes: 1,
        breaker_open_ms: 1,
        lock_per_customer: false,
        snapshot_events: 512,
        retry_burst: 100,
        retries_per_s: 10,
        followers_page: 2_000,
        store_keeps: 4_096,
        store_batch: 1_024,
        conflict_retries: 8,
        short_tokens_s: 0,
        subscriptions: false,
        reads_put_aside_percent: 0,
    };
    Plan {
        seed,
        scenario: "the world's own test".to_owned(),
        knobs,
        sagas: Vec::new(),
        chaos_ms: CHAOS_MS,
        left_broken: Vec::new(),
        episodes: (0..40).map(episode).collect(),
        operations: Vec::new(),
    }
}

/// Calls a node again and again, and notes what came of it and when.
async fn calls(world: World, to: Machine) -> Transcript {
    let (client, mut transcript) = (client(&world), Transcript::default());
    for number in 0..200 {
        let answer = within(&world, 2 * SECOND, call(&client, to, number)).await;
        transcript.note(format!("{to} {number} {answer:?} at {}", world.now_us()));
        pass(&world, 50 * MS).await;
    }
    transcript
}

async fn run(world: World) -> Transcript {
    Machine::NODES.iter().for_each(|machine| node(&world, *machine));
    let callers = Machine::NODES.map(|to| tokio::spawn(calls(world.clone(), to)));
    nemesis::run(&world, &plan(world.seed)).await;
    world.heal(&[]);
    let mut transcript = Transcript::default();
    for caller in callers {
        caller.await.expect("no caller panics").lines().for_each(|line| transcript.note(line));
    }
    let counts = world.bites.counts();
    assert!(counts.len() >= 5, "{counts:?}");
    transcript.note(format!("{counts:?} at {}", world.now_us()));
    assert_eq!(world.crashes(), [] as [String; 0]);
    // Those that were off boot now.
    pass(&world, SECOND).await;
    for to in Machine::NODES {
        let client = client(&world);
        call(&client, to, 0).await.expect("the world is healed");
    }
    transcript
}

#[test]
fn a_run_with_faults_of_every_kind_comes_to_its_end() {
    let transcript = in_world(fresh::seed(), run);
    assert_eq!(transcript.len(), 601);
    fresh::hand_over(&transcript);
}

#[test]
fn one_seed_gives_one_run_in_two_processes_and_another_seed_another() {
    let run = |seed| {
        fresh::transcript_of("twice::a_run_with_faults_of_every_kind_comes_to_its_end", seed)
    };
    for seed in [7, 8, 9] {
        assert_eq!(run(seed).first_difference(&run(seed)), None);
    }
    assert_ne!(run(7).first_difference(&run(8)), None, "two seeds gave one run: it draws nothing");
}
