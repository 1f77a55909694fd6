//! What a saga hears: the inputs of the kit, by step and not by number.

use serde::Serialize;

use crate::engine::{Compensable, Step};
use crate::saga::{
    Definition, Json, Outcome, Probe, SagaState, StepDirection, StepIndex, Stimulus, Timer, Verb,
};

/// An input. It is about the attempt that is under way when it comes.
#[derive(Debug, Clone)]
pub struct Heard(What);

#[derive(Debug, Clone)]
enum What {
    Of { step: &'static str, direction: StepDirection, said: Said },
    Saga(Stimulus),
}

#[derive(Debug, Clone)]
enum Said {
    Returned(Outcome),
    Probed(Probe),
    RetryDue,
    DeadlinePassed,
}

fn action<S: Step>(said: Said) -> Heard {
    Heard(What::Of { step: S::NAME, direction: StepDirection::Action, said })
}

fn undo<S: Step>(said: Said) -> Heard {
    Heard(What::Of { step: S::NAME, direction: StepDirection::Compensation, said })
}

#[track_caller]
fn json(value: &impl Serialize) -> Json {
    match Json::of(value) {
        Ok(json) => json,
        Err(error) => panic!("a result must be JSON: {error}"),
    }
}

fn lost() -> Outcome {
    Outcome::Unknown { cause: "no answer".to_owned(), retry_after_ms: None }
}

/// The step's participant did it.
///
/// # Panics
/// When the output is no JSON.
#[track_caller]
pub fn succeeded<S: Step>(output: &S::Output) -> Heard {
    action::<S>(Said::Returned(Outcome::Succeeded(json(output))))
}

/// The step's participant said no, with this code.
pub fn rejected<S: Step>(code: &str) -> Heard {
    let outcome = Outcome::Rejected { code: code.to_owned(), reason: "no".to_owned() };
    action::<S>(Said::Returned(outcome))
}

/// The step's call had no usable answer, and its probe could not tell.
pub fn unknown<S: Step>() -> Heard {
    action::<S>(Said::Probed(Probe::CannotTell))
}

/// The step's call had no usable answer, and its probe says that it happened.
///
/// # Panics
/// When the output is no JSON.
#[track_caller]
pub fn happened<S: Step>(output: &S::Output) -> Heard {
    action::<S>(Said::Probed(Probe::Happened(json(output))))
}

/// The step's call had no usable answer, and its probe says that it did not happen.
pub fn did_not_happen<S: Step>() -> Heard {
    action::<S>(Said::Probed(Probe::DidNotHappen))
}

/// The step is undone.
pub fn undone<S: Compensable>() -> Heard {
    undo::<S>(Said::Returned(Outcome::Succeeded(Json::null())))
}

/// The step's undo was refused, with this code.
pub fn undo_rejected<S: Compensable>(code: &str) -> Heard {
    let outcome = Outcome::Rejected { code: code.to_owned(), reason: "no".to_owned() };
    undo::<S>(Said::Returned(outcome))
}

/// The step's undo had no usable answer.
pub fn undo_unknown<S: Compensable>() -> Heard {
    undo::<S>(Said::Returned(lost()))
}

/// The pause before the step's next attempt is over; before that of its undo, while the saga goes back.
pub fn retry_due<S: Step>() -> Heard {
    action::<S>(Said::RetryDue)
}

/// The step's own deadline has passed.
pub fn deadline_passed<S: Step>() -> Heard {
    action::<S>(Said::DeadlinePassed)
}

/// The saga's deadline has passed.
pub fn saga_deadline_passed() -> Heard {
    Heard(What::Saga(Stimulus::TimerFired(Timer::SagaDeadline)))
}

/// Somebody cancels the saga.
pub fn cancelled() -> Heard {
    let (reason, actor) = ("changed my mind".to_owned(), "somebody".to_owned());
    Heard(What::Saga(Stimulus::Cancel { reason, actor }))
}

/// An operator's verb.
pub fn operated(verb: Verb) -> Heard {
    let (reason, actor) = ("it must go on".to_owned(), "an operator".to_owned());
    Heard(What::Saga(Stimulus::Operate { verb, reason, actor }))
}

impl Heard {
    /// As the machine takes it. The error says why it cannot be.
    pub(super) fn stimulus(
        self,
        definition: &Definition,
        state: &SagaState,
    ) -> Result<Stimulus, String> {
        let (name, direction, said) = match self.0 {
            What::Saga(stimulus) => return Ok(stimulus),
            What::Of { step, direction, said } => (step, direction, said),
        };
        let Some((step, _)) = definition.find(name) else {
            let names: Vec<&str> = definition.steps().iter().map(|step| &*step.name).collect();
            return Err(format!("it has no step `{name}`; it has {}", names.join(", ")));
        };
        let direction = match said {
            Said::RetryDue => state.direction_under_way(step).unwrap_or(direction),
            Said::Returned(_) | Said::Probed(_) | Said::DeadlinePassed => direction,
        };
        let attempt = attempt(state, step, direction);
        let attempt = attempt.ok_or_else(|| format!("no attempt of `{name}` is under way"))?;
        Ok(match said {
            Said::Returned(outcome) => Stimulus::Returned { step, direction, attempt, outcome },
            Said::Probed(answer) => {
                let cause = "no answer".to_owned();
                Stimulus::Probed { step, attempt, answer, cause, retry_after_ms: None }
            }
            Said::RetryDue => Stimulus::TimerFired(Timer::Retry { step, direction, attempt }),
            Said::DeadlinePassed => Stimulus::TimerFired(Timer::StepDeadline { step }),
        })
    }
}

fn attempt(state: &SagaState, step: StepIndex, direction: StepDirection) -> Option<u32> {
    state.step(step)?.progress(direction).attempt()
}
