//! What participants said is heeded: who wants to be left alone for a while is, and who has said no is not
//! asked again.

use crate::fault::Fault;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::{number, text};
use crate::oracle::naive::steps;
use crate::oracle::naive::terms::{Terms, step_of, undoes};

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    examine_asked_pauses(case, finding);
    examine_noes(case, finding);
}

/// Whoever turns a call away says how long it is to be left alone, and is.
fn examine_asked_pauses(case: &Case<'_>, finding: &mut Finding) {
    let asked = case.evidence.plan.episodes.iter().filter_map(|episode| match episode.fault {
        Fault::BankThrottle { retry_after_s, .. } => Some(retry_after_s * 1_000_000),
        _ => None,
    });
    let asked_us = asked.min();
    examine_fated_pauses(case, asked_us, finding);
    let Some(least_us) = asked_us else { return };
    for saga in case.sagas.values().filter(|saga| steps::of(saga.saga_type).is_some()) {
        for entry in saga.entries.iter().filter(|entry| entry.event_type == "RetryScheduled") {
            if text(&entry.payload, "cause") != Some("status 429") {
                continue;
            }
            let of = |name| number(&entry.payload, name).unwrap_or(0);
            let pause_us = of("dueAtUs").saturating_sub(of("atUs"));
            finding.expect(pause_us >= least_us, "a repetition sooner than was asked for", || {
                format!("saga {} at {}: {pause_us} of {least_us} us", saga.id, entry.position)
            });
        }
    }
}

/// The same of the services of a user's sagas, of which the plan says how long they want to be left alone;
/// what stands before all of them may ask for less, and a deadline of the step's own may come sooner: behind the
/// step that decides its last attempt begins then.
fn examine_fated_pauses(case: &Case<'_>, asked_us: Option<u64>, finding: &mut Finding) {
    let fates = case.evidence.plan.fates();
    for saga in case.sagas.values() {
        let fate = saga.entries.first().and_then(|first| fates.get(&first.correlation_id));
        let Some((name, seconds)) = fate.and_then(|it| it.busy.as_ref().zip(it.retry_after_s))
        else {
            continue;
        };
        let Some(shape) = case.shape_of(saga.saga_type) else { continue };
        let place = shape.steps.iter().position(|it| it.name == *name);
        let least_us = asked_us.unwrap_or(u64::MAX).min(seconds * 1_000_000);
        let mut terms = Terms::new(shape);
        for entry in &saga.entries {
            terms.take(entry);
            let is_it = entry.event_type == "RetryScheduled"
                && step_of(entry) == place
                && !undoes(entry)
                && text(&entry.payload, "cause").is_some_and(|cause| cause.contains("429"));
            if !is_it {
                continue;
            }
            let of = |name| number(&entry.payload, name).unwrap_or(0);
            let pause_us = of("dueAtUs").saturating_sub(of("atUs"));
            let is_last = place.and_then(|step| terms.due_us(step)) == Some(of("dueAtUs"));
            let holds = pause_us >= least_us || is_last;
            finding.expect(holds, "a repetition sooner than was asked for", || {
                format!("saga {} at {}: {pause_us} of {least_us} us", saga.id, entry.position)
            });
        }
    }
}

/// A participant's no is its answer: where a saga can still go back it is not asked again. Unless the policy says
/// of this no that it may be another one later: then it is asked again.
fn examine_noes(case: &Case<'_>, finding: &mut Finding) {
    for saga in case.sagas.values() {
        let shape = case.shape_of(saga.saga_type);
        let may_change = |step: Option<usize>, code: &str| {
            let policy = shape.and_then(|shape| shape.steps.get(step?)?.policy.as_ref());
            policy.is_some_and(|policy| policy.asked_again.iter().any(|it| it == code))
        };
        for entry in &saga.entries {
            let step = step_of(entry);
            let is_pivot = step.is_some() && step == saga.pivot;
            let said = || format!("saga {} at {}: {}", saga.id, entry.position, entry.payload);
            match entry.event_type.as_str() {
                "StepSucceeded" | "StepSkipped" | "StepResolved" if is_pivot => break,
                "AbortRequested" | "SagaAborted" => break,
                "RetryScheduled" => {
                    let no = text(&entry.payload, "cause").and_then(no_of);
                    let asked_again = no.is_some_and(|code| !may_change(step, code));
                    finding.expect(!asked_again, "who has said no was asked again", said);
                }
                "StepRejected" => {
                    let code = text(&entry.payload, "code").unwrap_or("");
                    let holds = !may_change(step, code);
                    finding.expect(holds, "who may say yes later was not asked again", said);
                }
                _ => {}
            }
        }
    }
}

/// The code of a no, `CODE: words`; none: it is not known what happened.
fn no_of(cause: &str) -> Option<&str> {
    let (code, _) = cause.split_once(": ")?;
    let is_code = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    (!code.is_empty() && code.bytes().all(is_code)).then_some(code)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fate::{FULL, Fate, correlation};
    use crate::oracle::retries::Retries;
    use crate::oracle::testing::{History, caught, clean};
    use crate::plan::Operation;
    use crate::trip::{Policies, TRIP, shape};

    const MEAL: u64 = 2;
    const TICKETS: u64 = 4;

    /// A trip with this step under way since a thousand microseconds, which is to meet this.
    fn trip(step: u64, fate: Fate) -> History {
        let mut history = History::good();
        history.evidence.plan.sagas.extend(shape(Policies::Own));
        let (saga_type, input) = (TRIP.to_owned(), json!({}));
        let mut planned = history.evidence.plan.operations[0].clone();
        planned.operation = Operation::StartSaga { saga_type, key: 7, input, fate };
        history.evidence.plan.operations.push(planned);
        let started = json!({"sagaType": TRIP, "steps": 6, "pivot": 3, "input": {}, "epoch": 1});
        history.say("saga-t", "SagaStarted", started);
        history.say("saga-t", "StepStarted", json!({"step": step, "atUs": 1_000, "epoch": 1}));
        history
    }

    /// With the correlation id under which it was started.
    fn correlated(mut history: History) -> History {
        let of_trip = history.evidence.log.iter_mut().filter(|entry| entry.stream == "saga-t");
        of_trip.for_each(|entry| entry.correlation_id = correlation(7));
        history
    }

    fn retry(history: &mut History, step: u64, cause: &str, (at_us, due_us): (u64, u64)) {
        let retry = json!({"step": step, "direction": "action", "attempt": 2, "dueAtUs": due_us,
            "cause": cause, "atUs": at_us});
        history.say("saga-t", "RetryScheduled", retry);
    }

    #[test]
    fn a_no_that_may_be_another_one_later_is_asked_again() {
        let mut history = trip(MEAL, Fate::default());
        retry(&mut history, MEAL, &format!("{FULL}: come again later"), (2_000, 3_000));
        clean(&Retries, &history);
        let mut history = trip(MEAL, Fate::default());
        retry(&mut history, MEAL, "SOLD_OUT: no meals any more", (2_000, 3_000));
        caught(&Retries, &history, "who has said no was asked again");
        // Of another step nobody has said that it may.
        let mut history = trip(0, Fate::default());
        retry(&mut history, 0, &format!("{FULL}: come again later"), (2_000, 3_000));
        caught(&Retries, &history, "who has said no was asked again");
    }

    #[test]
    fn a_no_that_is_taken_for_final_and_is_not_is_caught() {
        let refused = |code: &str| {
            let mut history = trip(MEAL, Fate::default());
            let no = json!({"step": MEAL, "code": code, "reason": "r", "atUs": 2_000});
            history.say("saga-t", "StepRejected", no);
            history
        };
        clean(&Retries, &refused("SOLD_OUT"));
        caught(&Retries, &refused(FULL), "who may say yes later was not asked again");
    }

    #[test]
    fn the_last_attempt_behind_the_pivot_comes_before_the_time_that_was_asked_for() {
        let busy =
            Fate { busy: Some("tickets".to_owned()), retry_after_s: Some(7), ..Fate::default() };
        let retried = |due_us: u64| {
            let mut history = trip(TICKETS, busy.clone());
            retry(&mut history, TICKETS, "status 429", (7_000_000, due_us));
            correlated(history)
        };
        clean(&Retries, &retried(14_000_000));
        clean(&Retries, &retried(9_001_000));
        caught(&Retries, &retried(9_000_999), "a repetition sooner than was asked for");
    }
}
