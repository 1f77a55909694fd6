//! A node for commands on the store of a stopped one: it runs no sagas and serves nobody else. Called by the
//! commands that need more than the log.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use sagaline_storage::{Backend, Entropy};

use super::failure::{Exit, Failure};
use super::remote::Remote;
use crate::app::gateway::HttpGateway;
use crate::domain::EMAIL_CLAIM_KIND;
use crate::engine::http_client::{HttpClient, TcpConnect};
use crate::engine::{EngineSettings, Node, NodeBuilder, NodeError};
use crate::http::auth::PasswordSettings;
use crate::http::ready::Ready;
use crate::http::{self, Error};
use crate::projections;
use crate::settings::{Secret, Settings};

/// Between two looks whether a view is up to date.
const VIEW_WAIT: Duration = Duration::from_secs(1);

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

/// The reference application's node at rest, and the way to it: it answers as a running one does, with all
/// rights, and leaves what is to be done in the world to the next start. Let go of the way, then drain it.
pub async fn node_at_rest<B: Backend>(
    backend: B,
    settings: &Settings,
) -> Result<(Node<B>, Remote), Failure> {
    let master_key = super::serve::master_key(settings, backend.entropy())?;
    let mut secret = [0; 32];
    backend.entropy().fill(&mut secret);
    // Never asked: no step is taken here.
    let client = HttpClient::new(Arc::new(TcpConnect));
    let gateway = HttpGateway::new(client, "http://gateway");
    let ready = Ready {
        backend,
        gateway: gateway.map_err(|error| Failure::new(Exit::Failed, error))?,
        settings: settings.clone(),
        passwords: PasswordSettings::default(),
        signing_secret: Secret::new(blake3::Hash::from_bytes(secret).to_hex().as_str()),
        master_key,
        ledger: None,
        store_measures: Arc::new(|_: &mut Registry| {}),
    };
    let app = ready.start_with(|builder| Ok(builder.at_rest())).await?;
    let token = app.operator_token();
    let token = token.map_err(|error| Failure::new(Exit::Failed, error.for_operator()))?;
    let node = app.node().clone();
    // A list is to have what the log has, however far behind the view was left.
    if let Some(sagas) = node.views::<projections::Sagas>() {
        while !sagas.up_to_date(VIEW_WAIT).await? {}
    }
    Ok((node, Remote::at_rest(http::router(app), token, &settings.http)))
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
