//! The sagas of a node as its users see them: this looks at them. Starting one stands in `starting`, and
//! what else is wanted of one in `asks`.

use std::sync::Arc;

use sagaline_storage::{Backend, EventStore};
use uuid::Uuid;

use super::core::Core;
use super::directory::RequestError;
use super::keys;
use super::run::{self, RunError, SagaHistory};

/// The sagas of a node. Cheap to clone.
pub struct Sagas<B: Backend> {
    pub(crate) core: Arc<Core<B>>,
}

impl<B: Backend> Clone for Sagas<B> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone() }
    }
}

impl<B: Backend> Sagas<B> {
    /// A saga's state, folded from the log: always up to date.
    pub async fn history(&self, id: Uuid) -> Result<SagaHistory, RequestError> {
        run::history(&self.core, id).await.map_err(|error| match error {
            RunError::NotFound => RequestError::NotFound,
            RunError::Storage(error) => RequestError::Unavailable(error.to_string()),
            error => RequestError::Unworkable(error.to_string()),
        })
    }

    /// The saga of a type that was started under an idempotency key, if there is one.
    pub async fn started_under(
        &self,
        saga_type: &str,
        key: &str,
    ) -> Result<Option<Uuid>, RequestError> {
        let claim = keys::start_claim(saga_type, key);
        let holder = self.core.backend.events().claim_holder(&claim).await;
        let holder = holder.map_err(|error| RequestError::Unavailable(error.to_string()))?;
        Ok(holder.and_then(|holder| keys::saga_of(&holder.owner)))
    }

    /// How many sagas are under way on this node.
    pub fn live(&self) -> usize {
        self.core.directory.len()
    }

    /// Sagas that wait for an operator, up to `limit`, in the order of their shard and id.
    pub async fn parked(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Uuid>, RequestError> {
        let claims = self.core.backend.events().claims(keys::PARKED_CLAIM, after, limit).await;
        let claims = claims.map_err(|error| RequestError::Unavailable(error.to_string()))?;
        Ok(claims.iter().filter_map(|holder| keys::saga_of(&holder.owner)).collect())
    }
}
