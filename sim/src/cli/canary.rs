//! `canary`: every deliberate bug must be found, by an oracle that is meant for it, within its budget of
//! seeds; and a harmless change must not be.

use std::path::Path;

use crate::canary::summary::{Line, Shrunk, Summary};
use crate::canary::{Canary, Range, all, named, search};
use crate::plan::Plan;
use crate::repro::{Build, Repro};
use crate::run::Report;

use super::child::{Child, What};
use super::pool::{self, Until};
use super::{CanaryArgs, Done, exit, repro, shrink};

/// What a quick look may take: a known seed may have become another run.
const QUICK_SEEDS: u64 = 12;
/// And for a harmless one.
const QUICK_SILENCE: u64 = 2;

pub(super) fn run(args: &CanaryArgs) -> Done {
    let canaries = chosen(args)?;
    if args.list {
        canaries.iter().for_each(|canary| println!("{}", about(canary)));
        return Ok(exit(true));
    }
    let mut summary = Summary::default();
    let work = |index: u64| {
        let index = usize::try_from(index).map_err(|error| error.to_string())?;
        line(args, canaries[index])
    };
    let until = Until::Count(canaries.len() as u64);
    pool::each(pool::jobs(args.jobs), until, work, |_, line: Line, bar| {
        // Where there is no terminal the bar prints nothing.
        if bar.is_hidden() {
            eprintln!("{line}");
        } else {
            bar.println(line.to_string());
        }
        summary.lines.push(line);
    })?;
    println!("{summary}");
    Ok(exit(summary.is_good()))
}

fn chosen(args: &CanaryArgs) -> Result<Vec<&'static Canary>, String> {
    if args.names.is_empty() {
        return Ok(all().iter().collect());
    }
    args.names.iter().map(|name| named(name)).collect()
}

fn about(canary: &Canary) -> String {
    let Canary { name, wrong, own, scenario, budget, .. } = canary;
    let own = if own.is_empty() { "nobody".to_owned() } else { own.join(", ") };
    format!("{name}\n    {wrong}\n    seen by {own}; {scenario}, {budget} seeds")
}

fn range(args: &CanaryArgs, canary: &Canary) -> Range {
    let quick = if canary.is_harmless() { QUICK_SILENCE } else { QUICK_SEEDS };
    // So many seeds behind the known one: that it was known must not be all there is to it.
    let from = if args.quick { canary.known + args.from } else { args.from };
    let budget = if args.quick { quick } else { canary.budget };
    Range { from, budget: args.budget.unwrap_or(budget), is_quick: args.quick }
}

fn line(args: &CanaryArgs, canary: &'static Canary) -> Result<Line, String> {
    let found = search(canary, range(args, canary), |seed, planted| {
        let child = Child::new(What::Drawn(seed, canary.scenario));
        child.planted(planted.then_some(canary.name)).run()
    })?;
    let shrunk = match &found.failure {
        Some(report) => file(args, canary, report)?,
        None => None,
    };
    Ok(Line { canary, found, shrunk })
}

/// Puts a failure on file, and a smaller one of the same kind beside it when that is asked for.
fn file(args: &CanaryArgs, canary: &Canary, report: &Report) -> Result<Option<Shrunk>, String> {
    let repro = Repro {
        build: Build::of_this(repro::commit()),
        verdict: report.verdict.clone(),
        digest: report.digest.clone(),
        plan: Plan::draw(report.seed, canary.scenario),
        canary: Some(canary.name.to_owned()),
    };
    let to = args.out.join(format!("canary-{}.json", canary.name));
    write(&repro, &to)?;
    if !args.shrink {
        return Ok(None);
    }
    // As many canaries as there are cores are worked on at the same time already.
    let (small, _) = shrink::smallest(&repro, 1)?;
    write(&small, &to.with_extension("min.json"))?;
    let events = |plan: &Plan| plan.episodes.len() + plan.operations.len();
    Ok(Some(Shrunk { from: events(&repro.plan), to: events(&small.plan) }))
}

fn write(repro: &Repro, to: &Path) -> Result<(), String> {
    repro.write(to).map_err(|error| format!("{}: {error}", to.display()))
}
