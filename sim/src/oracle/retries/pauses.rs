//! Pauses before repetitions are those of the policy. Each is drawn between nothing and the longest that the
//! policy has for its attempt: none is longer, unless whoever was called has asked for that; and all together are
//! not much shorter, where there are so many that chance cannot make them short.

use std::collections::BTreeMap;

use crate::evidence::LogEntry;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::{number, text};
use crate::oracle::naive::saga::Saga;
use crate::oracle::naive::steps;
use crate::oracle::naive::terms::{step_of, undoes};

/// So many pauses, drawn evenly, are on average half as long as they can be; that they come below this share
/// of it happens in one of ten million runs.
const PAUSES_MIN: f64 = 40.0;
const PAUSES_SHARE_MIN: f64 = 0.25;

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let mut sum = Sum::default();
    for saga in case.sagas.values() {
        examine_saga(case, saga, &mut sum, finding);
    }
    finding.expect(!sum.is_short(), "repetitions without the policy's pauses", || {
        format!("{:.0} s in all, at the longest {:.0} s", sum.paused / 1e6, sum.longest / 1e6)
    });
}

fn examine_saga(case: &Case<'_>, saga: &Saga<'_>, sum: &mut Sum, finding: &mut Finding) {
    // What a person retries begins with short pauses again, and what they hold up waits without any.
    let alone = saga.entries.iter().all(|entry| entry.payload.get("actor").is_none());
    let mut forgiven: BTreeMap<(usize, bool), u64> = BTreeMap::new();
    for entry in &saga.entries {
        let Some(step) = step_of(entry) else { continue };
        let which = (step, undoes(entry));
        let attempt = number(&entry.payload, "attempt").unwrap_or(0);
        match entry.event_type.as_str() {
            "RetryRequested" => {
                forgiven.insert(which, attempt.saturating_sub(1));
            }
            "RetryScheduled" => {
                let counted = attempt.saturating_sub(forgiven.get(&which).copied().unwrap_or(0));
                let Some(longest) = Longest::of(case, saga, step, counted) else { continue };
                examine_pause(saga, entry, longest, finding);
                if alone && longest.is_waited_for {
                    sum.add(pause_us(entry), longest.us);
                }
            }
            _ => {}
        }
    }
}

fn examine_pause(saga: &Saga<'_>, entry: &LogEntry, longest: Longest, finding: &mut Finding) {
    let pause_us = pause_us(entry);
    // Who turned the call away has said for how long it wants to be left alone.
    let asked_for = text(&entry.payload, "cause").is_some_and(|cause| cause.contains("429"));
    finding.expect(asked_for || pause_us <= longest.us, "a pause longer than the policy's", || {
        format!("saga {} at {}: {pause_us} of {} us", saga.id, entry.position, longest.us)
    });
}

fn pause_us(entry: &LogEntry) -> u64 {
    let of = |name| number(&entry.payload, name).unwrap_or(0);
    of("dueAtUs").saturating_sub(of("atUs"))
}

/// The longest pause before an attempt.
#[derive(Debug, Clone, Copy)]
struct Longest {
    us: u64,
    /// No deadline of the step's own cuts it short.
    is_waited_for: bool,
}

impl Longest {
    /// None: the policy of this step is not known.
    fn of(case: &Case<'_>, saga: &Saga<'_>, step: usize, attempt: u64) -> Option<Self> {
        if steps::of(saga.saga_type).is_some() {
            return Some(Self { us: steps::longest_pause_us(attempt), is_waited_for: true });
        }
        let step = case.shape_of(saga.saga_type)?.steps.get(step)?;
        let us = step.policy.as_ref()?.longest_pause_us(attempt);
        Some(Self { us, is_waited_for: step.term_us().is_none() })
    }
}

/// Pauses of different lengths together, in microseconds.
#[derive(Debug, Default)]
struct Sum {
    paused: f64,
    longest: f64,
    squares: f64,
}

impl Sum {
    fn add(&mut self, pause_us: u64, longest_us: u64) {
        let longest = longest_us as f64;
        self.paused += pause_us as f64;
        self.longest += longest;
        self.squares += longest * longest;
    }

    fn is_short(&self) -> bool {
        // As many as would tell as much if all were of one length.
        let equal =
            if self.squares > 0.0 { self.longest * self.longest / self.squares } else { 0.0 };
        equal >= PAUSES_MIN && self.paused < self.longest * PAUSES_SHARE_MIN
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::retries::Retries;
    use crate::oracle::testing::{History, caught, clean};
    use crate::trip::{Policies, shape};

    const LONG: &str = "a pause longer than the policy's";
    const MEAL: u64 = 2;

    /// A trip whose meal is tried again.
    fn trip() -> History {
        let mut history = History::good();
        history.evidence.plan.sagas.extend(shape(Policies::Own));
        let started = json!({"sagaType": "trip", "steps": 6, "pivot": 3, "input": {}, "epoch": 1});
        history.say("saga-t", "SagaStarted", started);
        history.say("saga-t", "StepStarted", json!({"step": MEAL, "atUs": 1, "epoch": 1}));
        history
    }

    fn retry(history: &mut History, attempt: u64, pause_us: u64, cause: &str) {
        let retry = json!({"step": MEAL, "direction": "action", "attempt": attempt,
            "dueAtUs": 5 + pause_us, "cause": cause, "atUs": 5});
        history.say("saga-t", "RetryScheduled", retry);
    }

    #[test]
    fn a_steps_own_pauses_are_right_and_longer_ones_are_caught() {
        let mut history = trip();
        for (attempt, longest_us) in [(2, 40_000), (3, 80_000), (4, 160_000), (5, 160_000)] {
            retry(&mut history, attempt, longest_us, "lost");
            clean(&Retries, &history);
        }
        let mut history = trip();
        retry(&mut history, 2, 40_001, "lost");
        caught(&Retries, &history, LONG);
    }

    #[test]
    fn who_asks_to_be_left_alone_is_left_alone_longer() {
        let mut history = trip();
        retry(&mut history, 2, 3_000_000, "status 429");
        clean(&Retries, &history);
    }

    #[test]
    fn a_persons_retry_begins_with_short_pauses_again() {
        let mut history = trip();
        retry(&mut history, 2, 0, "lost");
        let asked = json!({"step": MEAL, "direction": "action", "attempt": 3, "reason": "r",
            "actor": "a", "atUs": 5, "epoch": 1});
        history.say("saga-t", "RetryRequested", asked);
        retry(&mut history, 4, 40_000, "lost");
        clean(&Retries, &history);
        retry(&mut history, 5, 80_001, "lost");
        caught(&Retries, &history, LONG);
    }

    #[test]
    fn an_order_has_the_pauses_of_its_policy() {
        let mut history = History::good();
        let order = history.start_order(1, "key-9", "product-9");
        let pause = |attempt: u64, pause_us: u64| {
            json!({"step": 1, "direction": "action", "attempt": attempt, "dueAtUs": 5 + pause_us,
                "cause": "lost", "atUs": 5})
        };
        let stream = format!("saga-{order}");
        history.say(&stream, "RetryScheduled", pause(2, 100_000));
        clean(&Retries, &history);
        history.say(&stream, "RetryScheduled", pause(3, 200_001));
        caught(&Retries, &history, LONG);
    }
}
