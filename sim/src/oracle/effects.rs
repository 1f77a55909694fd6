//! The ledgers of the services that a user's sagas call, against the sagas: an action takes effect once and
//! under its call's key; nothing takes effect behind its undo; undos come in reverse; and at the end every
//! step of a completed saga has its effect and nothing is left of a saga that was undone.
//!
//! A step that never took effect for any saga is taken for one that calls nobody, and is not looked at.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::{Effect, RemoteCall};
use crate::plan::Operation;
use crate::shape::SagaShape;

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
        let mut ledger = Ledger { case, actions: BTreeMap::new(), finding: Finding::default() };
        for call in &case.evidence.remotes {
            ledger.finding.look();
            ledger.fence(call);
            ledger.take(call);
        }
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
    /// Services that keep a barrier let no former owner of a saga through: those of the simulation's own trips
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
        if is_users || saga.is_none_or(|saga| saga.saga_type != crate::trip::TRIP) {
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
        let shape = self.case.sagas.get(step.0).and_then(|saga| shape(self.case, saga));
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

    /// Where nothing went wrong but what a saga was to meet, nobody has to wait for a person.
    fn parked(&mut self, saga: &Saga<'_>) {
        let calm = self.case.evidence.plan.episodes.is_empty();
        let what = "a saga waits for a person in a world in which every service answers";
        self.finding.expect(!calm || saga.parked.is_empty(), what, || {
            let last = saga.entries.iter().rfind(|entry| entry.event_type == "SagaParked");
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
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::machine::Machine;
    use crate::oracle::testing::{History, caught, clean};
    use crate::shape::tests::trip;

    /// A trip by hand, with what its services did.
    struct Trip(History);

    impl Trip {
        /// Everything booked and charged.
        fn completed() -> Self {
            let mut trip = Self::begun();
            for (index, step) in ["hotel", "flight", "charge", "mail"].into_iter().enumerate() {
                trip.does(index, step);
            }
            trip.say("SagaCompleted", json!({ "atUs": 9 }));
            trip
        }

        /// Hotel and flight booked; the card said no; both undone.
        fn compensated() -> Self {
            let mut trip = Self::begun();
            trip.does(0, "hotel");
            trip.does(1, "flight");
            trip.say("StepStarted", json!({ "step": 2, "atUs": 5, "epoch": 1 }));
            let no = json!({ "step": 2, "code": "C", "reason": "r", "atUs": 6 });
            trip.say("StepRejected", no);
            trip.say("SagaAborted", json!({ "reason": { "rejected": {} }, "atUs": 6 }));
            for (index, step) in [(1, "flight"), (0, "hotel")] {
                trip.say("CompensationStarted", json!({ "step": index, "atUs": 7, "epoch": 1 }));
                trip.effect(step, Effect::Undone { of: key(step) });
                trip.say("CompensationSucceeded", json!({ "step": index, "atUs": 8 }));
            }
            trip.say("SagaCompensated", json!({ "atUs": 9 }));
            trip
        }

        fn begun() -> Self {
            let mut history = History::empty();
            history.evidence.plan.sagas.push(trip());
            history.evidence.phases.quiet_at_us = Some(u64::MAX);
            let mut trip = Self(history);
            trip.say(
                "SagaStarted",
                json!({ "sagaType": "trip", "definition": "d", "steps": 4, "pivot": 2, "input": {},
                    "startedAtUs": 1, "deadlineAtUs": null, "epoch": 1 }),
            );
            trip
        }

        fn does(&mut self, index: usize, step: &str) {
            self.say("StepStarted", json!({ "step": index, "atUs": 3, "epoch": 1 }));
            self.effect(step, Effect::Done { key: key(step) });
            self.say("StepSucceeded", json!({ "step": index, "result": null, "atUs": 4 }));
        }

        fn say(&mut self, event_type: &'static str, payload: Value) {
            self.0.say("saga-s", event_type, payload);
        }

        fn effect(&mut self, step: &str, effect: Effect) {
            let at_us = self.0.sent_now();
            let first = self.0.evidence.log.first().expect("it has begun");
            let call = RemoteCall {
                at_us,
                by: Machine::Node1,
                remote: step.to_owned(),
                request: "POST /".to_owned(),
                key: Some(key(step)),
                epoch: Some(1),
                correlation: Some(first.correlation_id.clone()),
                status: 200,
                effect: Some(effect),
            };
            self.0.evidence.remotes.push(call);
        }

        fn forget(&mut self, step: &str, of: impl Fn(&Effect) -> bool) {
            self.0
                .evidence
                .remotes
                .retain(|call| call.remote != step || !call.effect.as_ref().is_some_and(&of));
        }

        fn caught(&self, what: &str) {
            caught(&Effects, &self.0, what);
        }
    }

    fn key(step: &str) -> String {
        format!("s/{step}/action")
    }

    fn is_undone(effect: &Effect) -> bool {
        matches!(effect, Effect::Undone { .. })
    }

    fn is_done(effect: &Effect) -> bool {
        matches!(effect, Effect::Done { .. })
    }

    #[test]
    fn sagas_with_their_effects_are_right() {
        assert!(clean(&Effects, &Trip::completed().0).examined >= 8);
        assert!(clean(&Effects, &Trip::compensated().0).examined >= 8);
    }

    #[test]
    fn an_undo_that_was_forgotten_is_caught() {
        let mut trip = Trip::compensated();
        trip.forget("hotel", is_undone);
        trip.caught("an effect is left of a saga that was undone");
    }

    #[test]
    fn an_effect_that_came_late_is_caught() {
        let mut trip = Trip::compensated();
        trip.effect("hotel", Effect::Done { key: key("hotel") });
        trip.caught("an action took effect behind its undo");
        trip.caught("an action took effect twice");
    }

    #[test]
    fn a_key_of_ones_own_is_caught() {
        let mut trip = Trip::completed();
        trip.effect("hotel", Effect::Done { key: "s/hotel/action/2".to_owned() });
        trip.caught("an effect under a key that is not its call's");
    }

    #[test]
    fn unknown_taken_as_success_is_caught() {
        let mut trip = Trip::completed();
        trip.forget("mail", is_done);
        clean(&Effects, &trip.0);
        // Another saga shows that the step calls somebody.
        let mail = trip.0.evidence.remotes[0].clone();
        let other = RemoteCall { effect: Some(Effect::Done { key: key("mail") }), ..mail };
        trip.0.evidence.remotes.push(other);
        clean(&Effects, &trip.0);
        let mut entries = trip.0.evidence.log.clone();
        for entry in &mut entries {
            entry.stream = "saga-t".to_owned();
            entry.id = format!("{}-t", entry.id);
        }
        trip.0.evidence.log.extend(entries);
        trip.caught("a step of a completed saga has no effect");
    }

    #[test]
    fn compensation_in_forward_order_is_caught() {
        let mut trip = Trip::completed();
        trip.effect("hotel", Effect::Undone { of: key("hotel") });
        trip.caught("an undo before that of a step behind it");
        trip.caught("a step of a completed saga has no effect");
    }

    #[test]
    fn what_is_asked_wrongly_and_what_waits_for_nothing_is_caught() {
        let mut trip = Trip::begun();
        trip.effect("hotel", Effect::Undone { of: key("hotel") });
        trip.caught("what never happened was taken back");
        trip.effect("hotel", Effect::Wrong { what: "no such address".into(), detail: "x".into() });
        trip.caught("no such address");
        trip.say(
            "SagaParked",
            json!({ "step": 0, "direction": "action", "reason": {}, "atUs": 1 }),
        );
        trip.caught("a saga waits for a person in a world in which every service answers");
    }
}
