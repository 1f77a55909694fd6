//! What a person wants of a saga that runs: to wait for its end, to cancel it, to operate it. Decided by
//! the saga's own task where this node has it, else on the log: see [`elsewhere`].

use std::time::Duration;

use sagaline_storage::{Backend, Clock};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::saga::{SagaState, Stimulus, Verb};

use super::directory::{Message, RequestError, Undone};
use super::ownership::elsewhere;
use super::run::RunError;
use super::sagas::Sagas;
use super::taken_up;

impl<B: Backend> Sagas<B> {
    /// Returns when the saga has ended, or is parked or paused with nothing under way, whichever node
    /// works on it. An error when nobody does, and when this node stops.
    pub async fn wait(&self, id: Uuid) -> Result<SagaState, RequestError> {
        let (reply, answer) = oneshot::channel();
        if self.core.directory.send(id, Message::Wait { reply }).is_ok() {
            tokio::select! {
                biased;
                state = answer => if let Ok(state) = state { return Ok(state) },
                () = self.core.stopped() => {}
            }
        }
        if self.core.backend.shared() {
            return elsewhere::wait(&self.core, id).await;
        }
        let state = self.history(id).await?.state;
        if state.has_ended() || state.parked.is_some() || state.paused {
            return Ok(state);
        }
        if self.core.definitions.hashed(&state.definition).is_none() {
            let (saga_type, hash) = (state.saga_type, state.definition);
            let error = RunError::UnknownDefinition { saga_type, hash };
            return Err(RequestError::Unworkable(error.to_string()));
        }
        Err(RequestError::Unavailable("nobody works on the saga at the moment".to_owned()))
    }

    /// The same for `limit` at most; none: it has not come to rest by then.
    pub async fn wait_at_most(
        &self,
        id: Uuid,
        limit: Duration,
    ) -> Result<Option<SagaState>, RequestError> {
        tokio::select! {
            biased;
            state = self.wait(id) => state.map(Some),
            () = self.core.backend.clock().sleep(limit) => Ok(None),
        }
    }

    /// Wants the saga undone. After `Ok` that is durable; where the pivot is in doubt it is settled first.
    pub async fn cancel(&self, id: Uuid, reason: &str, actor: &str) -> Result<(), RequestError> {
        let (reason, actor) = (reason.to_owned(), actor.to_owned());
        self.request(id, Stimulus::Cancel { reason, actor }).await
    }

    /// An operator's verb. After `Ok` it is durable.
    pub async fn operate(
        &self,
        id: Uuid,
        verb: Verb,
        reason: &str,
        actor: &str,
    ) -> Result<(), RequestError> {
        let (reason, actor) = (reason.to_owned(), actor.to_owned());
        self.request(id, Stimulus::Operate { verb, reason, actor }).await
    }

    async fn request(&self, id: Uuid, stimulus: Stimulus) -> Result<(), RequestError> {
        let core = &self.core;
        if core.has_lost_store() {
            return Err(RequestError::Unavailable("the store does not serve".to_owned()));
        }
        let is_elsewhere = core.backend.shared() && !core.ownership.owns(core.shard(id));
        if is_elsewhere || core.at_rest {
            return elsewhere::request(core, id, stimulus).await;
        }
        match self.ask_task(id, stimulus.clone()).await {
            Ok(()) => Ok(()),
            Err(Undone::Because(error)) => Err(error),
            Err(Undone::Elsewhere) if core.backend.shared() => {
                elsewhere::request(core, id, stimulus).await
            }
            Err(Undone::Elsewhere) => Err(RequestError::Unavailable(
                "another process works on this node's sagas".to_owned(),
            )),
        }
    }

    /// Lets the saga's own task decide, which is begun when there is none.
    async fn ask_task(&self, id: Uuid, stimulus: Stimulus) -> Result<(), Undone> {
        let core = &self.core;
        let (reply, answer) = oneshot::channel();
        let request = Message::Request { stimulus: Box::new(stimulus), reply };
        if let Some(mailbox) = core.directory.send_or_enter(id, request) {
            taken_up::spawn_from_log(core.clone(), id, mailbox, None);
        }
        let gone = || RequestError::Unavailable("the node stopped working on the saga".to_owned());
        answer.await.unwrap_or_else(|_| Err(Undone::Because(gone())))
    }
}
