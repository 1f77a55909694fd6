//! The closed-loop client: N clients, each sends one request, waits for its end, sends the next.
//!
//! Requests that end within the measured window count; what ends in the warm-up does not. Prints one
//! JSON line, [`figures::LoadFigures`]. It starts nothing and judges nothing: the collector does.

pub(crate) mod client;

pub(crate) mod figures;

pub(crate) mod request;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sagaline_storage::clock::{Clock, Entropy, SystemClock, SystemEntropy};

use crate::disk::SyncProbe;
use crate::failure::{Context, Failure};
use crate::load::client::{Client, Tally, Window};
use crate::load::figures::LoadFigures;
use crate::load::request::{Kind, Requests};
use crate::samples::Samples;
use crate::usage;

/// Syncs taken before the load, when the disk is quiet.
const QUIET_SYNCS: usize = 300;
/// Bytes of one of them: about what one append of a saga writes.
const SYNC_BYTES: usize = 1_500;
/// What a saga may take at most (`Prefer: wait=60`), and a little more.
const LAST_ANSWER: Duration = Duration::from_secs(65);

/// What to send, to whom, for how long.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// The server under test.
    #[arg(long)]
    pub(crate) address: SocketAddr,
    /// What one request is.
    #[arg(long, value_enum, default_value_t = Kind::Saga)]
    pub(crate) kind: Kind,
    /// Clients in the closed loop.
    #[arg(long, default_value_t = 1)]
    pub(crate) clients: usize,
    /// Seconds that are not measured.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) warmup_s: f64,
    /// Seconds that are.
    #[arg(long, default_value_t = 20.0)]
    pub(crate) measured_s: f64,
    /// A bearer token, when the server wants one.
    #[arg(long)]
    pub(crate) token: Option<String>,
    /// Processes whose CPU time and memory are told, in this order.
    #[arg(long = "pid")]
    pub(crate) pids: Vec<u32>,
    /// Where to take the disk's own fdatasync time, before the load.
    #[arg(long)]
    pub(crate) sync_dir: Option<PathBuf>,
    /// Take it during the measured window instead.
    #[arg(long, requires = "sync_dir")]
    pub(crate) sync_during: bool,
    /// Milliseconds between an answer and a client's next request, and between two syncs: a probe of a
    /// loaded machine is no load of its own.
    #[arg(long, default_value_t = 0)]
    pub(crate) pause_ms: u64,
}

/// Measures and prints.
pub(crate) async fn run(args: LoadArgs) -> Result<(), Failure> {
    let clock = SystemClock::default();
    let quiet = match &args.sync_dir {
        Some(dir) if !args.sync_during => {
            SyncProbe::create(dir, SYNC_BYTES)?.sync_times(QUIET_SYNCS)?
        }
        Some(_) | None => Samples::default(),
    };
    let window = Window::from_now(&clock, args.warmup_s, args.measured_s)?;
    let clients = start_clients(&args, window, clock);
    let busy = sync_during(&args, window, clock);
    clock.sleep(window.from.saturating_sub(clock.monotonic())).await;
    let cpu_before = cpu_times(&args.pids)?;
    clock.sleep(window.to.saturating_sub(clock.monotonic())).await;
    let cpu_after = cpu_times(&args.pids)?;
    let resident = args.pids.iter().map(|pid| usage::resident_bytes(*pid));
    let resident_bytes = resident.collect::<Result<Vec<_>, _>>()?;

    let mut tally = Tally::default();
    for client in clients {
        let ended = tokio::time::timeout(LAST_ANSWER, client).await;
        let ended = ended.context("a client got no answer in 65 s")?;
        tally.absorb(ended.context("a client stopped")?);
    }
    let syncs = match busy {
        Some(probe) => probe.await.context("the sync probe stopped")??,
        None => quiet,
    };
    let cpu =
        cpu_before.iter().zip(&cpu_after).map(|(before, after)| after.saturating_sub(*before));
    let figures = LoadFigures::of(&args, tally, syncs, cpu.collect(), resident_bytes);
    println!("{}", serde_json::to_string(&figures).context("printing the figures")?);
    Ok(())
}

fn start_clients(
    args: &LoadArgs,
    window: Window,
    clock: SystemClock,
) -> Vec<tokio::task::JoinHandle<Tally>> {
    let run_id = SystemEntropy.next_u64();
    let requests = Arc::new(Requests::new(args.kind, args.address, args.token.as_deref(), run_id));
    let client = |number| Client::new(number, requests.clone(), window, args.pause(), clock);
    (0..args.clients).map(|number| tokio::spawn(client(number).run())).collect()
}

impl LoadArgs {
    fn pause(&self) -> Duration {
        Duration::from_millis(self.pause_ms)
    }
}

/// Syncs in turn with the load, on a thread that may block.
fn sync_during(
    args: &LoadArgs,
    window: Window,
    clock: SystemClock,
) -> Option<tokio::task::JoinHandle<Result<Samples, Failure>>> {
    let dir = args.sync_dir.clone().filter(|_| args.sync_during)?;
    let pause = args.pause();
    Some(tokio::spawn(async move {
        let mut probe = SyncProbe::create(&dir, SYNC_BYTES)?;
        let mut samples = Samples::default();
        while clock.monotonic() < window.to {
            let synced = tokio::task::spawn_blocking(move || (probe.sync_once(), probe));
            let (took, back) = synced.await.context("the sync probe stopped")?;
            probe = back;
            let took = took?;
            if clock.monotonic() >= window.from {
                samples.record(took);
            }
            clock.sleep(pause).await;
        }
        Ok(samples)
    }))
}

fn cpu_times(pids: &[u32]) -> Result<Vec<Duration>, Failure> {
    pids.iter().map(|pid| usage::cpu_time(*pid)).collect()
}
