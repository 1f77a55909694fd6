//! Sagas, alone or in a list, are shown step by step as their streams have them: how far the doing and the
//! undoing of each step have come and which attempt it is, what is done and what is undone, the step that
//! is under way or that a person has to look at, and what went wrong last.
//!
//! What steps are called is known of the sagas of the house and of those of the plan; of others only the
//! names are left out.

use serde_json::Value;

use crate::evidence::Look;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::{list, number, text};
use crate::oracle::naive::saga::{Progress, Saga, Step};
use crate::oracle::naive::saga_page::is_as_far_as_shown;
use crate::oracle::naive::steps;
use crate::oracle::projections::{phase_of, wrong};

use super::yes;

pub(super) fn examine(case: &Case<'_>, look: &Look, finding: &mut Finding) {
    let of_sagas = look.request.starts_with("GET /saga");
    let Some(answer) = yes(look).filter(|_| of_sagas) else { return };
    let alone = answer.body.get("sagaType").map(|_| &answer.body);
    for page in list(&answer.body, "sagas").iter().chain(alone) {
        // One that the log does not have is told by others.
        let Some(saga) = text(page, "id").and_then(|id| case.sagas.get(id)) else { continue };
        let wrong = problems(case, saga, page);
        finding.expect(wrong.is_empty(), "a saga is shown otherwise than its log has it", || {
            format!("{}: {page}; {}", wrong.join(", "), look.request)
        });
    }
}

/// The names of what is false.
fn problems(case: &Case<'_>, saga: &Saga<'_>, page: &Value) -> Vec<&'static str> {
    let names = names_of(case, saga);
    let errors = errors_of(saga);
    let named = |field: &str, direction: usize| {
        let shown: Vec<Option<&str>> = list(page, field).iter().map(Value::as_str).collect();
        names.as_ref().is_none_or(|names| shown == done(saga, names, direction))
    };
    let current = current(saga);
    let same_current = match (&names, current) {
        (Some(names), Some(step)) => text(page, "currentStep") == names.get(step).copied(),
        (None, Some(_)) => text(page, "currentStep").is_some(),
        (_, None) => text(page, "currentStep").is_none(),
    };
    let mut steps = list(page, "steps").iter().zip(&saga.steps).enumerate();
    let same_steps = is_as_far_as_shown(saga, page)
        && steps.all(|(place, (shown, step))| {
            number(shown, "attempt") == attempt(step)
                && text(shown, "errorMessage") == errors[place].as_deref()
                && names.as_ref().is_none_or(|names| text(shown, "name") == Some(names[place]))
        });
    wrong([
        (text(page, "phase") == Some(phase_of(saga)), "phase"),
        (page.get("paused").and_then(Value::as_bool) == Some(saga.is_paused), "paused"),
        (same_steps, "steps"),
        (named("completedSteps", 0), "completedSteps"),
        (named("compensationSteps", 1), "compensationSteps"),
        (same_current, "currentStep"),
        (text(page, "errorMessage") == last_error(saga, &errors), "errorMessage"),
    ])
}

/// What a saga's steps are called, each by its place; none: it is not known here.
fn names_of<'a>(case: &Case<'a>, saga: &Saga<'_>) -> Option<Vec<&'a str>> {
    let names = match steps::of(saga.saga_type) {
        Some(names) => names.to_vec(),
        None => {
            let shape = case.shape_of(saga.saga_type)?;
            shape.steps.iter().map(|step| step.name.as_str()).collect()
        }
    };
    (names.len() == saga.steps.len()).then_some(names)
}

/// The steps that are done, or undone.
fn done<'a>(saga: &Saga<'_>, names: &[&'a str], direction: usize) -> Vec<Option<&'a str>> {
    let done = saga.steps.iter().zip(names).filter(|(step, _)| step.progress[direction].is_done());
    done.map(|(_, name)| Some(*name)).collect()
}

/// The attempt that is under way or comes next: of the undoing, once that has begun.
fn attempt(step: &Step) -> Option<u64> {
    let direction = usize::from(step.progress[1] != Progress::New);
    (step.progress[direction] == Progress::Open).then_some(step.attempt[direction])
}

/// The step that waits for a person. Of a poisoned saga none does, whatever waited before.
fn parked(saga: &Saga<'_>) -> Option<usize> {
    let is_poisoned = saga.parked.contains(&None);
    let first = saga.parked.first().copied().flatten().filter(|_| !is_poisoned);
    first.map(|(step, _)| step)
}

/// The steps that are announced, or whose undoing is, and have no outcome.
fn under_way(saga: &Saga<'_>) -> Vec<usize> {
    let is_under_way = |step: &Step| {
        let [doing, undoing] = step.progress;
        let goes_back = saga.aborted_at.is_some() || undoing == Progress::Open;
        let progress = if goes_back { undoing } else { doing };
        // What was revoked never happened, though it had no answer.
        progress == Progress::Open && !undoing.is_done()
    };
    if saga.end.is_some() {
        return Vec::new();
    }
    let steps = saga.steps.iter().enumerate().filter(|(_, step)| is_under_way(step));
    steps.map(|(place, _)| place).collect()
}

fn current(saga: &Saga<'_>) -> Option<usize> {
    parked(saga).or_else(|| under_way(saga).first().copied())
}

/// What went wrong last with each step, in the words of its event.
fn errors_of(saga: &Saga<'_>) -> Vec<Option<String>> {
    let mut errors = vec![None; saga.steps.len()];
    for entry in &saga.entries {
        let said = &entry.payload;
        let error = match entry.event_type.as_str() {
            "RetryScheduled" => text(said, "cause").map(str::to_owned),
            "StepRejected" | "RevocationRejected" => {
                let no = text(said, "code").zip(text(said, "reason"));
                no.map(|(code, reason)| format!("{code}: {reason}"))
            }
            "SagaParked" => parked_because(said).map(str::to_owned),
            _ => None,
        };
        let step = number(said, "step").and_then(|step| usize::try_from(step).ok());
        let place = step.and_then(|step| errors.get_mut(step));
        if let (Some(place), Some(error)) = (place, error) {
            *place = Some(error);
        }
    }
    errors
}

/// The cause in `{"attemptsUsedUp": {"attempts": 8, "cause": "timeout"}}`.
fn parked_because(said: &Value) -> Option<&str> {
    text(said.get("reason")?.as_object()?.values().next()?, "cause")
}

/// What went wrong with the step that waits for a person, or is under way; of others with the last.
fn last_error<'a>(saga: &Saga<'_>, errors: &'a [Option<String>]) -> Option<&'a str> {
    let of = |step: usize| errors.get(step)?.as_deref();
    let under_way = || under_way(saga).into_iter().find_map(of);
    parked(saga).and_then(of).or_else(under_way).or_else(|| (0..errors.len()).rev().find_map(of))
}

#[cfg(test)]
#[path = "saga_pages_tests.rs"]
mod tests;
