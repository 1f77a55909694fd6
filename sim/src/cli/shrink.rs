//! `shrink`: the smallest plan that fails as the file's does.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::plan::Plan;
use crate::repro::{Build, Repro};
use crate::run::Report;
use crate::shrink::{Trial, shrink};
use crate::verdict::Signature;

use super::child::{Child, What};
use super::pool;
use super::{Done, ShrinkArgs, repro};

pub(super) fn run(args: &ShrinkArgs) -> Done {
    let found = Repro::read(&args.file)?;
    repro::check(&found, true)?;
    let signature = found.verdict.signature().cloned();
    let signature = signature.ok_or("the file's run did not fail: there is nothing to shrink")?;
    let to = args.to.clone().unwrap_or_else(|| args.file.with_extension("min.json"));
    let mut trial = Trials {
        signature,
        folder: std::env::temp_dir().join(format!("sagaline-shrink-{}", std::process::id())),
        jobs: pool::jobs(args.jobs),
        tried: 0,
        last: None,
        broken: None,
    };
    std::fs::create_dir_all(&trial.folder).map_err(|error| error.to_string())?;
    let small = shrink(&found.plan, &mut trial);
    let cleaned = std::fs::remove_dir_all(&trial.folder);
    cleaned.map_err(|error| format!("{}: {error}", trial.folder.display()))?;
    trial.broken.map_or(Ok(()), Err)?;
    let report = trial.last.ok_or("the file's run does not fail here in that way")?;
    write(&to, &small, &report)?;
    println!(
        "{} faults and {} operations (of {} and {}) after {} trials: {}",
        small.episodes.len(),
        small.operations.len(),
        found.plan.episodes.len(),
        found.plan.operations.len(),
        trial.tried,
        to.display()
    );
    println!("REPRO: cargo sim repro {}", to.display());
    Ok(ExitCode::SUCCESS)
}

fn write(to: &Path, plan: &Plan, report: &Report) -> Result<(), String> {
    let repro = Repro {
        build: Build::of_this(repro::commit()),
        verdict: report.verdict.clone(),
        digest: report.digest.clone(),
        plan: plan.clone(),
    };
    repro.write(to).map_err(|error| format!("{}: {error}", to.display()))
}

/// Candidates in processes of their own.
struct Trials {
    signature: Signature,
    folder: PathBuf,
    jobs: usize,
    tried: u64,
    /// What the smallest plan so far came to.
    last: Option<Report>,
    broken: Option<String>,
}

impl Trials {
    fn try_one(&self, index: usize, plan: &Plan) -> Result<Report, String> {
        let file = self.folder.join(format!("{index}.json"));
        let text = serde_json::to_string(plan).map_err(|error| error.to_string())?;
        std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        Child::new(What::Plan(file, Box::new(plan.clone()))).run()
    }
}

impl Trial for Trials {
    fn width(&self) -> usize {
        self.jobs
    }

    fn first_failing(&mut self, candidates: &[Plan]) -> Option<usize> {
        self.tried += candidates.len() as u64;
        let reports: Vec<_> = std::thread::scope(|threads| {
            let trials = &*self;
            let running: Vec<_> = (0..)
                .zip(candidates)
                .map(|(index, plan)| threads.spawn(move || trials.try_one(index, plan)))
                .collect();
            running.into_iter().map(|trial| trial.join().expect("a trial does not panic")).collect()
        });
        for (index, report) in reports.into_iter().enumerate() {
            match report {
                Ok(report) if report.verdict.signature() == Some(&self.signature) => {
                    let (faults, operations) =
                        (candidates[index].episodes.len(), candidates[index].operations.len());
                    eprintln!("trial {}: {faults} faults, {operations} operations", self.tried);
                    self.last = Some(report);
                    return Some(index);
                }
                Ok(_) => {}
                Err(error) => self.broken = Some(error),
            }
        }
        None
    }
}
