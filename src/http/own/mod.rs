//! The routes that a node brings along for whoever embeds it: its sagas, their definitions, its health and
//! its measures. Nested under a router of the user's own, or served alone; the reference application's
//! own routes are [`super::routes`].
//!
//! ```text
//! POST /sagas/{type}          starts one: the body is its input     GET /definitions   what it can start
//! GET  /sagas/{id}            shows one (Prefer: wait=SECONDS)      GET /health        the process answers
//! GET  /sagas?parked          those that wait for an operator       GET /health/ready  it can serve
//! POST /sagas/{id}/{verb}     retry, skip, compensate, …            GET /metrics       OpenMetrics
//! ```
//!
//! It asks nobody who they are: put a layer of your own around it before it is reachable from outside.
//! Errors are problem documents (RFC 9457), as everywhere.

mod definitions;
mod sagas;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use futures_util::FutureExt;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use sagaline_storage::Backend;

use super::correlation::{Correlation, X_CORRELATION_ID, X_NODE_ID};
use super::error::{Error, Failed};
use super::metrics::{self, SagasNow};
use super::problem;
use crate::engine::Node;
use crate::projections::StepNames;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the handlers share. Cheap to clone.
struct Own<B: Backend>(Arc<Parts<B>>);

struct Parts<B: Backend> {
    node: Node<B>,
    step_names: StepNames,
}

impl<B: Backend> Clone for Own<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Backend> Own<B> {
    fn node(&self) -> &Node<B> {
        &self.0.node
    }
}

impl<B: Backend> Node<B> {
    /// The node's routes, to be nested under a router of your own:
    ///
    /// ```
    /// # use sagaline::prelude::*;
    /// # use sagaline::testing::World;
    /// # World::runtime()?.block_on(async {
    /// # let node = World::new().node().await?.start().await?;
    /// let app: axum::Router = axum::Router::new().nest("/saga-engine", node.router());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// | route | does |
    /// |---|---|
    /// | `POST /sagas/{type}` | starts a saga, whose input is the body; durable when it answers 201. Takes `Idempotency-Key` and `Prefer: wait=SECONDS` |
    /// | `GET /sagas/{id}` | shows one; with `Prefer: wait=SECONDS` when it has come to rest |
    /// | `GET /sagas?parked` | the ids of those that wait for an operator |
    /// | `POST /sagas/{id}/{verb}` | `retry`, `skip`, `compensate`, `resolve`, `pause`, `resume` or `cancel`; the body names `reason` and `actor`, and to `resolve` also the `outcome` (`succeeded` or `rejected`) and the `result` |
    /// | `GET /definitions` | the definitions it knows, as data and as Mermaid |
    /// | `GET /health`, `/health/ready`, `/metrics` | whether it lives, whether it can serve, what it measures |
    ///
    /// They ask nobody who they are: put your own layer around them.
    pub fn router(&self) -> Router {
        let step_names = StepNames::of(self.definitions());
        let own = Own(Arc::new(Parts { node: self.clone(), step_names }));
        Router::new()
            .route("/sagas", get(sagas::parked::<B>))
            .route("/sagas/{id}", get(sagas::look::<B>).post(sagas::start::<B>))
            .route("/sagas/{id}/{verb}", post(sagas::operate::<B>))
            .route("/definitions", get(definitions::list::<B>))
            .route("/health", get(alive))
            .route("/health/ready", get(ready::<B>))
            .route("/metrics", get(measures::<B>))
            // A route and no fallback: that of a nested router is not asked.
            .route("/{*nowhere}", any(async || Error::NotFound("this path")))
            .method_not_allowed_fallback(async || Error::MethodNotAllowed)
            .layer(from_fn_with_state(own.clone(), edge::<B>))
            .with_state(own)
    }
}

async fn alive() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "up" }))
}

async fn ready<B: Backend>(State(own): State<Own<B>>) -> Result<Json<serde_json::Value>, Error> {
    own.node().ready().await.map_err(Error::Unavailable)?;
    let shards_owned = own.node().shards_owned();
    Ok(Json(serde_json::json!({ "status": "ready", "shardsOwned": shards_owned })))
}

async fn measures<B: Backend>(State(own): State<Own<B>>) -> Result<impl IntoResponse, Error> {
    let counted = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let sagas = SagasNow {
        live: counted(own.node().sagas().live()),
        orphans: counted(own.node().orphans().len()),
        states: Vec::new(),
    };
    let mut registry = Registry::with_prefix(metrics::PREFIX);
    metrics::register(&mut registry, 0, own.node().metrics(), &sagas);
    let mut text = String::new();
    encode(&mut text, &registry).map_err(Error::internal)?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text))
}

/// Around every request: its correlation, and the problem document when it fails.
async fn edge<B: Backend>(State(own): State<Own<B>>, mut request: Request, next: Next) -> Response {
    let backend = own.node().backend();
    let correlation = Correlation::of(request.headers(), backend.clock(), backend.entropy());
    request.extensions_mut().insert(correlation.clone());
    let path = request.uri().path().to_owned();
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = handled
        .unwrap_or_else(|_| Error::Internal("a handler panicked".to_owned()).into_response());
    if let Some(Failed(error)) = response.extensions_mut().remove() {
        if let Error::Internal(cause) | Error::Unavailable(cause) = &*error {
            tracing::warn!(%cause, %path, "a request could not be served");
        }
        let headers = std::mem::take(response.headers_mut());
        response = problem::response(&error, headers, &path, correlation.id.as_str());
    }
    let marks =
        [(X_CORRELATION_ID, correlation.id.as_str()), (X_NODE_ID, own.node().id().as_str())];
    for (name, value) in marks {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
