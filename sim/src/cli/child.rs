//! One run in a process of its own: what a library keeps for a whole process must not go from one seed to
//! the next. A child that hangs is ended.

use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::plan::Plan;
use crate::run::Report;
use crate::seed::Seed;
use crate::strategy::Scenario;

use super::repro;
use super::wall::{Stopwatch, nap};

/// A run takes a second or two. One that takes this long in a debug build on a busy machine hangs.
const LONGEST: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_micros(500);
/// Set so, a run's allocator gives no memory back that it will ask for again: it is over before that matters.
const KEEPS_MEMORY: &str = "MIMALLOC_PURGE_DELAY";

/// What a child is to run.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// A seed's own plan.
    Drawn(Seed, Scenario),
    /// A plan in a file.
    Plan(PathBuf, Box<Plan>),
}

/// A run to be, and what it is to leave behind.
#[derive(Debug, Clone)]
pub(super) struct Child {
    what: What,
    evidence: Option<PathBuf>,
    trace: Option<PathBuf>,
    layout: Option<PathBuf>,
    folder: Option<PathBuf>,
    environment: Vec<(String, String)>,
    canary: Option<String>,
}

impl Child {
    /// A child that runs this.
    pub(super) fn new(what: What) -> Self {
        let environment = Vec::new();
        let (evidence, trace, layout, folder) = (None, None, None, None);
        Self { what, evidence, trace, layout, folder, environment, canary: None }
    }

    /// Leaves everything that was seen in a file.
    pub(super) fn evidence(self, file: &Path) -> Self {
        Self { evidence: Some(file.to_owned()), ..self }
    }

    /// Leaves its trace in a file.
    pub(super) fn trace(self, file: &Path) -> Self {
        Self { trace: Some(file.to_owned()), ..self }
    }

    /// Leaves in a file where it had its code, heap and stack.
    pub(super) fn layout(self, file: &Path) -> Self {
        Self { layout: Some(file.to_owned()), ..self }
    }

    /// Runs in this folder and with these variables: neither may matter.
    pub(super) fn elsewhere(self, folder: &Path, environment: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = environment.iter().map(owned).collect();
        Self { folder: Some(folder.to_owned()), environment, ..self }
    }

    /// Runs with a deliberate bug.
    pub(super) fn planted(self, canary: Option<&str>) -> Self {
        Self { canary: canary.map(str::to_owned), ..self }
    }

    fn plan(&self) -> Plan {
        match &self.what {
            What::Drawn(seed, scenario) => Plan::draw(*seed, *scenario),
            What::Plan(_, plan) => (**plan).clone(),
        }
    }

    /// Runs it to its end. The error says why it could not be started; how it ended is in the report.
    pub(super) fn run(&self) -> Result<Report, String> {
        let binary = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(binary);
        command.args(["run", "--json"]);
        match &self.what {
            What::Drawn(seed, scenario) => {
                command.args(["--seed", &seed.to_string(), "--scenario", scenario.name()]);
            }
            What::Plan(file, _) => {
                command.arg("--plan").arg(file);
            }
        }
        let files =
            [("--evidence", &self.evidence), ("--trace", &self.trace), ("--layout", &self.layout)];
        for (flag, file) in files {
            file.as_ref().inspect(|file| {
                command.arg(flag).arg(file);
            });
        }
        self.canary.as_ref().inspect(|name| {
            command.args(["--canary", name]);
        });
        self.folder.as_ref().inspect(|folder| {
            command.current_dir(folder);
        });
        command.env(repro::COMMIT, repro::commit());
        command.env(KEEPS_MEMORY, "-1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = command.spawn().map_err(|error| format!("a run does not start: {error}"))?;
        self.watch(started)
    }

    fn watch(&self, process: Process) -> Result<Report, String> {
        let Some((output, said)) = ended(process)? else {
            return Ok(Report::of_harness(&self.plan(), "the run did not end"));
        };
        let report = output.lines().last().and_then(|line| serde_json::from_str(line).ok());
        Ok(report.unwrap_or_else(|| {
            let last = said.lines().rev().find(|line| !line.starts_with("REPRO")).unwrap_or("");
            eprintln!("a run ended without a report: {last}");
            Report::of_harness(&self.plan(), "the run ended without a report")
        }))
    }
}

/// What it printed, and what it complained of; none: it hung and was ended.
pub(crate) fn ended(mut process: Process) -> Result<Option<(String, String)>, String> {
    let failed = |error: std::io::Error| format!("a run cannot be watched: {error}");
    let (output, said) = (process.stdout.take(), process.stderr.take());
    let (is_over, over) = mpsc::channel();
    std::thread::scope(|threads| {
        // Both pipes are read while it runs: a full one would stop it. They end a moment before it does.
        let output = threads.spawn(move || {
            let read = read(output);
            // Nobody listens any more when it has hung.
            let _ = is_over.send(());
            read
        });
        let said = threads.spawn(move || read(said));
        let watch = Stopwatch::start();
        let mut hung = over.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout);
        while !hung && process.try_wait().map_err(failed)?.is_none() {
            nap(LOOK);
            hung = watch.elapsed() > LONGEST;
        }
        if hung {
            process.kill().and_then(|()| process.wait()).map_err(failed)?;
        }
        let text = |thread: std::thread::ScopedJoinHandle<'_, std::io::Result<String>>| {
            thread.join().expect("reading does not panic").map_err(failed)
        };
        let texts = (text(output)?, text(said)?);
        Ok((!hung).then_some(texts))
    })
}

fn read(pipe: Option<impl std::io::Read>) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
