//! Nothing happens before it is due (I7): no attempt ends before it was to begin, no deadline aborts a
//! saga before it has passed, and behind it the saga does not go on; the same of the deadlines that single steps
//! have ([`deadlines`]). That nothing is forgotten is [`super::saga_ends`]'.

mod deadlines;

use super::case::Case;
use super::naive::json::number;
use super::naive::saga::Saga;
use super::naive::steps;
use super::{Finding, Oracle};
use crate::fault::Fault;
use crate::machine::Machine;

/// See the module.
#[derive(Debug)]
pub struct Timers;

impl Oracle for Timers {
    fn name(&self) -> &'static str {
        "timers"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.places_orders()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        // The clock of one node is its own measure, unless it was set back in between.
        let is_set_back = |node: &str| {
            let mut episodes = case.evidence.plan.episodes.iter();
            episodes.any(|episode| match &episode.fault {
                Fault::ClockOffset { machine, .. }
                | Fault::ClockStep { machine, .. }
                | Fault::ClockDrift { machine, .. } => machine.name() == node,
                _ => false,
            })
        };
        let skew_us = case.clock_skew_us(&Machine::NODES);
        // Who wakes up behind a deadline may first hear of what came before it.
        let pauses = |fault: &Fault| matches!(fault, Fault::Pause { .. });
        let stands_still = case.evidence.plan.episodes.iter().any(|episode| pauses(&episode.fault));
        for saga in case.sagas.values() {
            finding.look();
            for early in &saga.early {
                let exact = early.one_clock && !is_set_back(early.node);
                let slack_us = if exact { 0 } else { skew_us };
                if early.by_us > slack_us {
                    let detail = format!("saga {} at {}: {early:?}", saga.id, early.position);
                    finding.break_promise(early.what, detail);
                }
            }
            examine_term(saga, &mut finding);
            examine_deadline(saga, &mut finding);
            deadlines::examine(case, saga, &mut finding);
            if !stands_still {
                examine_overdue(saga, skew_us, &mut finding);
            }
        }
        finding
    }
}

/// A saga's deadline is as far from its start as its definition says.
fn examine_term(saga: &Saga<'_>, finding: &mut Finding) {
    let Some(term_us) = steps::term_us(saga.saga_type) else { return };
    let started = saga.entries.first().and_then(|first| number(&first.payload, "startedAtUs"));
    let due_us = term_us.zip(started).map(|(term_us, at_us)| at_us + term_us);
    finding.expect(saga.deadline_at_us == due_us, "a deadline is not where it should be", || {
        format!("saga {}: {:?} and not {due_us:?}", saga.id, saga.deadline_at_us)
    });
}

/// A saga that was aborted by its deadline was not aborted before it: the deciding node compares its own
/// clock with the time in the log. What was asked for in time is carried out later, with the same reason
/// and perhaps by another clock: the first event of the two is the decision.
fn examine_deadline(saga: &Saga<'_>, finding: &mut Finding) {
    let mut decisions = saga.entries.iter().filter(|entry| {
        let decides = matches!(entry.event_type.as_str(), "SagaAborted" | "AbortRequested");
        let reason = || entry.payload.get("reason")?.get("deadline");
        decides && reason().is_some_and(|deadline| number(deadline, "step").is_none())
    });
    if let Some(entry) = decisions.next() {
        let at_us = number(&entry.payload, "atUs").unwrap_or(0);
        let due_us = saga.deadline_at_us.unwrap_or(u64::MAX);
        finding.expect(at_us >= due_us, "a deadline passed before its time", || {
            format!("saga {} at {}: decided at {at_us}, due {due_us}", saga.id, entry.position)
        });
    }
}

/// Behind its deadline a saga whose pivot has not succeeded begins and tries nothing more.
fn examine_overdue(saga: &Saga<'_>, skew_us: u64, finding: &mut Finding) {
    const SLACK_US: u64 = 2_000_000;
    let Some(due_us) = saga.deadline_at_us else { return };
    // What a person lets go on, or holds up, has other times.
    if saga.entries.iter().any(|entry| entry.payload.get("actor").is_some()) {
        return;
    }
    for entry in &saga.entries {
        let step = number(&entry.payload, "step").and_then(|step| usize::try_from(step).ok());
        let is_pivot = step.is_some() && step == saga.pivot;
        match entry.event_type.as_str() {
            "SagaAborted" | "AbortRequested" => return,
            "StepSucceeded" if is_pivot => return,
            "StepStarted" | "RetryScheduled" => {
                let at_us = number(&entry.payload, "atUs").unwrap_or(0);
                let in_time = at_us <= due_us.saturating_add(skew_us + SLACK_US);
                finding.expect(in_time, "a saga went on behind its deadline", || {
                    format!("saga {} at {}: {at_us}, due {due_us}", saga.id, entry.position)
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fault::Episode;
    use crate::oracle::testing::{History, caught, clean};

    fn retried(ended_at_us: u64) -> History {
        let mut history = History::good();
        let order = history.start_order(1, "key-9", "product-9");
        let stream = format!("saga-{order}");
        let retry = json!({"step": 1, "direction": "action", "attempt": 2, "dueAtUs": 900,
            "cause": "lost", "atUs": 5});
        history.say(&stream, "RetryScheduled", retry);
        let done = json!({"step": 1, "result": null, "atUs": ended_at_us});
        history.say(&stream, "StepSucceeded", done);
        history
    }

    #[test]
    fn a_deadline_that_is_too_early_is_caught() {
        let mut history = History::good();
        clean(&Timers, &history);
        let starts = |entry: &&mut crate::evidence::LogEntry| entry.event_type == "SagaStarted";
        let started = history.evidence.log.iter_mut().find(starts).expect("a saga");
        started.payload["deadlineAtUs"] = 450_000_000.into();
        caught(&Timers, &history, "a deadline is not where it should be");
    }

    #[test]
    fn attempts_that_wait_for_their_time_are_right() {
        clean(&Timers, &retried(900));
    }

    #[test]
    fn a_stale_timer_that_is_accepted_is_caught() {
        caught(&Timers, &retried(899), "an attempt ended before it was due");
    }

    #[test]
    fn another_nodes_clock_may_be_off_by_as_much_as_the_plan_says() {
        let mut history = retried(899);
        if let Some(last) = history.evidence.log.last_mut() {
            last.node = "node-2".to_owned();
        }
        caught(&Timers, &history, "an attempt ended before it was due");
        let fault = Fault::ClockOffset { machine: Machine::Node2, offset_ms: -1 };
        history.evidence.plan.episodes.push(Episode { id: 1, at_ms: 0, for_ms: 9, fault });
        clean(&Timers, &history);
    }

    #[test]
    fn an_abort_that_was_asked_for_in_time_may_be_carried_out_by_a_clock_behind() {
        let mut history = History::good();
        let order = history.start_order(1, "key-9", "product-9");
        let stream = format!("saga-{order}");
        let why = |at_us: u64| json!({"reason": {"deadline": {"step": null}}, "atUs": at_us});
        history.say(&stream, "AbortRequested", why(900_000_000));
        history.say(&stream, "SagaAborted", why(899_999_999));
        clean(&Timers, &history);
    }

    #[test]
    fn a_deadline_that_is_passed_over_is_caught() {
        let mut history = History::good();
        let order = history.start_order(1, "key-9", "product-9");
        let retry = |at_us: u64| {
            json!({"step": 1, "direction": "action", "attempt": 2, "dueAtUs": at_us, "cause": "lost",
                "atUs": at_us})
        };
        history.say(&format!("saga-{order}"), "RetryScheduled", retry(901_000_000));
        clean(&Timers, &history);
        history.say(&format!("saga-{order}"), "RetryScheduled", retry(903_000_000));
        caught(&Timers, &history, "a saga went on behind its deadline");
    }

    #[test]
    fn a_deadline_before_its_time_is_caught() {
        let mut history = History::good();
        let order = history.start_order(1, "key-9", "product-9");
        let why = json!({"reason": {"deadline": {"step": null}}, "atUs": 899_999_999});
        history.say(&format!("saga-{order}"), "SagaAborted", why);
        caught(&Timers, &history, "a deadline passed before its time");
    }
}
