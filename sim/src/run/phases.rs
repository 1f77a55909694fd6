//! The phases of a run, within its world.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sagaline::engine::NodeBuilder;

use crate::bites::Bites;
use crate::evidence::{Evidence, Look, Phases};
use crate::fate;
use crate::fault::{Episode, Fault};
use crate::machine::Machine;
use crate::node::{self, Nodes, boot_nodes_with};
use crate::plan::{Operation, Plan};
use crate::services::{FinalState, SimBackend, Witness, backend, boot_services, final_state};
use crate::workload::clients::Clients;
use crate::workload::consumers;
use crate::workload::http::Http;
use crate::workload::people::People;
use crate::workload::subscribers::Subscribers;
use crate::workload::watchers;
use crate::world::{World, nemesis};

use super::Guest;
use super::confessions;
use super::inspection;
use super::liveness::Liveness;

/// How long the nodes may take to become ready in a world in which nothing is wrong yet.
const READY_US: u64 = 60_000_000;
const LOOK_US: u64 = 50_000;
/// Between the nodes' first answer and the chaos, so that ownership has settled.
const SETTLE_US: u64 = 1_000_000;
/// What a machine that was away has begun goes on within this time of its return: no attempt to reach
/// others comes later.
const RETURN_US: u64 = 3_000_000;
/// An operator has parked events delivered again so often at the most: far more often than it takes.
const REPLAYS_MAX: usize = 100;
/// How long nodes may take to stop in good order.
const STOP: Duration = Duration::from_secs(60);
/// Until the last connections of what has stopped are closed on both sides: a long wait for the log's head
/// ends by itself.
const CLOSE_US: u64 = 15_000_000;

/// What a run is made of.
struct Run {
    plan: Arc<Plan>,
    world: World,
    witness: Witness,
    nodes: Nodes,
    http: Http,
    /// The ports as the clients' machine has them.
    ports: SimBackend,
    subscribers: Subscribers,
    /// The user's, by name and version.
    read_models: Vec<(&'static str, u32)>,
}

/// What was seen at the end of a run.
#[derive(Default)]
struct Left {
    undone: Vec<String>,
    looks: Vec<Look>,
    walks: Vec<Look>,
    confessed: Vec<String>,
    leaks: Vec<String>,
}

/// Runs a plan. Within a madsim runtime, once.
pub async fn run(plan: Plan, guest: Guest) -> Evidence {
    let run = Run::start(plan, guest);
    let people = match run.set_up().await {
        Ok(people) => people,
        Err(why) => return run.never_began(why).await,
    };
    let clients = Clients::new(&run.world, run.plan.clone(), run.http.clone(), people, &run.ports);
    let mut phases = Phases { chaos_at_us: run.world.now_us(), ..Phases::default() };
    run.chaos(&clients).await;
    phases.healed_at_us = run.world.now_us();
    run.heal();
    let (mut undone, mut looks) = run.come_to_rest(&clients, &mut phases).await;
    run.world.heal(&[]);
    if undone.is_empty() {
        let seen = inspection::look_round(&run.world, &run.http, &clients, &run.plan).await;
        looks.extend(seen);
    }
    let unended = match undone.is_empty() {
        true => run.unended(&mut undone).await,
        false => None,
    };
    let confessed = confessions::heard(&run.world, &run.http, unended).await;
    let leaks = run.switch_off().await;
    let left = Left { undone, looks, walks: clients.take_walks(), confessed, leaks };
    run.evidence(clients.take_calls(), phases, left).await
}

impl Run {
    fn start(plan: Plan, guest: Guest) -> Self {
        let world = World::new(plan.seed, Bites::default());
        let witness = Witness::default();
        world.put_readers_aside(Machine::Store, plan.knobs.reads_put_aside_percent);
        boot_services(&world, &witness, plan.knobs.log_settings(), &guest.participants);
        if !plan.sagas.is_empty() {
            world.watch_lives(lives(&plan));
        }
        let (knobs, additions) = (&plan.knobs, guest.additions);
        let nodes = boot_nodes_with(&world, &witness, knobs, &Machine::NODES, additions.clone());
        // On it runs what this module spawns: the machine is there to have an address.
        world.machine(Machine::Clients, |_| Box::pin(async {}));
        let lease = Duration::from_millis(plan.knobs.lease_ms);
        let ports = backend(&world, &witness, Machine::Clients, lease);
        let (http, subscribers) = (Http::new(&world), Subscribers::default());
        // A user's application that cannot be put together never starts, and its nodes never get ready.
        let read_models = additions.to(NodeBuilder::new(ports.clone()));
        let read_models = read_models.map(|node| node.projections()).unwrap_or_default();
        let plan = Arc::new(plan);
        Self { plan, world, witness, nodes, http, ports, subscribers, read_models }
    }

    /// Waits for the nodes and lets the people in.
    async fn set_up(&self) -> Result<People, String> {
        let until_us = self.world.now_us() + READY_US;
        for node in Machine::NODES {
            while !self.is_ready(node).await {
                if self.world.now_us() > until_us {
                    return Err(format!("{node} does not become ready"));
                }
                self.world.timeline().after(LOOK_US).await;
            }
        }
        self.world.timeline().after(SETTLE_US).await;
        let people = People::enter(&self.http).await?;
        consumers::start(&self.world, &self.witness, &self.ports, self.plan.seed);
        Ok(people)
    }

    async fn is_ready(&self, node: Machine) -> bool {
        let look = http::Request::get("/health/ready").header("host", "sagaline");
        let look = look.body(http_body_util::Full::default()).expect("a plain request");
        self.http.send(node, look).await.is_ok_and(|answer| answer.status == 200)
    }

    async fn chaos(&self, clients: &Clients) {
        let middle_us = self.plan.chaos_ms * 1_000 / 2;
        self.subscribers.start(&self.world, &self.ports.events, middle_us);
        let admin = &clients.people().admin;
        let (seed, seats) = (self.plan.seed, &self.subscribers);
        watchers::start(seed, &self.world, &self.http, admin, seats, middle_us);
        let operating = tokio::spawn({
            let clients = clients.clone();
            async move { clients.run().await }
        });
        nemesis::run(&self.world, &self.plan).await;
        // Patient clients go on through the healing.
        drop(operating);
    }

    /// Heals everything for good but the machines that the plan leaves out: these are cut off from
    /// everybody, or lose their power.
    fn heal(&self) {
        self.world.heal(&[]);
        let mut random = self.plan.seed.stream("run/left-broken");
        let ids = self.plan.episodes.iter().map(|episode| episode.id).max().unwrap_or(0) + 1..;
        for (id, machine) in ids.zip(self.plan.left_broken.iter().copied()) {
            let fault = if random.percent(50) {
                Fault::Crash { machine, loses_unsynced: true }
            } else {
                let other = Machine::ALL.into_iter().filter(|other| *other != machine).collect();
                Fault::Partition { one: vec![machine], other, one_way: false }
            };
            self.world.begin(&Episode { id, at_ms: self.plan.chaos_ms, for_ms: u64::MAX, fault });
        }
    }

    /// What is left undone when the bound has passed; empty: everything has come to rest. And what was swept up on
    /// the way there.
    async fn come_to_rest(
        &self,
        clients: &Clients,
        phases: &mut Phases,
    ) -> (Vec<String>, Vec<Look>) {
        clients.settled().await;
        let away = &self.plan.left_broken;
        self.nodes_are_back(away).await;
        clients.resume_what_was_paused().await;
        let mut undone = self.liveness(away).wait().await;
        if undone.is_empty() && !away.is_empty() {
            undone = self.come_back(away).await;
        }
        if undone.is_empty() {
            undone = match clients.decide_on_what_is_parked().await {
                Ok(true) => self.liveness(&[]).wait().await,
                Ok(false) => undone,
                Err(error) => vec![format!("what is parked cannot be read: {error}")],
            };
        }
        if undone.is_empty() {
            undone = self.deliver_what_is_parked(clients).await;
        }
        let mut swept = Vec::new();
        if undone.is_empty() {
            swept = inspection::sweep(&self.world, &self.http, clients, &self.plan).await;
            if !swept.is_empty() {
                undone = self.liveness(&[]).wait().await;
            }
        }
        if undone.is_empty() {
            phases.quiet_at_us = Some(self.world.now_us());
        }
        (undone, swept)
    }

    /// Waits for nodes that were told to end in the chaos: what is asked for now is asked once. Who takes too long
    /// for that is left to the look at what is undone.
    async fn nodes_are_back(&self, away: &[Machine]) {
        let until_us = self.world.now_us() + READY_US;
        let is_waited_for = |node: &Machine| !away.contains(node);
        while self.world.stopping().iter().any(is_waited_for) && self.world.now_us() < until_us {
            self.world.timeline().after(LOOK_US).await;
        }
    }

    /// An operator has everything delivered again that the consumer group has parked, until nothing is left.
    /// Each node refuses an event once: as often as there are nodes it may be in vain. What stays parked for all
    /// that is left to the oracle.
    async fn deliver_what_is_parked(&self, clients: &Clients) -> Vec<String> {
        // What was open in the chaos may be dead without anybody knowing it.
        self.http.close();
        let (mut before, mut in_vain) = (BTreeMap::new(), 0);
        for round in 0..REPLAYS_MAX {
            let parked = match self.liveness(&[]).parked().await {
                Ok(parked) => parked,
                Err(error) => {
                    return vec![format!("what consumers have parked cannot be read: {error}")];
                }
            };
            in_vain = if parked == before { in_vain + 1 } else { 0 };
            if parked.is_empty() || in_vain > Machine::NODES.len() {
                break;
            }
            let node = Machine::NODES[round % Machine::NODES.len()];
            clients.replay_what_is_parked(node).await;
            let undone = self.liveness(&[]).wait().await;
            if !undone.is_empty() {
                return undone;
            }
            before = parked;
        }
        Vec::new()
    }

    /// Who was away comes back, with all that it had begun and with requests that nobody waits for any more.
    async fn come_back(&self, away: &[Machine]) -> Vec<String> {
        self.world.heal(&[]);
        let until_us = self.world.now_us() + READY_US;
        for node in away.iter().copied().filter(|machine| Machine::NODES.contains(machine)) {
            while !self.is_ready(node).await {
                if self.world.now_us() > until_us {
                    return vec![format!("{node} was away and does not become ready")];
                }
                self.world.timeline().after(LOOK_US).await;
            }
        }
        self.world.timeline().after(RETURN_US).await;
        self.liveness(&[]).wait().await
    }

    fn liveness<'a>(&'a self, away: &'a [Machine]) -> Liveness<'a> {
        Liveness {
            world: &self.world,
            witness: &self.witness,
            plan: &self.plan,
            ports: &self.ports,
            subscribers: &self.subscribers,
            readers: self.nodes.readers(),
            read_models: &self.read_models,
            away,
        }
    }

    /// How many sagas have not ended, now that everything is at rest.
    async fn unended(&self, undone: &mut Vec<String>) -> Option<usize> {
        match self.liveness(&[]).unended_sagas().await {
            Ok(count) => Some(count),
            Err(error) => {
                undone.push(format!("the healed store does not answer: {error}"));
                None
            }
        }
    }

    /// Stops every node in good order and says what is left.
    async fn switch_off(&self) -> Vec<String> {
        let stopped = self.nodes.stop(&self.world, STOP).await;
        let mut leaks = Vec::new();
        self.http.close();
        self.world.timeline().after(CLOSE_US).await;
        for node in Machine::NODES.into_iter().filter(|node| self.world.is_on(*node)) {
            let open = self.world.network.open_ends(node);
            if !open.is_empty() {
                leaks.push(format!("{node} has stopped and holds connections to {open:?}"));
            }
            match stopped.get(&node) {
                Some(node::Stopped::Clean) => {}
                Some(node::Stopped::Not(why)) => leaks.push(format!("{node} stopped badly: {why}")),
                None => leaks.push(format!("{node} has not stopped in time")),
            }
        }
        leaks
    }

    async fn evidence(
        &self,
        calls: Vec<crate::evidence::Call>,
        phases: Phases,
        Left { mut undone, looks, walks, confessed, leaks }: Left,
    ) -> Evidence {
        let state = final_state(&self.world, &self.witness).await.unwrap_or_else(|error| {
            // The verdict says whether that is anybody's fault: see what destroys the only store.
            undone.push(format!("the healed store cannot be read: {error}"));
            FinalState::default()
        });
        let FinalState { log, claims, documents, contradictions } = state;
        let seen = self.witness.take(self.world.now_us());
        Evidence {
            plan: (*self.plan).clone(),
            calls,
            store_calls: seen.store_calls,
            lock_calls: seen.lock_calls,
            log,
            claims,
            bank: seen.bank,
            remotes: seen.remotes,
            sent: seen.sent,
            unreached: seen.unreached,
            lives: self.world.lives(),
            bus: seen.bus,
            at_risk: seen.at_risk,
            store_answers: seen.store_answers,
            contradictions,
            looks,
            walks,
            swaps: seen.swaps,
            documents,
            subscribers: self.subscribers.take(),
            readings: self.nodes.readers().take(),
            handed: seen.handed,
            shards: seen.shards,
            power: self.world.power_changes(),
            stops: self.world.stops(),
            confessed,
            leaks,
            bites: self.world.bites.counts(),
            phases,
            undone,
            crashes: self.world.crashes(),
        }
    }

    /// The evidence of a world that did not begin.
    async fn never_began(&self, why: String) -> Evidence {
        let undone =
            vec![format!("a world in which nothing was wrong did not begin to serve: {why}")];
        let left = Left { undone, ..Left::default() };
        self.evidence(Vec::new(), Phases::default(), left).await
    }
}

/// The sagas of a plan by their correlation ids, with the places at which their nodes die.
fn lives(plan: &Plan) -> impl Iterator<Item = (String, Option<u32>)> {
    plan.operations.iter().filter_map(|planned| match &planned.operation {
        Operation::StartSaga { key, fate, .. } => Some((fate::correlation(*key), fate.dies_at)),
        _ => None,
    })
}
