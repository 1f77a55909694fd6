//! The deadlines that single steps have of their own. Before the pivot a step that is not done by then is given
//! up, and the saga goes back: not before that time, and the step is not tried again behind it. Behind the pivot
//! its last attempt begins by then, and when that fails a person is asked, and not before.
//!
//! The node that decides compares its own clock with a time in the log, and writes both down: whatever the
//! clocks of other nodes say, it holds to the microsecond.

use crate::evidence::LogEntry;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::number;
use crate::oracle::naive::saga::Saga;
use crate::oracle::naive::terms::{Terms, step_of, undoes};

pub(super) fn examine(case: &Case<'_>, saga: &Saga<'_>, finding: &mut Finding) {
    let Some(shape) = case.shape_of(saga.saga_type) else { return };
    if shape.steps.iter().all(|step| step.term_us().is_none()) {
        return;
    }
    let (terms, is_committed, goes_back) = (Terms::new(shape), false, false);
    let mut watch = Watch { saga, terms, is_committed, goes_back, finding };
    for entry in &saga.entries {
        watch.look(entry);
        watch.terms.take(entry);
    }
}

/// One saga on its way.
struct Watch<'c, 'a> {
    saga: &'c Saga<'a>,
    terms: Terms<'c>,
    /// Its pivot has succeeded.
    is_committed: bool,
    /// It is aborted, or is to be as soon as its pivot is settled.
    goes_back: bool,
    finding: &'c mut Finding,
}

impl Watch<'_, '_> {
    fn look(&mut self, entry: &LogEntry) {
        let step = step_of(entry);
        match (entry.event_type.as_str(), step) {
            ("RetryScheduled", Some(step)) if !undoes(entry) && !self.goes_back => {
                self.tried_again(entry, step);
            }
            ("SagaParked", Some(step))
                if entry.payload["reason"].get("deadlinePassed").is_some() =>
            {
                self.parked(entry, step);
            }
            ("AbortRequested" | "SagaAborted", _) => {
                // What was asked for is carried out later, for the same reason and perhaps by another clock.
                if !self.goes_back {
                    self.given_up(entry);
                }
                self.goes_back = true;
            }
            ("StepSucceeded", Some(step)) if self.saga.pivot == Some(step) => {
                (self.is_committed, self.goes_back) = (true, false);
            }
            _ => {}
        }
    }

    fn tried_again(&mut self, entry: &LogEntry, step: usize) {
        let Some(due_us) = self.terms.due_us(step) else { return };
        let in_time = at_us(entry) < due_us;
        self.expect(in_time, "a step was tried again behind its deadline", entry, Some(due_us));
        if self.is_committed {
            let begins_us = number(&entry.payload, "dueAtUs").unwrap_or(u64::MAX);
            let what = "an attempt was put off behind its step's deadline";
            self.expect(begins_us <= due_us, what, entry, Some(due_us));
        }
    }

    fn parked(&mut self, entry: &LogEntry, step: usize) {
        let due_us = self.terms.due_us(step).filter(|_| self.is_committed);
        let holds = due_us.is_some_and(|due_us| at_us(entry) >= due_us);
        self.expect(holds, "a person was asked at a deadline that has not passed", entry, due_us);
    }

    fn given_up(&mut self, entry: &LogEntry) {
        let step = entry.payload["reason"].get("deadline").and_then(|why| number(why, "step"));
        let Some(step) = step.and_then(|step| usize::try_from(step).ok()) else { return };
        let due_us = self.terms.due_us(step);
        let holds = due_us.is_some_and(|due_us| at_us(entry) >= due_us);
        self.expect(holds, "a step was given up before its deadline", entry, due_us);
    }

    fn expect(&mut self, holds: bool, what: &str, entry: &LogEntry, due_us: Option<u64>) {
        let saga = self.saga.id;
        self.finding.expect(holds, what, || {
            format!("saga {saga} at {}: {}, due {due_us:?}", entry.position, entry.payload)
        });
    }
}

fn at_us(entry: &LogEntry) -> u64 {
    number(&entry.payload, "atUs").unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::oracle::Oracle;
    use crate::oracle::case::Case;
    use crate::oracle::testing::{History, caught, clean};
    use crate::oracle::timers::Timers;
    use crate::trip::{Policies, shape};

    const SEAT: u64 = 1;
    const CHARGE: u64 = 3;
    const TICKETS: u64 = 4;
    /// When everything begins.
    const BEGUN_US: u64 = 1_000;

    /// A trip in which room and seat are under way; a seat has five seconds, a charge four, tickets nine.
    fn begun() -> History {
        let mut history = History::good();
        history.evidence.plan.sagas.extend(shape(Policies::Own));
        let started = json!({"sagaType": "trip", "steps": 6, "pivot": CHARGE, "input": {}, "epoch": 1,
            "startedAtUs": BEGUN_US, "deadlineAtUs": BEGUN_US + 9_000_000});
        say(&mut history, "SagaStarted", started);
        for step in [0, SEAT] {
            let announced = json!({"step": step, "atUs": BEGUN_US, "epoch": 1});
            say(&mut history, "StepStarted", announced);
        }
        history
    }

    /// The same when it is paid, and its tickets are under way.
    fn paid() -> History {
        let mut history = begun();
        for step in [0, SEAT, 2, CHARGE] {
            if step >= 2 {
                let announced = json!({"step": step, "atUs": BEGUN_US, "epoch": 1});
                say(&mut history, "StepStarted", announced);
            }
            let done = json!({"step": step, "result": null, "atUs": BEGUN_US});
            say(&mut history, "StepSucceeded", done);
        }
        let announced = json!({"step": TICKETS, "atUs": BEGUN_US, "epoch": 1});
        say(&mut history, "StepStarted", announced);
        history
    }

    fn say(history: &mut History, event_type: &'static str, payload: Value) {
        history.say("saga-t", event_type, payload);
    }

    fn retry(history: &mut History, step: u64, attempt: u64, (at_us, due_us): (u64, u64)) {
        let retry = json!({"step": step, "direction": "action", "attempt": attempt,
            "dueAtUs": due_us, "cause": "status 503", "atUs": at_us});
        say(history, "RetryScheduled", retry);
    }

    fn give_up(history: &mut History, event_type: &'static str, step: u64, at_us: u64) {
        let why = json!({"reason": {"deadline": {"step": step}}, "atUs": at_us});
        say(history, event_type, why);
    }

    fn park(history: &mut History, step: u64, at_us: u64) {
        let reason = json!({"deadlinePassed": {"cause": "status 503"}});
        let parked = json!({"step": step, "direction": "action", "reason": reason, "atUs": at_us});
        say(history, "SagaParked", parked);
    }

    #[test]
    fn a_step_that_is_given_up_at_its_deadline_is_right() {
        let mut history = begun();
        retry(&mut history, SEAT, 2, (BEGUN_US + 4_999_999, BEGUN_US + 5_100_000));
        give_up(&mut history, "SagaAborted", SEAT, BEGUN_US + 5_000_000);
        clean(&Timers, &history);
    }

    #[test]
    fn a_step_that_is_given_up_too_early_is_caught() {
        const WHAT: &str = "a step was given up before its deadline";
        let mut history = begun();
        give_up(&mut history, "SagaAborted", SEAT, BEGUN_US + 4_999_999);
        caught(&Timers, &history, WHAT);
        // It has none.
        let mut history = begun();
        give_up(&mut history, "SagaAborted", 0, BEGUN_US + 8_000_000);
        caught(&Timers, &history, WHAT);
        // It is done.
        let mut history = begun();
        let done = json!({"step": SEAT, "result": null, "atUs": BEGUN_US});
        say(&mut history, "StepSucceeded", done);
        give_up(&mut history, "SagaAborted", SEAT, BEGUN_US + 8_000_000);
        caught(&Timers, &history, WHAT);
    }

    #[test]
    fn a_step_that_is_tried_behind_its_deadline_is_caught() {
        const WHAT: &str = "a step was tried again behind its deadline";
        let mut history = begun();
        retry(&mut history, SEAT, 2, (BEGUN_US + 5_000_000, BEGUN_US + 5_100_000));
        caught(&Timers, &history, WHAT);
        let mut history = paid();
        retry(&mut history, TICKETS, 2, (BEGUN_US + 9_000_000, BEGUN_US + 9_000_000));
        caught(&Timers, &history, WHAT);
    }

    #[test]
    fn an_operators_retry_gives_a_step_its_time_anew() {
        let mut history = paid();
        park(&mut history, TICKETS, BEGUN_US + 9_000_000);
        let asked = json!({"step": TICKETS, "direction": "action", "attempt": 2, "reason": "r",
            "actor": "a", "atUs": BEGUN_US + 10_000_000, "epoch": 1});
        say(&mut history, "RetryRequested", asked);
        retry(&mut history, TICKETS, 3, (BEGUN_US + 18_000_000, BEGUN_US + 19_000_000));
        clean(&Timers, &history);
        park(&mut history, TICKETS, BEGUN_US + 18_999_999);
        caught(&Timers, &history, "a person was asked at a deadline that has not passed");
    }

    #[test]
    fn behind_the_pivot_the_last_attempt_begins_by_the_deadline() {
        let mut history = paid();
        retry(&mut history, TICKETS, 2, (BEGUN_US + 7_000_000, BEGUN_US + 9_000_000));
        clean(&Timers, &history);
        let mut history = paid();
        retry(&mut history, TICKETS, 2, (BEGUN_US + 7_000_000, BEGUN_US + 9_000_001));
        caught(&Timers, &history, "an attempt was put off behind its step's deadline");
    }

    #[test]
    fn a_pivot_that_is_settled_is_asked_about_for_as_long_as_it_takes() {
        let mut history = begun();
        for step in [0, SEAT] {
            let done = json!({"step": step, "result": null, "atUs": BEGUN_US});
            say(&mut history, "StepSucceeded", done);
        }
        let announced = json!({"step": CHARGE, "atUs": BEGUN_US, "epoch": 1});
        say(&mut history, "StepStarted", announced);
        give_up(&mut history, "AbortRequested", CHARGE, BEGUN_US + 4_000_000);
        retry(&mut history, CHARGE, 2, (BEGUN_US + 5_000_000, BEGUN_US + 6_000_000));
        // Carried out by a clock behind.
        give_up(&mut history, "SagaAborted", CHARGE, BEGUN_US + 3_000_000);
        let finding = Timers.examine(&Case::new(&history.evidence));
        let what = "a step was";
        assert!(finding.violations.iter().all(|it| !it.what.starts_with(what)), "{finding:?}");
    }

    #[test]
    fn trips_of_a_plan_that_knows_no_policies_are_not_looked_at() {
        let mut history = begun();
        history.evidence.plan.sagas[0].steps.iter_mut().for_each(|step| step.policy = None);
        give_up(&mut history, "SagaAborted", SEAT, BEGUN_US + 1);
        clean(&Timers, &history);
    }
}
