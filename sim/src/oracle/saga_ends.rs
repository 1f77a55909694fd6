//! When the world has come to rest, every saga has ended or waits for a person with a reason (I6), and that
//! is one that the world gave: a participant that failed, refused or could not be reached.

use crate::evidence::{LogEntry, SentCall};
use crate::machine::Machine;

use super::case::Case;
use super::naive::saga::Saga;
use super::naive::{steps, terms};
use super::{Finding, Kind, Oracle};

/// An answer that has begun to come by then was certainly heard: the gateway is waited for three times as
/// long.
const HEARD_US: u64 = 1_000_000;

/// See the module.
#[derive(Debug)]
pub struct SagaEnds;

impl Oracle for SagaEnds {
    fn name(&self) -> &'static str {
        "saga-ends"
    }

    fn kind(&self) -> Kind {
        Kind::Liveness
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.starts_sagas() && must_end(case)
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        for saga in case.sagas.values().filter(|_| must_end(case)) {
            finding.expect(
                saga.is_at_rest(),
                "a saga neither ended nor waits for a person",
                || {
                    let last = saga.entries.last().map(|entry| entry.event_type.as_str());
                    format!("saga {}: last {last:?} of {}", saga.id, saga.entries.len())
                },
            );
            finding.expect(saga.parked_with_reason, "a saga is parked without a reason", || {
                format!("saga {}", saga.id)
            });
            for parked in saga.entries.iter().filter(|entry| entry.event_type == "SagaParked") {
                examine_cause(case, saga, parked, &mut finding);
            }
        }
        finding
    }
}

/// Of the reference sagas, whose steps and whose participant are known. A step behind the pivot that asks
/// nobody can be held up by a store that fails, and by other writers of its order, but not as often as its
/// attempts and their pauses allow: each of them is an append to that store. An undo has fewer attempts,
/// within seconds, and is left out; so is what an operator has decided on, whom the bank may contradict.
fn examine_cause(case: &Case<'_>, saga: &Saga<'_>, parked: &LogEntry, finding: &mut Finding) {
    if saga.is_overruled {
        return;
    }
    let names = steps::of(saga.saga_type).unwrap_or(&[]);
    let step = terms::step_of(parked).filter(|_| !terms::undoes(parked));
    let Some((step, name)) = step.and_then(|step| Some((step, *names.get(step)?))) else { return };
    let detail = || format!("saga {} at {name}: {}", saga.id, parked.payload);
    if steps::asks_nobody(name) {
        let is_behind = saga.pivot.is_some_and(|pivot| step > pivot);
        if is_behind {
            let what = "a saga is parked behind its pivot at a step that asks nobody";
            finding.expect(false, what, detail);
        }
        return;
    }
    let reason = &parked.payload["reason"];
    if let Some(attempts) = reason["attemptsUsedUp"]["attempts"].as_u64() {
        let given = met_trouble(case, &format!("{}/{name}/action", saga.id), attempts);
        finding.expect(
            given,
            "a saga is parked whose participant did all that it was asked",
            detail,
        );
    }
}

/// Whether a call under this key was not made, was lost, was answered late or with anything but a yes.
fn met_trouble(case: &Case<'_>, key: &str, attempts: u64) -> bool {
    let in_time = |call: &SentCall| {
        let yes = call.answer.filter(|(_, status)| (200..300).contains(status));
        yes.is_some_and(|(at_us, _)| at_us.saturating_sub(call.sent_at_us) <= HEARD_US)
    };
    let mut made = 0;
    for call in case.evidence.sent.iter().filter(|call| call.key == key) {
        if !in_time(call) {
            return true;
        }
        made += 1;
    }
    made < attempts
}

/// A saga whose participant never comes back may try for as long as its policy says, and without the bus
/// the shards of a node that failed find no new owner.
fn must_end(case: &Case<'_>) -> bool {
    let broken = [Machine::Bank, Machine::Bus].iter().any(|it| case.is_left_broken(*it));
    case.is_quiet() && !broken
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::{History, caught, clean};

    #[test]
    fn ended_and_parked_sagas_are_at_rest() {
        let mut history = History::good();
        clean(&SagaEnds, &history);
        let order = history.start_order(1, "key-9", "product-9");
        let parked = json!({"step": 1, "direction": "action", "atUs": 10,
            "reason": {"attemptsUsedUp": {"attempts": 24, "cause": "lost"}}});
        history.say(&format!("saga-{order}"), "SagaParked", parked);
        clean(&SagaEnds, &history);
    }

    #[test]
    fn a_timer_that_was_lost_leaves_a_saga_behind_and_is_caught() {
        let mut history = History::good();
        let order = history.start_order(1, "key-9", "product-9");
        let retry = json!({"step": 1, "direction": "action", "attempt": 2, "dueAtUs": 9,
            "cause": "lost", "atUs": 5});
        history.say(&format!("saga-{order}"), "RetryScheduled", retry);
        caught(&SagaEnds, &history, "a saga neither ended nor waits for a person");
        history.evidence.phases.quiet_at_us = None;
        assert_eq!(SagaEnds.examine(&Case::new(&history.evidence)).examined, 0);
    }

    /// A refund that waits for a person at this step.
    fn refund_parked_at(step: u32) -> History {
        let mut history = History::good();
        history.parked_refund(step, 3);
        history
    }

    /// A call of that refund, answered so long after it was sent.
    fn refund_called(history: &mut History, answer: Option<(u64, u16)>) {
        let sent_at_us = history.sent_now();
        history.evidence.sent.push(SentCall {
            by: Machine::Node1,
            to: "bank:80".to_owned(),
            key: "r1/refund_payment/action".to_owned(),
            epoch: 1,
            sent_at_us,
            answer: answer.map(|(after_us, status)| (sent_at_us + after_us, status)),
        });
    }

    #[test]
    fn a_step_that_asks_nobody_and_waits_for_a_person_is_caught() {
        let what = "a saga is parked behind its pivot at a step that asks nobody";
        caught(&SagaEnds, &refund_parked_at(1), what);
        let mut history = History::good();
        let order = history.start_order(1, "key-9", "product-9");
        let parked = json!({"step": 3, "direction": "action", "atUs": 10,
            "reason": {"attemptsUsedUp": {"attempts": 24, "cause": "lost"}}});
        history.say(&format!("saga-{order}"), "SagaParked", parked);
        caught(&SagaEnds, &history, what);
    }

    #[test]
    fn a_participant_that_refused_or_was_not_heard_gives_a_reason() {
        clean(&SagaEnds, &refund_parked_at(0));
        for trouble in [None, Some((10, 409)), Some((10, 503)), Some((2_000_000, 200))] {
            let mut history = refund_parked_at(0);
            for answer in [Some((10, 200)), trouble, Some((10, 200))] {
                refund_called(&mut history, answer);
            }
            clean(&SagaEnds, &history);
        }
    }

    #[test]
    fn a_participant_that_did_all_that_it_was_asked_gives_none() {
        let mut history = refund_parked_at(0);
        for _ in 0..2 {
            refund_called(&mut history, Some((10, 200)));
        }
        clean(&SagaEnds, &history);
        refund_called(&mut history, Some((10, 200)));
        let what = "a saga is parked whose participant did all that it was asked";
        caught(&SagaEnds, &history, what);
    }

    #[test]
    fn a_parking_without_a_reason_is_caught() {
        let mut history = History::good();
        let order = history.start_order(1, "key-9", "product-9");
        let parked = json!({"step": 1, "direction": "action", "atUs": 10, "reason": {}});
        history.say(&format!("saga-{order}"), "SagaParked", parked);
        caught(&SagaEnds, &history, "a saga is parked without a reason");
    }
}
