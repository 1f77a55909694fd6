//! Random valid definitions: lists and graphs of 1 to 8 steps, with and without a pivot.

use std::sync::Arc;

use proptest::prelude::*;
use sagaline::saga::{Definition, Policy, StepKind, StepSpec};

/// How a step is drawn: `edges` says which of the steps it may be after it is after.
#[derive(Debug, Clone)]
struct Drawn {
    edges: u8,
    policy: Policy,
}

pub(crate) fn any_definition() -> impl Strategy<Value = Definition> {
    let before = proptest::collection::vec(any_step(), 0..5);
    let behind = proptest::collection::vec(any_step(), 0..3);
    let deadline = proptest::option::of(1..2_000u64);
    (before, proptest::option::weighted(0.75, any_step()), behind, any::<u32>(), deadline).prop_map(
        |(before, pivot, behind, order, deadline)| define(before, pivot, behind, order, deadline),
    )
}

pub(crate) fn one_step() -> Definition {
    let spec = StepSpec {
        name: "only".into(),
        kind: StepKind::Compensable,
        after: Vec::new(),
        policy: Policy { retried_rejections: vec!["BUSY".to_owned()], ..Policy::default() },
    };
    Definition::new("one", vec![spec], None).unwrap()
}

fn any_step() -> impl Strategy<Value = Drawn> {
    let deadline = proptest::option::weighted(0.2, 1..500u64);
    (any::<u8>(), 1..4u32, 1..4u32, 0..50u64, deadline).prop_map(
        |(edges, attempts, compensation_attempts, backoff_min_ms, deadline_ms)| Drawn {
            edges,
            policy: Policy {
                attempts,
                compensation_attempts,
                backoff_min_ms,
                backoff_max_ms: 4 * backoff_min_ms,
                deadline_ms,
                retried_rejections: vec!["BUSY".to_owned()],
                ..Policy::default()
            },
        },
    )
}

fn define(
    before: Vec<Drawn>,
    pivot: Option<Drawn>,
    behind: Vec<Drawn>,
    order: u32,
    deadline_ms: Option<u64>,
) -> Definition {
    let mut steps: Vec<StepSpec> = Vec::new();
    for (place, drawn) in before.into_iter().enumerate() {
        let after = chosen(drawn.edges, &steps);
        steps.push(spec(format!("before-{place}"), StepKind::Compensable, after, drawn.policy));
    }
    if let Some(pivot) = pivot {
        let mut after: Vec<Arc<str>> = steps.iter().map(|step| step.name.clone()).collect();
        // A graph says no more than it must: what comes before by way of others may be left out.
        after.retain(|name| {
            pivot.edges & 1 == 0 || !steps.iter().any(|step| step.after.contains(name))
        });
        steps.push(spec("pivot".to_owned(), StepKind::Pivot, after, pivot.policy));
        let first = steps.len();
        for (place, drawn) in behind.into_iter().enumerate() {
            let mut after = chosen(drawn.edges, &steps[first..]);
            after.push("pivot".into());
            steps.push(spec(format!("behind-{place}"), StepKind::Retriable, after, drawn.policy));
        }
    }
    if steps.is_empty() {
        return one_step();
    }
    // The order in which steps are written down is not the order in which they run.
    let turn = order as usize % steps.len();
    steps.rotate_left(turn);
    Definition::new("random", steps, deadline_ms).unwrap()
}

fn spec(name: String, kind: StepKind, after: Vec<Arc<str>>, policy: Policy) -> StepSpec {
    StepSpec { name: name.into(), kind, after, policy }
}

fn chosen(edges: u8, among: &[StepSpec]) -> Vec<Arc<str>> {
    let chosen = among.iter().enumerate().filter(|(place, _)| edges & (1 << place) != 0);
    chosen.map(|(_, step)| step.name.clone()).collect()
}
