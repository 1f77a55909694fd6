//! A call that is not answered is waited for as long as its step's policy says, and no longer: by then the next
//! attempt is announced.
//!
//! Looked at are steps of which nobody asks what became of a call, from the leaving of an attempt's last call to
//! the append that announces the next attempt, by the world's own time. Half as long again is allowed, since
//! clocks drift and appends take their time. Nothing is said
//!
//! - of a call that was answered: its attempt ends with the answer, however long the rest of it takes;
//! - where another hand wrote to the saga in between, or it went back: then calls are given up and made anew,
//!   and what is made anew may wait for leave for as long as a breaker wants;
//! - where the node had no power or stood still meanwhile;
//! - where one of its appends or reads failed or was slow meanwhile: the saga's own turn may have waited for it.
//!   One that never ended nobody has waited for: who does is still there when the next attempt is announced.

use std::collections::BTreeMap;

use crate::evidence::{AppendResult, LogEntry, SentCall, StoreCall, StoreWhat};
use crate::machine::Machine;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::saga::Saga;
use crate::oracle::naive::steps;
use crate::oracle::naive::terms::{step_of, undoes};

/// Longer than a request to the store takes while nothing is wrong; and so much later may the next attempt be
/// announced beside its share of the time.
const SLACK_US: u64 = 300_000;

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    // Beside the orders trips and visits are the simulation's own.
    if !case.places_orders() {
        return;
    }
    let mut sent: BTreeMap<&str, Vec<&SentCall>> = BTreeMap::new();
    for call in &case.evidence.sent {
        sent.entry(&call.key).or_default().push(call);
    }
    let mut watch = Watch { case, sent, held_up: held_up(case), finding };
    for saga in case.sagas.values() {
        watch.follow(saga);
    }
}

/// When each node may have been held up: from and until.
fn held_up(case: &Case<'_>) -> BTreeMap<Machine, Vec<(u64, u64)>> {
    let mut held_up: BTreeMap<Machine, Vec<(u64, u64)>> = BTreeMap::new();
    for change in &case.evidence.power {
        held_up.entry(change.machine).or_default().push((change.at_us, change.at_us));
    }
    for call in case.evidence.store_calls.iter().filter(|call| is_trouble(call)) {
        held_up.entry(call.by).or_default().push((call.sent_at_us, call.ended_at_us));
    }
    held_up
}

fn is_trouble(call: &StoreCall) -> bool {
    let failed = match &call.what {
        StoreWhat::Append { result: AppendResult::Refused { why, .. }, .. } => why == "unavailable",
        StoreWhat::Append { result: AppendResult::Unknown, .. } => true,
        StoreWhat::Append { result: AppendResult::Appended { .. }, .. } => false,
        StoreWhat::ReadStream { events, .. } => events.is_none(),
        // No saga waits for that.
        StoreWhat::ReadAll { .. } => return false,
    };
    let has_ended = call.ended_at_us != u64::MAX;
    has_ended && (failed || call.ended_at_us - call.sent_at_us > SLACK_US)
}

/// A step of a saga by its place, and whether it is undone.
type Which = (usize, bool);

struct Watch<'c, 'a> {
    case: &'c Case<'a>,
    /// By their keys, in the order in which they left.
    sent: BTreeMap<&'c str, Vec<&'c SentCall>>,
    held_up: BTreeMap<Machine, Vec<(u64, u64)>>,
    finding: &'c mut Finding,
}

impl Watch<'_, '_> {
    fn follow(&mut self, saga: &Saga<'_>) {
        // The announcements of the attempts that are under way and that nobody has interfered with.
        let mut announced: BTreeMap<Which, &LogEntry> = BTreeMap::new();
        for &entry in &saga.entries {
            announced.retain(|_, before| before.node == entry.node);
            let Some(step) = step_of(entry) else {
                if matches!(entry.event_type.as_str(), "AbortRequested" | "SagaAborted") {
                    announced.clear();
                }
                continue;
            };
            let which = (step, undoes(entry));
            match entry.event_type.as_str() {
                "StepStarted" | "RetryRequested" => drop(announced.insert(which, entry)),
                "CompensationStarted" => drop(announced.insert((step, true), entry)),
                "RetryScheduled" => {
                    if let Some(before) = announced.insert(which, entry) {
                        self.attempt(saga, which, before, entry);
                    }
                }
                _ => announced.retain(|(of, _), _| *of != step),
            }
        }
    }

    /// An attempt from its announcement to that of the next one.
    fn attempt(
        &mut self,
        saga: &Saga<'_>,
        (step, undoes): Which,
        before: &LogEntry,
        next: &LogEntry,
    ) {
        let shape = self.case.shape_of(saga.saga_type);
        let Some(step) = shape.and_then(|shape| shape.steps.get(step)) else { return };
        let Some(most_us) = steps::waited_for_us(saga.saga_type, &step.name, undoes) else {
            return;
        };
        let appends = self.case.append_of(before).zip(self.case.append_of(next));
        let Some((before, next)) = appends else { return };
        let Some((_, epoch)) = before.fence.filter(|fence| next.fence == Some(*fence)) else {
            return;
        };
        let direction = if undoes { "compensation" } else { "action" };
        let key = format!("{}/{}/{direction}", saga.id, step.name);
        let mut calls = self.sent.get(key.as_str()).into_iter().flatten();
        let of_attempt = |call: &&&SentCall| {
            let between = before.sent_at_us <= call.sent_at_us && call.sent_at_us < next.sent_at_us;
            call.by == next.by && call.epoch == epoch && between
        };
        let Some(call) = calls.rfind(of_attempt) else { return };
        let (from_us, until_us) = (call.sent_at_us, next.sent_at_us);
        if call.answer.is_some() || self.is_held_up(call.by, from_us, until_us) {
            return;
        }
        let waited_us = until_us - from_us;
        let in_time = waited_us <= most_us + most_us / 2 + SLACK_US;
        self.finding.expect(in_time, "a call was waited for longer than its policy says", || {
            format!("{key} by {}, sent at {from_us} us: {waited_us} of {most_us} us", call.by)
        });
    }

    /// Whether a node may have been held up between two moments.
    fn is_held_up(&self, node: Machine, from_us: u64, until_us: u64) -> bool {
        let mut held_up = self.held_up.get(&node).into_iter().flatten();
        held_up.any(|(since_us, to_us)| *since_us < until_us && from_us <= *to_us)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::evidence::{AppendResult, Power, PowerChange, SentCall};
    use crate::machine::Machine;
    use crate::oracle::retries::Retries;
    use crate::oracle::testing::{History, caught, clean};
    use crate::visit;

    const WHAT: &str = "a call was waited for longer than its policy says";
    /// As long as a call of a visit is waited for, and twice as long.
    const ONCE_US: u64 = 2_500_000;
    const TWICE_US: u64 = 5_000_000;

    /// A visit whose guide is announced, called and not answered.
    fn called() -> History {
        let mut history = History::good();
        history.evidence.plan.sagas.extend(visit::shape());
        let started = json!({"sagaType": visit::VISIT, "definition": "d", "steps": 3, "pivot": 2,
            "input": {}, "startedAtUs": 1, "deadlineAtUs": null, "epoch": 1});
        say(&mut history, "SagaStarted", started);
        say(&mut history, "StepStarted", json!({"step": 0, "atUs": 1, "epoch": 1}));
        let sent_at_us = history.sent_now();
        let (by, to, key) = (Machine::Node1, visit::HOST.to_owned(), "v/guide/action".to_owned());
        history.evidence.sent.push(SentCall { by, to, key, epoch: 1, sent_at_us, answer: None });
        history
    }

    fn say(history: &mut History, event_type: &'static str, payload: Value) {
        history.say("saga-v", event_type, payload);
    }

    /// So long after the call the next attempt is announced.
    fn again(mut history: History, waited_us: u64) -> History {
        history.now_us += waited_us;
        let at_us = history.now_us;
        let retry = json!({"step": 0, "direction": "action", "attempt": 2, "dueAtUs": at_us,
            "cause": "lost", "atUs": at_us});
        say(&mut history, "RetryScheduled", retry);
        history
    }

    #[test]
    fn a_call_that_is_waited_for_twice_as_long_is_caught() {
        let without = clean(&Retries, &called()).examined;
        let with = clean(&Retries, &again(called(), ONCE_US)).examined;
        assert!(with > without, "{with}, {without} before the next attempt");
        caught(&Retries, &again(called(), TWICE_US), WHAT);
    }

    #[test]
    fn an_answer_ends_its_attempt_whenever_the_rest_of_it_comes() {
        let mut history = called();
        let at_us = history.sent_now();
        history.evidence.sent.last_mut().expect("it was sent").answer = Some((at_us, 503));
        clean(&Retries, &again(history, TWICE_US));
    }

    #[test]
    fn what_another_hand_has_interfered_with_is_not_looked_at() {
        let paused = |node: &str| {
            let mut history = called();
            say(&mut history, "SagaPaused", json!({"reason": "r", "actor": "a", "atUs": 2}));
            history.evidence.log.last_mut().expect("a pause").node = node.to_owned();
            again(history, TWICE_US)
        };
        clean(&Retries, &paused("node-2"));
        caught(&Retries, &paused("node-1"), WHAT);
    }

    #[test]
    fn a_node_that_stood_still_has_not_waited() {
        let stood_still = |machine: Machine| {
            let mut history = called();
            let at_us = history.sent_now();
            history.evidence.power.push(PowerChange { at_us, machine, what: Power::Paused });
            again(history, TWICE_US)
        };
        clean(&Retries, &stood_still(Machine::Node1));
        caught(&Retries, &stood_still(Machine::Node2), WHAT);
    }

    #[test]
    fn a_store_that_does_not_answer_holds_up_whoever_waits_for_it() {
        let beside = |result: AppendResult| {
            let mut history = called();
            history.append("list-1", 1);
            history.last_result(result);
            again(history, TWICE_US)
        };
        clean(&Retries, &beside(AppendResult::Unknown));
        let refused =
            |why: &str| beside(AppendResult::Refused { why: why.to_owned(), actual: None });
        clean(&Retries, &refused("unavailable"));
        caught(&Retries, &refused("wrong-expected-version"), WHAT);
    }
}
