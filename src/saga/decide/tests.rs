//! The rules of the decision, one test a rule.

mod going_back;
mod going_forward;
mod operators;
mod pivot;

use crate::saga::testing::{Given, started};
use crate::saga::{
    Definition, Effect, Policy, StepDirection, StepIndex, StepKind, StepSpec, Timer,
};

pub(super) const A: StepIndex = StepIndex(0);
pub(super) const B: StepIndex = StepIndex(1);
pub(super) const C: StepIndex = StepIndex(2);
pub(super) const D: StepIndex = StepIndex(3);

pub(super) use StepDirection::{Action, Compensation};
use StepKind::{Compensable, Pivot, Retriable};

pub(super) fn step(name: &str, kind: StepKind, after: &[&str]) -> StepSpec {
    let policy = Policy {
        attempts: 3,
        compensation_attempts: 2,
        backoff_min_ms: 0,
        backoff_max_ms: 0,
        retried_rejections: vec!["BUSY".to_owned()],
        ..Policy::default()
    };
    let after = after.iter().map(|name| (*name).into()).collect();
    StepSpec { name: name.into(), kind, after, policy }
}

pub(super) fn define(steps: Vec<StepSpec>) -> Definition {
    Definition::new("trip", steps, Some(60_000)).unwrap()
}

/// a, b before the pivot c, d behind it; one after the other.
pub(super) fn list() -> Definition {
    define(vec![
        step("a", Compensable, &[]),
        step("b", Compensable, &["a"]),
        step("c", Pivot, &["b"]),
        step("d", Retriable, &["c"]),
    ])
}

/// a and b side by side, then the pivot c, then d.
pub(super) fn graph() -> Definition {
    define(vec![
        step("a", Compensable, &[]),
        step("b", Compensable, &[]),
        step("c", Pivot, &["a", "b"]),
        step("d", Retriable, &["c"]),
    ])
}

pub(super) fn invoke(step: StepIndex, direction: StepDirection, attempt: u32) -> Effect {
    Effect::Invoke { step, direction, attempt }
}

pub(super) fn retry(step: StepIndex, direction: StepDirection, attempt: u32) -> Timer {
    Timer::Retry { step, direction, attempt }
}

pub(super) fn set(timer: Timer, due_at_us: u64) -> Effect {
    Effect::SetTimer { timer, due_at_us }
}

pub(super) const NOW: u64 = crate::saga::testing::MOMENT.now_us;
pub(super) const DEADLINE: u64 = NOW + 60_000_000;

pub(super) fn saga(definition: &Definition) -> Given<'_> {
    started(definition)
}
