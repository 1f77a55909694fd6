//! The command line of the simulation: one seed, many, again, smaller, twice, to look at. Everything here
//! runs outside the simulated world; a world is run by [`run`] alone, in a process of its own.

mod batch;
mod bench;
mod canary;
pub(crate) mod child;
mod corpus;
mod cover;
mod det;
pub(crate) mod pool;
mod repro;
mod run;
mod seeds;
mod shrink;
mod swarm;
pub(crate) mod tables;
mod view;
mod wall;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::seed::Seed;
use crate::strategy::Scenario;

use seeds::Seeds;

/// Runs Sagaline's nodes in a simulated world, seed by seed.
#[derive(Parser)]
#[command(name = "cargo sim", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One seed, or one plan from a file.
    Run(RunArgs),
    /// Many seeds, each in a process of its own; fails on any failure, on a fault that never bit, and on
    /// a batch in which too little or too much succeeds.
    Swarm(SwarmArgs),
    /// A failure from its file, in the build it was found in.
    Repro(ReproArgs),
    /// The smallest plan that fails as the file's does.
    Shrink(ShrinkArgs),
    /// Each seed twice in fresh processes: both must see the same, down to the last byte.
    Det(SwarmArgs),
    /// One HTML file in which a run can be looked at.
    View(ViewArgs),
    /// Deliberate bugs, each of which must be found by its own oracle and soon: the proof that the
    /// simulation sees anything at all.
    Canary(CanaryArgs),
    /// Plans that once failed, or must: each with the verdict it has to have.
    Corpus(CorpusArgs),
    /// Which faults, operations and oracles a batch of seeds reaches.
    Cover(SwarmArgs),
    /// Simulated seconds per second, and seeds per core-second, as `sim/BENCH.md` keeps them; fails when
    /// one is below what it is built to reach.
    Bench(BenchArgs),
}

#[derive(Args)]
struct RunArgs {
    /// The seed, hexadecimal.
    #[arg(long, default_value = "1")]
    seed: Seed,
    /// standard, quiet, or the name of one strategy.
    #[arg(long, default_value = "standard")]
    scenario: Scenario,
    /// A plan, a repro or a corpus file, instead of seed and scenario.
    #[arg(long)]
    plan: Option<PathBuf>,
    /// The chaos ends after so many simulated milliseconds.
    #[arg(long)]
    until: Option<u64>,
    /// Writes everything that was seen.
    #[arg(long)]
    evidence: Option<PathBuf>,
    /// Writes the trace, one line for each thing that was seen.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Prints the report as one line of JSON.
    #[arg(long)]
    json: bool,
    /// Plants a deliberate bug: see `canary --list`.
    #[arg(long)]
    canary: Option<String>,
    /// Prints the plan and runs nothing.
    #[arg(long)]
    show_plan: bool,
    /// Writes where in memory this process has its code, heap and stack.
    #[arg(long, hide = true)]
    layout: Option<PathBuf>,
}

#[derive(Args, Clone)]
struct SwarmArgs {
    /// From and to, decimal: 0..200.
    #[arg(long, default_value = "0..100")]
    seeds: Seeds,
    /// Instead of a number of seeds: as many as fit into so many minutes.
    #[arg(long)]
    minutes: Option<u64>,
    /// standard, quiet, or the name of one strategy.
    #[arg(long, default_value = "standard")]
    scenario: Scenario,
    /// Processes at once; none: one for each core.
    #[arg(long)]
    jobs: Option<usize>,
    /// Where repro files go.
    #[arg(long, default_value = "out")]
    out: PathBuf,
    /// Prints the report of the batch as JSON too.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct BenchArgs {
    /// The seeds are run in so many parts; what is said is the median part.
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    #[command(flatten)]
    swarm: SwarmArgs,
}

#[derive(Args)]
struct ReproArgs {
    /// A repro file.
    file: PathBuf,
    /// Also in another build: it may be another run.
    #[arg(long)]
    force: bool,
}

#[derive(Args)]
struct ShrinkArgs {
    /// A repro file.
    file: PathBuf,
    /// Where the smaller one goes; none: beside it, with `.min` in its name.
    #[arg(long)]
    to: Option<PathBuf>,
    /// Processes at once; none: one for each core.
    #[arg(long)]
    jobs: Option<usize>,
}

#[derive(Args)]
struct ViewArgs {
    /// A plan, a repro or a corpus file.
    file: Option<PathBuf>,
    /// The seed, when no file is given.
    #[arg(long, default_value = "1")]
    seed: Seed,
    /// Its scenario.
    #[arg(long, default_value = "standard")]
    scenario: Scenario,
    /// Where the page goes.
    #[arg(long, default_value = "out/view.html")]
    to: PathBuf,
}

#[derive(Args)]
struct CanaryArgs {
    /// Their names; none: all of them.
    names: Vec<String>,
    /// Says which there are, and runs nothing.
    #[arg(long)]
    list: bool,
    /// The first seed, decimal; with `--quick`, counted from the seed that is known to show it.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// At most so many seeds, instead of each one's own budget.
    #[arg(long)]
    budget: Option<u64>,
    /// Begins each at a seed that is known to show it, and leaves the harmless ones at a few seeds.
    #[arg(long)]
    quick: bool,
    /// Makes each failing plan as small as it gets.
    #[arg(long)]
    shrink: bool,
    /// Processes at once; none: one for each core.
    #[arg(long)]
    jobs: Option<usize>,
    /// Where repro files go.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

#[derive(Args)]
struct CorpusArgs {
    /// The folder.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"))]
    folder: PathBuf,
    /// Processes at once; none: one for each core.
    #[arg(long)]
    jobs: Option<usize>,
}

/// Runs the program: what it was asked for, as its exit code.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Swarm(args) => swarm::run(&args),
        Command::Repro(args) => repro::run(&args),
        Command::Shrink(args) => shrink::run(&args),
        Command::Det(args) => det::run(&args),
        Command::View(args) => view::run(&args),
        Command::Canary(args) => canary::run(&args),
        Command::Corpus(args) => corpus::run(&args),
        Command::Cover(args) => cover::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(2)
    })
}

/// What a command comes to; the error is one line for whoever called it.
type Done = Result<ExitCode, String>;

fn exit(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
