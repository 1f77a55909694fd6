//! Aggregates as a user of a node sees them: load, decide, append with the expected version.

use std::sync::Arc;

use sagaline_storage::{
    AppendError, AppendId, AppendRequest, Backend, Claim, CorrelationId, EventId, NewEvent,
    StreamId,
};

use crate::codec::CodecError;
use crate::domain::Aggregate;

use super::append::{Refused, append_certainly};
use super::core::Core;
use super::keys;
use super::stage::{self, LoadError, Loaded, Stage, StageError};

/// The aggregates of a node. Cheap to clone.
pub struct Aggregates<B: Backend> {
    pub(crate) core: Arc<Core<B>>,
}

impl<B: Backend> Clone for Aggregates<B> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone() }
    }
}

/// What stands behind a command.
#[derive(Debug, Clone)]
pub struct CommandMetadata {
    /// The request that it belongs to.
    pub correlation_id: CorrelationId,
    /// The event that led to it; none for what comes from outside.
    pub causation_id: Option<EventId>,
}

impl CommandMetadata {
    /// Of a request; nothing of the log led to it.
    pub fn of_request(correlation_id: CorrelationId) -> Self {
        Self { correlation_id, causation_id: None }
    }
}

/// Why a command changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<R> {
    /// The aggregate says no.
    #[error("{0}")]
    Refused(R),
    /// Something of which there is one is taken.
    #[error("{claim} is held by {owner}")]
    ClaimTaken {
        /// What was wanted.
        claim: Claim,
        /// The stream that has it.
        owner: StreamId,
    },
    /// Other writers were first, as often as it was tried.
    #[error("other writers were first {tries} times")]
    Conflict {
        /// How often it was decided.
        tries: u32,
    },
    /// The request breaks a limit.
    #[error("{0}")]
    Invalid(String),
    /// An event could not be read or written.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The store does not serve. Whether the command was carried out is not known when it says so.
    #[error("{0}")]
    Unavailable(String),
}

impl<B: Backend> Aggregates<B> {
    /// The aggregate, folded from the log; the default state and version `NONE` when it does not exist.
    pub async fn load<A: Aggregate>(&self, id: &str) -> Result<Loaded<A>, LoadError> {
        stage::load(&*self.core.streams, &keys::aggregate_stream::<A>(id)?).await
    }

    /// Loads, decides, appends with the expected version; the loser of a race decides again, a bounded
    /// number of times. After `Ok` what it decided is durable; the state is the one afterwards.
    pub async fn execute<A: Aggregate>(
        &self,
        id: &str,
        command: A::Command,
        metadata: &CommandMetadata,
    ) -> Result<A, ExecuteError<A::Refusal>>
    where
        A::Command: Clone,
    {
        let tries = self.core.settings.conflict_retries + 1;
        for _ in 0..tries {
            let (stage, state) = self.decide::<A>(id, command.clone()).await?;
            match self.append(stage, metadata).await {
                Ok(()) => return Ok(state),
                Err(Refused::Append(AppendError::WrongExpectedVersion { .. })) => {
                    self.core.metrics.append_conflicts.add(1);
                }
                Err(error) => return Err(self.failure(error)),
            }
        }
        Err(ExecuteError::Conflict { tries })
    }

    /// Loads and decides: what is to be appended, and the state afterwards.
    pub(super) async fn decide<A: Aggregate>(
        &self,
        id: &str,
        command: A::Command,
    ) -> Result<(Stage, A), ExecuteError<A::Refusal>> {
        let stream = keys::aggregate_stream::<A>(id)
            .map_err(|error| ExecuteError::Invalid(error.to_string()))?;
        let streams = &*self.core.streams;
        let (stage, decided) = Stage::default().execute::<A>(streams, &stream, command).await;
        Ok((stage, decided.map_err(refusal)?.state))
    }

    /// Makes durable what was staged. Nothing staged: nothing is appended.
    pub(super) async fn append(
        &self,
        stage: Stage,
        metadata: &CommandMetadata,
    ) -> Result<(), Refused> {
        let Some(request) = self.request(stage, metadata) else { return Ok(()) };
        let core = &self.core;
        append_certainly(&core.backend, &core.metrics, request).await.map(drop)
    }

    /// The append of what was staged; none when nothing was.
    fn request(&self, stage: Stage, metadata: &CommandMetadata) -> Option<AppendRequest> {
        let core = &self.core;
        let (writes, claims) = stage.into_writes(|event| NewEvent {
            id: core.event_id(),
            event_type: event.event_type,
            schema_version: event.schema_version,
            correlation_id: metadata.correlation_id.clone(),
            causation_id: metadata.causation_id,
            payload: event.payload,
        });
        if writes.iter().all(|write| write.events.is_empty()) && claims.is_empty() {
            return None;
        }
        let append_id = AppendId(core.uuid());
        Some(AppendRequest {
            append_id,
            node_id: core.node_id.clone(),
            fence: None,
            writes,
            claims,
        })
    }

    /// What a caller is told of an append that was refused.
    pub(super) fn failure<R>(&self, error: Refused) -> ExecuteError<R> {
        match error {
            Refused::StoreLost(error) => {
                self.core.lose_store(&error);
                ExecuteError::Unavailable(error.to_string())
            }
            Refused::Append(AppendError::ClaimTaken { claim, owner }) => {
                ExecuteError::ClaimTaken { claim, owner }
            }
            Refused::Append(AppendError::Invalid(problem)) => ExecuteError::Invalid(problem),
            Refused::Append(error) => ExecuteError::Unavailable(error.to_string()),
        }
    }
}

impl<R> From<LoadError> for ExecuteError<R> {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Storage(error) => Self::Unavailable(error.to_string()),
            LoadError::Codec(error) => Self::Codec(error),
        }
    }
}

fn refusal<R>(error: StageError<R>) -> ExecuteError<R> {
    match error {
        StageError::Refused(refusal) => ExecuteError::Refused(refusal),
        StageError::Storage(error) => ExecuteError::Unavailable(error.to_string()),
        StageError::Codec(error) => ExecuteError::Codec(error),
    }
}
