//! Orders reach their end, in quiet and in trouble, and one seed gives one run.

use sagaline_sim::fault::Fault;
use sagaline_sim::machine::Machine;
use sagaline_sim::transcript::Transcript;
use sagaline_sim::{fresh, once};

use crate::scene::play;

const ONE: &[Machine] = &[Machine::Node1];

fn quiet(seed: u64) -> Transcript {
    once::run(seed, move || play(seed, ONE, |_| async {}))
}

fn store_restart(seed: u64) -> Transcript {
    once::run(seed, move || {
        play(seed, ONE, |scene| async move {
            scene.pause_ms(400).await;
            let crash = Fault::Crash { machine: Machine::Store, loses_unsynced: true };
            scene.fault(1, 1_500, crash).await;
        })
    })
}

#[test]
fn orders_reach_their_end() {
    fresh::hand_over(&quiet(fresh::seed()));
}

#[test]
fn orders_reach_their_end_through_a_store_restart() {
    fresh::hand_over(&store_restart(fresh::seed()));
}

#[test]
fn one_seed_gives_one_run() {
    for scenario in ["orders_reach_their_end", "orders_reach_their_end_through_a_store_restart"] {
        let run = |seed| fresh::transcript_of(&format!("orders::{scenario}"), seed);
        let first = run(11);
        let events = first.lines().filter(|line| line.starts_with("event ")).count();
        assert!(events > 40, "only {events} events: this proves little");
        assert_eq!(first.first_difference(&run(11)), None, "{scenario}");
        let other = first.first_difference(&run(12));
        assert_ne!(other, None, "{scenario}: another seed, the same run");
    }
}
