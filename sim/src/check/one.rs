//! One world of a check, in this process; or, when none is asked for, all of them in processes of their own.

use std::env;
use std::path::{Path, PathBuf};

use super::outcome::Outcome;
use super::this_test::ThisTest;
use super::{App, Check, batch, words};
use crate::node::Additions;
use crate::plan::Plan;
use crate::remotes::Model;
use crate::run::{Guest, Report, run_with};
use crate::services::Participants;

/// Environment variable with the file of the plan that this process is to run, and of what it comes to.
pub(super) const PLAN: &str = "SAGALINE_CHECK_PLAN";
pub(super) const OUTCOME: &str = "SAGALINE_CHECK_OUTCOME";

/// Runs the world that this process was started for, or starts the check.
pub(super) fn or_all(check: Check) {
    let file = |name| env::var_os(name).map(PathBuf::from);
    match (file(PLAN), file(OUTCOME)) {
        (Some(plan), Some(outcome)) => one(check, &plan, &outcome),
        _ => batch::run(&check, &ThisTest::find()),
    }
}

fn one(check: Check, plan: &Path, to: &Path) {
    let plan = words::plan_in(plan).unwrap_or_else(|error| panic!("{error}"));
    let Check { app, remotes, invariants, .. } = check;
    let outcome = match run_with(&plan, guest(app, remotes, &plan)) {
        None => Outcome::of_harness(Report::of_harness(&plan, "the harness panicked")),
        Some(evidence) => {
            let outcome = Outcome::of(&evidence, &invariants);
            if outcome.report.verdict.signature().is_some() {
                let page =
                    crate::view::html(&evidence, &outcome.report.verdict, &outcome.report.findings);
                write(&to.with_extension("html"), &page);
            }
            outcome
        }
    };
    let text = serde_json::to_string(&outcome).expect("an outcome is plain data");
    write(to, &text);
}

fn write(to: &Path, text: &str) {
    std::fs::write(to, text).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
}

fn guest(app: Box<App>, remotes: Vec<(String, Box<dyn Model>)>, plan: &Plan) -> Guest {
    Guest {
        additions: Additions::new(app),
        participants: Participants::default().remotes(remotes, plan.fates()),
    }
}
