//! Starting a saga: once for an idempotency key, durable before anybody is told, and in the task that then
//! works on it.
//!
//! Between a start that is durable and the end of the saga there is nothing to do for who wants the end:
//! waking it in between, to have it ask the saga's task for the end, would be two hand-overs for nothing. So
//! whoever waits for both waits once, by [`Starting`].

use std::sync::Arc;

use bytes::Bytes;
use sagaline_storage::{
    AppendError, Backend, Claim, ClaimChange, CorrelationId, EventStore, StreamId,
};
use serde::Serialize;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::canary::planted;
use crate::saga::{Json, SagaState, begin};

use super::actor::{self, Actor};
use super::core::Core;
use super::definition::{Definition, Registered};
use super::directory::EntryId;
use super::keys;
use super::sagas::Sagas;
use super::stage::{LoadError, Stage};
use super::start::{StartError, StartRequest, Started};
use super::turn::{Turn, TurnError};

/// A saga that is being started. It goes on when this is dropped.
#[derive(Debug)]
pub struct Starting {
    started: oneshot::Receiver<Result<Started, StartError>>,
    ended: oneshot::Receiver<SagaState>,
}

impl Starting {
    /// Returns when the saga has ended, or is parked or paused with nothing under way. None: it was not
    /// started by this call, or this node does not work on it any more. Asked once.
    pub async fn ended(&mut self) -> Option<SagaState> {
        (&mut self.ended).await.ok()
    }

    /// Returns when the start is durable, or refused.
    pub async fn started(self) -> Result<Started, StartError> {
        let broken = |_| StartError::Unavailable("starting it broke off".to_owned());
        self.started.await.map_err(broken)?
    }
}

/// Longest idempotency key, in bytes: it stands in a claim beside the saga's type.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;

impl<B: Backend> Sagas<B> {
    /// Starts a saga of a definition that this node has; one that was built again the same is the same,
    /// since their hashes are. After `Ok` it is durable, and this node works on it.
    pub async fn start<T: Serialize>(
        &self,
        definition: &Definition<T>,
        request: impl Into<StartRequest>,
        input: &T,
    ) -> Result<Started, StartError> {
        let request = request.into();
        let registered = definition.registered.clone();
        let input = Json::of(input).map_err(|error| StartError::BadInput {
            saga_type: registered.definition.name().to_string(),
            problem: error.to_string(),
        })?;
        self.start_registered(registered, request, input).await
    }

    /// Starts a saga of any type this node knows, by name and JSON input.
    pub async fn start_named(
        &self,
        saga_type: &str,
        request: StartRequest,
        input: Json,
    ) -> Result<Started, StartError> {
        let registered = self.named(saga_type, &input)?;
        self.start_registered(registered, request, input).await
    }

    /// Starts a saga of any type this node knows, by name and JSON input, for somebody who wants to know its
    /// end too. Refuses at once what cannot be started by its name or input alone.
    pub fn begin_named(
        &self,
        saga_type: &str,
        request: StartRequest,
        input: Json,
    ) -> Result<Starting, StartError> {
        let (told, ended) = oneshot::channel();
        let registered = self.named(saga_type, &input)?;
        let started = self.begin_registered(registered, request, input, Some(told));
        Ok(Starting { started, ended })
    }

    /// The definition for new sagas of a type, if it takes this input.
    fn named(&self, saga_type: &str, input: &Json) -> Result<Arc<Registered>, StartError> {
        let definitions = &self.core.definitions;
        let registered =
            definitions.named(saga_type).cloned().ok_or_else(|| StartError::UnknownType {
                saga_type: saga_type.chars().take(64).collect(),
                known: definitions.names().join(", "),
            })?;
        (registered.check_input)(input)
            .map_err(|problem| StartError::BadInput { saga_type: saga_type.to_owned(), problem })?;
        Ok(registered)
    }

    async fn start_registered(
        &self,
        registered: Arc<Registered>,
        request: StartRequest,
        input: Json,
    ) -> Result<Started, StartError> {
        let started = self.begin_registered(registered, request, input, None);
        let broken = |_| StartError::Unavailable("starting it broke off".to_owned());
        started.await.map_err(broken)?
    }

    /// In the task that will work on the saga: when the caller goes away in the middle, the saga that may
    /// already be durable still gets somebody who works on it. `waiter` is told as [`Self::wait`] tells.
    fn begin_registered(
        &self,
        registered: Arc<Registered>,
        request: StartRequest,
        input: Json,
        waiter: Option<oneshot::Sender<SagaState>>,
    ) -> oneshot::Receiver<Result<Started, StartError>> {
        let (sagas, task) = (self.clone(), self.core.tasks.begin());
        let (reply, started) = oneshot::channel();
        // A saga's future is big: on the heap it is not copied from one owner to the next.
        tokio::spawn(Box::pin(async move {
            let (answer, actor) = match sagas.start_in_task(registered, request, input).await {
                Ok((started, actor)) => (Ok(started), actor),
                Err(error) => (Err(error), None),
            };
            // Whoever asked may have gone away; the log has the answer.
            drop(reply.send(answer));
            drop(sagas);
            if let Some(actor) = actor {
                actor.with(waiter).work().await;
            }
            drop(task);
        }));
        started
    }

    async fn start_in_task(
        &self,
        registered: Arc<Registered>,
        request: StartRequest,
        input: Json,
    ) -> Result<(Started, Option<Actor<B>>), StartError> {
        let core = &self.core;
        self.check_admission(&request)?;
        let correlation_id = match request.correlation_id {
            Some(id) => id,
            None => CorrelationId::new(core.uuid().to_string())
                .map_err(|error| StartError::BadRequest(error.to_string()))?,
        };
        let name = registered.definition.name().clone();
        let key = request.idempotency_key.map(|key| keys::start_claim(&name, &key));
        let sealed = self.sealed(&registered, &input).await?;
        if core.definitions.hashed(registered.definition.hash()).is_none() {
            let replayed = self.started_before(&key, &[&sealed, &input]).await?;
            return replayed.map(|it| (it, None)).ok_or_else(|| unknown_definition(&registered));
        }
        let mut tries_left = core.settings.conflict_retries;
        loop {
            let id = core.draw_saga_id().ok_or_else(|| {
                StartError::Unavailable("this node owns no shard at the moment".to_owned())
            })?;
            let attempt =
                self.try_start(id, &registered, &correlation_id, &key, (&input, &sealed)).await;
            match attempt {
                Ok(Some((state, actor))) => {
                    core.metrics.sagas_started.add(1);
                    let started = Started { id, correlation_id, replayed: false, state };
                    return Ok((started, Some(actor)));
                }
                Ok(None) if tries_left > 0 => tries_left -= 1,
                Ok(None) => {
                    let lost = "this node loses its shards at the moment".to_owned();
                    return Err(StartError::Unavailable(lost));
                }
                Err(TurnError::Append(AppendError::ClaimTaken { claim, owner }))
                    if Some(&claim) == key.as_ref() =>
                {
                    return Ok((self.replay(&owner, &[&sealed, &input]).await?, None));
                }
                Err(TurnError::Append(AppendError::WrongExpectedVersion { .. }))
                    if tries_left > 0 =>
                {
                    tries_left -= 1;
                    core.metrics.append_conflicts.add(1);
                }
                Err(TurnError::Append(error @ AppendError::Fenced { .. })) if tries_left > 0 => {
                    tries_left -= 1;
                    core.heed(&error);
                }
                // What an earlier start with the key did may be why this one is refused.
                Err(
                    error @ (TurnError::StartRejected { .. }
                    | TurnError::StartUnknown { .. }
                    | TurnError::Append(AppendError::ClaimTaken { .. })),
                ) => {
                    let replayed = self.started_before(&key, &[&sealed, &input]).await?;
                    return replayed.map_or_else(|| Err(self.refusal(error)), |it| Ok((it, None)));
                }
                Err(error) => return Err(self.refusal(error)),
            }
        }
    }

    /// The saga that was started with the key, if there is one.
    async fn started_before(
        &self,
        key: &Option<Claim>,
        same: &[&Json],
    ) -> Result<Option<Started>, StartError> {
        let Some(key) = key else { return Ok(None) };
        let holder = self.core.backend.events().claim_holder(key).await;
        match holder.map_err(|error| StartError::Unavailable(error.to_string()))? {
            Some(holder) => self.replay(&holder.owner, same).await.map(Some),
            None => Ok(None),
        }
    }

    fn check_admission(&self, request: &StartRequest) -> Result<(), StartError> {
        let core = &self.core;
        if let Some(key) = &request.idempotency_key {
            let visible = |c: char| !c.is_control();
            if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX || !key.chars().all(visible)
            {
                return Err(StartError::BadRequest(format!(
                    "idempotency key of {} bytes: wants 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes \
                     without control characters",
                    key.len()
                )));
            }
        }
        if core.is_draining() || core.has_lost_store() {
            return Err(StartError::Unavailable("this node takes no new sagas".to_owned()));
        }
        let live = core.directory.len();
        if live >= core.settings.sagas_live_max {
            return Err(StartError::Overloaded { live });
        }
        Ok(())
    }

    /// None: the shard was lost before anything was appended.
    async fn try_start(
        &self,
        id: Uuid,
        registered: &Arc<Registered>,
        correlation_id: &CorrelationId,
        key: &Option<Claim>,
        (given, sealed): (&Json, &Json),
    ) -> Result<Option<(SagaState, Actor<B>)>, TurnError> {
        let core = &self.core;
        let epoch = core.epoch(core.shard(id)).unwrap_or_default();
        let owner = keys::saga_stream(id);
        let take = |claim: &Claim| ClaimChange::Take { claim: claim.clone(), owner: owner.clone() };
        let mut turn = Turn {
            core,
            id,
            stream: owner.clone(),
            registered,
            correlation_id,
            base: None,
            given: Some(given),
            epoch,
            events: Vec::new(),
            changed: None,
            stage: Stage::default(),
            effects: Vec::new(),
            claims: key.iter().map(take).collect(),
            held_up: None,
        };
        turn.begin(begin(&registered.definition, sealed.clone(), core.moment(epoch)))?;
        turn.settle_local(true).await?;
        let Some(mailbox) = core.directory.enter(id) else {
            return Err(TurnError::Broken("this node works on no sagas any more".to_owned()));
        };
        let done = planted("refused-start-kept-under-way");
        let entered = Entered { core, id, entry: mailbox.entry(), done };
        // What is entered behind a loss nobody dismisses: recovery would take it to be under way. Lost
        // from here on it is dismissed, found in the log by the next owner, and this task ends.
        if core.epoch(core.shard(id)) != Some(epoch) {
            return Ok(None);
        }
        let (run, effects) = turn.append().await?;
        let run = run.ok_or_else(|| TurnError::Broken("a start without events".to_owned()))?;
        let state = run.state.clone();
        entered.keep();
        actor::count_end(core, &state);
        Ok(Some((state, actor::begin(core.clone(), run, epoch, mailbox, effects))))
    }

    /// The input as the log has it.
    async fn sealed(&self, registered: &Registered, input: &Json) -> Result<Json, StartError> {
        let Some(personal) = &registered.personal else { return Ok(input.clone()) };
        let bad = |problem: String| StartError::BadInput {
            saga_type: registered.definition.name().to_string(),
            problem,
        };
        let plain = Bytes::copy_from_slice(input.as_str().as_bytes());
        let sealed = self.core.privacy.seal(plain, personal, None).await;
        let sealed = sealed.map_err(|error| match error {
            LoadError::Storage(error) => StartError::Unavailable(error.to_string()),
            LoadError::Codec(error) => bad(error.problem),
        })?;
        serde_json::from_slice(&sealed).map_err(|error| bad(error.to_string()))
    }

    /// The saga that an idempotency key belongs to, when it was started with the same input: sealed, or in
    /// clear as an earlier program stored it.
    async fn replay(&self, owner: &StreamId, same: &[&Json]) -> Result<Started, StartError> {
        let unavailable = |problem: String| StartError::Unavailable(problem);
        let id = keys::saga_of(owner)
            .ok_or_else(|| unavailable(format!("{owner} holds an idempotency key of sagas")))?;
        let history = self.history(id).await.map_err(|error| unavailable(error.to_string()))?;
        if !same.contains(&&history.state.input) && !planted("start-key-of-any-input") {
            return Err(StartError::KeyReused { saga: id });
        }
        self.core.metrics.starts_replayed.add(1);
        let (state, correlation_id) = (history.state, history.correlation_id);
        Ok(Started { id, correlation_id, replayed: true, state })
    }

    fn refusal(&self, error: TurnError) -> StartError {
        match error {
            TurnError::StartRejected { step, code, reason } => {
                StartError::Rejected { step, code, reason }
            }
            error @ TurnError::StartUnknown { .. } => StartError::Unavailable(error.to_string()),
            TurnError::Append(AppendError::ClaimTaken { claim, owner }) => {
                self.core.metrics.starts_refused_by_claim.add(1);
                StartError::ClaimTaken { claim, owner }
            }
            TurnError::Append(AppendError::Invalid(problem)) => StartError::BadRequest(problem),
            TurnError::StoreLost(error) => {
                self.core.lose_store(&error);
                StartError::Unavailable(error.to_string())
            }
            error @ (TurnError::Append(_) | TurnError::Refused(_) | TurnError::Broken(_)) => {
                tracing::error!(%error, "saga not started");
                StartError::Unavailable(error.to_string())
            }
        }
    }
}

fn unknown_definition(registered: &Registered) -> StartError {
    let definition = &registered.definition;
    StartError::UnknownDefinition {
        saga_type: definition.name().to_string(),
        hash: definition.hash().to_string(),
    }
}

/// A place in the directory that is given back unless the saga was started.
struct Entered<'a, B: Backend> {
    core: &'a Core<B>,
    id: Uuid,
    entry: EntryId,
    done: bool,
}

impl<B: Backend> Entered<'_, B> {
    fn keep(mut self) {
        self.done = true;
    }
}

impl<B: Backend> Drop for Entered<'_, B> {
    fn drop(&mut self) {
        if !self.done {
            self.core.directory.abandon(self.id, self.entry);
        }
    }
}
