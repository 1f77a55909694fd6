//! Whoever takes over a shard passes by the sagas in the index of the parked: only a person works on these.
//! So none stands there that still owes a call, a repetition or its deadline.
//!
//! It is looked at where a saga is put there, by its events up to then, and at the end. A poisoned saga owes
//! nothing. Of one that is paused only the deadline is looked at: what waits to be tried again is held up.
//! The deadlines that single steps have of their own are not looked at.

use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::append::Claim;
use crate::oracle::naive::saga::{Progress, Saga};

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    for append in &case.appends {
        let Some(position) = append.position() else { continue };
        for saga in append.takes.iter().filter_map(|claim| of(case, claim)) {
            let until = saga.entries.iter().copied().filter(|entry| entry.position <= position);
            let until: Vec<_> = until.collect();
            if let Some(then) = Saga::fold(saga.id, &until) {
                look(&then, finding);
            }
        }
    }
    for saga in case.evidence.claims.iter().filter_map(|claim| of(case, claim)) {
        look(saga, finding);
    }
}

/// The saga that a claim puts among the parked.
fn of<'c, 'a>(case: &'c Case<'a>, (kind, _, owner): &Claim) -> Option<&'c Saga<'a>> {
    let id = owner.strip_prefix("saga-").filter(|_| kind == "saga-parked")?;
    case.sagas.get(id)
}

fn look(saga: &Saga<'_>, finding: &mut Finding) {
    let what = "a saga that owes something is where only a person looks";
    finding.expect(!owes(saga), what, || {
        let last = saga.entries.last().map_or(0, |entry| entry.position);
        format!("saga {} at {last}: parked at {:?}, {:?}", saga.id, saga.parked, saga.steps)
    });
}

/// Whether something is still to come that no person has to bring about.
fn owes(saga: &Saga<'_>) -> bool {
    if saga.end.is_some() || saga.parked.contains(&None) {
        return false;
    }
    let goes_back = saga.aborted_at.is_some();
    let may_go_back = !goes_back && !saga.is_settling && !saga.is_committed();
    if may_go_back && saga.deadline_at_us.is_some() {
        return true;
    }
    let is_under_way = |place: usize| {
        let undoes = goes_back || saga.progress(place, 1) == Progress::Open;
        let direction = usize::from(undoes);
        saga.progress(place, direction) == Progress::Open
            && !saga.progress(place, 1).is_done()
            && !saga.parked.contains(&Some((place, direction)))
    };
    !saga.is_paused && (0..saga.steps.len()).any(is_under_way)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::oracle::claims::Claims;
    use crate::oracle::testing::{Batch, History, caught, clean};

    const WHAT: &str = "a saga that owes something is where only a person looks";

    /// A saga with two steps under way at once, to which this happens and which is put among the parked then.
    fn parked(deadline_at_us: Option<u64>, then: Vec<(&'static str, Value)>) -> History {
        let started = json!({"sagaType": "trip", "steps": 4, "pivot": 2, "input": {}, "epoch": 1,
            "startedAtUs": 1, "deadlineAtUs": deadline_at_us});
        let begun = |step: u32| json!({"step": step, "atUs": 1, "epoch": 1});
        let mut events = vec![("SagaStarted", started)];
        events.extend([0, 1].map(|step| ("StepStarted", begun(step))));
        events.extend(then);
        let own = |(name, payload)| ("saga-t".to_owned(), name, payload);
        let takes = vec![("saga-parked".to_owned(), "00000/t".to_owned(), "saga-t".to_owned())];
        let mut history = History::good();
        let events = events.into_iter().map(own).collect();
        history.make(Batch { events, takes, ..Batch::default() });
        history
    }

    fn stops(step: u32, direction: &str) -> (&'static str, Value) {
        let reason = json!({"attemptsUsedUp": {"attempts": 10, "cause": "lost"}});
        let said = json!({"step": step, "direction": direction, "reason": reason, "atUs": 2});
        ("SagaParked", said)
    }

    fn done(step: u32) -> (&'static str, Value) {
        ("StepSucceeded", json!({"step": step, "result": null, "atUs": 2}))
    }

    fn said(name: &'static str, step: u32) -> (&'static str, Value) {
        (name, json!({"step": step, "reason": {}, "atUs": 2, "epoch": 1}))
    }

    #[test]
    fn a_parked_saga_without_anything_else_to_do_is_a_persons() {
        let before = clean(&Claims, &History::good()).examined;
        let examined = clean(&Claims, &parked(None, vec![done(0), stops(1, "action")])).examined;
        // Beside what is looked at anyway: where it was put there, and at the end.
        assert!(examined >= before + 2, "{examined}, {before} without it");
        clean(&Claims, &parked(None, vec![stops(0, "action"), stops(1, "action")]));
    }

    #[test]
    fn a_step_under_way_beside_the_parked_one_is_caught() {
        caught(&Claims, &parked(None, vec![stops(1, "action")]), WHAT);
        let retry = json!({"step": 0, "direction": "action", "attempt": 2, "dueAtUs": 9,
            "cause": "lost", "atUs": 2});
        let again = || vec![("RetryScheduled", retry.clone()), stops(1, "action")];
        caught(&Claims, &parked(None, again()), WHAT);
        // What waits is held up by a pause.
        let mut held_up = again();
        held_up.insert(1, said("SagaPaused", 0));
        clean(&Claims, &parked(None, held_up));
    }

    #[test]
    fn an_undo_under_way_beside_the_parked_one_is_caught() {
        let back = |then: (&'static str, Value)| {
            let undo = |step| said("CompensationStarted", step);
            let back = vec![done(0), said("SagaAborted", 0), undo(0), undo(1)];
            parked(Some(9), back.into_iter().chain([stops(1, "compensation"), then]).collect())
        };
        caught(&Claims, &back(said("SagaResumed", 0)), WHAT);
        clean(&Claims, &back(stops(0, "compensation")));
        clean(&Claims, &back(said("CompensationSucceeded", 0)));
    }

    #[test]
    fn a_deadline_that_may_still_take_the_saga_back_is_caught() {
        let alone = || vec![done(0), stops(1, "action")];
        caught(&Claims, &parked(Some(9), alone()), WHAT);
        let mut held_up = alone();
        held_up.push(said("SagaPaused", 0));
        caught(&Claims, &parked(Some(9), held_up), WHAT);
        // Behind the pivot nothing goes back.
        let decided = [done(0), done(1), said("StepStarted", 2), done(2), said("StepStarted", 3)];
        let decided = decided.into_iter().chain([stops(3, "action")]).collect();
        clean(&Claims, &parked(Some(9), decided));
    }

    #[test]
    fn nothing_is_owed_by_a_poisoned_saga() {
        let reason = json!({"poisoned": {"cause": "it cannot be read"}});
        let poisoned = json!({"step": null, "direction": "action", "reason": reason, "atUs": 2});
        clean(&Claims, &parked(Some(9), vec![("SagaParked", poisoned)]));
    }
}
