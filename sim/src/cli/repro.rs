//! `repro`: a failure from its file. In another build it may be another run, so that is refused.

use std::process::{Command, ExitCode};
use std::sync::LazyLock;

use crate::repro::{Build, Repro};

use super::child::{Child, What};
use super::{Done, ReproArgs, tables};

pub(super) fn run(args: &ReproArgs) -> Done {
    let repro = Repro::read(&args.file)?;
    check(&repro, args.force)?;
    let report = Child::new(What::Plan(args.file.clone(), Box::new(repro.plan.clone()))).run()?;
    print!("{}", tables::of_run(&report));
    let same = report.verdict == repro.verdict && report.digest == repro.digest;
    match same {
        true => println!("the same as on file"),
        false => println!("on file: {}, digest {}", repro.verdict, repro.digest),
    }
    Ok(ExitCode::from(report.verdict.exit_code()))
}

/// Whether this is the build the file is of.
pub(super) fn check(repro: &Repro, force: bool) -> Result<(), String> {
    match repro.build.differs_from(&Build::of_this(commit())) {
        Some(what) if !force => Err(format!(
            "found in another build ({what}); check out {} and build there, or say --force",
            repro.build.commit
        )),
        Some(what) => {
            eprintln!("found in another build ({what}): this may be another run");
            Ok(())
        }
        None => Ok(()),
    }
}

/// Environment variable in which a process that runs many others tells them the commit.
pub(super) const COMMIT: &str = "SAGALINE_SIM_COMMIT";

/// The commit that is checked out here, for people to find it again. Asked for once: not by each of many
/// runs.
pub(super) fn commit() -> String {
    static KNOWN: LazyLock<String> =
        LazyLock::new(|| std::env::var(COMMIT).unwrap_or_else(|_| checked_out()));
    KNOWN.clone()
}

fn checked_out() -> String {
    let here = env!("CARGO_MANIFEST_DIR");
    let output = Command::new("git").args(["-C", here, "rev-parse", "--short=12", "HEAD"]).output();
    let said = output.ok().filter(|output| output.status.success());
    let text = said.and_then(|output| String::from_utf8(output.stdout).ok());
    text.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}
