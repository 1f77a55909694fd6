//! The processes of the saga measure, and one run of each.

use std::path::Path;

use serde_json::json;

use crate::failure::{Context, Failure};
use crate::floor::Floor;
use crate::load::figures::LoadFigures;
use crate::node::{ADMIN_EMAIL, ADMIN_PASSWORD};
use crate::report::row::{SagaRow, System};
use crate::run::process::{Process, run_load, run_part};
use crate::run::profile::{Profile, empty_dir};
use crate::run::{RunArgs, http};

/// Participant, node under test and twin: all stay up over all rounds.
pub(crate) struct SagaBench<'a> {
    profile: Profile,
    data_dir: &'a Path,
    participant: Process,
    node: Process,
    twin: Process,
    bytes_per_write: u64,
    token: String,
}

/// A server's own counts: what it says at `GET /stats`.
struct Counts {
    sagas: u64,
    appends: u64,
    syncs: u64,
    puts: u64,
    bytes: u64,
}

impl<'a> SagaBench<'a> {
    /// Starts all three. The node runs some sagas first, so that the twin can be told how many keys and
    /// bytes a write of it has.
    pub(crate) async fn start(args: &'a RunArgs) -> Result<Self, Failure> {
        let (profile, data_dir) = (args.profile, args.data_dir.as_path());
        let participant = Process::start_part("participant", &[]).await?;
        let node = start_server("node", data_dir, &participant, &[]).await?;
        let token = admin_token(&node).await?;
        let mut args = load_args(&node, "saga", 16, 0.2, 0.5);
        args.extend(named(&[("--token", token.clone())]));
        let tried = run_load(args).await?;
        if tried.errors > 0 {
            return Err(Failure::new("the node under test does not run the standard saga"));
        }
        let Counts { appends, puts, bytes, .. } = Counts::of(&node).await?;
        let (puts, bytes) = (puts.div_ceil(appends.max(1)), bytes.div_ceil(appends.max(1)));
        println!("the node puts {puts} keys of {bytes} bytes per append; so does the twin");
        let same = [("--puts-per-write", puts), ("--bytes-per-write", bytes)];
        let twin = start_server("twin", data_dir, &participant, &same).await?;
        Ok(Self { profile, data_dir, participant, node, twin, bytes_per_write: bytes, token })
    }

    /// One sync and one round trip, in turns, with nothing else running.
    pub(crate) async fn floor(&self) -> Result<Floor, Failure> {
        let args = [
            ("--participant", self.participant.address.to_string()),
            ("--sync-dir", self.data_dir.to_string_lossy().into_owned()),
            ("--bytes", self.bytes_per_write.to_string()),
            ("--turns", (self.profile.measured_s() * 1_000.0).to_string()),
        ];
        run_part("floor", named(&args)).await
    }

    /// One run of the load against one of the systems.
    pub(crate) async fn load(
        &self,
        system: System,
        kind: &str,
        clients: usize,
    ) -> Result<SagaRow, Failure> {
        let server = match system {
            System::Sagaline => &self.node,
            System::Twin => &self.twin,
        };
        let (warmup_s, measured_s) = (self.profile.warmup_s(), self.profile.measured_s());
        let mut args = load_args(server, kind, clients, warmup_s, measured_s);
        args.extend(named(&[
            ("--pid", server.pid().to_string()),
            ("--pid", self.participant.pid().to_string()),
            ("--sync-dir", self.data_dir.to_string_lossy().into_owned()),
        ]));
        match system {
            System::Sagaline => args.extend(named(&[("--token", self.token.clone())])),
            System::Twin => {}
        }
        let before = Counts::of(server).await?;
        let figures: LoadFigures = run_load(args).await?;
        let after = Counts::of(server).await?;
        let sagas = (after.sagas - before.sagas) as f64;
        let writes_each = (after.appends - before.appends) as f64 / sagas;
        let syncs_each = (after.syncs - before.syncs) as f64 / sagas;
        Ok(SagaRow::of(system, kind, &figures, writes_each, syncs_each))
    }
}

/// Logs in to the node under test.
pub(crate) async fn admin_token(node: &Process) -> Result<String, Failure> {
    let login = json!({ "email": ADMIN_EMAIL, "password": ADMIN_PASSWORD });
    http::access_token(node.address, "/auth/login", &login).await
}

/// Starts a server that runs sagas, on an empty folder.
pub(crate) async fn start_server(
    part: &str,
    data_dir: &Path,
    participant: &Process,
    more: &[(&str, u64)],
) -> Result<Process, Failure> {
    let dir = empty_dir(data_dir, part)?;
    let mut args = named(&[
        ("--data-dir", dir.to_string_lossy().into_owned()),
        ("--participant", participant.address.to_string()),
    ]);
    let more: Vec<_> = more.iter().map(|(name, value)| (*name, value.to_string())).collect();
    args.extend(named(&more));
    Process::start_part(part, &args).await
}

/// The load's arguments that every run has.
pub(crate) fn load_args(
    server: &Process,
    kind: &str,
    clients: usize,
    warmup_s: f64,
    measured_s: f64,
) -> Vec<String> {
    named(&[
        ("--address", server.address.to_string()),
        ("--kind", kind.to_owned()),
        ("--clients", clients.to_string()),
        ("--warmup-s", warmup_s.to_string()),
        ("--measured-s", measured_s.to_string()),
    ])
}

/// Names and values as a command line has them.
pub(crate) fn named(args: &[(&str, String)]) -> Vec<String> {
    args.iter().flat_map(|(name, value)| [(*name).to_owned(), value.clone()]).collect()
}

impl Counts {
    async fn of(server: &Process) -> Result<Self, Failure> {
        let stats = http::get_json(server.address, "/stats").await?;
        let count = |name: &str| {
            let count = stats[name].as_u64().ok_or("is missing");
            count.context(format!("count {name} of GET /stats"))
        };
        Ok(Self {
            sagas: count("sagas")?,
            appends: count("appends")?,
            syncs: count("syncs")?,
            puts: count("puts")?,
            bytes: count("bytes")?,
        })
    }
}
