//! When the world has come to rest, every saga has ended or waits for a person with a reason (I6).

use crate::machine::Machine;

use super::case::Case;
use super::{Finding, Kind, Oracle};

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
        }
        finding
    }
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

    #[test]
    fn a_parking_without_a_reason_is_caught() {
        let mut history = History::good();
        let order = history.start_order(1, "key-9", "product-9");
        let parked = json!({"step": 1, "direction": "action", "atUs": 10, "reason": {}});
        history.say(&format!("saga-{order}"), "SagaParked", parked);
        caught(&SagaEnds, &history, "a saga is parked without a reason");
    }
}
