//! What participants said is heeded: who wants to be left alone for a while is, and who has said no is not
//! asked again.

use crate::fault::Fault;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::{number, text};
use crate::oracle::naive::steps;

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
/// what stands before all of them may ask for less.
fn examine_fated_pauses(case: &Case<'_>, asked_us: Option<u64>, finding: &mut Finding) {
    let fates = case.evidence.plan.fates();
    for saga in case.sagas.values() {
        let fate = saga.entries.first().and_then(|first| fates.get(&first.correlation_id));
        let Some((step, seconds)) = fate.and_then(|it| it.busy.as_ref().zip(it.retry_after_s))
        else {
            continue;
        };
        let shape = case.evidence.plan.sagas.iter().find(|shape| shape.name == saga.saga_type);
        let place = shape.and_then(|shape| shape.steps.iter().position(|it| it.name == *step));
        let least_us = asked_us.unwrap_or(u64::MAX).min(seconds * 1_000_000);
        for entry in saga.entries.iter().filter(|entry| entry.event_type == "RetryScheduled") {
            let of = |name| number(&entry.payload, name).unwrap_or(0);
            let is_it = usize::try_from(of("step")).ok() == place
                && text(&entry.payload, "direction") == Some("action")
                && text(&entry.payload, "cause").is_some_and(|cause| cause.contains("429"));
            if is_it {
                let pause_us = of("dueAtUs").saturating_sub(of("atUs"));
                finding.expect(
                    pause_us >= least_us,
                    "a repetition sooner than was asked for",
                    || {
                        format!(
                            "saga {} at {}: {pause_us} of {least_us} us",
                            saga.id, entry.position
                        )
                    },
                );
            }
        }
    }
}

/// A participant's no is its answer: where a saga can still go back it is not asked again.
fn examine_noes(case: &Case<'_>, finding: &mut Finding) {
    // `CODE: words`
    let is_no = |cause: &str| {
        let code = cause.split_once(": ").map_or("", |(code, _)| code);
        !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    };
    for saga in case.sagas.values() {
        for entry in &saga.entries {
            let step = number(&entry.payload, "step").and_then(|step| usize::try_from(step).ok());
            let is_pivot = step.is_some() && step == saga.pivot;
            match entry.event_type.as_str() {
                "StepSucceeded" | "StepSkipped" | "StepResolved" if is_pivot => break,
                "AbortRequested" | "SagaAborted" => break,
                "RetryScheduled" => {
                    let asked_again = text(&entry.payload, "cause").is_some_and(is_no);
                    finding.expect(!asked_again, "who has said no was asked again", || {
                        format!("saga {} at {}: {}", saga.id, entry.position, entry.payload)
                    });
                }
                _ => {}
            }
        }
    }
}
