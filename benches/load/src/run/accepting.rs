//! Accepting alone: `POST /orders` without wait at 64 clients, beside one sync and one bare HTTP round
//! trip under the same load. And, from the same node, resident memory at its start.

use std::path::PathBuf;
use std::time::Duration;

use sagaline_storage::clock::{Clock, SystemClock};
use serde_json::json;

use crate::bar::{Bar, Bound};
use crate::failure::{Context, Failure};
use crate::load::figures::LoadFigures;
use crate::report::row::Row;
use crate::run::process::{Process, own_path, run_load};
use crate::run::profile::empty_dir;
use crate::run::saga_bench::load_args;
use crate::run::{Findings, RunArgs, http};
use crate::samples::median;
use crate::usage;

const CLIENTS: usize = 64;
const MIB: f64 = 1_048_576.0;
/// A node counts as idle when it uses less than this much CPU time in [`SETTLE_PAUSE`].
const SETTLED_CPU: Duration = Duration::from_millis(20);
const SETTLE_PAUSE: Duration = Duration::from_millis(500);
/// A backlog that is not worked off after this long is a finding of its own.
const SETTLE_MAX: Duration = Duration::from_secs(120);

/// Takes all rounds and says which bars hold.
pub(crate) async fn measure(args: &RunArgs, findings: &mut Findings) -> Result<(), Failure> {
    let data_dir = empty_dir(&args.data_dir, "accepting")?;
    let node = Process::start_sagaline(&binary(args)?, &data_dir, &[]).await?;
    settle(node.pid()).await?;
    let start_mib = usage::resident_bytes(node.pid())? as f64 / MIB;
    findings.bar(Bar::new("memory_at_start", start_mib, "MiB", Bound::Below(60.0)));

    let bare = Process::start_part("participant", &["--threads".into(), "2".into()]).await?;
    let token = register(&node).await?;
    let mut ratios = Vec::new();
    for _ in 0..args.profile.rounds() {
        let beside = load(args, &bare, "bare", None).await?;
        let orders = load(args, &node, "order", Some(&token)).await?;
        settle(node.pid()).await?;
        if orders.errors > 0 {
            return Err(Failure::new(format!("{} orders were not accepted", orders.errors)));
        }
        let once = beside.fdatasync.p50_us + beside.latency.p50_us;
        ratios.push(orders.latency.p50_us / once);
        findings.row(Row::single("orders accepted, 64 clients", orders.per_second, "1/s"));
        findings.row(Row::single("accepting an order, p50", orders.latency.p50_us, "µs"));
        findings.row(Row::single("one sync + one bare round trip, p50", once, "µs"));
    }
    let ratio = median(&ratios);
    findings.bar(Bar::new("accepting_p50_over_bare_64", ratio, "x", Bound::AtMost(2.0)));
    let after_mib = usage::resident_bytes(node.pid())? as f64 / MIB;
    findings.row(Row::single("resident memory after accepting", after_mib, "MiB"));
    Ok(())
}

/// The bare server is loaded while the disk is synced in turns.
async fn load(
    args: &RunArgs,
    server: &Process,
    kind: &str,
    token: Option<&str>,
) -> Result<LoadFigures, Failure> {
    let (warmup_s, measured_s) = (args.profile.warmup_s(), args.profile.measured_s());
    let mut list = load_args(server, kind, CLIENTS, warmup_s, measured_s);
    match token {
        Some(token) => list.extend(["--token".to_owned(), token.to_owned()]),
        None => {
            let dir = args.data_dir.to_string_lossy().into_owned();
            list.extend(["--sync-during".to_owned(), "--sync-dir".to_owned(), dir]);
        }
    }
    run_load(list).await
}

async fn register(node: &Process) -> Result<String, Failure> {
    let user = json!({
        "email": "load@bench.test", "password": "a long enough one",
        "firstName": "Load", "lastName": "Bench"
    });
    http::access_token(node.address, "/auth/register", &user).await
}

/// Waits until the node has worked off what it was given.
async fn settle(pid: u32) -> Result<(), Failure> {
    let clock = SystemClock::default();
    let mut before = usage::cpu_time(pid)?;
    loop {
        clock.sleep(SETTLE_PAUSE).await;
        let now = usage::cpu_time(pid)?;
        if now.saturating_sub(before) < SETTLED_CPU {
            return Ok(());
        }
        if clock.monotonic() > SETTLE_MAX {
            return Err(Failure::new("the node is still busy after 120 s"));
        }
        before = now;
    }
}

fn binary(args: &RunArgs) -> Result<PathBuf, Failure> {
    let binary = match &args.sagaline {
        Some(path) => path.clone(),
        None => own_path()?.with_file_name("sagaline"),
    };
    binary.canonicalize().context(format!("the product's binary {}", binary.display()))
}
