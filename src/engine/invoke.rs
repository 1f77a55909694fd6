//! Running a step's code: as a call that leaves the node, or inside the saga's append.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use sagaline_storage::{Backend, Clock, CorrelationId};
use uuid::Uuid;

use crate::canary::planted;
use crate::saga::{Json, Outcome, Probe, Progress, SagaState, StepDirection, StepIndex, Stimulus};

use super::call::{CallContext, RawCall};
use super::core::Core;
use super::definition::Registered;
use super::keys;
use super::outcome::{self, Failure};
use super::stage::Stage;
use super::step::ErasedStep;

/// Where a call comes from.
pub(crate) struct At<'a, B: Backend> {
    pub(crate) core: &'a Core<B>,
    pub(crate) id: Uuid,
    pub(crate) registered: &'a Arc<Registered>,
    /// What the step reads: the saga's input as the log has it, or, where it is at hand, as it was given.
    pub(crate) input: &'a Json,
}

/// A call that came back, and what it staged.
pub(crate) struct Returned {
    pub(crate) stimulus: Stimulus,
    pub(crate) stage: Stage,
}

impl<B: Backend> At<'_, B> {
    /// The call of an attempt.
    pub(crate) fn call(
        &self,
        state: &SagaState,
        correlation_id: &CorrelationId,
        epoch: u64,
        (step, direction, attempt): (StepIndex, StepDirection, u32),
    ) -> RawCall {
        let definition = &self.registered.definition;
        let spec = definition.step(step);
        let name: Arc<str> = spec.map_or_else(|| "?".into(), |spec| spec.name.clone());
        let timeout_ms = spec.map_or(0, |spec| spec.policy.attempt_timeout_ms);
        let at_us = self.core.backend.clock().now().0;
        let reads = self.registered.code.get(step.0 as usize).map_or(&[][..], |code| code.reads());
        let done = definition.steps().iter().zip(&state.steps);
        let results = done
            .filter(|(spec, step)| {
                step.action == Progress::Succeeded && reads.contains(&&*spec.name)
            })
            .filter_map(|(spec, step)| Some((spec.name.clone(), step.result.clone()?)))
            .collect();
        let context = CallContext {
            saga_id: self.id,
            saga_type: definition.name().clone(),
            key: match planted("key-per-attempt") {
                true => keys::call_key(self.id, &format!("{name}-{attempt}"), direction),
                false => keys::call_key(self.id, &name, direction),
            },
            step: name,
            direction,
            attempt,
            epoch: epoch.saturating_sub(u64::from(planted("call-under-the-epoch-before"))),
            correlation_id: correlation_id.clone(),
            at_us,
            deadline_at_us: at_us.saturating_add(timeout_ms.saturating_mul(1_000)),
            input: self.input.clone(),
            reads,
            results,
            aborted: state.aborted.clone(),
            http: self.core.http.clone(),
            streams: self.core.streams.clone(),
            beats: AtomicU64::new(0),
            stage: Mutex::default(),
            executing: tokio::sync::Mutex::default(),
        };
        RawCall { context: Arc::new(context) }
    }
}

/// Runs a local step on what the append holds so far. What it staged comes back behind that.
pub(crate) async fn local(
    code: Arc<dyn ErasedStep>,
    call: RawCall,
    state: &SagaState,
    step: StepIndex,
    staged: Stage,
) -> (Outcome, Stage) {
    *call.context.stage.lock() = staged;
    let direction = call.context.direction;
    let output = state.steps.get(step.0 as usize).and_then(|step| step.result.clone());
    let outcome = run(&*code, &call, direction, output).await;
    let stage = std::mem::take(&mut *call.context.stage.lock());
    (outcome.0, stage)
}

/// Makes a call that leaves the node: waits for the participant's health, bounds the attempt by its
/// timeout, and asks the probe when the outcome of an action is unknown.
pub(crate) async fn remote<B: Backend>(
    core: Arc<Core<B>>,
    code: Arc<dyn ErasedStep>,
    call: RawCall,
    step: StepIndex,
    output: Option<Json>,
    timeout: Duration,
) -> Returned {
    let (direction, attempt) = (call.context.direction, call.context.attempt);
    if direction == StepDirection::Compensation && !code.is_undoable() {
        // Nobody is called: that says nothing of the participant's health, and need not wait for it.
        let (outcome, _) = run(&*code, &call, direction, output).await;
        let stimulus = Stimulus::Returned { step, direction, attempt, outcome };
        return Returned { stimulus, stage: Stage::default() };
    }
    let leave = core.participants.admit(code.participant(), attempt > 1).await;
    core.metrics.calls.add(1);
    core.metrics.calls_retried.add(u64::from(attempt > 1));
    let running = run(&*code, &call, direction, output);
    let (outcome, panicked) = bounded(&core.backend, &call, timeout, running).await;
    core.metrics.step_panics.add(u64::from(panicked));
    let stimulus = match outcome {
        Outcome::Unknown { cause, retry_after_ms } => {
            match planted("poison-blocks-the-shard") {
                true => std::mem::forget(leave),
                // Its place is held until the question what became of it is answered too.
                false => leave.failed(),
            }
            core.metrics.calls_outcome_unknown.add(1);
            match direction {
                StepDirection::Action => {
                    let answer = probe(&core, &*code, &call, timeout).await;
                    Stimulus::Probed { step, attempt, answer, cause, retry_after_ms }
                }
                StepDirection::Compensation => {
                    let outcome = Outcome::Unknown { cause, retry_after_ms };
                    Stimulus::Returned { step, direction, attempt, outcome }
                }
            }
        }
        Outcome::Succeeded(_) | Outcome::Rejected { .. } => {
            leave.answered();
            Stimulus::Returned { step, direction, attempt, outcome }
        }
    };
    let stage = std::mem::take(&mut *call.context.stage.lock());
    Returned { stimulus, stage }
}

/// Asks whether a step in doubt happened.
pub(crate) async fn ask<B: Backend>(
    core: Arc<Core<B>>,
    code: Arc<dyn ErasedStep>,
    call: RawCall,
    step: StepIndex,
    timeout: Duration,
) -> Returned {
    let attempt = call.context.attempt;
    let _place = core.participants.admit_question(code.participant()).await;
    let answer = probe(&core, &*code, &call, timeout).await;
    let cause = "asked because the saga is to go back".to_owned();
    let stimulus = Stimulus::Probed { step, attempt, answer, cause, retry_after_ms: None };
    let stage = std::mem::take(&mut *call.context.stage.lock());
    Returned { stimulus, stage }
}

async fn probe<B: Backend>(
    core: &Core<B>,
    code: &dyn ErasedStep,
    call: &RawCall,
    timeout: Duration,
) -> Probe {
    *call.context.stage.lock() = Stage::default();
    let asking = AssertUnwindSafe(code.probe(call)).catch_unwind();
    let answer = tokio::select! {
        biased;
        answer = asking => answer,
        () = core.backend.clock().sleep(timeout) => return Probe::CannotTell,
    };
    match answer {
        Ok(outcome::Probe::Happened(result)) => Probe::Happened(result),
        Ok(outcome::Probe::DidNotHappen) => Probe::DidNotHappen,
        Ok(outcome::Probe::CannotTell) => Probe::CannotTell,
        Err(_) => {
            core.metrics.step_panics.add(1);
            Probe::CannotTell
        }
    }
}

/// The step's own code. A panic is an attempt whose outcome is unknown; then the second part is true.
async fn run(
    code: &dyn ErasedStep,
    call: &RawCall,
    direction: StepDirection,
    output: Option<Json>,
) -> (Outcome, bool) {
    let done = match direction {
        StepDirection::Action => AssertUnwindSafe(code.action(call)).catch_unwind().await,
        StepDirection::Compensation => {
            let output = output.filter(|_| !planted("undo-not-told-the-result"));
            let undone = AssertUnwindSafe(code.compensate(call, output)).catch_unwind().await;
            undone.map(|undone| undone.map(|()| Json::null()))
        }
    };
    match done {
        Ok(done) => (outcome::erased(done), false),
        Err(panic) => {
            let cause = format!("step `{}` panicked: {}", call.context.step, words(&*panic));
            tracing::error!(saga_id = %call.context.saga_id, %cause);
            (outcome::erased(Err(Failure::unknown(cause))), true)
        }
    }
}

/// Bounds an attempt by its timeout, which each heartbeat starts anew.
async fn bounded<B: Backend>(
    backend: &B,
    call: &RawCall,
    timeout: Duration,
    running: impl Future<Output = (Outcome, bool)>,
) -> (Outcome, bool) {
    let mut running = std::pin::pin!(running);
    let times = if planted("attempt-timeout-begins-anew") { 2 } else { 1 };
    loop {
        let beats = call.context.beats.load(Ordering::Relaxed);
        tokio::select! {
            biased;
            outcome = &mut running => return outcome,
            () = backend.clock().sleep(timeout * times) => {}
        }
        if call.context.beats.load(Ordering::Relaxed) == beats {
            let cause = format!("no answer within {} ms", timeout.as_millis());
            return (Outcome::Unknown { cause, retry_after_ms: None }, false);
        }
    }
}

/// What a panic said.
pub(super) fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}
