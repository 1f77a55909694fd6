//! Whether a saga that is not at its end waits for a person, told by its last events.

use sagaline_storage::{RecordedEvent, Timestamp};
use serde_json::Value;

use crate::shape::{SagaShape, StepShape};

const PARKED: &str = "SagaParked";
/// With these a parked saga is not parked any more.
const GOES_ON: [&str; 6] = [
    "RetryRequested",
    "SagaUnparked",
    "StepSkipped",
    "StepResolved",
    "AbortRequested",
    "SagaAborted",
];

/// What one of its events says.
pub(super) struct Said<'a> {
    event_type: &'a str,
    payload: Value,
}

impl<'a> Said<'a> {
    /// What is damaged says nothing.
    pub(super) fn of(event: &'a RecordedEvent) -> Self {
        let payload = serde_json::from_slice(&event.payload).unwrap_or_default();
        Self { event_type: event.event_type.as_str(), payload }
    }

    fn is_about(&self, step: usize) -> bool {
        let of_undo = self.payload["direction"] == "compensation";
        self.payload["step"].as_u64() == u64::try_from(step).ok() && !of_undo
    }
}

/// By its first event and its last ones, newest first: what was under way beside a parked step may end behind
/// that. Before it is decided which way it goes it also waits for its deadline, and for those of its steps, which
/// a clock that was ahead may have set to a time long after the run.
pub(super) fn waits_for_a_person(
    started: &[u8],
    last: &[Said<'_>],
    sagas: &[SagaShape],
    now: Timestamp,
) -> bool {
    let Ok(started) = serde_json::from_slice::<Value>(started) else { return false };
    let decisive =
        |said: &&Said<'_>| said.event_type == PARKED || GOES_ON.contains(&said.event_type);
    if last.iter().find(decisive).is_none_or(|said| said.event_type != PARKED) {
        return false;
    }
    let deadline = started["deadlineAtUs"].as_u64();
    let shape = sagas.iter().find(|shape| started["sagaType"] == shape.name.as_str());
    let steps = shape.map_or(&[][..], |shape| &shape.steps);
    let mut deadlines =
        deadline.into_iter().chain(steps.iter().enumerate().filter_map(|it| due_us(it, last)));
    is_decided(&started, last) || deadlines.all(|at_us| now.0 < at_us)
}

/// Whether it goes back, or can only go forward.
fn is_decided(started: &Value, last: &[Said<'_>]) -> bool {
    let pivot = started["pivot"].as_u64().and_then(|pivot| usize::try_from(pivot).ok());
    last.iter().any(|said| match said.event_type {
        "AbortRequested" | "SagaAborted" => true,
        "StepSucceeded" => pivot.is_some_and(|pivot| said.is_about(pivot)),
        _ => false,
    })
}

/// When the deadline of a step passes that is under way.
fn due_us((place, step): (usize, &StepShape), last: &[Said<'_>]) -> Option<u64> {
    const OF_STEPS: [&str; 5] =
        ["StepStarted", "RetryRequested", "StepSucceeded", "StepRejected", "StepSkipped"];
    let term_us = step.term_us()?;
    let of_step = |said: &&Said<'_>| said.is_about(place) && OF_STEPS.contains(&said.event_type);
    let newest = last.iter().find(of_step)?;
    let is_under_way = matches!(newest.event_type, "StepStarted" | "RetryRequested");
    let since_us = newest.payload["atUs"].as_u64().filter(|_| is_under_way)?;
    Some(since_us.saturating_add(term_us))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trip::{Policies, shape};

    const NOW: Timestamp = Timestamp(10_000_000);

    fn said(events: &[(&'static str, Value)]) -> Vec<Said<'static>> {
        events
            .iter()
            .map(|&(event_type, ref payload)| Said { event_type, payload: payload.clone() })
            .collect()
    }

    /// Whether a trip waits whose deadline is then, behind these events, newest first.
    fn waits(deadline_at_us: Option<u64>, events: &[(&'static str, Value)]) -> bool {
        let started =
            json!({ "sagaType": "trip", "pivot": 3, "deadlineAtUs": deadline_at_us }).to_string();
        let sagas: Vec<_> = shape(Policies::Own).into_iter().collect();
        waits_for_a_person(started.as_bytes(), &said(events), &sagas, NOW)
    }

    fn of_step(step: u64, at_us: u64) -> Value {
        json!({ "step": step, "direction": "action", "atUs": at_us })
    }

    #[test]
    fn a_parked_saga_is_at_rest_until_its_deadline() {
        let parked = ("SagaParked", of_step(0, 1));
        let started = ("StepStarted", of_step(0, 1));
        assert!(waits(None, &[parked.clone(), started.clone()]));
        let later = Some(NOW.0 + 1);
        let beside = [("StepSucceeded", of_step(2, 1)), ("RetryScheduled", of_step(2, 1))];
        assert!(waits(later, &[&beside[..], std::slice::from_ref(&parked)].concat()));
        assert!(!waits(Some(NOW.0), std::slice::from_ref(&parked)), "who heard it?");
        let again = ("RetryRequested", of_step(0, 1));
        assert!(!waits(later, &[started, again, parked]));
        assert!(!waits(later, &[("StepSucceeded", of_step(2, 1))]));
        assert!(!waits_for_a_person(b"damaged", &said(&[("SagaParked", json!({}))]), &[], NOW));
    }

    #[test]
    fn behind_the_pivot_and_on_its_way_back_no_deadline_is_waited_for() {
        let past = Some(NOW.0 - 1);
        let parked = ("SagaParked", of_step(4, 1));
        assert!(!waits(past, &[parked.clone(), ("StepSucceeded", of_step(2, 1))]));
        assert!(waits(past, &[parked.clone(), ("StepSucceeded", of_step(3, 1))]));
        assert!(waits(past, &[parked, ("SagaAborted", json!({ "atUs": 1 }))]));
    }

    #[test]
    fn a_step_that_has_a_deadline_of_its_own_is_not_waited_for_behind_it() {
        // A seat has five seconds.
        let parked = |since_us| {
            let started = ("StepStarted", of_step(1, since_us));
            waits(None, &[("SagaParked", of_step(1, 9)), started])
        };
        assert!(parked(NOW.0 - 4_999_999));
        assert!(!parked(NOW.0 - 5_000_000));
        let done = ("StepSucceeded", of_step(1, 8));
        let started = ("StepStarted", of_step(1, NOW.0 - 5_000_000));
        assert!(waits(None, &[("SagaParked", of_step(0, 9)), done, started]));
    }
}
