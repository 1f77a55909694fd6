//! A saga in memory: its folded state and the place in its stream, as loaded or as just appended.

use std::sync::Arc;

use sagaline_storage::{
    Backend, CorrelationId, EventId, RecordedEvent, StorageError, StreamId, StreamVersion,
};
use uuid::Uuid;

use crate::codec::CodecError;
use crate::saga::{EvolveError, SagaEvent, SagaState, evolve};

use super::core::Core;
use super::definition::Registered;
use super::keys;

/// A saga as this node knows it. The fields belong together: `state` is the fold of the first
/// `version` events of `stream`, and `last_event` is the last of them.
#[derive(Clone)]
pub(crate) struct SagaRun {
    pub(crate) id: Uuid,
    pub(crate) stream: StreamId,
    pub(crate) registered: Arc<Registered>,
    pub(crate) correlation_id: CorrelationId,
    pub(crate) state: SagaState,
    pub(crate) version: StreamVersion,
    pub(crate) last_event: EventId,
}

/// Why a saga cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("there is no such saga")]
    NotFound,
    #[error(
        "it runs under definition {hash} of `{saga_type}`, which this node does not know: start a node \
         with that definition beside the new one, or one of the release that began it"
    )]
    UnknownDefinition { saga_type: Arc<str>, hash: Arc<str> },
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("its history cannot be read: {0}")]
    Codec(#[from] CodecError),
    #[error("its history contradicts itself: {0}")]
    Evolve(#[from] EvolveError),
}

/// A saga's history folded, without a definition: for the API and for recovery.
#[derive(Debug, Clone)]
pub struct SagaHistory {
    /// The state.
    pub state: SagaState,
    /// The version of its stream.
    pub version: StreamVersion,
    /// What ties it to its request.
    pub correlation_id: CorrelationId,
    /// Its last event.
    pub last_event: EventId,
}

/// Reads a saga's whole stream.
pub(crate) async fn history<B: Backend>(core: &Core<B>, id: Uuid) -> Result<SagaHistory, RunError> {
    const PAGE: usize = 512;
    let stream = keys::saga_stream(id);
    let mut state: Option<SagaState> = None;
    let mut last: Option<RecordedEvent> = None;
    loop {
        let from = last.as_ref().map_or(1, |event| event.version.0 + 1);
        let page = core.streams.read(&stream, StreamVersion(from), PAGE).await?;
        for event in &page {
            let saga_event: SagaEvent =
                crate::codec::decode(event.event_type.as_str(), &event.payload)?;
            state = Some(evolve(state, &saga_event)?);
        }
        let full = page.len() == PAGE;
        last = page.into_iter().next_back().or(last);
        if !full {
            break;
        }
    }
    match (state, last) {
        (Some(state), Some(last)) => Ok(SagaHistory {
            state,
            version: last.version,
            correlation_id: last.correlation_id,
            last_event: last.id,
        }),
        (_, _) => Err(RunError::NotFound),
    }
}

/// Loads a saga to work on it.
pub(crate) async fn load<B: Backend>(core: &Core<B>, id: Uuid) -> Result<SagaRun, RunError> {
    let history = history(core, id).await?;
    let state = history.state;
    let registered = core.definitions.hashed(&state.definition).cloned().ok_or_else(|| {
        RunError::UnknownDefinition {
            saga_type: state.saga_type.clone(),
            hash: state.definition.clone(),
        }
    })?;
    Ok(SagaRun {
        id,
        stream: keys::saga_stream(id),
        registered,
        correlation_id: history.correlation_id,
        state,
        version: history.version,
        last_event: history.last_event,
    })
}
