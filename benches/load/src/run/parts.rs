//! Measures that are programs of their own and print their rows and bars: they are run, their output
//! is passed on, and their lines are read.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use tokio::sync::mpsc;

use crate::bar::Bar;
use crate::failure::{Context, Failure};
use crate::report::row::Row;
use crate::run::process::own_part;
use crate::run::{Findings, RunArgs};

/// `decide` + `evolve`: criterion's bench in the root package.
pub(crate) async fn decide(findings: &mut Findings) -> Result<(), Failure> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(["bench", "--locked", "-p", "sagaline", "--no-default-features"]);
    command.args(["--bench", "decide"]);
    read_lines("decide", command, findings).await
}

/// A storage measure of this program.
pub(crate) async fn storage(
    part: &'static str,
    args: &RunArgs,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let mut command = own_part(part)?;
    command.args(["--profile", &args.profile.to_string()]);
    command.arg("--data-dir").arg(&args.data_dir);
    read_lines(part, command, findings).await
}

/// Fails when the program fails, and when it printed no bar.
async fn read_lines(
    name: &'static str,
    mut command: Command,
    findings: &mut Findings,
) -> Result<(), Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context(format!("starting {name}"))?;
    let output = child.stdout.take().ok_or_else(|| Failure::new("no standard output"))?;
    let (sender, mut lines) = mpsc::unbounded_channel();
    let reader = tokio::task::spawn_blocking(move || {
        for line in BufReader::new(output).lines() {
            sender.send(line?).map_err(std::io::Error::other)?;
        }
        child.wait()
    });
    let bars_before = findings.bars.len();
    while let Some(line) = lines.recv().await {
        match (Bar::parse(&line), Row::parse(&line)) {
            (Some(bar), _) => findings.bar(bar?),
            (None, Some(row)) => findings.row(row?),
            (None, None) => println!("{line}"),
        }
    }
    let status = reader.await.context("waiting")?.context(format!("reading {name}"))?;
    if !status.success() {
        return Err(Failure::new(format!("{name} ended with {status}")));
    }
    match findings.bars.len() - bars_before {
        0 => Err(Failure::new(format!("{name} printed no bar"))),
        _ => Ok(()),
    }
}
