//! What participants said is heeded: who wants to be left alone for a while is, and who has said no is not
//! asked again.

use crate::fault::Fault;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::{number, text};
use crate::oracle::naive::steps;
use crate::oracle::naive::terms::{Terms, step_of, undoes};
use crate::trip::TRIP;

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
/// step that decides its last attempt begins then. An undo has no deadline: that of a trip is looked at too when
/// nobody but what stands before all services can have turned it away.
fn examine_fated_pauses(case: &Case<'_>, asked_us: Option<u64>, finding: &mut Finding) {
    let fates = case.evidence.plan.fates();
    for saga in case.sagas.values() {
        let Some(shape) = case.shape_of(saga.saga_type) else { continue };
        let fate = saga.entries.first().and_then(|first| fates.get(&first.correlation_id));
        let wants_us = fate.and_then(|fate| fate.retry_after_s).map(|seconds| seconds * 1_000_000);
        let Some(least_us) = asked_us.into_iter().chain(wants_us).min() else { continue };
        let fate = fate.filter(|_| wants_us.is_some());
        let place =
            |name: Option<&String>| shape.steps.iter().position(|it| Some(&it.name) == name);
        let busy = place(fate.and_then(|fate| fate.busy.as_ref()));
        let busy_undo = place(fate.and_then(|fate| fate.busy_undo.as_ref()));
        // Beside the orders trips are the simulation's own: what a user's services say is the user's.
        let is_own = case.places_orders() && saga.saga_type == TRIP;
        let mut terms = Terms::new(shape);
        for entry in saga.entries.iter().filter(|entry| step_of(entry).is_some()) {
            terms.take(entry);
            let (step, undo) = (step_of(entry), undoes(entry));
            let is_fated = step == if undo { busy_undo } else { busy };
            let is_it = entry.event_type == "RetryScheduled"
                && (is_fated || (undo && is_own))
                && text(&entry.payload, "cause").is_some_and(|cause| cause.contains("429"));
            if !is_it {
                continue;
            }
            let of = |name| number(&entry.payload, name).unwrap_or(0);
            let pause_us = of("dueAtUs").saturating_sub(of("atUs"));
            let due_us = step.filter(|_| !undo).and_then(|step| terms.due_us(step));
            let holds = pause_us >= least_us || due_us == Some(of("dueAtUs"));
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
    use crate::fault::{Episode, Fault};
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

    fn retry(history: &mut History, step: u64, cause: &str, at_and_due_us: (u64, u64)) {
        retry_in("action", history, step, cause, at_and_due_us);
    }

    fn retry_in(
        direction: &str,
        history: &mut History,
        step: u64,
        cause: &str,
        (at_us, due_us): (u64, u64),
    ) {
        let retry = json!({"step": step, "direction": direction, "attempt": 2, "dueAtUs": due_us,
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

    /// A trip on its way back, whose meal is to be undone again so long after it was turned away.
    fn going_back(pause_us: u64, fate: Fate) -> History {
        let mut history = trip(MEAL, fate);
        let why = json!({"reason": {"rejected": {"step": 3, "code": "NO", "reason": "no"}},
            "atUs": 1_500});
        history.say("saga-t", "SagaAborted", why);
        let undo = json!({"step": MEAL, "atUs": 1_500, "epoch": 1});
        history.say("saga-t", "CompensationStarted", undo);
        let when = (2_000, 2_000 + pause_us);
        retry_in("compensation", &mut history, MEAL, "status 429", when);
        correlated(history)
    }

    #[test]
    fn an_undo_that_is_not_left_alone_is_caught() {
        const WHAT: &str = "a repetition sooner than was asked for";
        let busy = |undo: &str| Fate {
            no: Some("charge".to_owned()),
            busy_undo: Some(undo.to_owned()),
            retry_after_s: Some(3),
            ..Fate::default()
        };
        clean(&Retries, &going_back(3_000_000, busy("meal")));
        caught(&Retries, &going_back(2_999_999, busy("meal")), WHAT);
    }

    #[test]
    fn what_stands_before_a_service_turns_an_undo_away_and_is_left_alone() {
        const WHAT: &str = "a repetition sooner than was asked for";
        let throttled = |pause_us: u64, fate: Fate| {
            let mut history = going_back(pause_us, fate);
            let fault = Fault::BankThrottle { percent: 50, retry_after_s: 2 };
            history.evidence.plan.episodes.push(Episode { id: 1, at_ms: 0, for_ms: 10, fault });
            history
        };
        clean(&Retries, &throttled(2_000_000, Fate::default()));
        caught(&Retries, &throttled(1_999_999, Fate::default()), WHAT);
        // It may have been the one or the other.
        let busy =
            Fate { busy_undo: Some("meal".to_owned()), retry_after_s: Some(3), ..Fate::default() };
        clean(&Retries, &throttled(2_000_000, busy));
    }
}
