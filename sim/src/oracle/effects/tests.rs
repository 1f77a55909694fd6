//! Trips by hand, with what their services did; and visits, with what their nodes wrote.

use serde_json::{Value, json};

use super::*;
use crate::evidence::SentCall;
use crate::machine::Machine;
use crate::oracle::testing::{Batch, History, caught, clean};
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
    let what = "a saga waits for a person in a world in which every service answers";
    let parked =
        |reason: Value| json!({ "step": 0, "direction": "action", "reason": reason, "atUs": 1 });
    trip.say("SagaParked", parked(json!({ "deadlinePassed": { "cause": "status 429" } })));
    let late = Effects.examine(&Case::new(&trip.0.evidence));
    assert!(late.violations.iter().all(|it| it.what != what), "{late:?}");
    trip.say("SagaParked", parked(json!({})));
    trip.caught(what);
}

/// A visit that has begun: beside an order, since without any it is a user's.
fn visiting() -> History {
    let mut history = History::good();
    let shape = visit::shape().expect("a sound definition");
    history.evidence.plan.sagas.push(shape);
    let started = json!({ "sagaType": visit::VISIT, "definition": "d", "steps": 3, "pivot": 2,
        "input": {}, "startedAtUs": 1, "deadlineAtUs": null, "epoch": 1 });
    history.say("saga-v", "SagaStarted", started);
    history
}

/// An append of the museum's desk.
fn writes(history: &mut History, events: &[(&str, &'static str, Value)]) {
    let own = |(stream, name, payload): &(&str, &'static str, Value)| {
        ((*stream).to_owned(), *name, payload.clone())
    };
    let (events, correlation) = (events.iter().map(own).collect(), "c-v".to_owned());
    history.make(Batch { events, correlation, ..Batch::default() });
}

fn entered(guests: u64) -> (&'static str, &'static str, Value) {
    ("museum-1", "GuestEntered", json!({ "key": "v/guide/action", "guests": guests }))
}

fn answered(epoch: u64) -> (&'static str, &'static str, Value) {
    ("barrier-v.guide", "ActionAnswered", json!({ "epoch": epoch, "answer": { "done": {} } }))
}

fn undone(epoch: u64) -> (&'static str, &'static str, Value) {
    ("barrier-v.guide", "ActionUndone", json!({ "epoch": epoch }))
}

#[test]
fn what_nodes_wrote_behind_their_barrier_is_right() {
    let mut history = visiting();
    writes(&mut history, &[entered(1), answered(1)]);
    writes(&mut history, &[("barrier-v.guide", "EpochRaised", json!({ "epoch": 2 }))]);
    let left = ("museum-1", "GuestLeft", json!({ "of": "v/guide/action", "guests": 0 }));
    writes(&mut history, &[left, undone(2)]);
    let before = Effects.examine(&Case::new(&visiting().evidence)).examined;
    assert_eq!(clean(&Effects, &history).examined, before + 3);
}

#[test]
fn a_twin_behind_the_barrier_is_caught() {
    let mut history = visiting();
    writes(&mut history, &[entered(1), answered(1)]);
    writes(&mut history, &[entered(2)]);
    caught(&Effects, &history, "an action took effect twice");
}

#[test]
fn what_a_node_does_behind_an_undo_or_for_a_former_owner_is_caught() {
    let mut history = visiting();
    writes(&mut history, &[undone(1)]);
    writes(&mut history, &[entered(1), answered(1)]);
    caught(&Effects, &history, "an action took effect behind its undo");
    let mut history = visiting();
    writes(&mut history, &[("barrier-v.guide", "EpochRaised", json!({ "epoch": 2 }))]);
    writes(&mut history, &[entered(1), answered(1)]);
    caught(&Effects, &history, "a former owner of a saga was let through");
}

/// The answer to a call of a visit's step.
fn hears(history: &mut History, epoch: u64, status: u16) {
    let sent_at_us = history.sent_now();
    let answer = Some((history.sent_now(), status));
    let (by, to, key) = (Machine::Node1, visit::HOST.to_owned(), "v/guide/action".to_owned());
    history.evidence.sent.push(SentCall { by, to, key, epoch, sent_at_us, answer });
}

#[test]
fn what_is_repeated_to_a_newer_owner_and_leaves_no_epoch_is_caught() {
    const WHAT: &str = "an answered call left no epoch at its barrier";
    let raises = |history: &mut History| {
        writes(history, &[("barrier-v.guide", "EpochRaised", json!({ "epoch": 2 }))]);
    };
    let mut history = visiting();
    writes(&mut history, &[entered(1), answered(1)]);
    hears(&mut history, 1, 200);
    // Refused, or nobody knows.
    [409, 421, 503].into_iter().for_each(|status| hears(&mut history, 2, status));
    let before = clean(&Effects, &history).examined;
    let mut later = history;
    raises(&mut later);
    hears(&mut later, 2, 200);
    // The record, and the answer.
    assert_eq!(clean(&Effects, &later).examined, before + 2);
    let mut history = visiting();
    writes(&mut history, &[entered(1), answered(1)]);
    hears(&mut history, 2, 200);
    caught(&Effects, &history, WHAT);
    // Too late for whoever came in between.
    raises(&mut history);
    caught(&Effects, &history, WHAT);
}
