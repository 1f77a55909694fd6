//! `GET /health/detailed`: every part of the node, asked now.

use axum::Json;
use axum::extract::State;
use sagaline_storage::bus::MessageBus;
use sagaline_storage::lock::LockService;
use sagaline_storage::{Backend, Clock, EventStore, NodeId, Shard, StorageError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::{Projection, SAGA_CATEGORY};
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::error::Error;
use crate::projections::{Orders, Payments, Sagas};

/// How every part of the node fares.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Detailed {
    /// `up`, or `degraded`: a part did not answer, or the node cannot serve.
    #[schema(value_type = String)]
    status: &'static str,
    #[schema(value_type = String)]
    node_id: NodeId,
    #[schema(value_type = String)]
    backend: &'static str,
    /// `alone` on its log, or one of several: `member`.
    #[schema(value_type = String)]
    role: &'static str,
    shards: u32,
    shards_owned: u64,
    /// Why it cannot serve; missing: it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_ready: Option<String>,
    store: Part,
    locks: Part,
    bus: Part,
    /// The log's last position; missing when the store does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<u64>,
    views: Vec<ViewLag>,
    outbox_lag_events: u64,
    sagas_live: usize,
    requests_in_progress: u64,
    requests_max: usize,
}

/// A part, asked now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Part {
    /// `up` or `down`.
    #[schema(value_type = String)]
    status: &'static str,
    latency_us: u64,
}

/// How far a read model is behind the log, as far as this node keeps it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ViewLag {
    #[schema(value_type = String)]
    view: &'static str,
    position: u64,
    lag_events: u64,
}

/// Shows how every part of the node fares: latency, lag, role.
#[utoipa::path(
    get, path = "/health/detailed", operation_id = "healthDetailed", tag = "Node",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "Every part", body = Detailed)),
)]
pub(super) async fn detailed<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
) -> Result<Json<Detailed>, Error> {
    let backend = app.backend();
    let topic = format!("{SAGA_CATEGORY}-events");
    let read = async {
        // The head may be a number that this node remembers; an epoch is read.
        backend.events().epoch(Shard(0)).await?;
        backend.events().head().await
    };
    let (store, head) = ask(&app, "store", read).await;
    let (locks, _) = ask(&app, "locks", backend.locks().inspect("health")).await;
    let (bus, _) = ask(&app, "bus", backend.bus().partitions(&topic)).await;
    let head = head.map(|head| head.0);
    let not_ready = app.node().ready().await.err();
    let up = not_ready.is_none() && [&store, &locks, &bus].iter().all(|part| part.status == "up");
    let settings = app.settings();
    Ok(Json(Detailed {
        status: if up { "up" } else { "degraded" },
        node_id: app.node().id().clone(),
        backend: backend.name(),
        role: if backend.shared() { "member" } else { "alone" },
        shards: settings.engine.shards,
        shards_owned: app.node().shards_owned(),
        not_ready,
        store,
        locks,
        bus,
        head,
        views: vec![
            lag::<B, Orders>(&app, head)?,
            lag::<B, Payments>(&app, head)?,
            lag::<B, Sagas>(&app, head)?,
        ],
        outbox_lag_events: app.node().metrics().outbox_lag.get(),
        sagas_live: app.sagas().live(),
        requests_in_progress: app.gate().inside(),
        requests_max: settings.http.requests_max,
    }))
}

/// Asks a part, and takes the time.
async fn ask<B: Backend, T>(
    app: &App<B>,
    name: &'static str,
    question: impl Future<Output = Result<T, StorageError>>,
) -> (Part, Option<T>) {
    let began = app.clock().monotonic();
    let answer = question.await;
    let latency = app.clock().monotonic().saturating_sub(began);
    let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    let answer = answer.map_err(|error| tracing::warn!(part = name, %error, "does not answer"));
    let status = if answer.is_ok() { "up" } else { "down" };
    (Part { status, latency_us }, answer.ok())
}

fn lag<B: Backend, P: Projection>(app: &App<B>, head: Option<u64>) -> Result<ViewLag, Error> {
    let position = app.views::<P>()?.position().0;
    let lag_events = head.unwrap_or(position).saturating_sub(position);
    Ok(ViewLag { view: P::NAME, position, lag_events })
}
