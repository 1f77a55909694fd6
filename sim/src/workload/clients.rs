//! Does the planned operations, each at its time, and writes down every request and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use sagaline::engine::saga_of;
use sagaline_storage::{EventStore, StorageError};
use tokio::sync::watch;

use crate::evidence::{Answer, Call, Look, Role};
use crate::machine::Machine;
use crate::plan::{Operation, Plan, Planned, next_id};
use crate::services::SimBackend;
use crate::services::remote::{RemoteEvents, RemoteLocks};
use crate::statement;
use crate::world::World;

use super::account::AccountHolder;
use super::http::Http;
use super::lists;
use super::locks::{self, Hold, Overstay};
use super::patience::Patience;
use super::people::People;
use super::request::{self, Sent};
use super::walk::Walker;

/// How long an answer is waited for, beside what the server was asked to wait.
const ANSWER_US: u64 = 10_000_000;
/// Who goes after an order that is being placed looks for it so long, and so often: it takes some
/// milliseconds, and some more to its end.
const CHASE_US: u64 = 30_000;
const CHASE_LOOK_US: u64 = 500;
/// Sagas that an operator decides on at rest, and how.
const DECISIONS_MAX: usize = 10;
const DECISIONS: [&str; 5] =
    ["skip", "resolve-succeeded", "retry", "resolve-rejected", "compensate"];
/// No group has parked so much that its pages are more.
const PARKED_PAGES_MAX: usize = 40;
/// The claims of sagas that are parked.
const PARKED: &str = "saga-parked";
/// How long after the healing the most patient client goes away.
const PATIENCE_BEHIND_CHAOS_US: u64 = 30_000_000;

/// The clients of a run. Clones are the same clients.
#[derive(Clone)]
pub struct Clients(Arc<Inner>);

struct Inner {
    world: World,
    plan: Arc<Plan>,
    http: Http,
    people: People,
    store: RemoteEvents,
    locks: RemoteLocks,
    calls: Mutex<Vec<Call>>,
    /// Pages of lists that were gone through.
    walks: Mutex<Vec<Look>>,
    /// Ids of orders by the operation that placed them.
    placed: Mutex<BTreeMap<u32, String>>,
    /// Whether everything planned has its answer, or its client has gone away.
    settled: watch::Sender<bool>,
}

impl Clients {
    /// Clients that have done nothing yet.
    pub fn new(
        world: &World,
        plan: Arc<Plan>,
        http: Http,
        people: People,
        ports: &SimBackend,
    ) -> Self {
        let inner = Inner {
            world: world.clone(),
            plan,
            http,
            people,
            store: ports.events.clone(),
            locks: ports.locks.clone(),
            calls: Mutex::default(),
            walks: Mutex::default(),
            placed: Mutex::default(),
            settled: watch::Sender::new(false),
        };
        Self(Arc::new(inner))
    }

    /// Does everything that is planned, from now on; returns when every client has its answer or has
    /// gone away.
    pub async fn run(&self) {
        let start_us = self.0.world.now_us();
        let mut under_way = Vec::new();
        for (index, planned) in self.0.plan.operations.iter().enumerate() {
            self.0.world.timeline().until(start_us + planned.at_ms * 1_000).await;
            let (clients, ends_at_us) = (self.clone(), self.patience_of(planned, start_us));
            // On the heap, and given back as soon as the client has its answer.
            under_way.push(tokio::spawn(Box::pin(async move {
                let planned = &clients.0.plan.operations[index];
                clients.operate(planned, ends_at_us).await;
            })));
        }
        for operation in under_way {
            operation.await.expect("clients do not panic");
        }
        self.0.settled.send_replace(true);
    }

    /// Returns when [`Clients::run`] has.
    pub async fn settled(&self) {
        let mut settled = self.0.settled.subscribe();
        // The sender is in `self`: waiting cannot fail.
        let _ = settled.wait_for(|settled| *settled).await;
    }

    /// Lets sagas go on that an operator has paused: nobody else ever would.
    pub async fn resume_what_was_paused(&self) {
        let pauses = |planned: &&Planned| matches!(&planned.operation, Operation::Operate { verb, .. } if verb == "pause");
        for planned in self.0.plan.operations.iter().filter(pauses) {
            let Operation::Operate { order, .. } = planned.operation else { continue };
            let Some(saga) = self.id_of(order) else { continue };
            let planned = Planned { to: Machine::Balancer, ..planned.clone() };
            let ends_at_us = self.0.world.now_us() + PATIENCE_BEHIND_CHAOS_US;
            let mut sent = request::verb_of(&planned, "resume", &saga);
            // Resuming twice does no harm, and not resuming would.
            sent.repeatable = true;
            self.ask(&planned, sent, self.patience(&planned, ends_at_us)).await;
        }
    }

    /// An operator looks at what is parked once everything is at rest, and decides: one way for one saga,
    /// another for the next. Whether there was anything to decide on; it fails when the store does.
    pub async fn decide_on_what_is_parked(&self) -> Result<bool, StorageError> {
        let parked = self.0.store.claims(PARKED, None, DECISIONS_MAX).await?;
        let mut random = self.0.plan.seed.stream("parked");
        let mut decisions = DECISIONS;
        random.shuffle(&mut decisions);
        let sagas = parked.iter().filter_map(|it| saga_of(&it.owner));
        for (saga, verb) in sagas.zip(decisions.iter().cycle()) {
            let saga = saga.to_string();
            let of_saga = |planned: &&Planned| self.id_of(planned.id).as_deref() == Some(&*saga);
            // The refund of an order is nobody's own.
            let Some(placed) = self.0.plan.operations.iter().find(of_saga) else { continue };
            let operation = Operation::Operate { order: placed.id, verb: (*verb).to_owned() };
            let planned = Planned { to: Machine::Balancer, operation, ..placed.clone() };
            let ends_at_us = self.0.world.now_us() + PATIENCE_BEHIND_CHAOS_US;
            let sent = request::verb_of(&planned, verb, &saga);
            let sent = sent.with_result(&planned, &self.0.plan.operations);
            self.ask(&planned, sent, self.patience(&planned, ends_at_us)).await;
        }
        Ok(!parked.is_empty())
    }

    /// An operator looks at what the consumer group has parked, page by page and at once, and asks a node to
    /// have all of it delivered again.
    pub async fn replay_what_is_parked(&self, node: Machine) {
        let (group, verb) = (statement::GROUP.to_owned(), "replay".to_owned());
        let planned = Planned {
            id: next_id(&self.0.plan.operations),
            at_ms: self.0.plan.chaos_ms,
            customer: 0,
            to: node,
            gives_up_after_ms: None,
            operation: Operation::AskConsumer { group, verb, key: None },
        };
        let sent = request::of(&planned, self.0.plan.seed, |order| self.id_of(order));
        let Some(mut sent) = sent else { return };
        // Asking twice does no harm, and not asking would.
        sent.repeatable = true;
        let ends_at_us = self.0.world.now_us() + PATIENCE_BEHIND_CHAOS_US;
        self.page_through_what_is_parked(&planned, ends_at_us).await;
        let look = Sent::get(format!("/consumers/{}/parked?limit=100", statement::GROUP));
        self.ask(&planned, look, self.patience(&planned, ends_at_us)).await;
        self.ask(&planned, sent, self.patience(&planned, ends_at_us)).await;
    }

    /// With as many on a page as the node has for its number.
    async fn page_through_what_is_parked(&self, planned: &Planned, ends_at_us: u64) {
        let limit = 1 + Machine::NODES.iter().take_while(|node| **node != planned.to).count();
        let place = (planned.to, self.0.people.token_of(planned));
        let mut patience = self.patience(planned, ends_at_us);
        let mut behind = String::new();
        for _ in 0..PARKED_PAGES_MAX {
            let path = format!("/consumers/{}/parked?limit={limit}{behind}", statement::GROUP);
            let answer = self.ask_at(planned, place, &Sent::get(path), &mut patience).await;
            let next = answer.and_then(|it| it.body["nextCursor"].as_str().map(str::to_owned));
            let Some(cursor) = next else { return };
            behind = format!("&cursor={cursor}");
        }
    }

    /// Every request so far, in the order in which they ended; it is then forgotten.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.calls.lock())
    }

    /// Every page of a list that was gone through so far, in the order in which they came; it is then forgotten.
    pub fn take_walks(&self) -> Vec<Look> {
        std::mem::take(&mut self.0.walks.lock())
    }

    /// Who the others are.
    pub fn people(&self) -> &People {
        &self.0.people
    }

    /// The orders that were placed, by their place in the plan: whose, and their ids.
    pub fn orders(&self) -> Vec<(usize, String)> {
        self.placed_by(|operation| matches!(operation, Operation::PlaceOrder { .. }))
    }

    /// The sagas of users that were started, by their place in the plan.
    pub fn sagas(&self) -> Vec<String> {
        let started = |operation: &Operation| matches!(operation, Operation::StartSaga { .. });
        self.placed_by(started).into_iter().map(|(_, saga)| saga).collect()
    }

    /// Each once: what was asked for again is the same again.
    fn placed_by(&self, by: impl Fn(&Operation) -> bool) -> Vec<(usize, String)> {
        let (placed, mut seen) = (self.0.placed.lock(), BTreeSet::new());
        let planned = self.0.plan.operations.iter().filter(|planned| by(&planned.operation));
        let known = planned.filter_map(|planned| {
            let customer = usize::try_from(planned.customer).ok()?;
            Some((customer, placed.get(&planned.id)?.clone()))
        });
        known.filter(|(_, id)| seen.insert(id.clone())).collect()
    }

    fn patience_of(&self, planned: &Planned, start_us: u64) -> u64 {
        match planned.gives_up_after_ms {
            Some(ms) => self.0.world.now_us() + ms * 1_000,
            None => start_us + self.0.plan.chaos_ms * 1_000 + PATIENCE_BEHIND_CHAOS_US,
        }
    }

    fn patience(&self, planned: &Planned, ends_at_us: u64) -> Patience {
        let random = self.0.plan.seed.stream(&format!("client/{}", planned.id));
        Patience::until(self.0.world.timeline().clone(), random, ends_at_us)
    }

    fn id_of(&self, order: u32) -> Option<String> {
        self.0.placed.lock().get(&order).cloned()
    }

    /// Returns as soon as it is known what an operation has placed, or after a while.
    async fn chase(&self, order: u32) {
        for _ in 0..CHASE_US / CHASE_LOOK_US {
            if self.0.placed.lock().contains_key(&order) {
                return;
            }
            self.0.world.timeline().after(CHASE_LOOK_US).await;
        }
    }

    async fn operate(&self, planned: &Planned, ends_at_us: u64) {
        let (store, seed) = (&self.0.store, self.0.plan.seed);
        let patience = self.patience(planned, ends_at_us);
        let random = || seed.stream(&format!("list/read/{}", planned.id));
        match planned.operation {
            Operation::AppendList { stream, expect, events } => {
                let clock = self.0.world.clock(Machine::Clients);
                let (what, with) = ((stream, expect, events), (clock, patience));
                lists::append(store, planned, seed, what, with).await;
            }
            Operation::ReadList { stream } => {
                lists::read(store, &lists::stream_of(stream), random(), patience).await;
            }
            Operation::ReadStream { order } => {
                let id = self.id_of(order).map(|id| format!("order-{id}"));
                if let Some(Ok(stream)) = id.map(sagaline_storage::StreamId::new) {
                    lists::read(store, &stream, random(), patience).await;
                }
            }
            Operation::ReadAll { from_percent } => {
                lists::read_all(store, from_percent, patience).await;
            }
            Operation::Account { address, ref steps } => {
                AccountHolder::new(self, planned, address, patience).run(steps).await;
            }
            Operation::WalkList { role, ref path, limit, rest_ms } => {
                let walker = self.walker(planned, role, patience);
                walker.walk(path, limit, rest_ms).await;
            }
            Operation::HoldLock { lock, ttl_ms, work_ms, renews } => {
                let hold = Hold { lock, ttl_ms, work_ms, renews };
                locks::hold(&self.0.locks, &self.0.world, planned, hold, patience).await;
            }
            Operation::OverstayLock { lock, ttl_ms, renewals, leaves } => {
                let overstay = Overstay { lock, ttl_ms, renewals, leaves };
                locks::overstay(&self.0.locks, planned, overstay, patience).await;
            }
            Operation::PlaceOrder { .. }
            | Operation::StartSaga { .. }
            | Operation::CancelOrder { .. }
            | Operation::ConfirmOrder { .. }
            | Operation::HandleOrder { .. }
            | Operation::ReadOrder { .. }
            | Operation::ReadSaga { .. }
            | Operation::TraceOrder { .. }
            | Operation::ListOrders
            | Operation::Rebuild { .. }
            | Operation::AskConsumer { .. }
            | Operation::Operate { .. } => {
                if let Operation::CancelOrder { order } | Operation::Operate { order, .. } =
                    planned.operation
                {
                    self.chase(order).await;
                }
                if let Some(sent) = request::of(planned, seed, |order| self.id_of(order)) {
                    let sent = sent.with_result(planned, &self.0.plan.operations);
                    self.ask(planned, sent, patience).await;
                }
            }
        }
    }

    /// Whoever goes through a list.
    fn walker<'a>(&'a self, planned: &'a Planned, role: Role, patience: Patience) -> Walker<'a> {
        let Inner { world, http, people, walks, .. } = &*self.0;
        let person = match role {
            Role::Customer => people.customer(usize::try_from(planned.customer).unwrap_or(0)),
            Role::Nobody | Role::Merchant | Role::Admin => people.of_role(role),
        };
        Walker { world, http, planned, person, patience, seen: walks }
    }

    async fn ask(&self, planned: &Planned, sent: Sent, mut patience: Patience) {
        let place = (planned.to, self.0.people.token_of(planned));
        if let Some(answer) = self.ask_at(planned, place, &sent, &mut patience).await {
            self.learn(planned, &answer);
        }
    }

    /// Sends a request to a machine, with a token, until it is answered for good or the client goes away.
    /// Returns the last answer.
    pub(super) async fn ask_at(
        &self,
        planned: &Planned,
        place: (Machine, &str),
        sent: &Sent,
        patience: &mut Patience,
    ) -> Option<Answer> {
        loop {
            let answer = self.attempt(planned, place, sent, patience).await;
            let again = match &answer {
                None => sent.repeatable,
                // The node said that it did nothing.
                Some(answer) => matches!(answer.status, 429 | 503),
            };
            let asked_ms = if answer.is_some() { 500 } else { 0 };
            if !again || !patience.pause(asked_ms).await {
                return answer;
            }
        }
    }

    async fn attempt(
        &self,
        planned: &Planned,
        (to, token): (Machine, &str),
        sent: &Sent,
        patience: &Patience,
    ) -> Option<Answer> {
        let world = &self.0.world;
        let request = sent.clone().into_http(token, sent.key.as_deref());
        let sent_at_us = world.now_us();
        let answer_us = ANSWER_US + u64::from(sent.wait_s.unwrap_or(0)) * 1_000_000;
        let answer = patience.wait(answer_us, self.0.http.send(to, request)).await;
        // An error of the network is no answer: nobody knows whether the request arrived.
        let answer = answer.and_then(Result::ok);
        let call = Call {
            operation: planned.id,
            customer: planned.customer,
            to,
            request: sent.name(),
            key: sent.key.clone(),
            body: sent.body.clone(),
            sent_at_us,
            ended_at_us: world.now_us(),
            answer: answer.clone(),
        };
        self.0.calls.lock().push(call);
        answer
    }

    fn learn(&self, planned: &Planned, answer: &Answer) {
        if let (Operation::PlaceOrder { .. } | Operation::StartSaga { .. }, 201, Some(id)) =
            (&planned.operation, answer.status, answer.body["id"].as_str())
        {
            self.0.placed.lock().insert(planned.id, id.to_owned());
        }
    }
}
