//! A saga on its way: whoever waits for its end waits once, and not for its start first.
//!
//! Between a start that is durable and the end of the saga there is nothing to do for who wants the end:
//! waking it in between, to have it ask the saga's task for the end, would be two hand-overs for nothing.

use sagaline_storage::Backend;
use tokio::sync::oneshot;

use crate::saga::{Json, SagaState};

use super::sagas::{Sagas, StartError, StartRequest, Started};

/// A saga that is being started. It goes on when this is dropped.
#[derive(Debug)]
pub struct Starting {
    pub(super) started: oneshot::Receiver<Result<Started, StartError>>,
    pub(super) ended: oneshot::Receiver<SagaState>,
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

impl<B: Backend> Sagas<B> {
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
}
