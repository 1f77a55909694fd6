//! `bench`: how fast it is, on the standard scenario. What it prints is what `sim/BENCH.md` keeps.
//!
//! The seeds are run in rounds, and what is said is the median round: a machine is never quite for itself.
//! Processor time is that of the runs and of this process, which starts, reads and adds them up.

use std::fmt::Write;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use super::batch::Batch;
use super::wall::{self, Stopwatch};
use super::{BenchArgs, Done, SwarmArgs, pool, repro, swarm};
use crate::repro::Build;

/// What the simulation is built to reach, in a release build.
const SIMULATED_S_PER_S: f64 = 500.0;
const SEEDS_PER_CORE_S: f64 = 10.0;

/// What a round took.
#[derive(Debug, Clone, Copy)]
struct Took {
    runs: f64,
    simulated_s: f64,
    wall_s: f64,
    runs_core_s: f64,
    parent_core_s: f64,
}

impl Took {
    fn core_s(&self) -> f64 {
        self.runs_core_s + self.parent_core_s
    }
}

pub(super) fn run(args: &BenchArgs) -> Done {
    let rounds = args.rounds.max(1);
    let mut all = Batch::default();
    let mut took = Vec::new();
    for round in 0..rounds {
        let mut of_round = args.swarm.clone();
        of_round.seeds = args.swarm.seeds.part(round, rounds);
        let (batch, of_batch) = timed(&of_round)?;
        took.push(of_batch);
        all.merge(batch);
    }
    print!("{}", page(args, &all, &took));
    let reached = median(&took, per_core_s) >= SEEDS_PER_CORE_S
        && median(&took, simulated_per_s) >= SIMULATED_S_PER_S;
    Ok(if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn timed(args: &SwarmArgs) -> Result<(Batch, Took), String> {
    let (watch, before) = (Stopwatch::start(), wall::processor_time());
    let batch = swarm::batch(args)?;
    let (elapsed, after) = (watch.elapsed(), wall::processor_time());
    let since = |of: fn(&wall::ProcessorTime) -> Duration| match (&before, &after) {
        (Some(before), Some(after)) => of(after).saturating_sub(of(before)),
        // A system that does not say: the runs had the cores for themselves, if it is to be right.
        _ => elapsed * u32::try_from(pool::jobs(args.jobs)).unwrap_or(1),
    };
    let took = Took {
        runs: batch.runs as f64,
        simulated_s: batch.simulated_us as f64 / 1e6,
        wall_s: elapsed.as_secs_f64(),
        runs_core_s: since(|time| time.children).as_secs_f64(),
        parent_core_s: before.as_ref().map_or(0.0, |_| since(|time| time.own).as_secs_f64()),
    };
    Ok((batch, took))
}

fn per_core_s(took: &Took) -> f64 {
    took.runs / took.core_s()
}

fn simulated_per_core_s(took: &Took) -> f64 {
    took.simulated_s / took.core_s()
}

fn simulated_per_s(took: &Took) -> f64 {
    took.simulated_s / took.wall_s
}

fn median(took: &[Took], of: impl Fn(&Took) -> f64) -> f64 {
    let mut values: Vec<_> = took.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Writing to text does not fail.
macro_rules! line {
    ($to:expr, $($what:tt)*) => {
        writeln!($to, $($what)*).expect("writing to text cannot fail")
    };
}

/// The page.
fn page(args: &BenchArgs, all: &Batch, took: &[Took]) -> String {
    let SwarmArgs { seeds, scenario, .. } = &args.swarm;
    let (jobs, rounds) = (pool::jobs(args.swarm.jobs), took.len());
    let mut text = String::new();
    line!(text, "# How fast the simulation is\n");
    line!(text, "Printed by `cargo sim bench --seeds {seeds} --rounds {rounds} --jobs {jobs}`.\n");
    line!(text, "| | median | slowest round | fastest round | wanted |");
    line!(text, "|---|---:|---:|---:|---:|");
    let row = |text: &mut String, name: &str, of: fn(&Took) -> f64, digits: usize, wanted: &str| {
        let values = || took.iter().map(of);
        let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
        let middle = median(took, of);
        line!(
            text,
            "| {name} | {middle:.digits$} | {least:.digits$} | {most:.digits$} | {wanted} |"
        );
    };
    let wanted = format!("{SEEDS_PER_CORE_S:.0}");
    row(&mut text, "seeds per core-second", per_core_s, 1, &wanted);
    let wanted = format!("{SIMULATED_S_PER_S:.0}");
    row(&mut text, "simulated s per real s", simulated_per_s, 0, &wanted);
    row(&mut text, "simulated s per core-second", simulated_per_core_s, 0, "");
    row(&mut text, "ms of a core for a run", |took| took.core_s() * 1e3 / took.runs, 0, "");
    row(&mut text, "of it in the parent", |took| took.parent_core_s * 1e3 / took.runs, 1, "");
    line!(text, "\n## What a run is\n");
    line!(text, "{}", what(scenario.name(), all));
    line!(text, "\n## Where\n\n{}", machine());
    text
}

/// What was run.
fn what(scenario: &str, all: &Batch) -> String {
    let runs = (all.runs as f64).max(1.0);
    let (planned, bites) = all
        .faults
        .values()
        .fold((0, 0), |(planned, bites), (these, bit)| (planned + these, bites + bit));
    format!(
        "Scenario `{scenario}`: three whole nodes, a store, locks, a bus, a bank and a balancer in one \
         process; 60 simulated seconds of faults of all kinds that the seed has on while clients do what \
         is planned, then healing, rest and the oracles. A process for each seed. The mean of {} runs: \
         {:.0} simulated s, {:.0} operations in {:.0} requests, {:.0} requests to the store, {:.0} events \
         in the log, {:.0} episodes of faults that mattered {:.0} times.",
        all.runs,
        all.simulated_us as f64 / 1e6 / runs,
        all.tally.operations() as f64 / runs,
        all.tally.requests() as f64 / runs,
        all.store_calls as f64 / runs,
        all.events as f64 / runs,
        planned as f64 / runs,
        bites as f64 / runs,
    )
}

/// This machine and this build.
fn machine() -> String {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(':'));
        value.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let build = Build::of_this(repro::commit());
    format!(
        "{} cores of {}; memory {}; Linux {}; {}; a release build of sources {}.",
        pool::jobs(None),
        field(&read("/proc/cpuinfo"), "model name"),
        field(&read("/proc/meminfo"), "MemTotal"),
        read("/proc/sys/kernel/osrelease").trim(),
        build.rustc,
        build.sources,
    )
}
