//! The remote services of a user's sagas: models by their host names, asked one request at a time. They
//! share the bank's machine, its network and its faults; what one saga is to meet on purpose is done here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::line::Reply;
use crate::evidence::{Effect, RemoteCall};
use crate::fate::{FULL, Fate, How};
use crate::machine::Machine;
use crate::remotes::{self, Model, Request};
use crate::services::witness::Witness;
use crate::world::World;

/// How often a service is too busy for a call that is fated so, or full for an action.
const BUSY_TIMES: u32 = 2;

/// A request to a remote service.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) by: Machine,
    /// The service.
    pub(super) remote: String,
    pub(super) request: Request,
}

/// What came of a visit.
pub(super) struct Heard {
    pub(super) reply: Reply,
    /// The key was answered before.
    pub(super) repeated: bool,
    /// What becomes of the call from here on.
    pub(super) twist: Option<How>,
    /// For how many seconds the service wants to be left alone.
    pub(super) retry_after_s: Option<u64>,
}

/// Remote services by their names. Clones are the same services.
#[derive(Clone, Default)]
pub(super) struct Remotes(Arc<Shared>);

#[derive(Default)]
struct Shared {
    models: BTreeMap<String, Mutex<Box<dyn Model>>>,
    /// By the sagas' correlation ids.
    fates: BTreeMap<String, Fate>,
    /// How often each step of each fated saga was asked to be done, and to be undone.
    tries: Mutex<BTreeMap<(String, String, bool), u32>>,
    /// Sagas of which a call was held back on its way.
    held_back: Mutex<BTreeSet<String>>,
}

impl fmt::Debug for Remotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.models.keys()).finish()
    }
}

impl Remotes {
    pub(super) fn new(
        models: impl IntoIterator<Item = (String, Box<dyn Model>)>,
        fates: BTreeMap<String, Fate>,
    ) -> Self {
        let models = models.into_iter().map(|(name, model)| (name, Mutex::new(model))).collect();
        let (tries, held_back) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { models, fates, tries, held_back }))
    }

    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.models.keys().map(String::as_str)
    }

    /// Whether one is called so.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.models.contains_key(name)
    }

    /// Whether this request is the one that its saga's fate holds back; true once.
    pub(super) fn holds_back(&self, request: &Request) -> bool {
        let saga = request.correlation.as_deref().unwrap_or_default();
        let Some(twist) = self.0.fates.get(saga).and_then(|fate| fate.twist.as_ref()) else {
            return false;
        };
        twist.how == How::DeliveredLate
            && request.method != "GET"
            && request.step() == Some((twist.step.as_str(), twist.undo))
            && self.0.held_back.lock().insert(saga.to_owned())
    }

    /// Hands a request to its service; none: there is no such service, or who asked has died meanwhile.
    pub(super) fn visit(&self, world: &World, witness: &Witness, visit: &Visit) -> Option<Heard> {
        let saga = visit.request.correlation.as_deref().unwrap_or_default();
        if world.dies_here(visit.by, saga) {
            return None;
        }
        let (fate, tries) = self.fate(&visit.request, saga);
        let answer = match fated_no(&fate, &visit.request, tries) {
            Some(no) => no,
            None => self.0.models.get(&visit.remote)?.lock().answer(&visit.request),
        };
        witness.remote(told(world, visit, &answer));
        if world.dies_here(visit.by, saga) {
            return None;
        }
        let repeated = matches!(answer.effect, Some(Effect::Repeated { .. }));
        let twist = fate.twist.filter(|twist| {
            tries == 1 && visit.request.step() == Some((twist.step.as_str(), twist.undo))
        });
        let retry_after_s = fate.retry_after_s.filter(|_| answer.status == 429);
        let reply = Reply { status: answer.status, body: answer.body.to_string() };
        Some(Heard { reply, repeated, twist: twist.map(|twist| twist.how), retry_after_s })
    }

    /// What the saga is to meet, and how often this was asked by now; 0 for a question that changes
    /// nothing.
    fn fate(&self, request: &Request, saga: &str) -> (Fate, u32) {
        let fate = self.0.fates.get(saga).cloned().unwrap_or_default();
        let Some((step, undo)) = request.step().filter(|_| request.method != "GET") else {
            return (fate, 0);
        };
        let mut tries = self.0.tries.lock();
        let tries = tries.entry((saga.to_owned(), step.to_owned(), undo)).or_default();
        *tries += 1;
        (fate, *tries)
    }
}

/// The no that the saga's fate has for this request.
fn fated_no(fate: &Fate, request: &Request, tries: u32) -> Option<remotes::Reply> {
    let (step, undo) = request.step()?;
    if tries == 0 {
        return None;
    }
    if undo {
        return fated_busy(fate, fate.busy_undo.as_deref() == Some(step), tries);
    }
    if fate.no.as_deref() == Some(step) {
        let effect = Effect::Declined { key: request.key.clone().unwrap_or_default() };
        let no = remotes::Reply::no(422, "FATED_NO", "it is this saga's lot");
        return Some(no.having(effect));
    }
    if fate.full.as_deref() == Some(step) && tries <= BUSY_TIMES {
        return Some(remotes::Reply::no(422, FULL, "come again later"));
    }
    fated_busy(fate, fate.busy.as_deref() == Some(step), tries)
}

fn fated_busy(fate: &Fate, is_it: bool, tries: u32) -> Option<remotes::Reply> {
    let status = if fate.retry_after_s.is_some() { 429 } else { 503 };
    (is_it && tries <= BUSY_TIMES)
        .then(|| remotes::Reply::no(status, "FATED_BUSY", "come again later"))
}

fn told(world: &World, visit: &Visit, answer: &remotes::Reply) -> RemoteCall {
    let request = &visit.request;
    RemoteCall {
        at_us: world.now_us(),
        by: visit.by,
        remote: visit.remote.clone(),
        request: format!("{} {}", request.method, request.path),
        key: request.key.clone(),
        epoch: request.epoch,
        correlation: request.correlation.clone(),
        status: answer.status,
        effect: answer.effect.clone(),
    }
}
