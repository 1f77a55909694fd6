//! The ledgers of the services that a user's sagas call, and what participants within the nodes wrote to the
//! log, against the sagas: an action takes effect once and
//! under its call's key; nothing takes effect behind its undo; undos come in reverse; and at the end every
//! step of a completed saga has its effect and nothing is left of a saga that was undone. What a barrier answers
//! leaves its caller's epoch there ([`noted`]).
//!
//! A step that never took effect for any saga is taken for one that calls nobody, and is not looked at.

mod noted;
mod within;

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::{Effect, RemoteCall};
use crate::plan::Operation;
use crate::shape::SagaShape;
use crate::{trip, visit};

use super::case::Case;
use super::naive::saga::{End, Saga};
use super::naive::steps::Key;
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Effects;

impl Oracle for Effects {
    fn name(&self) -> &'static str {
        "effects"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.plans(|operation| matches!(operation, Operation::StartSaga { .. }))
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let within = within::told(case);
        let mut calls: Vec<_> = case.evidence.remotes.iter().chain(&within).collect();
        calls.sort_by_key(|call| call.at_us);
        let mut ledger = Ledger { case, actions: BTreeMap::new(), finding: Finding::default() };
        for call in calls {
            ledger.finding.look();
            ledger.fence(call);
            ledger.take(call);
        }
        noted::examine(case, &mut ledger.finding);
        if case.is_quiet() {
            ledger.close();
        }
        ledger.finding
    }
}

/// One step of one saga.
type Step<'a> = (&'a str, &'a str);

/// What was done of one step of one saga.
#[derive(Debug, Default)]
struct Action {
    done: u32,
    undone: u32,
    /// It was undone, or never may be done.
    is_over: bool,
    /// The newest epoch under which it was done, undone, or asked for again.
    epoch: u64,
}

impl Action {
    fn stands(&self) -> bool {
        self.done > self.undone
    }
}

struct Ledger<'a> {
    case: &'a Case<'a>,
    actions: BTreeMap<Step<'a>, Action>,
    finding: Finding,
}

impl<'a> Ledger<'a> {
    /// Services that keep a barrier let no former owner of a saga through: those of the simulation's own sagas
    /// do; what a user's services keep is theirs to say.
    fn fence(&mut self, call: &'a RemoteCall) {
        let key = match &call.effect {
            Some(Effect::Done { key } | Effect::Repeated { key }) => key,
            Some(Effect::Undone { of } | Effect::Tombstone { of }) => of,
            // A no that is a saga's lot is said in front of the barrier.
            Some(
                Effect::Declined { .. }
                | Effect::Refused { .. }
                | Effect::Probed { .. }
                | Effect::Wrong { .. },
            )
            | None => return,
        };
        let Some((key, epoch)) = Key::parse(key).zip(call.epoch) else { return };
        let saga = self.case.sagas.get(key.saga);
        let is_users = !self.case.places_orders();
        let is_own = |saga: &Saga<'_>| [trip::TRIP, visit::VISIT].contains(&saga.saga_type);
        if is_users || !saga.is_some_and(is_own) {
            return;
        }
        let newest = self.actions.get(&(key.saga, key.step)).map_or(0, |action| action.epoch);
        self.check(epoch >= newest, "a former owner of a saga was let through", call);
        self.actions.entry((key.saga, key.step)).or_default().epoch = newest.max(epoch);
    }

    fn take(&mut self, call: &'a RemoteCall) {
        match &call.effect {
            Some(Effect::Done { key }) => self.done(call, key),
            Some(Effect::Undone { of }) => self.undone(call, of),
            Some(Effect::Tombstone { of }) => {
                let Some(step) = self.step_of(call, of) else { return };
                self.actions.entry(step).or_default().is_over = true;
            }
            Some(Effect::Wrong { what, detail }) => {
                self.finding.break_promise(what, format!("{detail}: {}", shown(call)));
            }
            Some(
                Effect::Repeated { .. }
                | Effect::Declined { .. }
                | Effect::Refused { .. }
                | Effect::Probed { .. },
            )
            | None => {}
        }
    }

    fn done(&mut self, call: &'a RemoteCall, key: &'a str) {
        let Some(step) = self.step_of(call, key) else { return };
        let action = self.actions.entry(step).or_default();
        action.done += 1;
        let (twice, late) = (action.done > 1, action.is_over);
        self.check(!twice, "an action took effect twice", call);
        self.check(!late, "an action took effect behind its undo", call);
    }

    fn undone(&mut self, call: &'a RemoteCall, of: &'a str) {
        let Some(step) = self.step_of(call, of) else { return };
        let action = self.actions.entry(step).or_default();
        action.undone += 1;
        action.is_over = true;
        let (never, twice) = (action.done == 0, action.undone > 1);
        self.check(!never, "what never happened was taken back", call);
        self.check(!twice, "an action was taken back twice", call);
        let stands = |other: &str| self.actions.get(&(step.0, other)).is_some_and(Action::stands);
        // Where an operator has decided, what a participant did may be otherwise than the saga takes it to be.
        let saga = self.case.sagas.get(step.0).filter(|saga| !saga.is_overruled);
        let shape = saga.and_then(|saga| shape(self.case, saga));
        let mut behind = shape.into_iter().flat_map(|shape| {
            let behind = |other: &&str| shape.comes_after(other, step.1);
            shape.steps.iter().map(|other| other.name.as_str()).filter(behind)
        });
        let reverse = !behind.any(stands);
        self.check(reverse, "an undo before that of a step behind it", call);
    }

    fn check(&mut self, holds: bool, what: &str, call: &RemoteCall) {
        if !holds {
            self.finding.break_promise(what, shown(call));
        }
    }

    /// The step that an action's key names, when it is one of the saga that called.
    fn step_of(&mut self, call: &RemoteCall, key: &'a str) -> Option<Step<'a>> {
        let known = Key::parse(key).filter(|key| !key.undoes).filter(|key| {
            let saga = self.case.sagas.get(key.saga);
            let shape = saga.and_then(|saga| shape(self.case, saga));
            let correlation = saga.and_then(|saga| saga.entries.first());
            let correlation = correlation.map(|first| first.correlation_id.as_str());
            shape.is_some_and(|shape| shape.step(key.step).is_some())
                && correlation == call.correlation.as_deref()
        });
        self.check(known.is_some(), "an effect under a key that is not its call's", call);
        known.map(|key| (key.saga, key.step))
    }

    /// Everything has come to rest.
    fn close(&mut self) {
        let case = self.case;
        let mut called: BTreeSet<(&str, &str)> = BTreeSet::new();
        for ((saga, step), action) in &self.actions {
            let saga = case.sagas.get(saga).filter(|_| action.done > 0);
            called.extend(saga.map(|saga| (saga.saga_type, *step)));
        }
        for saga in case.sagas.values().filter(|saga| !saga.is_overruled) {
            let Some(shape) = shape(case, saga) else { continue };
            for step in &shape.steps {
                let name = step.name.as_str();
                let action = self.actions.get(&(saga.id, name));
                let stands = action.is_some_and(Action::stands);
                let calls = called.contains(&(saga.saga_type, name));
                self.at_the_end(saga, name, stands, calls);
            }
            self.parked(saga);
        }
    }

    fn at_the_end(&mut self, saga: &Saga<'_>, step: &str, stands: bool, calls: bool) {
        let detail = || format!("saga {} step {step}", saga.id);
        match saga.end {
            Some(End::Completed) if calls => {
                let what = "a step of a completed saga has no effect";
                self.finding.expect(stands, what, detail);
            }
            Some(End::Compensated) => {
                let what = "an effect is left of a saga that was undone";
                self.finding.expect(!stands, what, detail);
            }
            Some(End::Completed) | None => {}
        }
    }

    /// Where nothing went wrong but what a saga was to meet, nobody has to wait for a person. But a step whose
    /// service wanted to be left alone may be past its deadline when somebody lets its saga go on.
    fn parked(&mut self, saga: &Saga<'_>) {
        let calm = self.case.evidence.plan.episodes.is_empty();
        let last = saga.entries.iter().rfind(|entry| entry.event_type == "SagaParked");
        let is_late = last.is_some_and(|it| it.payload["reason"].get("deadlinePassed").is_some());
        let what = "a saga waits for a person in a world in which every service answers";
        self.finding.expect(!calm || saga.parked.is_empty() || is_late, what, || {
            format!(
                "saga {}: {}",
                saga.id,
                last.map_or_else(String::new, |it| it.payload.to_string())
            )
        });
    }
}

fn shape<'a>(case: &Case<'a>, saga: &Saga<'_>) -> Option<&'a SagaShape> {
    case.evidence.plan.sagas.iter().find(|shape| shape.name == saga.saga_type)
}

fn shown(call: &RemoteCall) -> String {
    let (key, saga) = (call.key.as_deref(), call.correlation.as_deref());
    format!(
        "{} {} under {} (epoch {}) by {} for {} at {} us",
        call.remote,
        call.request,
        key.unwrap_or("no key"),
        call.epoch.unwrap_or_default(),
        call.by,
        saga.unwrap_or("no saga"),
        call.at_us
    )
}

#[cfg(test)]
mod tests;
