//! Events and effects of a saga as lines: `hotel succeeded`, `undo flight`. What the kit compares, and what
//! a test that fails shows.

use crate::saga::{Definition, Effect, SagaEvent, StepDirection, StepIndex, Timer};

/// An event as a line.
pub(super) fn event(definition: &Definition, event: &SagaEvent) -> String {
    let name = |step: &StepIndex| name(definition, *step);
    match event {
        SagaEvent::SagaStarted { .. } => "saga started".to_owned(),
        SagaEvent::StepStarted { step, .. } => format!("{} started", name(step)),
        SagaEvent::StepSucceeded { step, .. } => format!("{} succeeded", name(step)),
        SagaEvent::StepRejected { step, code, .. } => format!("{} rejected: {code}", name(step)),
        SagaEvent::RetryScheduled { step, direction, attempt, .. } => {
            format!("{} scheduled: attempt {attempt}", what(&name(step), *direction))
        }
        SagaEvent::AbortRequested { .. } => "abort requested".to_owned(),
        SagaEvent::SagaAborted { .. } => "saga aborted".to_owned(),
        SagaEvent::CompensationStarted { step, .. } => format!("undo of {} started", name(step)),
        SagaEvent::CompensationSucceeded { step, .. } => format!("{} undone", name(step)),
        SagaEvent::RevocationRejected { step, code, .. } => {
            format!("{} not revoked: {code}", name(step))
        }
        SagaEvent::SagaParked { step: Some(step), direction, .. } => {
            format!("saga parked at {}", what(&name(step), *direction))
        }
        SagaEvent::SagaParked { step: None, .. } => "saga parked".to_owned(),
        SagaEvent::SagaPaused { .. } => "saga paused".to_owned(),
        SagaEvent::SagaResumed { .. } => "saga resumed".to_owned(),
        SagaEvent::SagaUnparked { .. } => "saga unparked".to_owned(),
        SagaEvent::RetryRequested { step, direction, attempt, .. } => {
            format!("{} requested: attempt {attempt}", what(&name(step), *direction))
        }
        SagaEvent::StepSkipped { step, direction, .. } => {
            format!("{} skipped", what(&name(step), *direction))
        }
        SagaEvent::StepResolved { step, direction, .. } => {
            format!("{} resolved", what(&name(step), *direction))
        }
        SagaEvent::SagaCompleted { .. } => "saga completed".to_owned(),
        SagaEvent::SagaCompensated { .. } => "saga compensated".to_owned(),
    }
}

/// An effect as a line. Only an attempt behind the first is named.
pub(super) fn effect(definition: &Definition, effect: &Effect) -> String {
    let name = |step: StepIndex| name(definition, step);
    match *effect {
        Effect::Invoke { step, direction, attempt } => {
            let verb = match direction {
                StepDirection::Action => "call",
                StepDirection::Compensation => "undo",
            };
            format!("{verb} {}{}", name(step), again(attempt))
        }
        Effect::Probe { step, .. } => format!("ask {}", name(step)),
        Effect::SetTimer { timer, .. } => match timer {
            Timer::Retry { step, direction, attempt } => {
                format!("wait for {}{}", what(&name(step), direction), again(attempt))
            }
            Timer::StepDeadline { step } => format!("wait for the deadline of {}", name(step)),
            Timer::SagaDeadline => "wait for the deadline".to_owned(),
            Timer::Continue => "go on".to_owned(),
        },
    }
}

fn name(definition: &Definition, step: StepIndex) -> String {
    definition.step(step).map_or_else(|| format!("step {}", step.0), |step| step.name.to_string())
}

fn what(name: &str, direction: StepDirection) -> String {
    match direction {
        StepDirection::Action => name.to_owned(),
        StepDirection::Compensation => format!("undo of {name}"),
    }
}

fn again(attempt: u32) -> String {
    if attempt > 1 { format!(", attempt {attempt}") } else { String::new() }
}
