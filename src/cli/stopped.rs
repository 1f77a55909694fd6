//! A node for commands on the store of a stopped one: it runs no sagas and serves nobody. Called by the
//! commands that need more than the log.

use sagaline_storage::Backend;

use super::failure::{Exit, Failure};
use crate::domain::EMAIL_CLAIM_KIND;
use crate::engine::{EngineSettings, Node, NodeBuilder, NodeError};
use crate::http::{self, Error};
use crate::projections;
use crate::settings::Settings;

/// A node without sagas: it takes none of them up. Drain it at the end.
pub async fn node<B: Backend>(backend: B, settings: &Settings) -> Result<Node<B>, Failure> {
    started(builder(backend, settings)?).await
}

/// The same, which keeps the reference application's read models.
pub async fn node_with_views<B: Backend>(
    backend: B,
    settings: &Settings,
) -> Result<Node<B>, Failure> {
    let builder = builder(backend, settings)?
        .projection(projections::Orders)
        .projection(projections::Payments)
        .projection(projections::Sagas);
    started(builder).await
}

/// Refuses the reason that a running node would refuse.
pub(super) fn check_reason(reason: &str) -> Result<(), Failure> {
    http::check_reason(reason).map_err(|error| match error {
        Error::Invalid(wrong) => {
            let each: Vec<&str> = wrong.iter().map(|wrong| &*wrong.message).collect();
            Failure::new(Exit::Usage, format!("--reason: {}", each.join("; ")))
        }
        error => Failure::new(Exit::Usage, error.for_operator()),
    })
}

fn builder<B: Backend>(backend: B, settings: &Settings) -> Result<NodeBuilder<B>, Failure> {
    let master_key = super::serve::master_key(settings, backend.entropy())?;
    let node_id = settings.node.node_id.clone();
    let shards = settings.engine.shards;
    // Nobody reads what is replaced.
    let engine =
        EngineSettings { node_id, shards, retired_view_ms: 0, ..EngineSettings::default() };
    Ok(NodeBuilder::new(backend).settings(engine).master_key(master_key))
}

async fn started<B: Backend>(builder: NodeBuilder<B>) -> Result<Node<B>, Failure> {
    let node = builder.start().await?;
    node.hash_claims(EMAIL_CLAIM_KIND).await.map_err(NodeError::Personal)?;
    Ok(node)
}
