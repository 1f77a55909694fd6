//! One run of a world from one seed, on a thread of its own: thread-local generators that an earlier
//! run has drawn from would give this one other numbers. Called by the scenarios.

use std::future::Future;
use std::time::Duration;

use madsim::Config;
use madsim::runtime::Runtime;

/// Simulated time after which a run that has not ended is stuck, and panics.
const TIME_LIMIT: Duration = Duration::from_secs(3_600);

/// Runs the world that `scenario` makes, to its end. Panics where the scenario panics, with the seed
/// printed before.
pub fn run<F, T>(seed: u64, scenario: impl FnOnce() -> F + Send + 'static) -> T
where
    F: Future<Output = T> + 'static,
    T: Send + 'static,
{
    let world = move || {
        let mut runtime = Runtime::with_seed_and_config(seed, Config::default());
        runtime.set_time_limit(TIME_LIMIT);
        runtime.block_on(scenario())
    };
    let thread = std::thread::Builder::new().name(format!("seed-{seed}")).spawn(world);
    let ended = thread.expect("the system has a thread left").join();
    ended.unwrap_or_else(|panic| {
        eprintln!("REPRO: {}={seed} cargo sim-test", super::fresh::SEED);
        std::panic::resume_unwind(panic)
    })
}
