//! `view`: runs a plan again and makes a page of it.

use std::process::ExitCode;

use crate::evidence::Evidence;
use crate::plan::Plan;
use crate::view;

use super::child::{Child, What};
use super::{Done, ViewArgs, run};

pub(super) fn run(args: &ViewArgs) -> Done {
    let what = match &args.file {
        Some(file) => What::Plan(file.clone(), Box::new(run::plan_in(file)?.plan)),
        None => What::Drawn(args.seed, args.scenario),
    };
    let at = |error: std::io::Error| format!("{}: {error}", args.to.display());
    if let Some(folder) = args.to.parent() {
        std::fs::create_dir_all(folder).map_err(at)?;
    }
    let seen = args.to.with_extension("evidence.json");
    let report = Child::new(what).evidence(&seen).run()?;
    let text = std::fs::read_to_string(&seen)
        .map_err(|error| format!("{}: the run left nothing to see: {error}", report.verdict))?;
    let evidence: Evidence = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    std::fs::remove_file(&seen).map_err(|error| format!("{}: {error}", seen.display()))?;
    let page = view::html(&evidence, &report.verdict, &report.findings);
    std::fs::write(&args.to, page).map_err(at)?;
    let Plan { seed, scenario, .. } = &evidence.plan;
    println!("{scenario} {seed}: {}\n{}", report.verdict, args.to.display());
    Ok(ExitCode::SUCCESS)
}
