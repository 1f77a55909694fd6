//! `corpus`: plans worth keeping, each with the verdict it must have.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::plan::Plan;
use crate::run::Report;

use super::child::{Child, What};
use super::pool::{self, Until};
use super::{CorpusArgs, Done, exit};

/// A plan on file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    /// Why it is kept.
    about: String,
    /// The verdict it must have, as it is printed.
    expect: String,
    plan: Plan,
}

pub(super) fn run(args: &CorpusArgs) -> Done {
    let files = files(&args.folder)?;
    let mut wrong = Vec::new();
    let work = |index: u64| {
        let file = &files[usize::try_from(index).map_err(|error| error.to_string())?];
        tried(file)
    };
    let count = files.len() as u64;
    pool::each(pool::jobs(args.jobs), Until::Count(count), work, |_, (file, case, report), _| {
        if report.verdict.to_string() != case.expect {
            wrong.push((file, case, report));
        }
    })?;
    println!("{} of {count} plans came to what they must", count - wrong.len() as u64);
    for (file, case, report) in &wrong {
        println!("{}: {}, wants {} ({})", file.display(), report.verdict, case.expect, case.about);
    }
    Ok(exit(wrong.is_empty() && count > 0))
}

fn tried(file: &Path) -> Result<(PathBuf, Case, Report), String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let case: Case =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let report = Child::new(What::Plan(file.to_owned(), Box::new(case.plan.clone()))).run()?;
    Ok((file.to_owned(), case, report))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let listed = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files = Vec::new();
    for entry in listed {
        let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
