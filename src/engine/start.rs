//! What a start of a saga asks for, and what it comes to. What carries it out stands in `starting`.

use std::sync::Arc;

use sagaline_storage::{Claim, CorrelationId, StreamId};
use uuid::Uuid;

use crate::saga::SagaState;

/// A saga that was started, by this call or by an earlier one with the same key.
#[derive(Debug, Clone)]
pub struct Started {
    /// The saga.
    pub id: Uuid,
    /// Its correlation id.
    pub correlation_id: CorrelationId,
    /// An earlier start with the same idempotency key and input made it; nothing was done now.
    pub replayed: bool,
    /// Its state when it was started, or as it is now when replayed.
    pub state: SagaState,
}

/// What a start asks for. A text is a request with that idempotency key.
#[derive(Debug, Clone, Default)]
pub struct StartRequest {
    /// Unique per saga type: the same key and input again is the same saga. Scope it to the user by
    /// putting the user into it.
    pub idempotency_key: Option<String>,
    /// Ties the saga's events to the request; drawn when none is given.
    pub correlation_id: Option<CorrelationId>,
}

impl StartRequest {
    /// Under an idempotency key.
    pub fn keyed(key: impl Into<String>) -> Self {
        Self { idempotency_key: Some(key.into()), correlation_id: None }
    }

    /// Under the correlation id of the request that leads to it.
    #[must_use]
    pub fn correlated(mut self, id: CorrelationId) -> Self {
        self.correlation_id = Some(id);
        self
    }
}

impl From<&str> for StartRequest {
    fn from(key: &str) -> Self {
        Self::keyed(key)
    }
}

impl From<String> for StartRequest {
    fn from(key: String) -> Self {
        Self::keyed(key)
    }
}

/// Why a saga was not started. Nothing was stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StartError {
    /// No saga of this type is known to this node.
    #[error("saga type `{saga_type}` is not known here; {}", what_is_known(.known))]
    UnknownType {
        /// What was asked for.
        saga_type: String,
        /// What there is; empty when there is nothing.
        known: String,
    },
    /// This node does not have the definition: nobody would work on the saga once the node is started again.
    #[error(
        "this node does not have definition {hash} of saga type `{saga_type}`: put it in with \
         NodeBuilder::saga before the node starts"
    )]
    UnknownDefinition {
        /// The type.
        saga_type: String,
        /// The hash of the definition that was given.
        hash: String,
    },
    /// The input does not fit the saga's type.
    #[error("the input does not fit saga type `{saga_type}`: {problem}")]
    BadInput {
        /// The type.
        saga_type: String,
        /// Why.
        problem: String,
    },
    /// The idempotency key or correlation id breaks its rules.
    #[error("{0}")]
    BadRequest(String),
    /// The key was used before with another input.
    #[error("the idempotency key was used before with another input, by saga {saga}")]
    KeyReused {
        /// The saga that has the key.
        saga: Uuid,
    },
    /// Something of which there is one is taken: another order for the product, for instance.
    #[error("{claim} is held by {owner}")]
    ClaimTaken {
        /// What was wanted.
        claim: Claim,
        /// The stream that has it.
        owner: StreamId,
    },
    /// A local first step said no.
    #[error("step `{step}` was rejected with {code}: {reason}")]
    Rejected {
        /// The step.
        step: Arc<str>,
        /// The code.
        code: String,
        /// The words.
        reason: String,
    },
    /// As many sagas are under way as this node takes; try again later.
    #[error("{live} sagas are under way, which is the most this node takes")]
    Overloaded {
        /// How many.
        live: usize,
    },
    /// The node is draining, owns no shard, or its store does not serve.
    #[error("{0}")]
    Unavailable(String),
}

fn what_is_known(known: &str) -> String {
    match known {
        "" => "none is known: NodeBuilder::saga puts one in".to_owned(),
        known => format!("known are: {known}"),
    }
}
