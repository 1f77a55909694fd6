//! Worlds in processes of their own: this test binary again, for this one test, with a plan to run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::one::{OUTCOME, PLAN};
use super::outcome::Outcome;
use super::this_test::ThisTest;
use crate::cli::child;
use crate::plan::Plan;
use crate::run::Report;
use crate::shrink::Trial;
use crate::verdict::Signature;

/// Candidates that are tried to make a failing plan smaller.
const TRIALS_MAX: u32 = 120;

/// Lines that are shown of a run that ended badly.
const LINES_MAX: usize = 12;

/// Runs plans of one test.
pub(super) struct Processes<'a> {
    test: &'a ThisTest,
    folder: PathBuf,
    next: AtomicU32,
}

impl<'a> Processes<'a> {
    /// Nothing runs yet. Panics when there is no room for what the runs leave behind.
    pub(super) fn new(test: &'a ThisTest) -> Self {
        let name = test.name.replace("::", "-");
        let folder = test.out().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        Self { test, folder, next: AtomicU32::new(1) }
    }

    /// Runs a plan to its end, and says which file shows it when it has failed.
    pub(super) fn run(&self, plan: &Plan) -> Result<(Outcome, PathBuf), String> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let file = self.folder.join(format!("{number}.plan.json"));
        let to = self.folder.join(format!("{number}.json"));
        write_plan(&file, plan)?;
        let mut command = Command::new(self.test.binary());
        command.args(["--exact", &self.test.name, "--nocapture"]);
        command.env(PLAN, &file).env(OUTCOME, &to);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = command.spawn().map_err(|error| format!("a run does not start: {error}"))?;
        let harness = |what: &str| Outcome::of_harness(Report::of_harness(plan, what));
        let Some((_, said)) = child::ended(started)? else {
            return Ok((harness("the run did not end"), file));
        };
        let outcome = fs::read_to_string(&to).ok();
        let outcome = outcome.and_then(|text| serde_json::from_str(&text).ok());
        let outcome = outcome.unwrap_or_else(|| {
            let panic = said.lines().skip_while(|line| !line.contains("panicked at"));
            panic.take(LINES_MAX).for_each(|line| eprintln!("{line}"));
            harness("the run ended without saying what it came to")
        });
        Ok((outcome, to.with_extension("html")))
    }

    /// Keeps a plan, and the page that shows its run, where the next check does not overwrite it.
    pub(super) fn keep(&self, name: &str, plan: &Plan, page: &Path) -> Result<PathBuf, String> {
        let test = self.test.name.replace("::", "-");
        let file = self.test.out().join(format!("{test}-{name}.plan.json"));
        write_plan(&file, plan)?;
        if page.extension().is_some_and(|extension| extension == "html") && page.exists() {
            let kept = file.with_extension("").with_extension("html");
            fs::rename(page, &kept).map_err(|error| format!("{}: {error}", kept.display()))?;
        }
        Ok(file)
    }
}

impl Drop for Processes<'_> {
    fn drop(&mut self) {
        // What is left of a run that was not kept is of no use to anybody.
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("{}: {error}", self.folder.display());
        }
    }
}

fn write_plan(file: &Path, plan: &Plan) -> Result<(), String> {
    let text = serde_json::to_string_pretty(plan).map_err(|error| error.to_string())?;
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// Smaller plans that may fail in the same way.
pub(super) struct Trials<'a> {
    pub(super) processes: &'a Processes<'a>,
    pub(super) signature: Signature,
    pub(super) jobs: usize,
    pub(super) tried: u32,
    /// What the smallest plan so far came to.
    pub(super) last: Option<(Outcome, PathBuf)>,
}

impl Trial for Trials<'_> {
    fn width(&self) -> usize {
        self.jobs
    }

    fn first_failing(&mut self, candidates: &[Plan]) -> Option<usize> {
        if self.tried >= TRIALS_MAX {
            return None;
        }
        self.tried += u32::try_from(candidates.len()).unwrap_or(TRIALS_MAX);
        let processes = self.processes;
        let came: Vec<_> = std::thread::scope(|threads| {
            let running: Vec<_> =
                candidates.iter().map(|plan| threads.spawn(|| processes.run(plan))).collect();
            running.into_iter().map(|trial| trial.join().expect("a trial does not panic")).collect()
        });
        let same = |(outcome, _): &(Outcome, PathBuf)| {
            outcome.report.verdict.signature() == Some(&self.signature)
        };
        let mut came = came.into_iter().map(Result::ok).enumerate();
        let (index, found) = came.find_map(|(index, it)| Some((index, it.filter(same)?)))?;
        self.last = Some(found);
        Some(index)
    }
}
