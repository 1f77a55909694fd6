//! One saga under way: a task that owns it from its start (or its recovery) to its end.
//!
//! ```text
//! mailbox ┐
//! calls   ├─> one input ─> Turn (decide, local steps) ─> append ─> effects: calls and timers
//! timers  ┘
//! ```
//!
//! Every saga has its own task, so one that panics, waits or is damaged delays no other.

use std::sync::Arc;
use std::time::Duration;

use sagaline_storage::{AppendError, Backend, Clock};
use tokio::sync::oneshot;

use crate::canary::planted;
use crate::saga::{
    Effect, Outcome, Phase, SagaState, StepDirection, StepIndex, Stimulus, Timer, longest_wait_us,
    pending_effects,
};

use super::append::is_race;
use super::core::Core;
use super::directory::{Mailbox, Message, RequestError, Undone};
use super::invoke::{self, Returned};
use super::run::SagaRun;
use super::stage::Stage;
use super::taken_up::{is_overtaken, load, refuse_all, report};
use super::turn::{Turn, TurnError};
use super::under_way::UnderWay;

/// The code of a local step's no: a claim that it takes is somebody else's.
const CLAIM_TAKEN: &str = "CLAIM_TAKEN";

/// The task of one saga.
pub(crate) struct Actor<B: Backend> {
    core: Arc<Core<B>>,
    run: SagaRun,
    epoch: u64,
    mailbox: Mailbox,
    calls: UnderWay<Asking, Returned>,
    /// Each with the time it was set for, in microseconds of wall time.
    timers: UnderWay<(Timer, u64), ()>,
    waiting: Vec<oneshot::Sender<SagaState>>,
}

/// What a call is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    Attempt(StepIndex, StepDirection, u32),
    /// Whether a step in doubt happened.
    Question(StepIndex),
}

impl Asking {
    fn step(self) -> StepIndex {
        let (Self::Attempt(step, ..) | Self::Question(step)) = self;
        step
    }
}

/// Whether the task goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoOn,
    Stop,
}

/// What the task heard.
enum Heard {
    Mail(Message),
    Call(Returned),
    Due(Timer, u64),
    Closed,
}

/// The actor of a saga that was just appended. Whoever gets it lets it work.
pub(crate) fn begin<B: Backend>(
    core: Arc<Core<B>>,
    run: SagaRun,
    epoch: u64,
    mailbox: Mailbox,
    effects: Vec<Effect>,
) -> Actor<B> {
    let mut actor = Actor::new(core, run, epoch, mailbox);
    actor.start(effects);
    actor
}

impl<B: Backend> Actor<B> {
    fn new(core: Arc<Core<B>>, run: SagaRun, epoch: u64, mailbox: Mailbox) -> Self {
        Self {
            core,
            run,
            epoch,
            mailbox,
            calls: UnderWay::new(),
            timers: UnderWay::new(),
            waiting: Vec::new(),
        }
    }

    /// The same, and somebody who waits for it.
    pub(crate) fn with(mut self, waiter: Option<oneshot::Sender<SagaState>>) -> Self {
        self.waiting.extend(waiter);
        self
    }

    /// Works until the saga has ended, owes nothing, or is somebody else's.
    pub(crate) async fn work(mut self) {
        loop {
            if self.is_at_rest() {
                self.tell();
                self.forget_timers();
            }
            if self.is_over() && self.core.directory.leave(self.run.id, &self.mailbox) {
                return;
            }
            let (heard, calls) = (self.hear().await, self.calls.clone());
            let flow = calls.beside(self.heed(heard)).await;
            if flow == Flow::Stop {
                return refuse_all(&self.core, self.run.id, self.mailbox, &stopped());
            }
        }
    }

    async fn heed(&mut self, heard: Heard) -> Flow {
        match heard {
            Heard::Mail(Message::Wait { reply }) => {
                self.waiting.push(reply);
                Flow::GoOn
            }
            Heard::Mail(Message::Request { stimulus, reply }) => {
                self.request(*stimulus, reply).await
            }
            Heard::Mail(Message::Overtaken { version }) => match version > self.run.version {
                true => self.reload().await,
                false => Flow::GoOn,
            },
            Heard::Call(returned) => self.returned(returned).await,
            Heard::Due(timer, due_at_us) => self.due(timer, due_at_us).await,
            Heard::Closed => Flow::Stop,
        }
    }

    async fn hear(&mut self) -> Heard {
        tokio::select! {
            biased;
            message = self.mailbox.recv() => message.map_or(Heard::Closed, Heard::Mail),
            // Before the answers: a deadline that passed while nobody worked on the saga comes before what
            // its calls, made anew, would let it begin.
            ((timer, due_at_us), ()) = self.timers.next(), if !self.timers.is_empty() => {
                Heard::Due(timer, due_at_us)
            }
            (_, returned) = self.calls.next(), if !self.calls.is_empty() => Heard::Call(returned),
        }
    }

    /// Ended, or parked or paused with no call under way: nothing happens until somebody does something
    /// or a deadline passes, and nobody is kept waiting for that.
    fn is_at_rest(&self) -> bool {
        let state = &self.run.state;
        let waits = state.parked.is_some() || state.paused;
        state.has_ended() || (waits && self.calls.is_empty())
    }

    /// At rest and without a timer: the task is not needed.
    fn is_over(&self) -> bool {
        self.run.state.has_ended() || (self.is_at_rest() && self.timers.is_empty())
    }

    /// Gives up what it waits for and does not owe any more: a deadline, for one, behind which nothing goes
    /// back. A saga that only has such is not under way.
    fn forget_timers(&self) {
        if self.timers.is_empty() {
            return;
        }
        let owed = pending_effects(&self.run.registered.definition, &self.run.state);
        let is_owed = |timer: Timer| {
            let sets = |effect: &Effect| match effect {
                Effect::SetTimer { timer: of, .. } => *of == timer,
                Effect::Invoke { .. } | Effect::Probe { .. } => false,
            };
            owed.iter().any(sets)
        };
        self.timers.give_up(|(timer, _)| !is_owed(timer));
    }

    fn tell(&mut self) {
        for reply in self.waiting.drain(..) {
            // A waiter whose time was up has gone.
            drop(reply.send(self.run.state.clone()));
        }
    }

    async fn request(
        &mut self,
        stimulus: Stimulus,
        reply: oneshot::Sender<Result<(), Undone>>,
    ) -> Flow {
        let (answer, flow) = match self.requested(stimulus).await {
            Ok(()) => (Ok(()), Flow::GoOn),
            Err(TurnError::Refused(refusal)) => {
                (Err(Undone::Because(RequestError::Refused(refusal))), Flow::GoOn)
            }
            Err(error @ TurnError::Append(AppendError::Fenced { .. })) => {
                (Err(Undone::Elsewhere), self.failed(&error).await)
            }
            Err(error) => {
                let answer = RequestError::Unavailable(error.to_string());
                (Err(Undone::Because(answer)), self.failed(&error).await)
            }
        };
        // Whoever asked may have gone away; the log has the answer.
        drop(reply.send(answer));
        flow
    }

    /// A person's request that lost a race for the saga is decided again on what the winner wrote.
    async fn requested(&mut self, stimulus: Stimulus) -> Result<(), TurnError> {
        let mut tries_left = self.core.settings.conflict_retries;
        loop {
            match self.turn(stimulus.clone(), Stage::default()).await {
                Err(TurnError::Append(error)) if tries_left > 0 && is_about(&error, &self.run) => {
                    tries_left -= 1;
                    self.core.metrics.append_conflicts.add(1);
                    if self.reload().await == Flow::Stop {
                        return Err(TurnError::Append(error));
                    }
                }
                done => return done,
            }
        }
    }

    async fn returned(&mut self, returned: Returned) -> Flow {
        let Returned { stimulus, stage } = returned;
        let staged = !stage.is_empty();
        let outcome = self.turn(stimulus.clone(), stage).await;
        match outcome {
            Err(TurnError::Append(error)) if staged && is_race(&error) => {
                self.core.metrics.append_conflicts.add(1);
                self.settle(in_doubt(stimulus, &error)).await
            }
            Ok(()) => Flow::GoOn,
            Err(error) => self.failed(&error).await,
        }
    }

    async fn due(&mut self, timer: Timer, due_at_us: u64) -> Flow {
        let now_us = self.core.backend.clock().now().0;
        self.core.metrics.timer_lag_us.set(now_us.saturating_sub(due_at_us));
        self.settle(Stimulus::TimerFired(timer)).await
    }

    async fn settle(&mut self, stimulus: Stimulus) -> Flow {
        match self.turn(stimulus, Stage::default()).await {
            Ok(()) => Flow::GoOn,
            Err(error) => self.failed(&error).await,
        }
    }

    /// One input to one append. A local step that lost a race is decided again on the newer state; what
    /// becomes of one that loses every race says [`outcome_of_race`].
    async fn turn(&mut self, stimulus: Stimulus, stage: Stage) -> Result<(), TurnError> {
        let (mut tries_left, mut held_up) = (self.core.settings.conflict_retries, None);
        loop {
            let core = self.core.clone();
            let mut turn = Turn::of(&core, &self.run, self.epoch);
            turn.held_up.clone_from(&held_up);
            turn.input(stimulus.clone(), stage.clone())?;
            turn.settle_local(false).await?;
            let stale = turn.events.is_empty() && turn.effects.is_empty();
            if stale && matches!(stimulus, Stimulus::TimerFired(_)) {
                self.core.metrics.timers_stale.add(1);
            }
            match turn.append().await {
                Ok((run, effects)) => {
                    if let Some(run) = run {
                        self.advance(run);
                    }
                    self.start(effects);
                    return Ok(());
                }
                Err(TurnError::Append(error)) if is_race(&error) && stage.is_empty() => {
                    if held_up.is_some() || is_about(&error, &self.run) {
                        return Err(TurnError::Append(error));
                    }
                    self.core.metrics.append_conflicts.add(1);
                    match tries_left.checked_sub(1) {
                        Some(left) => tries_left = left,
                        None => held_up = Some(outcome_of_race(&error)),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn advance(&mut self, run: SagaRun) {
        let metrics = &self.core.metrics;
        let newly_parked = run.state.parked.is_some() && self.run.state.parked.is_none();
        metrics.sagas_parked.add(u64::from(newly_parked));
        if newly_parked {
            tracing::warn!(saga_id = %run.id, reason = ?run.state.parked, "saga parked");
        }
        count_end(&self.core, &run.state);
        self.run = run;
    }

    /// What is to be done about a turn that was not appended.
    async fn failed(&mut self, error: &TurnError) -> Flow {
        let saga_id = self.run.id;
        match error {
            TurnError::StoreLost(error) => {
                self.core.lose_store(error);
                Flow::Stop
            }
            TurnError::Append(fenced @ AppendError::Fenced { .. }) => {
                tracing::debug!(%saga_id, %error, "the saga has a new owner");
                self.core.heed(fenced);
                Flow::Stop
            }
            TurnError::Append(append) if is_about(append, &self.run) => self.reload().await,
            TurnError::Append(AppendError::Invalid(_)) | TurnError::Broken(_) => {
                self.poison(error.to_string()).await
            }
            TurnError::Append(_) => self.poison(format!("it cannot be appended: {error}")).await,
            TurnError::Refused(_)
            | TurnError::StartRejected { .. }
            | TurnError::StartUnknown { .. } => Flow::GoOn,
        }
    }

    /// Somebody else wrote to the saga's stream: what it owes is read from there.
    async fn reload(&mut self) -> Flow {
        match load(&self.core, self.run.id, &mut self.mailbox).await {
            Ok(run) if is_overtaken(&self.core, &run, self.epoch) => Flow::Stop,
            Ok(run) => {
                self.run = run;
                self.calls.clear();
                self.timers.clear();
                self.start(pending_effects(&self.run.registered.definition, &self.run.state));
                Flow::GoOn
            }
            Err(error) => {
                report(&self.core, self.run.id, &error);
                Flow::Stop
            }
        }
    }

    /// Parks a saga that cannot be worked on, so that an operator sees it.
    async fn poison(&mut self, cause: String) -> Flow {
        tracing::error!(saga_id = %self.run.id, %cause, "saga quarantined");
        self.core.metrics.sagas_quarantined.add(1);
        self.calls.clear();
        self.timers.clear();
        match Box::pin(self.turn(Stimulus::Poisoned { cause }, Stage::default())).await {
            Ok(()) if self.run.state.parked.is_some() => Flow::GoOn,
            Ok(()) => Flow::Stop,
            Err(error) => {
                tracing::error!(saga_id = %self.run.id, %error, "saga not parked");
                Flow::Stop
            }
        }
    }

    /// Begins effects: calls and timers.
    fn start(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Invoke { step, direction, attempt } => {
                    self.invoke(step, direction, attempt);
                }
                Effect::Probe { step, attempt } => self.probe(step, attempt),
                Effect::SetTimer { timer, due_at_us } => {
                    let clock = self.core.backend.clock().clone();
                    let wait_us = due_at_us.saturating_sub(clock.now().0);
                    let longest_us = longest_wait_us(&self.run.state, timer).unwrap_or(u64::MAX);
                    let wait_us = wait_us.min(longest_us);
                    // What comes early is to be set again.
                    let early = planted("stale-timer-accepted");
                    let wait_us = if early { wait_us.min(100_000) } else { wait_us };
                    let wait = Duration::from_micros(wait_us);
                    self.timers.begin((timer, due_at_us), async move { clock.sleep(wait).await });
                }
            }
        }
    }

    /// A step has one call under way. The beginning of a retry is no event: its timer comes again when a pause
    /// ends, and then the attempt that is under way goes on. Another attempt, which a person asked for, or the
    /// undo takes the place of what is under way, whose answer does not count any more.
    fn invoke(&mut self, step: StepIndex, direction: StepDirection, attempt: u32) {
        let asking = Asking::Attempt(step, direction, attempt);
        if direction == StepDirection::Compensation || !planted("retry-made-beside-itself") {
            if self.calls.holds(asking) {
                return;
            }
            self.calls.give_up(|called| called.step() == step);
        }
        let registered = &self.run.registered;
        let Some(code) = registered.code.get(step.0 as usize).cloned() else { return };
        let state = &self.run.state;
        let at = invoke::At { core: &*self.core, id: self.run.id, registered, input: &state.input };
        let which = (step, direction, attempt);
        let call = at.call(state, &self.run.correlation_id, self.epoch, which);
        let output = state.steps.get(step.0 as usize).and_then(|step| step.result.clone());
        let timeout = self.timeout(step);
        let core = self.core.clone();
        self.calls.begin(asking, invoke::remote(core, code, call, step, output, timeout));
    }

    /// Calls of the step that have not come back are given up: the probe's answer counts.
    fn probe(&mut self, step: StepIndex, attempt: u32) {
        self.calls.give_up(|called| called.step() == step);
        let registered = &self.run.registered;
        let Some(code) = registered.code.get(step.0 as usize).cloned() else { return };
        let state = &self.run.state;
        let at = invoke::At { core: &*self.core, id: self.run.id, registered, input: &state.input };
        let which = (step, StepDirection::Action, attempt);
        let call = at.call(state, &self.run.correlation_id, self.epoch, which);
        let timeout = self.timeout(step);
        let asking = invoke::ask(self.core.clone(), code, call, step, timeout);
        self.calls.begin(Asking::Question(step), asking);
    }

    fn timeout(&self, step: StepIndex) -> Duration {
        let spec = self.run.registered.definition.step(step);
        Duration::from_millis(spec.map_or(0, |spec| spec.policy.attempt_timeout_ms))
    }
}

/// Counts a saga that has just ended.
pub(crate) fn count_end<B: Backend>(core: &Core<B>, state: &SagaState) {
    match state.phase {
        Phase::Completed => core.metrics.sagas_completed.add(1),
        Phase::Compensated => core.metrics.sagas_compensated.add(1),
        Phase::Running | Phase::Committing | Phase::Compensating => {}
    }
}

fn stopped() -> RequestError {
    RequestError::Unavailable("this node does not work on the saga any more".to_owned())
}

/// What a local step that lost every race comes to: a claim that somebody else holds is a no; an aggregate
/// that many write to takes it later, as an attempt whose outcome is unknown.
fn outcome_of_race(error: &AppendError) -> Outcome {
    match error {
        AppendError::ClaimTaken { .. } => {
            Outcome::Rejected { code: CLAIM_TAKEN.to_owned(), reason: error.to_string() }
        }
        _ => Outcome::Unknown { cause: lost_race(error), retry_after_ms: None },
    }
}

fn lost_race(error: &AppendError) -> String {
    format!("its events lost a race: {error}")
}

/// Whether the race was for the saga's own stream.
fn is_about(error: &AppendError, run: &SagaRun) -> bool {
    matches!(error, AppendError::WrongExpectedVersion { stream, .. } if *stream == run.stream)
}

/// The answer of a call whose staged events were refused: the call is made again under its key, and
/// stages on the newer state.
fn in_doubt(stimulus: Stimulus, error: &AppendError) -> Stimulus {
    let cause = lost_race(error);
    match stimulus {
        Stimulus::Returned { step, direction, attempt, .. } => {
            let outcome = Outcome::Unknown { cause, retry_after_ms: None };
            Stimulus::Returned { step, direction, attempt, outcome }
        }
        Stimulus::Probed { step, attempt, .. } => {
            let answer = crate::saga::Probe::CannotTell;
            Stimulus::Probed { step, attempt, answer, cause, retry_after_ms: None }
        }
        other @ (Stimulus::TimerFired(_)
        | Stimulus::Cancel { .. }
        | Stimulus::Operate { .. }
        | Stimulus::Poisoned { .. }) => other,
    }
}
