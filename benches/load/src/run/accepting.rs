//! Accepting alone: `POST /orders` without wait at 64 clients, beside one sync and one bare HTTP round
//! trip under the same load. And resident memory at the node's start.
//!
//! Alone means that the sagas which follow from the orders stand still: the payment gateway answers
//! nothing within the window. Under the same load means under the same 64 clients, in a closed loop as well:
//! the bare acceptor does one round trip and one shared sync for each of their requests and nothing else.
//! (One lone client beside the 64 would be no measure for them: 64 clients that wait for each other's turn
//! have the latency of 64 turns, whoever serves them.) Rows beside it tell what such a lone client and a probe
//! of the disk see meanwhile, and what accepting takes while the sagas run.

use std::path::{Path, PathBuf};
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
/// Between two questions of the probe.
const PROBE_PAUSE_MS: &str = "5";
const MIB: f64 = 1_048_576.0;
/// A node counts as idle when it uses less than this much CPU time in [`SETTLE_PAUSE`].
const SETTLED_CPU: Duration = Duration::from_millis(20);
const SETTLE_PAUSE: Duration = Duration::from_millis(500);
/// A node that is busy for so long with nothing to do is a finding of its own.
const SETTLE_MAX: Duration = Duration::from_secs(120);
/// One call at a time, and none answered within any profile's window; every order finds room.
const STANDSTILL: [(&str, &str); 3] = [
    ("GATEWAY_FAKE_LATENCY", "60s"),
    ("PARTICIPANT_CALLS_MAX", "1"),
    ("SAGAS_IN_FLIGHT_MAX", "10000000"),
];

/// What one round tells.
struct Round {
    /// Orders while their sagas stand still.
    alone: LoadFigures,
    /// One client of a bare HTTP server, and syncs in turn, meanwhile.
    beside: LoadFigures,
    /// The bare acceptor under 64 clients.
    bare: LoadFigures,
    /// Orders while their sagas run.
    busy: LoadFigures,
}

/// Takes all rounds and says which bars hold.
pub(crate) async fn measure(args: &RunArgs, findings: &mut Findings) -> Result<(), Failure> {
    let mut rounds = Vec::new();
    for number in 0..args.profile.rounds() {
        let at_start = (number == 0).then_some(&mut *findings);
        let round = take(args, at_start).await?;
        tell(&round, findings);
        rounds.push(round);
    }
    let ratio = |round: &Round| round.alone.latency.p50_us / round.bare.latency.p50_us;
    let ratio = median(&rounds.iter().map(ratio).collect::<Vec<_>>());
    findings.bar(Bar::new("accepting_p50_over_bare_64", ratio, "x", Bound::AtMost(2.0)));
    Ok(())
}

async fn take(args: &RunArgs, at_start: Option<&mut Findings>) -> Result<Round, Failure> {
    let busy = Node::start(args, &[]).await?;
    if let Some(findings) = at_start {
        let mib = busy.resident_at_start as f64 / MIB;
        findings.bar(Bar::new("memory_at_start", mib, "MiB", Bound::Below(60.0)));
    }
    let busy = busy.orders(args).await?;
    let alone = Node::start(args, &STANDSTILL).await?;
    let server = Process::start_part("participant", &["--threads".into(), "1".into()]).await?;
    let (alone, beside) = tokio::join!(alone.orders(args), probe(args, &server));
    Ok(Round { alone: alone?, beside: beside?, bare: bare(args).await?, busy })
}

fn tell(round: &Round, findings: &mut Findings) {
    let Round { alone, beside, bare, busy } = round;
    let mut row = |what: &str, figure: f64, unit: &str| {
        findings.row(Row::single(what, figure, unit));
    };
    row("orders accepted alone, 64 clients", alone.per_second, "1/s");
    row("accepting an order alone, p50", alone.latency.p50_us, "µs");
    row("a bare round trip under the same load, p50", beside.latency.p50_us, "µs");
    row("a sync under the same load, p50", beside.fdatasync.p50_us, "µs");
    row("the bare acceptor under 64 clients, p50", bare.latency.p50_us, "µs");
    row("orders accepted while sagas run, 64 clients", busy.per_second, "1/s");
    row("accepting an order while sagas run, p50", busy.latency.p50_us, "µs");
}

/// A node of its own, with a customer.
struct Node {
    process: Process,
    token: String,
    /// Bytes, before anybody asked anything of it.
    resident_at_start: u64,
}

impl Node {
    async fn start(args: &RunArgs, environment: &[(&str, &str)]) -> Result<Self, Failure> {
        let data_dir = empty_dir(&args.data_dir, "accepting")?;
        let process = Process::start_sagaline(&binary(args)?, &data_dir, environment).await?;
        settle(process.pid()).await?;
        let resident_at_start = usage::resident_bytes(process.pid())?;
        let token = register(&process).await?;
        Ok(Self { process, token, resident_at_start })
    }

    /// Orders of 64 clients, until the window is over.
    async fn orders(self, args: &RunArgs) -> Result<LoadFigures, Failure> {
        let orders = load(args, &self.process, "order", &[("--token", &self.token)]).await?;
        if orders.errors > 0 {
            return Err(Failure::new(format!("{} orders were not accepted", orders.errors)));
        }
        Ok(orders)
    }
}

async fn bare(args: &RunArgs) -> Result<LoadFigures, Failure> {
    let data_dir = empty_dir(&args.data_dir, "acceptor")?;
    let list = ["--data-dir".to_owned(), text(&data_dir)];
    let acceptor = Process::start_part("acceptor", &list).await?;
    load(args, &acceptor, "order", &[]).await
}

/// One client asks the bare server now and then, while the disk is synced now and then.
async fn probe(args: &RunArgs, server: &Process) -> Result<LoadFigures, Failure> {
    let dir = text(&args.data_dir);
    let more = [("--sync-dir", dir.as_str()), ("--pause-ms", PROBE_PAUSE_MS)];
    let mut list = arguments(args, server, "bare", 1, &more);
    list.push("--sync-during".to_owned());
    run_load(list).await
}

async fn load(
    args: &RunArgs,
    server: &Process,
    kind: &str,
    more: &[(&str, &str)],
) -> Result<LoadFigures, Failure> {
    run_load(arguments(args, server, kind, CLIENTS, more)).await
}

fn arguments(
    args: &RunArgs,
    server: &Process,
    kind: &str,
    clients: usize,
    more: &[(&str, &str)],
) -> Vec<String> {
    let (warmup_s, measured_s) = (args.profile.warmup_s(), args.profile.measured_s());
    let mut list = load_args(server, kind, clients, warmup_s, measured_s);
    list.extend(more.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]));
    list
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

async fn register(node: &Process) -> Result<String, Failure> {
    let user = json!({
        "email": "load@bench.test", "password": "a long enough one",
        "firstName": "Load", "lastName": "Bench"
    });
    http::access_token(node.address, "/auth/register", &user).await
}

/// Waits until the node has nothing to do.
async fn settle(pid: u32) -> Result<(), Failure> {
    let clock = SystemClock::default();
    let began = clock.monotonic();
    let mut before = usage::cpu_time(pid)?;
    loop {
        clock.sleep(SETTLE_PAUSE).await;
        let now = usage::cpu_time(pid)?;
        if now.saturating_sub(before) < SETTLED_CPU {
            return Ok(());
        }
        if clock.monotonic().saturating_sub(began) > SETTLE_MAX {
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
