//! `shrink`: the smallest plan that fails as the file's does.

use std::path::PathBuf;
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
    let to = args.to.clone().unwrap_or_else(|| args.file.with_extension("min.json"));
    let (small, tried) = smallest(&found, pool::jobs(args.jobs))?;
    small.write(&to).map_err(|error| format!("{}: {error}", to.display()))?;
    println!(
        "{} faults and {} operations (of {} and {}) after {tried} trials: {}",
        small.plan.episodes.len(),
        small.plan.operations.len(),
        found.plan.episodes.len(),
        found.plan.operations.len(),
        to.display()
    );
    println!("REPRO: cargo sim repro {}", to.display());
    Ok(ExitCode::SUCCESS)
}

/// The smallest that fails as `found` does, and after how many trials.
pub(super) fn smallest(found: &Repro, jobs: usize) -> Result<(Repro, u64), String> {
    let signature = found.verdict.signature().cloned();
    let signature = signature.ok_or("the file's run did not fail: there is nothing to shrink")?;
    let name = found.canary.as_deref().unwrap_or("product");
    let name = format!("sagaline-shrink-{}-{name}", std::process::id());
    let mut trial = Trials {
        signature,
        canary: found.canary.clone(),
        folder: std::env::temp_dir().join(name),
        jobs,
        tried: 0,
        last: None,
        broken: None,
    };
    std::fs::create_dir_all(&trial.folder).map_err(|error| error.to_string())?;
    let plan = shrink(&found.plan, &mut trial);
    let cleaned = std::fs::remove_dir_all(&trial.folder);
    cleaned.map_err(|error| format!("{}: {error}", trial.folder.display()))?;
    trial.broken.map_or(Ok(()), Err)?;
    let report = trial.last.ok_or("the file's run does not fail here in that way")?;
    let build = Build::of_this(repro::commit());
    let Report { verdict, digest, .. } = report;
    Ok((Repro { build, verdict, digest, plan, canary: found.canary.clone() }, trial.tried))
}

/// Candidates in processes of their own.
struct Trials {
    signature: Signature,
    canary: Option<String>,
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
        let child = Child::new(What::Plan(file, Box::new(plan.clone())));
        child.planted(self.canary.as_deref()).run()
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
