//! Every saga's events follow each other by the rules of the design, as a state machine of the oracles'
//! own reads them; and every start that was acknowledged is in the log, once (I8).

use std::collections::BTreeMap;

use super::case::Case;
use super::naive::http::{Asks, answered, id};
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct SagaLife;

impl Oracle for SagaLife {
    fn name(&self) -> &'static str {
        "saga-life"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.starts_sagas()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        for saga in case.sagas.values() {
            finding.examined += saga.entries.len() as u64;
            for (what, detail) in &saga.illegal {
                finding.break_promise(what, detail.as_str());
            }
        }
        for order in case.orders.values() {
            finding.look();
            for (what, detail) in &order.illegal {
                finding.break_promise(what, format!("order {}: {detail}", order.id));
            }
        }
        examine_workable(case, &mut finding);
        examine_causes(case, &mut finding);
        examine_staged(case, &mut finding);
        examine_streams(case, &mut finding);
        examine_acknowledged(case, &mut finding);
        finding
    }
}

/// No saga's own log, and nothing that was decided on it, is found to be wrong by who works on it.
fn examine_workable(case: &Case<'_>, finding: &mut Finding) {
    for saga in case.sagas.values() {
        let parked = saga.entries.iter().filter(|entry| entry.event_type == "SagaParked");
        for why in parked.filter_map(|entry| entry.payload["reason"].get("poisoned")) {
            let detail = format!("{}: {why}", saga.id);
            finding.break_promise("a saga was set apart as unworkable", detail);
        }
    }
}

/// Each event of a saga is caused by the one before it.
fn examine_causes(case: &Case<'_>, finding: &mut Finding) {
    for saga in case.sagas.values() {
        for pair in saga.entries.windows(2) {
            let follows = pair[1].causation_id.as_deref() == Some(&*pair[0].id);
            finding.expect(follows, "a saga's event is not caused by the one before it", || {
                format!("saga {} at {}: {:?}", saga.id, pair[1].position, pair[1].causation_id)
            });
        }
    }
}

/// What a step writes elsewhere is caused by the first event of its saga in the same append.
fn examine_staged(case: &Case<'_>, finding: &mut Finding) {
    for append in &case.appends {
        let Some((saga, others)) = append.writes.split_first() else { continue };
        let Some(first) = saga.events.first().filter(|_| saga.stream.starts_with("saga-")) else {
            continue;
        };
        let staged = others.iter().flat_map(|write| &write.events);
        let staged = staged.filter_map(|event| case.evidence.log.get(case.place(event)?));
        for entry in staged {
            let is_caused = entry.causation_id.as_ref() == Some(first);
            finding.expect(is_caused, "what a step wrote is not caused by its saga", || {
                format!("{} at {}: {:?}", entry.stream, entry.position, entry.causation_id)
            });
        }
    }
}

/// Every stream of a saga or an order begins with its beginning, and an order by card has its saga.
fn examine_streams(case: &Case<'_>, finding: &mut Finding) {
    for stream in case.streams.keys() {
        let folded = match stream.split_once('-') {
            Some(("saga", id)) => case.sagas.contains_key(id),
            Some(("order", id)) => case.orders.contains_key(id),
            _ => continue,
        };
        finding
            .expect(folded, "a stream does not begin with its beginning", || (*stream).to_owned());
    }
    for order in case.orders.values().filter(|order| order.by_card) {
        let paid_for = case.sagas.contains_key(order.id);
        finding.expect(paid_for, "an order without the saga that pays it", || {
            format!("order {}", order.id)
        });
    }
}

/// What was answered with 201 exists, and each under one id.
fn examine_acknowledged(case: &Case<'_>, finding: &mut Finding) {
    let mut placed: BTreeMap<&str, u32> = BTreeMap::new();
    for order in case.orders.values() {
        placed.insert(order.id, order.placings);
    }
    for call in &case.evidence.calls {
        let Some(answer) = answered(call, 201) else { continue };
        let times = match (Asks::of(call), id(&answer.body)) {
            (Asks::PlaceOrder, Some(id)) => placed.get(id).copied().unwrap_or(0),
            (Asks::StartSaga, Some(id)) => u32::from(case.sagas.contains_key(id)),
            (Asks::PlaceOrder | Asks::StartSaga, None) => 0,
            _ => continue,
        };
        let what = if times == 0 {
            "an acknowledged start is not in the log"
        } else {
            "an acknowledged start is in the log more than once"
        };
        finding.expect(times == 1, what, || format!("{}: {}", call.request, answer.body));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evidence::LogEntry;
    use crate::oracle::testing::{History, caught, clean};

    /// The good history with one event of the n-th saga changed.
    fn changed(saga: usize, event_type: &str, change: impl Fn(&mut LogEntry)) -> History {
        let mut history = History::good();
        let stream = format!("saga-{}", history.orders[saga]);
        let mut entries = history.evidence.log.iter_mut();
        let found = entries.find(|entry| entry.stream == stream && entry.event_type == event_type);
        change(found.expect("such an event"));
        history
    }

    #[test]
    fn a_saga_that_nobody_can_work_on_is_caught() {
        let mut history = History::good();
        let stream = format!("saga-{}", history.orders[0]);
        let reason = json!({"poisoned": {"cause": "event 6 cannot follow: the saga is paused"}});
        let parked = json!({"step": null, "direction": "action", "atUs": 10, "reason": reason});
        history.say(&stream, "SagaParked", parked);
        caught(&SagaLife, &history, "a saga was set apart as unworkable");
    }

    #[test]
    fn what_a_step_wrote_for_another_cause_is_caught() {
        for cause in [None, Some("event-2".to_owned())] {
            let mut history = History::good();
            let stream = format!("order-{}", history.orders[0]);
            let mut entries = history.evidence.log.iter_mut();
            let placed = entries.find(|entry| entry.stream == stream).expect("an order");
            placed.causation_id = cause;
            caught(&SagaLife, &history, "what a step wrote is not caused by its saga");
        }
    }

    #[test]
    fn a_person_who_decides_on_a_step_that_waits_for_nobody_is_caught() {
        let decided = |event_type, waits: bool| {
            let mut history = History::good();
            let order = history.start_order(1, "key-9", "product-9");
            let stream = format!("saga-{order}");
            if waits {
                let reason = json!({"attemptsUsedUp": {"attempts": 2, "cause": "lost"}});
                let parked = json!({"step": 1, "direction": "action", "atUs": 5, "reason": reason});
                history.say(&stream, "SagaParked", parked);
            }
            let by =
                json!({"step": 1, "direction": "action", "reason": "r", "actor": "a", "atUs": 6});
            history.say(&stream, event_type, by);
            history
        };
        for event_type in ["StepSkipped", "StepResolved"] {
            clean(&SagaLife, &decided(event_type, true));
            let what = "a person decided on a step that waits for nobody";
            caught(&SagaLife, &decided(event_type, false), what);
        }
    }

    fn renamed(saga: usize, from: &str, to: &str) -> History {
        changed(saga, from, |entry| entry.event_type = to.to_owned())
    }

    #[test]
    fn lives_that_follow_the_rules_are_right() {
        assert!(clean(&SagaLife, &History::good()).examined > 33);
    }

    #[test]
    fn compensation_in_forward_order_is_caught() {
        let mut history = History::good();
        let stream = format!("saga-{}", history.orders[2]);
        let of_undo = |entry: &&mut LogEntry| {
            entry.stream == stream && entry.event_type.starts_with("Compensation")
        };
        for entry in history.evidence.log.iter_mut().filter(of_undo) {
            let step = 1 - entry.payload["step"].as_u64().unwrap();
            entry.payload["step"] = json!(step);
        }
        caught(&SagaLife, &history, "an undo before that of a later step");
    }

    #[test]
    fn an_undo_of_what_never_happened_is_caught() {
        let history = changed(2, "CompensationStarted", |entry| entry.payload["step"] = json!(3));
        caught(&SagaLife, &history, "an undo of what never happened");
    }

    #[test]
    fn a_cancel_honoured_behind_the_pivot_is_caught() {
        let history = renamed(0, "SagaCompleted", "SagaAborted");
        caught(&SagaLife, &history, "a saga was aborted behind its pivot");
    }

    #[test]
    fn a_second_abort_is_caught() {
        let history = renamed(2, "CompensationStarted", "SagaAborted");
        caught(&SagaLife, &history, "a saga was aborted twice");
    }

    #[test]
    fn an_abort_while_the_pivot_is_in_doubt_is_caught() {
        let history = renamed(2, "StepRejected", "SagaPaused");
        caught(&SagaLife, &history, "a saga was aborted while its pivot was in doubt");
    }

    #[test]
    fn a_saga_called_undone_too_early_is_caught() {
        let history = renamed(2, "CompensationStarted", "SagaCompensated");
        caught(&SagaLife, &history, "a saga was called undone with something left to undo");
        caught(&SagaLife, &history, "an event behind the end of a saga");
    }

    #[test]
    fn an_acknowledged_start_that_is_lost_is_caught() {
        let mut history = History::good();
        history.place(9, "key-1", "product-1", "nowhere", false);
        caught(&SagaLife, &history, "an acknowledged start is not in the log");
    }

    #[test]
    fn a_stream_without_its_beginning_is_caught() {
        let history = renamed(1, "SagaStarted", "StepStarted");
        caught(&SagaLife, &history, "a stream does not begin with its beginning");
        caught(&SagaLife, &history, "an order without the saga that pays it");
    }

    #[test]
    fn retries_and_operators_verbs_are_legal_where_the_design_has_them() {
        let mut history = History::empty();
        let order = history.start_order(1, "key-1", "product-1");
        let stream = format!("saga-{order}");
        let mut say = |event_type, payload| history.say(&stream, event_type, payload);
        say(
            "RetryScheduled",
            json!({"step": 1, "direction": "action", "attempt": 2, "dueAtUs": 9,
            "cause": "lost", "atUs": 5}),
        );
        say(
            "SagaParked",
            json!({"step": 1, "direction": "action", "atUs": 10,
            "reason": {"attemptsUsedUp": {"attempts": 2, "cause": "lost"}}}),
        );
        say(
            "RetryRequested",
            json!({"step": 1, "direction": "action", "attempt": 3, "reason": "r",
            "actor": "a", "atUs": 11, "epoch": 1}),
        );
        say("StepSucceeded", json!({"step": 1, "result": null, "atUs": 12}));
        say("StepStarted", json!({"step": 2, "atUs": 12, "epoch": 1}));
        say("AbortRequested", json!({"reason": {"cancelled": {}}, "atUs": 13}));
        say("CompensationStarted", json!({"step": 2, "atUs": 14, "epoch": 1}));
        say(
            "RevocationRejected",
            json!({"step": 2, "code": "C", "reason": "r", "attempt": 2,
            "atUs": 15, "epoch": 1}),
        );
        say("StepSucceeded", json!({"step": 2, "result": null, "atUs": 16}));
        clean(&SagaLife, &history);
        history.say(
            &stream,
            "RetryScheduled",
            json!({"step": 2, "direction": "action",
            "attempt": 4, "dueAtUs": 9, "cause": "lost", "atUs": 17}),
        );
        caught(&SagaLife, &history, "attempts are not counted one by one");
    }
}
