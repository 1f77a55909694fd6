//! The collector: starts every measure in turn, reads its bars, judges, and writes the tables.
//!
//! Run by `make bench`. Everything it starts is a child of its own, told apart by process id and ended
//! when its measure is over, also when the collector itself is killed.

pub(crate) mod profile;

pub(crate) mod process;

pub(crate) mod http;

mod saga_bench;

mod sagas;

mod accepting;

mod restart;

mod parts;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::bar::Bar;
use crate::failure::{Context, Failure};
use crate::report::{self, row::Row};
use crate::run::profile::Profile;

/// What a run prints before all its bars once more.
const SUMMARY: &str = "== bars";

/// What to measure and where.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// How long everything takes.
    #[arg(long, value_enum, default_value_t = Profile::Standard)]
    pub(crate) profile: Profile,
    /// Only these measures.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Measure>,
    /// Where stores keep their files: on a real disk. Emptied.
    #[arg(long, default_value = "target/bench-data")]
    pub(crate) data_dir: PathBuf,
    /// Where RESULTS.md and results.svg are written.
    #[arg(long, default_value = "target/bench")]
    out_dir: PathBuf,
    /// What earlier runs on this machine printed: their figures stand beside this run's, so that a long
    /// measure can be taken in parts.
    #[arg(long)]
    taken: Vec<PathBuf>,
    /// The product's binary; by default the one beside this program.
    #[arg(long)]
    pub(crate) sagaline: Option<PathBuf>,
}

/// One measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// `decide` + `evolve`, by `cargo bench`.
    Decide,
    /// Our log beside raw RocksDB.
    Append,
    /// Reading everything beside a raw iterator.
    Read,
    /// Cost per append while the log grows.
    Growth,
    /// The standard saga load beside the twin and the floor.
    Sagas,
    /// Accepting orders; memory at start.
    Accepting,
    /// Kill -9 with sagas in flight.
    Restart,
}

/// What the measures have told so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Figures for the tables.
    pub(crate) rows: Vec<Row>,
    /// Figures with a bound.
    pub(crate) bars: Vec<Bar>,
}

impl Findings {
    /// Takes a bar and prints it.
    pub(crate) fn bar(&mut self, bar: Bar) {
        println!("{bar}");
        self.bars.push(bar);
    }

    /// Takes the rows and bars that another run printed, up to its summary, which repeats them.
    fn take_over(&mut self, printed: &str) -> Result<(), Failure> {
        for line in printed.lines().take_while(|line| *line != SUMMARY) {
            self.bars.extend(Bar::parse(line).transpose()?);
            self.rows.extend(Row::parse(line).transpose()?);
        }
        Ok(())
    }

    /// Takes a row and prints it.
    pub(crate) fn row(&mut self, row: Row) {
        println!("{row}");
        self.rows.push(row);
    }
}

/// Measures everything asked for. Fails when a measure fails or a bar is short; what was measured until
/// then is written in any case.
pub(crate) async fn run(args: RunArgs) -> Result<(), Failure> {
    std::fs::create_dir_all(&args.data_dir)
        .context(format!("making {}", args.data_dir.display()))?;
    let mut findings = Findings::default();
    for file in &args.taken {
        findings.take_over(&std::fs::read_to_string(file).context(file.display().to_string())?)?;
    }
    let mut failed = Vec::new();
    for measure in Measure::value_variants() {
        if !args.only.is_empty() && !args.only.contains(measure) {
            continue;
        }
        println!("== {measure:?}");
        if let Err(failure) = take(*measure, &args, &mut findings).await {
            eprintln!("{measure:?}: {failure}");
            failed.push(format!("{measure:?}: {failure}"));
        }
    }
    report::write(&args.out_dir, args.profile, &findings)?;
    conclude(&findings, failed)
}

async fn take(measure: Measure, args: &RunArgs, findings: &mut Findings) -> Result<(), Failure> {
    match measure {
        Measure::Decide => parts::decide(findings).await,
        Measure::Append => parts::storage("append", args, findings).await,
        Measure::Read => parts::storage("read", args, findings).await,
        Measure::Growth => parts::storage("growth", args, findings).await,
        Measure::Sagas => sagas::measure(args, findings).await,
        Measure::Accepting => accepting::measure(args, findings).await,
        Measure::Restart => restart::measure(args, findings).await,
    }
}

fn conclude(findings: &Findings, mut failed: Vec<String>) -> Result<(), Failure> {
    println!("{SUMMARY}");
    for bar in &findings.bars {
        println!("{bar}");
        if !bar.holds() {
            failed.push(format!("{} is short", bar.name));
        }
    }
    match failed.len() {
        0 => Ok(()),
        _ => Err(Failure::new(failed.join("; "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bar::Bound;

    #[test]
    fn what_another_run_printed_is_taken_over_once() {
        let mut printed = Findings::default();
        printed.rows.push(Row::single("a figure", 1.5, "µs"));
        printed.bars.push(Bar::new("a_bar", 0.75, "x", Bound::AtLeast(0.7)));
        let (row, bar) = (&printed.rows[0], &printed.bars[0]);
        let text = format!("== Read\n{row}\nwords\n{bar}\n{SUMMARY}\n{bar}\n");
        let mut findings = Findings::default();
        findings.take_over(&text).expect("readable");
        assert_eq!((findings.rows, findings.bars), (printed.rows, printed.bars));
    }
}
