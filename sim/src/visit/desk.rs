//! The participant of visits within one node: routes in front of the product's [`Guarded`], which is given the
//! node's own aggregates. What becomes of single calls on purpose is done here, as the bank's machine does it
//! for those outside. Made anew with each boot of its node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use parking_lot::Mutex;
use sagaline::engine::barrier::protocol::{answer_action, answer_undo};
use sagaline::engine::barrier::{CallHeaders, Guarded};
use sagaline::engine::{Aggregates, CommandMetadata, InProcess};
use sagaline_storage::Clock;

use super::museum::{Ask, Museum};
use super::{Asked, HOST};
use crate::fate::{AGAIN, Fate, How, LATE, NEVER};
use crate::machine::Machine;
use crate::plan::Plan;
use crate::remotes::step_of;
use crate::seed::Seed;
use crate::services::SimBackend;
use crate::world::World;

/// A twin comes so much later at the most: while the call asks the store, decides, and appends.
const TWIN_US: u64 = 3_000;
/// What single visits are to meet, by their correlation ids. Clones are the same.
#[derive(Debug, Clone)]
pub struct Lots {
    seed: Seed,
    fates: Arc<BTreeMap<String, Fate>>,
}

impl Lots {
    /// Those of a plan.
    pub fn of(plan: &Plan) -> Self {
        Self { seed: plan.seed, fates: Arc::new(plan.fates()) }
    }
}

/// The participant. Clones are the same.
#[derive(Clone)]
pub(crate) struct Desk(Arc<Shared>);

struct Shared {
    world: World,
    machine: Machine,
    lots: Lots,
    /// Of the node while it works: its own client calls the desk, so that one would keep the other.
    aggregates: Mutex<Option<Aggregates<SimBackend>>>,
    /// How often each key has come.
    tries: Mutex<BTreeMap<String, u32>>,
}

/// A call that came.
#[derive(Clone)]
struct Wanted {
    call: Arc<CallHeaders>,
    key: Arc<str>,
    asked: Asked,
    undoes: bool,
    refuses: bool,
}

type Answer = Response<Body>;

impl Desk {
    /// Closed: it has nothing to write to yet.
    pub(crate) fn new(world: &World, machine: Machine, lots: &Lots) -> Self {
        let (world, lots) = (world.clone(), lots.clone());
        let (aggregates, tries) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { world, machine, lots, aggregates, tries }))
    }

    /// Its routes, for the node's own client.
    pub(crate) fn services(&self) -> InProcess {
        let routes = Router::new().route("/enter", post(enter)).route("/leave", post(leave));
        InProcess::new().service(HOST, routes.with_state(self.clone()))
    }

    /// From now on it writes there.
    pub(crate) fn open(&self, aggregates: Aggregates<SimBackend>) {
        *self.0.aggregates.lock() = Some(aggregates);
    }

    /// The node has stopped: whatever comes now comes to nobody.
    pub(crate) fn close(&self) {
        *self.0.aggregates.lock() = None;
    }

    async fn take(&self, wanted: Wanted) -> Answer {
        match self.twist(&wanted) {
            None => self.execute(&wanted).await,
            Some(How::RunTwice) => {
                self.execute(&wanted).await;
                closed()
            }
            Some(How::DeliveredTwice) => {
                let mut random = self.0.lots.seed.stream(&format!("visit/{}", wanted.key));
                let apart = Duration::from_micros(random.below(TWIN_US));
                self.execute_later(&wanted, apart);
                self.execute_later(&wanted, AGAIN);
                self.execute(&wanted).await
            }
            Some(How::DeliveredLate) => {
                self.execute_later(&wanted, LATE);
                self.0.world.clock(self.0.machine).sleep(NEVER).await;
                closed()
            }
        }
    }

    /// What becomes of a call that comes for the first time.
    fn twist(&self, wanted: &Wanted) -> Option<How> {
        let mut tries = self.0.tries.lock();
        let tries = tries.entry(wanted.key.to_string()).or_default();
        *tries += 1;
        let fate = self.0.lots.fates.get(wanted.call.correlation_id.as_str())?;
        let (_, step, undoes) = step_of(&wanted.key)?;
        let twist = fate.twist.as_ref()?;
        let is_it = *tries == 1 && twist.step == step && twist.undo == undoes;
        is_it.then_some(twist.how)
    }

    fn execute_later(&self, wanted: &Wanted, later: Duration) {
        let (desk, wanted) = (self.clone(), wanted.clone());
        tokio::spawn(async move {
            let later_us = u64::try_from(later.as_micros()).unwrap_or(u64::MAX);
            desk.0.world.timeline().after(later_us).await;
            // Nobody waits for this answer.
            drop(desk.execute(&wanted).await);
        });
    }

    async fn execute(&self, wanted: &Wanted) -> Answer {
        let aggregates = self.0.aggregates.lock().clone();
        let Some(aggregates) = aggregates else { return closed() };
        let guarded = Guarded::new(aggregates);
        let Wanted { call, key, asked, .. } = wanted;
        let metadata = CommandMetadata::of_request(call.correlation_id.clone());
        let (museum, given) = (asked.museum.to_string(), asked.given.clone());
        if wanted.undoes {
            let of = key.replace("/compensation", "/action");
            let undo = Ask::Leave { of, given };
            let undone = guarded.undo::<Museum>(&call.key, call.epoch, &museum, undo, &metadata);
            return answer_undo(&undone.await).map(Body::new);
        }
        let ask = Ask::Enter { key: key.to_string(), refuses: wanted.refuses, given };
        let guests = |museum: &Museum| museum.guests;
        let done = guarded.act(&call.key, call.epoch, &museum, ask, guests, &metadata).await;
        answer_action(&done).map(Body::new)
    }

    /// Whether the call's saga is to be refused here.
    fn refuses(&self, call: &CallHeaders, key: &str) -> bool {
        let fate = self.0.lots.fates.get(call.correlation_id.as_str());
        let step = step_of(key).map(|(_, step, _)| step);
        step.is_some() && fate.and_then(|fate| fate.no.as_deref()) == step
    }
}

async fn enter(State(desk): State<Desk>, headers: HeaderMap, Json(asked): Json<Asked>) -> Answer {
    take(desk, &headers, asked, false).await
}

async fn leave(State(desk): State<Desk>, headers: HeaderMap, Json(asked): Json<Asked>) -> Answer {
    take(desk, &headers, asked, true).await
}

async fn take(desk: Desk, headers: &HeaderMap, asked: Asked, undoes: bool) -> Answer {
    let call = match CallHeaders::read(headers) {
        Ok(call) => Arc::new(call),
        Err(problem) => return (StatusCode::BAD_REQUEST, problem.to_string()).into_response(),
    };
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let key: Arc<str> = key.unwrap_or_default().into();
    let refuses = !undoes && desk.refuses(&call, &key);
    desk.take(Wanted { call, key, asked, undoes, refuses }).await
}

/// Nobody knows what came of it.
fn closed() -> Answer {
    (StatusCode::SERVICE_UNAVAILABLE, "come again later").into_response()
}
