//! `bench`: how fast it is, on the standard scenario, with nothing else on the machine.

use std::process::ExitCode;

use super::wall::{self, Stopwatch};
use super::{Done, SwarmArgs, pool, swarm};

/// What the simulation is built to reach, in a release build.
const SIMULATED_S_PER_S: f64 = 500.0;
const SEEDS_PER_CORE_S: f64 = 10.0;

pub(super) fn run(args: &SwarmArgs) -> Done {
    let jobs = pool::jobs(args.jobs);
    let watch = Stopwatch::start();
    let batch = swarm::batch(args)?;
    // What the runs themselves took, also on a machine that does other things meanwhile.
    let wall = watch.elapsed() * u32::try_from(jobs).unwrap_or(1);
    let core_s = wall::children_took().unwrap_or(wall).as_secs_f64();
    let runs = batch.runs as f64;
    let simulated_s = batch.simulated_us as f64 / 1e6;
    println!("scenario {}: {} runs with {jobs} at once", args.scenario, batch.runs);
    println!(
        "{:.0} simulated s per core-second (wanted {SIMULATED_S_PER_S:.0}), {:.1} seeds per \
         core-second (wanted {SEEDS_PER_CORE_S:.0})",
        simulated_s / core_s,
        runs / core_s,
    );
    println!(
        "a run: {:.0} ms, {:.0} simulated s, {:.0} operations, {:.0} store requests, {:.0} events",
        core_s * 1e3 / runs,
        simulated_s / runs,
        batch.tally.operations() as f64 / runs,
        batch.store_calls as f64 / runs,
        batch.events as f64 / runs,
    );
    Ok(ExitCode::SUCCESS)
}
