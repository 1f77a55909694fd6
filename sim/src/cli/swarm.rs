//! `swarm`: many seeds, each in a process of its own, failures grouped and put on file.

use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex;

use crate::plan::Plan;
use crate::repro::{Build, Repro};
use crate::run::Report;

use super::batch::Batch;
use super::child::{Child, What};
use super::pool::{self, Until};
use super::{Done, SwarmArgs, exit, repro, tables};

pub(super) fn run(args: &SwarmArgs) -> Done {
    let batch = batch(args)?;
    print!("{}", tables::of_batch(&batch));
    if args.json {
        println!("{}", serde_json::to_string(&batch).map_err(|error| error.to_string())?);
    }
    for group in batch.groups.values() {
        println!("REPRO: cargo sim repro {}", file_of(args, group.first).display());
    }
    Ok(exit(batch.is_good()))
}

/// Runs them all; the first of each kind of failure is put on file.
pub(super) fn batch(args: &SwarmArgs) -> Result<Batch, String> {
    let until = match args.minutes {
        Some(minutes) => Until::Time(Duration::from_secs(minutes * 60)),
        None => Until::Count(args.seeds.count()),
    };
    let mut batch = Batch::default();
    let unwritten: Mutex<Option<String>> = Mutex::default();
    let work = |index| Child::new(What::Drawn(args.seeds.at(index), args.scenario)).run();
    pool::each(pool::jobs(args.jobs), until, work, |_, report, bar| {
        if batch.add(&report) {
            bar.println(format!("seed {}: {}", report.seed, report.verdict));
            if let Err(error) = file(args, &report) {
                *unwritten.lock() = Some(error);
            }
        }
        bar.set_message(format!(
            "{} failures",
            batch.groups.values().map(|g| g.count).sum::<u64>()
        ));
    })?;
    unwritten.into_inner().map_or(Ok(batch), Err)
}

fn file(args: &SwarmArgs, report: &Report) -> Result<(), String> {
    let repro = Repro {
        build: Build::of_this(repro::commit()),
        verdict: report.verdict.clone(),
        digest: report.digest.clone(),
        plan: Plan::draw(report.seed, args.scenario),
        canary: None,
    };
    let file = file_of(args, report.seed);
    repro.write(&file).map_err(|error| format!("{}: {error}", file.display()))
}

fn file_of(args: &SwarmArgs, seed: crate::seed::Seed) -> PathBuf {
    args.out.join(format!("{}-{seed}.json", args.scenario))
}
