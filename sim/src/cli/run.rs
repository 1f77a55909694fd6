//! `run`: one plan in this process. The line that runs it again is printed first, and once more when it
//! fails.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use serde::Deserialize;

use crate::canary;
use crate::evidence::Evidence;
use crate::plan::Plan;
use crate::repro::Build;
use crate::run::Report;
use crate::trace;

use super::{Done, RunArgs, repro, tables};

pub(super) fn run(args: &RunArgs) -> Done {
    if args.layout.is_some() {
        scatter();
    }
    let Planned { plan, canary } = plan_of(args)?;
    if let Some(file) = &args.layout {
        fs::write(file, layout()).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if args.show_plan {
        println!("{}", serde_json::to_string_pretty(&plan).map_err(|error| error.to_string())?);
        return Ok(ExitCode::SUCCESS);
    }
    let again = again(args, canary.as_deref());
    eprintln!("{again}");
    let Some(evidence) = in_world(&plan, canary.as_deref())? else {
        eprintln!("{again}");
        let report = Report::of_harness(&plan, "the harness panicked");
        print(&report, args.json)?;
        return Ok(ExitCode::from(report.verdict.exit_code()));
    };
    let report = Report::of(&evidence);
    keep(args, &evidence)?;
    print(&report, args.json)?;
    if report.verdict.signature().is_some() {
        eprintln!("{again}");
    }
    // The process ends here: what it takes to give back piece by piece is saved.
    std::mem::forget(evidence);
    Ok(ExitCode::from(report.verdict.exit_code()))
}

/// Takes memory of many sizes that is never given back, in every process another amount, so that what is on the
/// heap from now on lies elsewhere, and otherwise among each other. Code and stack the system moves by itself;
/// this process's allocator begins at the same address each time.
fn scatter() {
    const SIZES: [usize; 7] = [1, 16, 64, 256, 1_024, 16_384, 65_536];
    const COUNTS: usize = 61;
    let on_stack = 0_u8;
    let mut chance = (&raw const on_stack).addr() >> 4;
    for size in SIZES {
        for _ in 0..=chance % COUNTS {
            // Else an optimiser would leave out what nobody looks at.
            assert!(std::hint::black_box(Vec::<u8>::with_capacity(size).leak()).is_empty());
        }
        chance /= COUNTS;
    }
}

/// Addresses of something in this process's code, on its heap and on its stack.
fn layout() -> String {
    let (on_stack, on_heap) = (0_u8, Box::new(0_u8));
    format!("{:p} {:p} {:p}", layout as fn() -> String, on_heap, &raw const on_stack)
}

/// A plan, and the deliberate bug it is to be run with.
#[derive(Deserialize)]
pub(super) struct Planned {
    pub(super) plan: Plan,
    #[serde(default)]
    canary: Option<String>,
}

/// Any file that has a plan in it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Within(Planned),
    Bare(Plan),
}

/// What is in a plan file, a repro file or a corpus file.
pub(super) fn plan_in(file: &Path) -> Result<Planned, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let content: Content = serde_json::from_str(&text)
        .map_err(|error| format!("{}: no plan in it: {error}", file.display()))?;
    Ok(match content {
        Content::Within(planned) => planned,
        Content::Bare(plan) => Planned { plan, canary: None },
    })
}

fn plan_of(args: &RunArgs) -> Result<Planned, String> {
    let Planned { mut plan, canary } = match &args.plan {
        Some(file) => plan_in(file)?,
        None => Planned { plan: Plan::draw(args.seed, args.scenario), canary: None },
    };
    let canary = args.canary.clone().or(canary);
    canary.as_deref().map_or(Ok(()), |name| canary::named(name).map(drop))?;
    if let Some(until) = args.until.filter(|until| *until < plan.chaos_ms) {
        plan.chaos_ms = until;
        plan.operations.retain(|planned| planned.at_ms < until);
    }
    Ok(Planned { plan, canary })
}

/// The line that runs it again.
fn again(args: &RunArgs, canary: Option<&str>) -> String {
    let what = match &args.plan {
        Some(file) => format!("--plan {}", file.display()),
        None => format!("--seed {} --scenario {}", args.seed, args.scenario),
    };
    let until = args.until.map_or_else(String::new, |until| format!(" --until {until}"));
    let canary = canary.map_or_else(String::new, |name| format!(" --canary {name}"));
    format!("REPRO: cargo sim run {what}{until}{canary}   ({})", Build::of_this(repro::commit()))
}

#[cfg(madsim)]
fn in_world(plan: &Plan, canary: Option<&str>) -> Result<Option<Evidence>, String> {
    if let Some(name) = canary.filter(|name| !sagaline_storage::canary::plant(name)) {
        return Err(format!("{name} cannot be planted any more"));
    }
    Ok(crate::run::run(plan))
}

#[cfg(not(madsim))]
fn in_world(_: &Plan, _: Option<&str>) -> Result<Option<Evidence>, String> {
    Err("this program was built without the simulated world: use `cargo sim`".to_owned())
}

fn keep(args: &RunArgs, evidence: &Evidence) -> Result<(), String> {
    if let Some(file) = &args.evidence {
        write(file, |to| serde_json::to_writer(to, evidence).map_err(Into::into))?;
    }
    if let Some(file) = &args.trace {
        write(file, |mut to| trace::write(evidence, &mut to))?;
    }
    Ok(())
}

fn write(
    file: &Path,
    content: impl FnOnce(&mut BufWriter<fs::File>) -> std::io::Result<()>,
) -> Result<(), String> {
    let written = fs::File::create(file).and_then(|file| {
        let mut to = BufWriter::new(file);
        content(&mut to)?;
        to.flush()
    });
    written.map_err(|error| format!("{}: {error}", file.display()))
}

fn print(report: &Report, as_json: bool) -> Result<(), String> {
    if as_json {
        println!("{}", serde_json::to_string(report).map_err(|error| error.to_string())?);
    } else {
        print!("{}", tables::of_run(report));
    }
    Ok(())
}
