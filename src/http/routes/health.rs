//! Whether the node lives, whether it can serve, how each of its parts fares, and what it measures.

mod bus;
mod detailed;
mod locks;
mod pool;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use sagaline_storage::{Backend, NodeId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::sagas;
use crate::http::app::App;
use crate::http::error::Error;
use crate::http::metrics;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/health`, `/metrics`, and what tries the node's own lock service, store and bus.
pub(super) fn routes<B: Backend>() -> OpenApiRouter<App<B>> {
    OpenApiRouter::new()
        .routes(routes!(alive))
        .routes(routes!(ready))
        .routes(routes!(detailed::detailed))
        .routes(routes!(measures))
        .routes(routes!(locks::lock))
        .routes(routes!(locks::status))
        .routes(routes!(locks::manual))
        .routes(routes!(locks::saga_creation))
        .routes(routes!(pool::pool))
        .routes(routes!(bus::probe))
}

/// The process answers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Alive {
    /// `up`.
    #[schema(value_type = String)]
    status: &'static str,
    #[schema(value_type = String)]
    node_id: NodeId,
}

/// The node can serve.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Ready {
    /// `ready`.
    #[schema(value_type = String)]
    status: &'static str,
    #[schema(value_type = String)]
    node_id: NodeId,
    /// `embedded`, `memory` or `cluster`.
    #[schema(value_type = String)]
    backend: &'static str,
    shards_owned: u64,
}

/// Tells that the process answers.
///
/// Nothing else is looked at, so that a slow store gets nobody restarted.
#[utoipa::path(
    get, path = "/health", operation_id = "health", tag = "Node",
    responses((status = 200, description = "It does", body = Alive)),
)]
async fn alive<B: Backend>(State(app): State<App<B>>) -> Json<Alive> {
    Json(Alive { status: "up", node_id: app.node().id().clone() })
}

/// Tells whether the node can serve: its store answers, and it is not being stopped.
#[utoipa::path(
    get, path = "/health/ready", operation_id = "ready", tag = "Node",
    responses(
        (status = 200, description = "It can", body = Ready),
        (status = 503, description = "UNAVAILABLE"),
    ),
)]
async fn ready<B: Backend>(State(app): State<App<B>>) -> Result<Json<Ready>, Error> {
    app.node().ready().await.map_err(Error::Unavailable)?;
    Ok(Json(Ready {
        status: "ready",
        node_id: app.node().id().clone(),
        backend: app.backend().name(),
        shards_owned: app.node().shards_owned(),
    }))
}

/// Gives the node's measures.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "Node",
    responses(
        (
            status = 200, description = "OpenMetrics text", body = String,
            content_type = "application/openmetrics-text",
        ),
        (status = 503, description = "UNAVAILABLE"),
    ),
)]
async fn measures<B: Backend>(State(app): State<App<B>>) -> Result<impl IntoResponse, Error> {
    let sagas = sagas::now(&app).await?;
    let (inside, engine) = (app.gate().inside(), app.node().metrics());
    let text = app.metrics().text(|now| metrics::register(now, inside, engine, &sagas));
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text.map_err(Error::internal)?))
}
