//! The node under test: an embedded node whose one saga is the standard one, behind the shortest HTTP.
//!
//! Everything below HTTP is the product: the log on RocksDB with its default settings, engine, views,
//! outbox. The saga is written against the surface that users have ([`saga`]); the store's `Kv` is
//! wrapped to count what is synced. `POST /sagas` is what the twin serves too; `GET /stats` tells counts.

mod saga;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Args;
use sagaline::engine::{Node, NodeBuilder, StartRequest};
use sagaline_storage::backend::Parts;
use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::memory::{LocalBus, LocalLocks};
use sagaline_storage::rocksdb::{RocksKv, RocksSettings};
use sagaline_storage::view_store::{ViewSettings, Views};
use sagaline_storage::{Backend, Log, LogSettings};
use serde::Deserialize;
use serde_json::json;

use crate::counting::{CountingKv, Counts};
use crate::failure::{Context, Failure};
use crate::serve;

type Kv = CountingKv<RocksKv>;
type Embedded = Parts<
    Log<Kv, SystemClock>,
    Views<Kv>,
    LocalLocks<SystemClock>,
    LocalBus,
    SystemClock,
    SystemEntropy,
>;

/// How to run it.
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// The data folder.
    #[arg(long)]
    data_dir: PathBuf,
    /// The participant.
    #[arg(long)]
    participant: SocketAddr,
    /// End when standard input ends.
    #[arg(long)]
    with_parent: bool,
}

struct Served {
    node: Node<Embedded>,
    counts: Arc<Counts>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartSaga {
    saga_type: String,
    data: sagaline::saga::Json,
}

/// Serves until the process ends.
pub(crate) async fn run(args: NodeArgs) -> Result<(), Failure> {
    if args.with_parent {
        serve::exit_with_parent();
    }
    let (backend, counts) = embedded(&args.data_dir).await?;
    let definition = saga::standard(args.participant)?;
    let node = NodeBuilder::new(backend).saga(&definition).start().await;
    let served = Arc::new(Served { node: node.context("starting the node")?, counts });
    let app = Router::new()
        .route("/sagas", post(start_saga))
        .route("/stats", get(stats))
        .with_state(served);
    serve::serve_app(app).await
}

async fn embedded(data_dir: &std::path::Path) -> Result<(Embedded, Arc<Counts>), Failure> {
    let kv = RocksKv::open(data_dir, &RocksSettings::default()).context("opening the store")?;
    let kv = CountingKv::over(kv);
    let counts = kv.counts();
    let (clock, entropy) = (SystemClock::default(), SystemEntropy);
    let events = Log::open(kv.clone(), clock, &entropy, LogSettings::default()).await;
    let backend = Parts {
        name: "embedded",
        events: events.context("opening the log")?,
        views: Views::new(kv, ViewSettings::default()),
        locks: LocalLocks::new(clock),
        bus: LocalBus::default(),
        clock,
        entropy,
    };
    Ok((backend, counts))
}

async fn start_saga(
    State(served): State<Arc<Served>>,
    headers: HeaderMap,
    Json(request): Json<StartSaga>,
) -> Response {
    let waits = headers.contains_key("prefer");
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    match served.run_saga(&request, key.map(str::to_owned), waits).await {
        Ok(answer) => (StatusCode::CREATED, Json(answer)).into_response(),
        Err(cause) => (StatusCode::SERVICE_UNAVAILABLE, cause.to_string()).into_response(),
    }
}

async fn stats(State(served): State<Arc<Served>>) -> Response {
    let log = served.node.backend().events().counters();
    Json(json!({
        "sagas": served.node.metrics().sagas_started.get(),
        "unfinished": served.node.sagas().live(),
        "appends": log.appends,
        "syncs": served.counts.syncs(),
        "puts": served.counts.puts(),
        "bytes": served.counts.bytes(),
    }))
    .into_response()
}

impl Served {
    async fn run_saga(
        &self,
        request: &StartSaga,
        idempotency_key: Option<String>,
        waits: bool,
    ) -> Result<serde_json::Value, Failure> {
        let sagas = self.node.sagas();
        let start = StartRequest { idempotency_key, correlation_id: None };
        let started = sagas.start_named(&request.saga_type, start, request.data.clone()).await;
        let started = started.context("starting the saga")?;
        let state = match waits {
            true => sagas.wait(started.id).await.context("waiting for the saga")?,
            false => started.state,
        };
        let status = state.status();
        Ok(json!({ "id": started.id, "sagaType": request.saga_type, "status": status }))
    }
}
