//! Whole nodes of the product on their machines: router, serve loop, engine, in front of the services.
//! Nothing local survives a restart, because nothing local is kept. Booted by whoever runs a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sagaline::app::gateway::HttpGateway;
use sagaline::domain::Role;
use sagaline::engine::http_client::HttpClient;
use sagaline::engine::{EngineSettings, MasterKey, NodeBuilder, ShardWatch};
use sagaline::http::auth::{NewAccount, PasswordSettings, own_correlation};
use sagaline::http::ready::{Ready, ReadyError};
use sagaline::http::serve::{Drained, serve};
use sagaline::http::{self, Error, Routes};
use sagaline::saga::DefinitionError;
use sagaline::settings::{ProductLockScope, Secret, Settings};
use sagaline_storage::Clock;
use tokio::sync::watch;

use crate::evidence::ShardChange;
use crate::machine::Machine;
use crate::plan::Knobs;
use crate::services::{SimBackend, Witness, backend};
use crate::statement::Statement;
use crate::tap::TappedConnect;
use crate::visit::desk::{Desk, Lots};
use crate::workload::readers::Readers;
use crate::world::World;

/// The account of the operator, on every node.
pub const ADMIN_EMAIL: &str = "operator@example.com";
/// The account of a merchant, on every node.
pub const MERCHANT_EMAIL: &str = "merchant@example.com";
/// The password of both.
pub const PASSWORD: &str = "a long enough password";

/// Between two attempts to start, as a supervisor would make them.
const START_PAUSE: Duration = Duration::from_millis(500);
/// A client of the bus has left its groups by the time that it is gone; the simulation's says so in the
/// background, and needs a moment for it.
const LEAVE: Duration = Duration::from_millis(50);

/// What a user's application puts into each node.
#[derive(Clone)]
pub struct Additions {
    app: Arc<App>,
    /// What the visits are to meet, whose participant lives in the nodes.
    visits: Option<Lots>,
    /// Whether the consumer group of drawn plans runs in them.
    statement: bool,
}

type App = dyn Fn(NodeBuilder<SimBackend>) -> Result<NodeBuilder<SimBackend>, DefinitionError>
    + Send
    + Sync;

impl Additions {
    /// What this function adds.
    pub fn new(
        app: impl Fn(NodeBuilder<SimBackend>) -> Result<NodeBuilder<SimBackend>, DefinitionError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { app: Arc::new(app), visits: None, statement: false }
    }

    /// The same, and the participant of visits in each node.
    #[must_use]
    pub fn with_visits(self, lots: Lots) -> Self {
        Self { visits: Some(lots), ..self }
    }

    /// The same, and the consumer group of drawn plans.
    #[must_use]
    pub fn with_statement(self) -> Self {
        Self { statement: true, ..self }
    }

    /// With everything added that a node has whichever it is.
    pub fn to(
        &self,
        node: NodeBuilder<SimBackend>,
    ) -> Result<NodeBuilder<SimBackend>, DefinitionError> {
        (self.app)(node)
    }
}

impl Default for Additions {
    /// Nothing.
    fn default() -> Self {
        Self::new(Ok)
    }
}

impl fmt::Debug for Additions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Additions").finish_non_exhaustive()
    }
}

/// How a node's orderly end went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// Everything was finished.
    Clean,
    /// Something was cut or failed, in words.
    Not(String),
}

/// The nodes of a world, to be stopped in good order. Clones are the same nodes.
#[derive(Debug, Clone)]
pub struct Nodes {
    additions: Additions,
    /// Made once for all boots of all nodes.
    routes: Routes<SimBackend>,
    readers: Readers,
    stop: Arc<watch::Sender<bool>>,
    stopped: Arc<Mutex<BTreeMap<Machine, Stopped>>>,
}

/// Switches on these nodes. Each becomes ready as soon as the store answers.
pub fn boot_nodes(world: &World, witness: &Witness, knobs: &Knobs, machines: &[Machine]) -> Nodes {
    boot_nodes_with(world, witness, knobs, machines, Additions::default())
}

/// The same, with what a user's application adds to each node.
pub fn boot_nodes_with(
    world: &World,
    witness: &Witness,
    knobs: &Knobs,
    machines: &[Machine],
    additions: Additions,
) -> Nodes {
    let stop = Arc::new(watch::Sender::new(false));
    let routes = Routes::default();
    let (readers, stopped) = (Readers::default(), Arc::default());
    let nodes = Nodes { additions, routes, readers, stop, stopped };
    for machine in machines.iter().copied() {
        let (witness, knobs, nodes) = (witness.clone(), knobs.clone(), nodes.clone());
        world.machine(machine, move |world| {
            Box::pin(run(world, witness.clone(), machine, knobs.clone(), nodes.clone()))
        });
    }
    nodes
}

impl Nodes {
    /// Those who follow the log within them.
    pub fn readers(&self) -> &Readers {
        &self.readers
    }

    /// Tells every node to stop in good order, and returns how those that run have stopped, once they have
    /// or the bound has passed.
    pub async fn stop(&self, world: &World, bound: Duration) -> BTreeMap<Machine, Stopped> {
        const LOOK_US: u64 = 20_000;
        self.stop.send_replace(true);
        let until_us = world.now_us() + u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        let all = || Machine::NODES.iter().filter(|node| world.is_on(**node)).count();
        while self.stopped.lock().len() < all() && world.now_us() < until_us {
            world.timeline().after(LOOK_US).await;
        }
        self.stopped.lock().clone()
    }
}

/// The settings of a node.
fn settings(machine: Machine, knobs: &Knobs) -> Settings {
    let mut settings = Settings::defaults();
    settings.node.node_id = machine.name().to_owned();
    settings.engine.shards = knobs.shards;
    settings.engine.lease_ttl = Duration::from_millis(knobs.lease_ms);
    settings.engine.participant_calls_max = knobs.participant_calls_max;
    settings.engine.breaker_outcomes = knobs.breaker_outcomes;
    settings.engine.breaker_open_for = Duration::from_millis(knobs.breaker_open_ms);
    settings.engine.snapshot_events = knobs.snapshot_events;
    (settings.auth.jwt_expires_in, settings.auth.refresh_expires_in) = knobs.token_lives(machine);
    settings.orders.product_lock_window = Duration::from_millis(knobs.product_lock_ms);
    settings.orders.product_lock_scope = match knobs.lock_per_customer {
        true => ProductLockScope::Customer,
        false => ProductLockScope::Product,
    };
    settings
}

async fn run(world: World, witness: Witness, machine: Machine, knobs: Knobs, nodes: Nodes) {
    let settings = settings(machine, &knobs);
    let since_us = world.now_us();
    let (app, desk) = started(&world, &witness, machine, &knobs, &nodes.additions).await;
    let losses = losses(world.clone(), witness, (machine, since_us), app.node().shards());
    tokio::spawn(losses);
    if knobs.subscriptions {
        nodes.readers.begin(&world, machine, app.node());
    }
    ensure_accounts(&app).await;
    let listener = world.network.listen(machine, machine.address().port());
    let listener = listener.expect("nothing else listens on this machine");
    let stopping = stopping(world.clone(), machine, app.clone(), nodes.stop.subscribe());
    let (clock, drain) = (world.clock(machine), settings.node.drain_timeout / 2);
    let served =
        serve(listener, nodes.routes.of(app.clone()), clock, &settings.http, drain, stopping).await;
    let drained = app.node().drain().await;
    if let Some(desk) = desk {
        desk.close();
    }
    let stopped = match (served, drained) {
        (Drained::Clean, Ok(())) => Stopped::Clean,
        (Drained::Cut { connections }, Ok(())) => Stopped::Not(format!("{connections} cut")),
        (_, Err(error)) => Stopped::Not(error.to_string()),
    };
    if world.is_told_to_stop(machine) {
        let unfinished = match stopped {
            Stopped::Clean => None,
            Stopped::Not(why) => Some(why),
        };
        world.stops_with(machine, unfinished);
        return world.clock(machine).sleep(LEAVE).await;
    }
    nodes.stopped.lock().insert(machine, stopped);
}

/// Returns when the node is to end: with all the others, or alone by an episode.
async fn stopping(
    world: World,
    machine: Machine,
    app: http::app::App<SimBackend>,
    mut stop: watch::Receiver<bool>,
) {
    let with_all = async {
        // The sender lives as long as the nodes: waiting cannot fail.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    tokio::select! {
        biased;
        () = with_all => {}
        () = world.told_to_stop(machine) => {
            world.begins_to_stop(machine, app.node().sagas().live());
        }
    }
    app.stop_waiting();
}

/// Witnesses the shards that the node, which runs since then, works on no more. What it takes the store's answer
/// tells: also what it never comes to work on, because the start that took it came to nothing.
async fn losses(
    world: World,
    witness: Witness,
    (node, since_us): (Machine, u64),
    mut shards: ShardWatch,
) {
    loop {
        let owned: BTreeSet<_> = shards.owned().into_iter().map(|(shard, _)| shard.0).collect();
        for (shard, epoch) in witness.taken_by(node, since_us) {
            if !owned.contains(&shard) {
                let at_us = world.now_us();
                witness.shard(ShardChange { at_us, node, shard, epoch, taken: false });
            }
        }
        if !shards.changed().await {
            return;
        }
    }
}

/// The node, however often the store has to be asked.
async fn started(
    world: &World,
    witness: &Witness,
    machine: Machine,
    knobs: &Knobs,
    additions: &Additions,
) -> (http::app::App<SimBackend>, Option<Desk>) {
    loop {
        match start(world, witness, machine, knobs, additions).await {
            Ok(started) => return started,
            Err(_) => world.clock(machine).sleep(START_PAUSE).await,
        }
    }
}

async fn start(
    world: &World,
    witness: &Witness,
    machine: Machine,
    knobs: &Knobs,
    additions: &Additions,
) -> Result<(http::app::App<SimBackend>, Option<Desk>), ReadyError> {
    let settings = settings(machine, knobs);
    let desk = additions.visits.as_ref().map(|lots| Desk::new(world, machine, lots));
    let own = desk.as_ref().map(Desk::services).unwrap_or_default();
    let connect = Arc::new(TappedConnect::new(world, witness, machine, own));
    let bank = format!("http://{}", Machine::Bank.address());
    let gateway = HttpGateway::new(HttpClient::new(connect.clone()), &bank);
    let ready = Ready {
        backend: backend(world, witness, machine, settings.engine.lease_ttl),
        gateway: gateway.expect("the bank's address is one"),
        settings,
        // What a hash costs is no part of the simulation.
        passwords: PasswordSettings { memory_kib: 64, passes: 1, ..PasswordSettings::default() },
        signing_secret: Secret::new("one secret of all nodes of the simulated world"),
        master_key: MasterKey::new([7; 32]),
        ledger: None,
        store_measures: Arc::new(|_| ()),
    };
    let tune = |engine: &mut EngineSettings| {
        engine.retry_burst = knobs.retry_burst;
        engine.conflict_retries = knobs.conflict_retries;
        engine.retry_budget_min_per_s = knobs.retries_per_s;
        engine.subscription_batch = knobs.followers_page;
        engine.tail_events = knobs.followers_page as u64 * 4;
    };
    let starting = ready.start_with(|node| {
        let node = additions.to(node.connect(connect).tuned(tune))?;
        Ok(match additions.statement {
            true => node.consumer(Statement::new(world, witness, machine)),
            false => node,
        })
    });
    let app = starting.await?;
    if let Some(desk) = &desk {
        desk.open(app.node().aggregates());
    }
    Ok((app, desk))
}

/// The accounts of the operator and the merchant; another node may have made them.
async fn ensure_accounts(app: &http::app::App<SimBackend>) {
    for (email, role) in [(ADMIN_EMAIL, Role::Admin), (MERCHANT_EMAIL, Role::Merchant)] {
        let (node, passwords) = (app.node(), app.passwords());
        let backend = node.backend();
        loop {
            let new = NewAccount::check(email, PASSWORD, "Grace", "Hopper").ok();
            let new = new.expect("the account is as accounts are");
            let (aggregates, correlation) = (node.aggregates(), own_correlation(backend));
            match new.create(backend, &aggregates, passwords, role, correlation).await {
                Ok(_) | Err(Error::EmailExists) => break,
                Err(_) => backend.clock.sleep(START_PAUSE).await,
            }
        }
    }
}
