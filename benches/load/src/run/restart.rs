//! Restart: a node with sagas in flight is killed and started again. How long until they go on, and
//! until all have ended?
//!
//! The participant holds back the answers to the third call, so that sagas pile up in the middle; it
//! lets go when the node is dead. What counts is measured from the start of the new process.

use std::path::Path;
use std::time::Duration;

use sagaline_storage::clock::{Clock, SystemClock};
use serde_json::json;

use crate::bar::{Bar, Bound};
use crate::failure::{Context, Failure};
use crate::load::figures::LoadFigures;
use crate::participant::Stats;
use crate::report::row::Row;
use crate::run::process::{Process, run_load};
use crate::run::saga_bench::{admin_token, load_args, named, start_server};
use crate::run::{Findings, RunArgs, http};

/// Calls that stop for this long have ended.
const QUIET: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(5);
/// Sagas that do not go on at all are a failure, not a figure.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Kills, restarts, measures.
pub(crate) async fn measure(args: &RunArgs, findings: &mut Findings) -> Result<(), Failure> {
    let participant = Process::start_part("participant", &[]).await?;
    let node = start_server("node", &args.data_dir, &participant, &[]).await?;
    http::post_json(participant.address, "/hold", &json!({})).await?;
    let started = start_sagas(&node).await?;
    node.kill()?;
    http::post_json(participant.address, "/release", &json!({})).await?;
    let before = calls(&participant).await?;

    let clock = SystemClock::default();
    let node = restart_node(&args.data_dir, &participant).await?;
    let ready = clock.monotonic();
    let first = wait_for_call(&participant, before, &clock).await?;
    let last = wait_for_quiet(&participant, &clock).await?;
    let unfinished = http::get_json(node.address, "/stats").await?["unfinished"].as_u64();
    let unfinished = unfinished.ok_or_else(|| Failure::new("GET /stats tells no unfinished"))?;
    if unfinished > 0 {
        return Err(Failure::new(format!("{unfinished} sagas have not ended after a restart")));
    }
    findings.row(Row::single("sagas in flight at kill -9, about", started as f64, "sagas"));
    findings.row(Row::single("ready after restart", millis(ready), "ms"));
    findings.row(Row::single("last call after restart", millis(last), "ms"));
    let bound = Bound::AtMost(1_000.0);
    findings.bar(Bar::new("restart_to_first_call", millis(first), "ms", bound));
    Ok(())
}

/// On the folder that the killed one left.
async fn restart_node(data_dir: &Path, participant: &Process) -> Result<Process, Failure> {
    let args = named(&[
        ("--data-dir", data_dir.join("node").to_string_lossy().into_owned()),
        ("--participant", participant.address.to_string()),
    ]);
    Process::start_part("node", &args).await
}

async fn start_sagas(node: &Process) -> Result<u64, Failure> {
    let mut args = load_args(node, "started-saga", 16, 0.0, 1.0);
    args.extend(named(&[("--token", admin_token(node).await?)]));
    let figures: LoadFigures = run_load(args).await?;
    match figures.errors {
        0 if figures.ended > 0 => Ok(figures.ended),
        errors => Err(Failure::new(format!("{errors} starts failed, {} did not", figures.ended))),
    }
}

async fn wait_for_call(
    participant: &Process,
    before: u64,
    clock: &SystemClock,
) -> Result<Duration, Failure> {
    while calls(participant).await? == before {
        if clock.monotonic() > WAIT_MAX {
            return Err(Failure::new("no saga went on within 120 s of the restart"));
        }
        clock.sleep(POLL).await;
    }
    Ok(clock.monotonic())
}

/// When the last call came before a silence.
async fn wait_for_quiet(participant: &Process, clock: &SystemClock) -> Result<Duration, Failure> {
    let (mut count, mut last) = (calls(participant).await?, clock.monotonic());
    while clock.monotonic().saturating_sub(last) < QUIET {
        if clock.monotonic() > WAIT_MAX {
            return Err(Failure::new("the sagas have not ended within 120 s of the restart"));
        }
        clock.sleep(POLL).await;
        let now = calls(participant).await?;
        if now != count {
            (count, last) = (now, clock.monotonic());
        }
    }
    Ok(last)
}

async fn calls(participant: &Process) -> Result<u64, Failure> {
    let stats = http::get_json(participant.address, "/stats").await?;
    let stats: Stats = serde_json::from_value(stats).context("the participant's counts")?;
    Ok(stats.calls.iter().sum())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
