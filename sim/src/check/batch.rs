//! All worlds of a check: the sweeps and the seeds, several at once, each in a process of its own; then
//! what they proved, or the smallest plan of the first that failed.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use super::outcome::{Outcome, Seen};
use super::processes::{Processes, Trials};
use super::starts::Start;
use super::this_test::ThisTest;
use super::{Check, chaos, sweep, words};
use crate::cli::pool::{self, Until};
use crate::fault::FaultKind;
use crate::plan::Plan;
use crate::seed::Seed;
use crate::shrink::shrink;
use crate::verdict::Verdict;

/// A fault of the remote services that was planned so often and never mattered has been proved nothing about.
const PLANNED_FOR_BITES: u64 = 4;

/// Environment variables of whoever looks at a failure.
const SEED: &str = "SAGALINE_SEED";
const PLAN_FILE: &str = "SAGALINE_PLAN";

/// Runs a check to its end. Panics with what failed.
pub(super) fn run(check: &Check, test: &ThisTest) {
    let mut batch = Batch::new(check, test);
    match (batch.run(), &check.finds) {
        (Ok(()), None) => print!("{}", batch.summary()),
        (Err(failure), None) => panic!("{}", failure.text),
        (Err(failure), Some(what)) if failure.signature == *what => {
            println!("check {}: found {what}", test.name);
        }
        (Err(failure), Some(what)) => panic!("{}: found instead of {what}", failure.text),
        (Ok(()), Some(what)) => panic!("{what}: not found\n{}", batch.summary()),
    }
}

/// Why a check failed.
struct Failure {
    /// The oracle and what it found broken; empty: it is not about a promise.
    signature: String,
    /// All that is known of it.
    text: String,
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self { signature: String::new(), text }
    }
}

/// What whoever runs the test wants.
enum Asked {
    Everything,
    Seed(Seed),
    Plan(Box<Plan>),
}

fn asked() -> Result<Asked, String> {
    if let Some(file) = env::var_os(PLAN_FILE) {
        return words::plan_in(&PathBuf::from(file)).map(|plan| Asked::Plan(Box::new(plan)));
    }
    match env::var(SEED) {
        Ok(seed) => Ok(Asked::Seed(seed.parse()?)),
        Err(_) => Ok(Asked::Everything),
    }
}

impl Check {
    fn plan(&self, seed: Seed) -> Plan {
        chaos::plan(seed, &self.starts, &self.faults)
    }
}

struct Batch<'a> {
    check: &'a Check,
    test: &'a ThisTest,
    processes: Processes<'a>,
    jobs: usize,
    seen: Seen,
    worlds: u64,
    simulated_us: u64,
    /// How often each kind of fault was planned, and how often it mattered.
    faults: BTreeMap<FaultKind, (u64, u64)>,
}

impl<'a> Batch<'a> {
    fn new(check: &'a Check, test: &'a ThisTest) -> Self {
        Self {
            check,
            test,
            processes: Processes::new(test),
            jobs: pool::jobs(None),
            seen: Seen::default(),
            worlds: 0,
            simulated_us: 0,
            faults: BTreeMap::new(),
        }
    }

    /// What whoever runs the test wants.
    fn run(&mut self) -> Result<(), Failure> {
        match asked()? {
            Asked::Everything => self.everything(),
            Asked::Seed(seed) => self.worlds(vec![self.check.plan(seed)]),
            Asked::Plan(plan) => self.worlds(vec![*plan]),
        }
    }

    /// Sweeps and seeds.
    fn everything(&mut self) -> Result<(), Failure> {
        let starts = &self.check.starts;
        let seeds = self.check.seeds.clone().map(|seed| self.check.plan(Seed(seed)));
        let seeds: Vec<_> = seeds.collect();
        if self.check.sweep {
            self.sweeps(starts)?;
        }
        self.worlds(seeds)?;
        let remotes = self.check.remotes.iter().map(|(name, _)| name.as_str());
        let mut gaps = self.seen.gaps(remotes, starts.iter().map(|start| &start.shape));
        gaps.extend(self.toothless());
        gaps.extend(self.unjudged());
        if gaps.is_empty() {
            return Ok(());
        }
        let test = &self.test.name;
        let (gaps, summary) = (gaps.join("\n  "), self.summary());
        Err(format!("VACUOUS {test} proves nothing where\n  {gaps}\n{summary}").into())
    }

    fn sweeps(&mut self, starts: &[Start]) -> Result<(), Failure> {
        let counted = self.world(&sweep::clean(starts))?;
        let mut plans = vec![sweep::steps(starts)];
        plans.extend(sweep::deaths(starts, &counted.lives));
        self.worlds(plans)
    }

    fn world(&mut self, plan: &Plan) -> Result<Outcome, Failure> {
        let (outcome, page) = self.processes.run(plan)?;
        self.add(plan, &outcome, page)?;
        Ok(outcome)
    }

    /// Runs these, several at once, up to the first failure.
    fn worlds(&mut self, plans: Vec<Plan>) -> Result<(), Failure> {
        let (processes, mut came) = (&self.processes, Vec::new());
        let work = |index: u64| {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            let plan = plans.get(index).ok_or("there are no more plans")?;
            processes.run(plan).map(|(outcome, page)| (index, outcome, page))
        };
        let count = Until::Count(plans.len() as u64);
        pool::each(self.jobs, count, work, |_, result, _| came.push(result))?;
        came.sort_by_key(|(index, _, _)| *index);
        for (index, outcome, page) in came {
            self.add(&plans[index], &outcome, page)?;
        }
        Ok(())
    }

    /// Counts a world. The error says all that is known of its failure.
    fn add(&mut self, plan: &Plan, outcome: &Outcome, page: PathBuf) -> Result<(), Failure> {
        if let Some(why) = &outcome.refused {
            return Err(why.clone().into());
        }
        self.worlds += 1;
        self.seen.add(&outcome.seen);
        self.simulated_us += outcome.report.simulated_us;
        for (kind, planned) in &outcome.report.planned {
            self.faults.entry(*kind).or_default().0 += planned;
        }
        for (kind, bites) in &outcome.report.bites {
            self.faults.entry(*kind).or_default().1 += bites;
        }
        match &outcome.report.verdict {
            Verdict::Pass | Verdict::Unrecoverable { .. } => Ok(()),
            _ => Err(self.failure(plan, outcome.clone(), page)),
        }
    }

    /// The failure, made as small as it gets.
    fn failure(&self, plan: &Plan, outcome: Outcome, page: PathBuf) -> Failure {
        let Some(signature) = outcome.report.verdict.signature().cloned() else {
            return "a run failed without saying why".to_owned().into();
        };
        let (processes, jobs, name) = (&self.processes, self.jobs, signature.to_string());
        let mut trials = Trials { processes, signature, jobs, tried: 0, last: None };
        // What is found on purpose nobody looks at.
        let small = match self.check.finds {
            Some(_) => plan.clone(),
            None => shrink(plan, &mut trials),
        };
        let (outcome, page, small) = match trials.last {
            Some((outcome, page)) => (outcome, page, &small),
            None => (outcome, page, plan),
        };
        let of = format!("{}-{}", plan.scenario, plan.seed);
        let text = match self.processes.keep(&of, small, &page) {
            Ok(file) => words::of_failure(self.test, plan, small, &outcome, &file),
            Err(error) => format!("{}\n{error}", outcome.report.verdict),
        };
        Failure { signature: name, text }
    }

    /// Faults of the remote services that were planned often enough and never mattered.
    fn toothless(&self) -> Vec<String> {
        let toothless = |kind: &FaultKind| matches!(self.faults.get(kind), Some((planned, 0)) if *planned >= PLANNED_FOR_BITES);
        let kinds = chaos::REMOTE.into_iter().filter(toothless);
        kinds.map(|kind| format!("{kind:?} was planned and never mattered")).collect()
    }

    /// Invariants for which no world was fit.
    fn unjudged(&self) -> Option<String> {
        let unjudged = !self.check.invariants.is_empty() && self.seen.judged == 0;
        let why = "a person had to decide in every world, so no invariant was judged";
        unjudged.then(|| why.to_owned())
    }

    fn summary(&self) -> String {
        let bit = |kind: &FaultKind| self.faults.get(kind).is_some_and(|(_, bites)| *bites > 0);
        let toothless: Vec<_> = self.check.faults.kinds().filter(|kind| !bit(kind)).collect();
        words::of_success(&self.test.name, self.worlds, self.simulated_us, &self.seen, &toothless)
    }
}
