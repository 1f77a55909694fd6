//! The standard saga load: the node under test beside the hand-made twin and the floor, in turns.

use std::path::Path;

use crate::bar::{Bar, Bound};
use crate::failure::{Context, Failure};
use crate::floor::Floor;
use crate::load::figures::LoadFigures;
use crate::report::row::{Row, SagaRow, System};
use crate::run::process::{Process, run_load, run_part};
use crate::run::profile::{Profile, empty_dir};
use crate::run::{Findings, RunArgs, http};
use crate::samples::median;

/// Clients in the closed loop, one measure each.
const CLIENTS: [usize; 4] = [1, 16, 64, 256];
/// Calls of the standard saga.
const CALLS: u32 = 3;
/// Durable writes of one saga: quality's bar.
const WRITES: f64 = 4.0;

/// Everything that runs while the measures are taken.
struct Bench<'a> {
    profile: Profile,
    data_dir: &'a Path,
    participant: Process,
    node: Process,
    twin: Process,
}

/// One round of both systems.
struct Round {
    node: SagaRow,
    twin: SagaRow,
    floor: Floor,
}

/// Takes all rounds and says which bars hold.
pub(crate) async fn measure(args: &RunArgs, findings: &mut Findings) -> Result<(), Failure> {
    let bench = Bench::start(args).await?;
    let mut errors = 0;
    for clients in CLIENTS {
        let rounds = bench.rounds("saga", clients).await?;
        errors += tell(&rounds, findings);
        judge(clients, &rounds, findings);
    }
    let declined = bench.rounds("declined-saga", 16).await?;
    errors += tell(&declined, findings);
    findings.bar(Bar::new("saga_errors", errors as f64, "errors", Bound::AtMost(0.0)));
    Ok(())
}

fn tell(rounds: &[Round], findings: &mut Findings) -> u64 {
    let node: Vec<_> = rounds.iter().map(|round| round.node.clone()).collect();
    let twin: Vec<_> = rounds.iter().map(|round| round.twin.clone()).collect();
    for row in [SagaRow::median_of(&node), SagaRow::median_of(&twin)].into_iter().flatten() {
        findings.row(Row::Saga(row));
    }
    node.iter().chain(&twin).map(|row| row.errors).sum()
}

fn judge(clients: usize, rounds: &[Round], findings: &mut Findings) {
    let ratios = |ratio: fn(&Round) -> f64| median(&rounds.iter().map(ratio).collect::<Vec<_>>());
    if clients > 1 {
        let ratio = ratios(|round| round.node.per_second / round.twin.per_second);
        let name = format!("saga_beside_twin_{clients}");
        findings.bar(Bar::new(name, ratio, "x", Bound::AtLeast(0.7)));
        return;
    }
    let ratio = ratios(|round| round.node.latency.p50_us / round.floor.of_saga_us(CALLS));
    findings.bar(Bar::new("saga_p50_over_floor_1", ratio, "x", Bound::AtMost(1.5)));
    let writes = ratios(|round| round.node.writes_each);
    findings.bar(Bar::new("saga_durable_writes", writes, "writes", Bound::AtMost(WRITES)));
    for round in rounds {
        findings.row(Row::Floor(round.floor));
    }
}

impl<'a> Bench<'a> {
    async fn start(args: &'a RunArgs) -> Result<Self, Failure> {
        let participant = Process::start_part("participant", &[]).await?;
        let start = async |part: &str| {
            let dir = empty_dir(&args.data_dir, part)?;
            let to = participant.address.to_string();
            let args = ["--data-dir", &dir.to_string_lossy(), "--participant", &to];
            Process::start_part(part, &args.map(str::to_owned)).await
        };
        let (node, twin) = (start("node").await?, start("twin").await?);
        Ok(Self { profile: args.profile, data_dir: &args.data_dir, participant, node, twin })
    }

    /// Rounds that alternate which system goes first.
    async fn rounds(&self, kind: &str, clients: usize) -> Result<Vec<Round>, Failure> {
        let mut rounds = Vec::new();
        for number in 0..self.profile.rounds() {
            let floor = self.floor().await?;
            let node_first = number % 2 == 0;
            let (node, twin) = if node_first {
                let node = self.load(System::Sagaline, kind, clients).await?;
                (node, self.load(System::Twin, kind, clients).await?)
            } else {
                let twin = self.load(System::Twin, kind, clients).await?;
                (self.load(System::Sagaline, kind, clients).await?, twin)
            };
            rounds.push(Round { node, twin, floor });
        }
        Ok(rounds)
    }

    async fn floor(&self) -> Result<Floor, Failure> {
        let dir = self.data_dir.to_string_lossy().into_owned();
        let to = self.participant.address.to_string();
        let turns = (self.profile.measured_s() * 1_000.0).to_string();
        let args = ["--participant", &to, "--sync-dir", &dir, "--turns", &turns];
        run_part("floor", args.map(str::to_owned).to_vec()).await
    }

    async fn load(&self, system: System, kind: &str, clients: usize) -> Result<SagaRow, Failure> {
        let server = match system {
            System::Sagaline => &self.node,
            System::Twin => &self.twin,
        };
        let args = [
            ("--address", server.address.to_string()),
            ("--kind", kind.to_owned()),
            ("--clients", clients.to_string()),
            ("--warmup-s", self.profile.warmup_s().to_string()),
            ("--measured-s", self.profile.measured_s().to_string()),
            ("--pid", server.pid().to_string()),
            ("--pid", self.participant.pid().to_string()),
            ("--sync-dir", self.data_dir.to_string_lossy().into_owned()),
        ];
        let args = args.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
        let before = Counts::of(server).await?;
        let figures: LoadFigures = run_load(args).await?;
        let after = Counts::of(server).await?;
        let counts = after.since(&before);
        Ok(SagaRow::of(
            system,
            kind,
            &figures,
            counts.each(counts.appends),
            counts.each(counts.syncs),
        ))
    }
}

/// A server's own counts: what it says at `GET /stats`.
struct Counts {
    sagas: u64,
    appends: u64,
    syncs: u64,
}

impl Counts {
    async fn of(server: &Process) -> Result<Self, Failure> {
        let stats = http::get_json(server.address, "/stats").await?;
        let count = |name: &str| stats[name].as_u64().context_missing(name);
        Ok(Self { sagas: count("sagas")?, appends: count("appends")?, syncs: count("syncs")? })
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            sagas: self.sagas - before.sagas,
            appends: self.appends - before.appends,
            syncs: self.syncs - before.syncs,
        }
    }

    fn each(&self, count: u64) -> f64 {
        count as f64 / self.sagas as f64
    }
}

trait ContextMissing {
    fn context_missing(self, name: &str) -> Result<u64, Failure>;
}

impl ContextMissing for Option<u64> {
    fn context_missing(self, name: &str) -> Result<u64, Failure> {
        self.ok_or("is missing").context(format!("count {name} of GET /stats"))
    }
}
