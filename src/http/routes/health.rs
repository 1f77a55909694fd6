//! Whether the node lives, whether it can serve, and what it measures.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use sagaline_storage::Backend;
use serde_json::{Value, json};

use super::sagas;
use crate::http::app::App;
use crate::http::error::Error;
use crate::http::metrics;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/health`, `/metrics`.
pub(super) fn routes<B: Backend>() -> Router<App<B>> {
    Router::new()
        .route("/health", get(alive))
        .route("/health/ready", get(ready))
        .route("/metrics", get(measures))
}

/// The process answers: nothing else is looked at, so that a slow store gets nobody restarted.
async fn alive<B: Backend>(State(app): State<App<B>>) -> Json<Value> {
    Json(json!({"status": "up", "nodeId": app.node().id()}))
}

async fn ready<B: Backend>(State(app): State<App<B>>) -> Result<Json<Value>, Error> {
    app.node().ready().await.map_err(Error::Unavailable)?;
    let backend = app.backend().name();
    let (node_id, shards) = (app.node().id(), app.node().shards_owned());
    let body =
        json!({"status": "ready", "nodeId": node_id, "backend": backend, "shardsOwned": shards});
    Ok(Json(body))
}

async fn measures<B: Backend>(State(app): State<App<B>>) -> Result<impl IntoResponse, Error> {
    let sagas = sagas::now(&app).await?;
    let (inside, engine) = (app.gate().inside(), app.node().metrics());
    let text = app.metrics().text(|now| metrics::register(now, inside, engine, &sagas));
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text.map_err(Error::internal)?))
}
