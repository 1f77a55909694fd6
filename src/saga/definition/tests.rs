//! The rules of a definition, one test a rule.

use super::*;
use crate::saga::Policy;
use StepKind::{Compensable, Pivot, Retriable};

fn step(name: &str, kind: StepKind, after: &[&str]) -> StepSpec {
    let after = after.iter().map(|name| Arc::from(*name)).collect();
    StepSpec { name: name.into(), kind, after, policy: Policy::default() }
}

fn with_policy(policy: Policy) -> Vec<StepSpec> {
    vec![StepSpec { policy, ..step("a", Compensable, &[]) }]
}

fn define(steps: Vec<StepSpec>) -> Definition {
    Definition::new("trip", steps, None).unwrap()
}

#[track_caller]
fn refused(steps: Vec<StepSpec>, says: &str) {
    let problem = Definition::new("trip", steps, None).unwrap_err().problem;
    assert!(problem.contains(says), "`{problem}` does not say `{says}`");
}

fn diamond() -> Definition {
    define(vec![
        step("hotel", Compensable, &[]),
        step("flight", Compensable, &[]),
        step("car", Compensable, &["hotel", "flight"]),
        step("charge", Pivot, &["car"]),
        step("tickets", Retriable, &["charge"]),
    ])
}

#[test]
fn no_step_or_too_many_are_refused() {
    refused(vec![], "add a step");
    let many = |count| (0..count).map(|n| step(&format!("s{n}"), Compensable, &[])).collect();
    refused(many(STEPS_MAX + 1), "65 steps and 64 are allowed");
    let most: Vec<StepSpec> = many(STEPS_MAX);
    assert_eq!(define(most).undo_order().len(), STEPS_MAX);
}

#[test]
fn names_are_short_plain_and_used_once() {
    for name in ["", "Hotel", "hot el", "hötel", &"x".repeat(65)] {
        refused(vec![step(name, Compensable, &[])], "rename it");
    }
    refused(
        vec![step("a", Compensable, &[]), step("a", Compensable, &[])],
        "step `a` stands in it twice",
    );
    let error = Definition::new("A trip", vec![step("a", Compensable, &[])], None).unwrap_err();
    assert!(error.to_string().starts_with("saga `A trip`: its name `A trip` is not"));
}

#[test]
fn edges_lead_to_other_steps_that_exist() {
    refused(vec![step("a", Compensable, &["b"])], "after `b`, and there is no such step");
    refused(vec![step("a", Compensable, &["a"])], "after itself");
    refused(vec![step("a", Compensable, &[]), step("b", Compensable, &["a", "a"])], "name it once");
}

#[test]
fn a_cycle_is_refused_by_its_names() {
    refused(
        vec![
            step("x", Compensable, &["c"]),
            step("a", Compensable, &["c"]),
            step("b", Compensable, &["a"]),
            step("c", Compensable, &["b"]),
        ],
        "`c` after `b` after `a` after `c` wait",
    );
}

#[test]
fn one_pivot_decides() {
    refused(vec![step("a", Pivot, &[]), step("b", Pivot, &[])], "`a` and `b` are both pivots");
    refused(vec![step("a", Pivot, &[]), step("b", Pivot, &["a"])], "`a` and `b` are both pivots");
}

#[test]
fn compensable_steps_stand_before_the_pivot() {
    refused(
        vec![step("p", Pivot, &[]), step("a", Compensable, &["p"])],
        "step `a` is compensable and stands behind the pivot `p`",
    );
    refused(
        vec![step("p", Pivot, &[]), step("a", Compensable, &[])],
        "step `a` is compensable and runs beside the pivot `p`",
    );
}

#[test]
fn retriable_steps_stand_behind_the_pivot() {
    refused(
        vec![step("p", Pivot, &[]), step("r", Retriable, &[])],
        "step `r` is retriable and does not come after the pivot `p`",
    );
    refused(vec![step("r", Retriable, &[])], "there is no pivot for it to come after");
}

#[test]
fn a_policy_allows_an_attempt_and_time_for_it() {
    let policy = Policy::default;
    refused(with_policy(Policy { attempts: 0, ..policy() }), "allows 0 attempts");
    refused(with_policy(Policy { compensation_attempts: 0, ..policy() }), "allows 0 attempts");
    let upside_down = Policy { backoff_min_ms: 5, backoff_max_ms: 4, ..policy() };
    refused(with_policy(upside_down), "backoff from 5 ms to 4 ms");
    refused(with_policy(Policy { attempt_timeout_ms: 0, ..policy() }), "timeout of 0 ms");
    refused(with_policy(Policy { deadline_ms: Some(0), ..policy() }), "deadline of 0 ms");
    let error = Definition::new("trip", with_policy(policy()), Some(0)).unwrap_err();
    assert!(error.problem.contains("deadline is 0 ms"));
}

#[test]
fn every_change_has_another_hash() {
    let hash = |steps, deadline| Definition::new("trip", steps, deadline).unwrap().hash().clone();
    let base = || vec![step("a", Compensable, &[]), step("b", Compensable, &["a"])];
    let changed = [
        hash(base(), None),
        hash(base(), Some(1)),
        hash(vec![step("a", Compensable, &[]), step("b", Compensable, &[])], None),
        hash(vec![step("a", Compensable, &[]), step("b", Pivot, &["a"])], None),
        hash(vec![step("b", Compensable, &["a"]), step("a", Compensable, &[])], None),
        hash(with_policy(Policy { attempts: 9, ..Policy::default() }), None),
        hash(with_policy(Policy { deadline_ms: Some(1), ..Policy::default() }), None),
        hash(
            with_policy(Policy { retried_rejections: vec!["x".into()], ..Policy::default() }),
            None,
        ),
        hash(with_policy(Policy::default()), None),
    ];
    let different: std::collections::HashSet<_> = changed.iter().collect();
    assert_eq!(different.len(), changed.len());
    assert_eq!(hash(base(), None), changed[0]);
}

/// Sagas in flight are pinned to this hash: it must be the same in every release.
#[test]
fn the_hash_of_a_definition_never_changes() {
    let policy = Policy {
        attempts: 1,
        compensation_attempts: 2,
        backoff_min_ms: 3,
        backoff_max_ms: 4,
        attempt_timeout_ms: 5,
        deadline_ms: Some(6),
        retried_rejections: vec!["SEVEN".to_owned(), "EIGHT".to_owned()],
    };
    let mut steps = diamond().steps().to_vec();
    steps.iter_mut().for_each(|step| step.policy = policy.clone());
    let definition = Definition::new("trip", steps, Some(9)).unwrap();
    assert_eq!(
        &**definition.hash(),
        "542bf5d093076c4b257684b83a27013c08eea332978f3bb270893ae2cb80d609"
    );
}

#[test]
fn a_definition_is_undone_in_the_reverse_of_its_graph() {
    let definition = diamond();
    assert_eq!(definition.undo_order(), [StepIndex(2), StepIndex(1), StepIndex(0)]);
    let written_backwards =
        define(vec![step("b", Compensable, &["a"]), step("a", Compensable, &[])]);
    assert_eq!(written_backwards.undo_order(), [StepIndex(0), StepIndex(1)]);
}

#[test]
fn a_step_comes_after_all_that_lead_to_it() {
    let definition = diamond();
    assert!(definition.comes_after(StepIndex(4), StepIndex(0)));
    assert!(definition.comes_after(StepIndex(2), StepIndex(1)));
    assert!(!definition.comes_after(StepIndex(1), StepIndex(0)));
    assert!(!definition.comes_after(StepIndex(0), StepIndex(0)));
    assert!(!definition.comes_after(StepIndex(99), StepIndex(0)));
    assert!(!definition.comes_after(StepIndex(4), StepIndex(99)));
}

#[test]
fn a_definition_prints_as_a_graph() {
    let text = "trip\n  hotel    compensable\n  flight   compensable\n  car      compensable  after \
                hotel, flight\n  charge   pivot        after car\n  tickets  retriable    after charge";
    let lines =
        |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(lines(&diamond().to_string()), lines(text));
    let graph = "flowchart LR\n    s0[\"hotel\"]\n    s1[\"flight\"]\n    s2[\"car\"]\n    \
                 s3{{\"charge\"}}\n    s4([\"tickets\"])\n    s0 --> s2\n    s1 --> s2\n    \
                 s2 --> s3\n    s3 --> s4";
    assert_eq!(diamond().to_mermaid(), graph);
}

#[test]
fn a_document_may_leave_out_what_has_a_default_and_nothing_unknown_is_in_it() {
    let json = r#"{"name":"trip","steps":[
        {"name":"hotel","kind":"compensable"},
        {"name":"charge","kind":"pivot","after":["hotel"],"policy":{"attempts":3}}]}"#;
    let definition: Definition = serde_json::from_str(json).unwrap();
    assert_eq!(definition.pivot(), Some(StepIndex(1)));
    assert_eq!(definition.steps()[1].policy.attempts, 3);
    assert_eq!(definition.steps()[1].policy.backoff_min_ms, Policy::default().backoff_min_ms);
    let unknown = [
        r#"{"name":"t","steps":[],"colour":1}"#,
        r#"{"name":"t","steps":[{"name":"a","kind":"pivot","colour":1}]}"#,
        r#"{"name":"t","steps":[{"name":"a","kind":"pivot","policy":{"colour":1}}]}"#,
    ];
    for json in unknown {
        let error = serde_json::from_str::<Definition>(json).unwrap_err().to_string();
        assert!(error.contains("colour"), "{error}");
    }
    let refused = serde_json::from_str::<Definition>(r#"{"name":"t","steps":[]}"#).unwrap_err();
    assert!(refused.to_string().contains("add a step"));
}
