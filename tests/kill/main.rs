//! The real binary, killed with SIGKILL at random moments under load and opened again on the same data
//! folder, many times in one run; then everything it ever acknowledged is looked for, and the payment
//! gateway's own ledger is compared with the orders.
//!
//! A run is told by its seed, which is printed first. `SAGALINE_KILL_SEED=7` repeats its choices (what
//! the machine does in between stays the machine's), `SAGALINE_KILL_CYCLES=2000` makes it longer.
#![allow(
    clippy::disallowed_methods,
    reason = "drives a real process by the real clock, from threads"
)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod checks;
mod client;
mod dice;
mod ledger;
mod load;
mod order;
mod process;

use std::time::Duration;

use dice::Dice;
use load::Load;
use order::History;
use process::Node;

/// Cycles of one run when nothing else is asked for.
const CYCLES: u64 = 200;
/// Customers who order at the same time, each on connections of its own.
const CUSTOMERS: usize = 4;
/// Longest time under load before a kill. Short: what matters is the moment, not the amount.
const UNDER_LOAD_MS_MAX: u64 = 300;
/// In one cycle out of these the process is killed while it still opens its store.
const KILLED_WHILE_OPENING: u64 = 8;
const OPENING_MS_MAX: u64 = 150;

#[test]
fn killed_at_random_moments_it_loses_nothing_and_pays_nothing_twice() {
    let seed = number_in("SAGALINE_KILL_SEED").unwrap_or_else(dice::unpredictable);
    let cycles = number_in("SAGALINE_KILL_CYCLES").unwrap_or(CYCLES);
    println!(
        "REPRO: SAGALINE_KILL_SEED={seed} SAGALINE_KILL_CYCLES={cycles} cargo test --test kill"
    );
    let mut dice = Dice::of(seed);
    let mut node = Node::in_new_folder();
    node.start();
    let customers: Vec<_> = (0..CUSTOMERS).map(|n| checks::register(&node, n)).collect();
    let admin = checks::log_in_as_admin(&node);
    let mut history = History::default();
    for cycle in 0..cycles {
        kill_under_load(&mut node, &customers, &mut history, &mut dice);
        if dice.one_in(KILLED_WHILE_OPENING) {
            node.start_without_waiting();
            std::thread::sleep(Duration::from_millis(dice.below(OPENING_MS_MAX)));
            node.kill();
        }
        node.start();
        checks::last_acknowledged_are_there(&node, &history);
        if (cycle + 1) % 20 == 0 {
            println!("{} of {cycles} cycles: {}", cycle + 1, history.summary());
        }
    }
    let brought_back = settle(&node, &admin, &mut history);
    checks::every_order_exists_once_and_has_ended(&node, &customers, &history);
    checks::the_ledger_agrees(&node, &admin, &history);
    node.stop();
    node.verify_log();
    println!("{}; {brought_back} parked sagas brought back", history.summary());
    assert!(
        history.acknowledged() > cycles,
        "too little load to say anything: {}",
        history.summary()
    );
    assert!(history.cut_short() > 0, "no kill ever hit a request: {}", history.summary());
}

/// Orders until a random moment; then the process is gone.
fn kill_under_load(node: &mut Node, customers: &[String], history: &mut History, dice: &mut Dice) {
    let load = Load::start(node.address(), customers, history.take_unsettled(), dice);
    std::thread::sleep(Duration::from_millis(dice.below(UNDER_LOAD_MS_MAX)));
    node.kill();
    history.add(load.stop());
}

/// Sends what was cut short once more, and waits until every saga has ended.
fn settle(node: &Node, admin: &str, history: &mut History) -> usize {
    let unsettled = history.take_unsettled();
    history.add(load::send_again(node.address(), unsettled));
    checks::wait_for_ends(node, admin, history)
}

fn number_in(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} must be a whole number and is {text:?}")),
    )
}
