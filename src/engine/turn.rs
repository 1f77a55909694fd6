//! One turn of a saga: from an input to one append. Local steps are run inside it, so that their
//! events and the saga's own become durable together.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use sagaline_storage::{
    AppendError, AppendId, AppendRequest, Backend, ClaimChange, CorrelationId, Epoch, EventId,
    ExpectedVersion, Fence, NewEvent, StorageError, StreamId, StreamVersion, StreamWrite,
};
use uuid::Uuid;

use crate::canary::planted;
use crate::codec;
use crate::saga::{
    Decision, Effect, Input, Json, Outcome, Probe, Refusal, SagaEvent, SagaState, StepIndex,
    Stimulus, decide_and_fold, evolve, pending_effects,
};

use super::append::{Refused, append_certainly};
use super::core::Core;
use super::definition::Registered;
use super::invoke;
use super::keys;
use super::run::SagaRun;
use super::stage::Stage;

/// A saga before the append: `base` is what is durable.
pub(crate) struct Turn<'a, B: Backend> {
    pub(crate) core: &'a Core<B>,
    pub(crate) id: Uuid,
    pub(crate) stream: StreamId,
    pub(crate) registered: &'a Arc<Registered>,
    pub(crate) correlation_id: &'a CorrelationId,
    pub(crate) base: Option<&'a SagaRun>,
    /// The input as it was given, while the saga is being started: nothing need be opened then that was
    /// sealed a moment before.
    pub(crate) given: Option<&'a Json>,
    pub(crate) epoch: u64,
    pub(crate) events: Vec<SagaEvent>,
    /// The state after `events`; none while there are none.
    pub(crate) changed: Option<SagaState>,
    pub(crate) stage: Stage,
    pub(crate) effects: Vec<Effect>,
    pub(crate) claims: Vec<ClaimChange>,
    /// Local steps are not tried: this is the outcome of each.
    pub(crate) held_up: Option<Outcome>,
}

/// Why a turn came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TurnError {
    /// The machine refuses a person's request.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A local step said no while the saga was being started: there is nothing to undo.
    #[error("step `{step}` was rejected with {code}: {reason}")]
    StartRejected { step: Arc<str>, code: String, reason: String },
    /// A local step could not tell while the saga was being started: nothing is durable, and whoever asked
    /// asks again. A saga that began like this would hold none of the claims that its first step takes.
    #[error("step `{step}` cannot be done now: {cause}")]
    StartUnknown { step: Arc<str>, cause: String },
    /// The store refused the append.
    #[error(transparent)]
    Append(AppendError),
    /// The store does not serve.
    #[error("{0}")]
    StoreLost(StorageError),
    /// An event could not be folded or written: a bug or a damaged log.
    #[error("{0}")]
    Broken(String),
}

/// Which claims a saga holds between its start and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Membership {
    Live,
    Parked,
}

impl<'a, B: Backend> Turn<'a, B> {
    /// A turn of a saga that exists.
    pub(crate) fn of(core: &'a Core<B>, run: &'a SagaRun, epoch: u64) -> Self {
        Self {
            core,
            id: run.id,
            stream: run.stream.clone(),
            registered: &run.registered,
            correlation_id: &run.correlation_id,
            base: Some(run),
            given: None,
            epoch,
            events: Vec::new(),
            changed: None,
            stage: Stage::default(),
            effects: Vec::new(),
            claims: Vec::new(),
            held_up: None,
        }
    }

    /// Takes an input in, with what its call staged if that counts; whether it does.
    pub(crate) fn input(&mut self, stimulus: Stimulus, stage: Stage) -> Result<bool, TurnError> {
        let Some(state) = self.state() else {
            return Err(TurnError::Broken("an input before the saga's start".to_owned()));
        };
        let answered = answered(&stimulus);
        let input = Input { moment: self.core.moment(self.epoch), stimulus };
        let (decision, after) = decide_and_fold(&self.registered.definition, state, input)?;
        let counts = answered.is_some_and(|step| settles(&decision.events, step));
        if counts {
            self.stage.merge(stage);
        }
        self.events.extend(decision.events);
        self.effects.extend(decision.effects);
        self.changed = after.or_else(|| self.changed.take());
        Ok(counts)
    }

    fn state(&self) -> Option<&SagaState> {
        self.changed.as_ref().or_else(|| self.base.map(|run| &run.state))
    }

    /// Takes the first decision in.
    pub(crate) fn begin(&mut self, decision: Decision) -> Result<(), TurnError> {
        for event in decision.events {
            let state = evolve(self.changed.take(), &event);
            self.changed = Some(state.map_err(|error| TurnError::Broken(error.to_string()))?);
            self.events.push(event);
        }
        self.effects.extend(decision.effects);
        Ok(())
    }

    /// Runs the effects of local steps until none is left. `starting`: anything but a success
    /// refuses the start.
    pub(crate) async fn settle_local(&mut self, starting: bool) -> Result<(), TurnError> {
        if !self.effects.iter().any(|effect| self.is_local(effect)) {
            return Ok(());
        }
        let mut waiting: VecDeque<Effect> = std::mem::take(&mut self.effects).into();
        while let Some(effect) = waiting.pop_front() {
            let Effect::Invoke { step, direction, attempt } = effect else {
                self.effects.push(effect);
                continue;
            };
            let code = self.registered.code.get(step.0 as usize);
            let Some(code) = code.filter(|code| code.local()) else {
                self.effects.push(effect);
                continue;
            };
            let before = self.stage.clone();
            let staged = std::mem::take(&mut self.stage);
            let Some(state) = self.state() else {
                return Err(TurnError::Broken("a local step before the saga's start".to_owned()));
            };
            let (id, registered) = (self.id, self.registered);
            let input = self.given.unwrap_or(&state.input);
            let at = invoke::At { core: self.core, id, registered, input };
            let call = at.call(state, self.correlation_id, self.epoch, (step, direction, attempt));
            let (outcome, staged) = match self.held_up.clone() {
                Some(outcome) => (outcome, before.clone()),
                None => invoke::local(code.clone(), call, state, step, staged).await,
            };
            if starting {
                self.refuse_start(step.0 as usize, &outcome)?;
            }
            let stimulus = Stimulus::Returned { step, direction, attempt, outcome };
            if !self.input(stimulus, staged)? {
                self.stage = before;
            }
            waiting.extend(std::mem::take(&mut self.effects));
        }
        Ok(())
    }

    fn is_local(&self, effect: &Effect) -> bool {
        let Effect::Invoke { step, .. } = effect else { return false };
        self.registered.code.get(step.0 as usize).is_some_and(|code| code.local())
    }

    /// A saga starts with its first local steps done, or not at all.
    fn refuse_start(&self, step: usize, outcome: &Outcome) -> Result<(), TurnError> {
        let step = self.step_name(step);
        match outcome {
            Outcome::Succeeded(_) => Ok(()),
            Outcome::Rejected { code, reason } => {
                let (code, reason) = (code.clone(), reason.clone());
                Err(TurnError::StartRejected { step, code, reason })
            }
            Outcome::Unknown { cause, .. } => {
                Err(TurnError::StartUnknown { step, cause: cause.clone() })
            }
        }
    }

    /// Makes it durable. Nothing to append: nothing changed.
    pub(crate) async fn append(mut self) -> Result<(Option<SagaRun>, Vec<Effect>), TurnError> {
        if self.events.is_empty() {
            return Ok((None, self.effects));
        }
        self.change_membership();
        let effects = std::mem::take(&mut self.effects);
        let (request, last_event) = self.request()?;
        let (core, appended) = (self.core, self.events.len() as u64);
        let state =
            self.changed.ok_or_else(|| TurnError::Broken("no state to append".to_owned()))?;
        let version = self.base.map_or(0, |run| run.version.0) + appended;
        let run = SagaRun {
            id: self.id,
            stream: self.stream,
            registered: self.registered.clone(),
            correlation_id: self.correlation_id.clone(),
            state,
            version: StreamVersion(version),
            last_event,
        };
        append_certainly(&core.backend, &core.metrics, request).await.map_err(
            |error| match error {
                Refused::Append(error) => TurnError::Append(error),
                Refused::StoreLost(error) => TurnError::StoreLost(error),
            },
        )?;
        Ok((Some(run), effects))
    }

    fn step_name(&self, step: usize) -> Arc<str> {
        self.registered.definition.steps().get(step).map_or_else(|| "?".into(), |s| s.name.clone())
    }

    /// The saga's claim on somebody's attention follows its state, in the same append.
    fn change_membership(&mut self) {
        let definition = &self.registered.definition;
        let before = self.base.and_then(|run| membership(definition, &run.state));
        let after = self.state().and_then(|state| membership(definition, state));
        if before == after {
            return;
        }
        let (shard, owner) = (self.core.shard(self.id), self.stream.clone());
        let claim = |membership| match membership {
            Membership::Live => keys::live_claim(shard, self.id),
            Membership::Parked => keys::parked_claim(shard, self.id),
        };
        if let Some(membership) = before.filter(|_| !planted("claim-not-released")) {
            self.claims
                .push(ClaimChange::Release { claim: claim(membership), owner: owner.clone() });
        }
        if let Some(membership) = after {
            self.claims.push(ClaimChange::Take { claim: claim(membership), owner });
        }
    }

    /// The append, and the id of the saga's last event in it. Each of the saga's events is caused by the
    /// one before it; what steps staged is caused by the first of them.
    fn request(&mut self) -> Result<(AppendRequest, EventId), TurnError> {
        let core = self.core;
        let mut cause = self.base.map(|run| run.last_event);
        let payloads =
            codec::payloads(&self.events).map_err(|error| TurnError::Broken(error.to_string()))?;
        let mut events = Vec::with_capacity(self.events.len());
        for (event, payload) in self.events.iter().zip(payloads) {
            let event = self.new_event(event, payload, cause)?;
            cause = Some(event.id);
            events.push(event);
        }
        let first = match planted("staged-behind-the-event-before") {
            true => self.base.map(|run| run.last_event),
            false => events.first().map(|event| event.id),
        };
        let expected = match self.base {
            None => ExpectedVersion::NoStream,
            Some(_) if planted("saga-written-at-any-version") => ExpectedVersion::StreamExists,
            Some(run) => ExpectedVersion::Exact(run.version),
        };
        let stream = self.stream.clone();
        let mut writes = vec![StreamWrite { stream, expected, events }];
        let (staged, claims) = std::mem::take(&mut self.stage).into_writes(|event| NewEvent {
            id: core.event_id(),
            event_type: event.event_type,
            schema_version: event.schema_version,
            correlation_id: self.correlation_id.clone(),
            causation_id: first,
            payload: event.payload,
        });
        writes.extend(staged);
        let mut all_claims = std::mem::take(&mut self.claims);
        all_claims.extend(claims);
        let request = AppendRequest {
            append_id: AppendId(core.uuid()),
            node_id: core.node_id.clone(),
            fence: Some(Fence { shard: core.shard(self.id), epoch: Epoch(self.epoch) }),
            writes,
            claims: all_claims,
        };
        let last = cause.ok_or_else(|| TurnError::Broken("an append without events".to_owned()))?;
        Ok((request, last))
    }

    fn new_event(
        &self,
        event: &SagaEvent,
        payload: Bytes,
        cause: Option<EventId>,
    ) -> Result<NewEvent, TurnError> {
        let event_type = self.registered.event_types.of(event);
        Ok(NewEvent {
            id: self.core.event_id(),
            event_type: event_type.map_err(|error| TurnError::Broken(error.to_string()))?,
            schema_version: 1,
            correlation_id: self.correlation_id.clone(),
            causation_id: cause.filter(|_| !planted("events-without-cause")),
            payload,
        })
    }
}

/// A saga at its end holds no claim. A parked one that owes nothing to anybody waits for an operator;
/// all others must be worked on.
fn membership(definition: &crate::saga::Definition, state: &SagaState) -> Option<Membership> {
    if state.has_ended() {
        return None;
    }
    let owes_nothing =
        planted("parked-whatever-it-owes") || pending_effects(definition, state).is_empty();
    let idle = state.parked.is_some() && owes_nothing;
    Some(if idle { Membership::Parked } else { Membership::Live })
}

/// The step to which this is an answer: an unknown outcome may be a lost one.
fn answered(stimulus: &Stimulus) -> Option<StepIndex> {
    match stimulus {
        Stimulus::Returned { outcome: Outcome::Unknown { .. }, .. } => None,
        Stimulus::Returned { step, .. }
        | Stimulus::Probed { step, answer: Probe::Happened(_), .. } => Some(*step),
        Stimulus::Probed { .. }
        | Stimulus::TimerFired(_)
        | Stimulus::Cancel { .. }
        | Stimulus::Operate { .. }
        | Stimulus::Poisoned { .. } => None,
    }
}

/// Whether the answer is the last about the step: what was staged belongs to that one. After a no that is
/// asked again it would be staged again.
fn settles(events: &[SagaEvent], answered: StepIndex) -> bool {
    events.iter().any(|event| match event {
        SagaEvent::StepSucceeded { step, .. }
        | SagaEvent::StepRejected { step, .. }
        | SagaEvent::CompensationSucceeded { step, .. }
        | SagaEvent::RevocationRejected { step, .. } => *step == answered,
        _ => false,
    })
}
