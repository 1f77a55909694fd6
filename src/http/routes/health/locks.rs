//! `/redis-test`: tries the lock service of this node, whichever it is. The locks are of a name space of
//! their own: nothing here can hold up an order.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use futures_util::future::join_all;
use sagaline_storage::lock::{Lease, LockService};
use sagaline_storage::{Backend, Clock, CorrelationId, NodeId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{Invalid, ProductId};
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::body::{JsonBody, OptionalBody};
use crate::http::error::Error;
use crate::http::failure;
use crate::http::id::{Id, PathId};
use crate::limits::{LOCK_TRIAL_CONTENDERS, LOCK_TRIAL_MS_MAX};

/// How long a tried lock is held when nothing is said, in milliseconds.
const DURATION_MS: u64 = 1_000;

/// What a lock is called here.
pub(super) struct Key(ProductId);

impl PathId for Key {
    fn read(text: &str) -> Result<Self, String> {
        ProductId::parse(text).map(Self).map_err(|error| error.to_string())
    }
}

impl Key {
    fn resource(&self) -> String {
        format!("trial:lock:{}", self.0)
    }
}

#[derive(Deserialize, Default, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"duration": 500, "nodeId": "node-2"}))]
pub(super) struct LockBody {
    /// How long, in milliseconds; 1000 when nothing is said.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10000)]
    duration: Option<u64>,
    /// In whose name; this node's when nothing is said.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    node_id: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"correlationId": "desk:4711"}))]
pub(super) struct ContendersBody {
    #[schema(min_length = 1, max_length = 64)]
    correlation_id: String,
}

/// A lock that was taken.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Held {
    /// Which lock service was tried: `in-process`, or the one that the nodes of a cluster share.
    #[schema(value_type = String)]
    lock_service: &'static str,
    #[schema(value_type = String)]
    backend: &'static str,
    key: String,
    holder: String,
    /// Grows with every acquisition of the lock.
    token: u64,
    duration_ms: u64,
    /// Whether it was still held at the end and given back; missing while it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    released: Option<bool>,
}

/// What is known of a lock.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LockStatus {
    #[schema(value_type = String)]
    lock_service: &'static str,
    #[schema(value_type = String)]
    backend: &'static str,
    key: String,
    held: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_ms: Option<u64>,
}

/// Who got a lock of several who asked at once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Contest {
    #[schema(value_type = String)]
    lock_service: &'static str,
    #[schema(value_type = String)]
    backend: &'static str,
    correlation_id: String,
    contenders: usize,
    winners: Vec<String>,
    /// One of them got it and nobody else did.
    exclusive: bool,
}

/// Takes a lock, holds it for a while, and gives it back.
///
/// Two at once for one key: one gets it, the other is told who holds it.
#[utoipa::path(
    post, path = "/redis-test/lock/{id}", operation_id = "tryLock", tag = "Node",
    security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "The lock's key")),
    request_body = Option<LockBody>,
    responses(
        (status = 200, description = "It was held and given back", body = Held),
        (status = 409, description = "STATE_FORBIDS"),
    ),
)]
pub(super) async fn lock<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
    Id(key): Id<Key>,
    OptionalBody(body): OptionalBody<LockBody>,
) -> Result<Json<Held>, Error> {
    let (holder, duration_ms) = asked(&app, body.unwrap_or_default())?;
    // The lease outlives the hold, so that giving it back means something.
    let ttl_ms = duration_ms.saturating_mul(2);
    let lease = acquire(&app, &key, &holder, ttl_ms).await?;
    app.clock().sleep(Duration::from_millis(duration_ms)).await;
    let released = app.backend().locks().release(&lease).await.map_err(failure::storage)?;
    Ok(Json(Held { released: Some(released), ..held(&app, &key, lease, duration_ms) }))
}

/// Takes a lock and leaves it to run out.
#[utoipa::path(
    post, path = "/redis-test/manual-lock/{id}", operation_id = "takeLock", tag = "Node",
    security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "The lock's key")),
    request_body = Option<LockBody>,
    responses(
        (status = 200, description = "It is held for the duration", body = Held),
        (status = 409, description = "STATE_FORBIDS"),
    ),
)]
pub(super) async fn manual<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
    Id(key): Id<Key>,
    OptionalBody(body): OptionalBody<LockBody>,
) -> Result<Json<Held>, Error> {
    let (holder, duration_ms) = asked(&app, body.unwrap_or_default())?;
    let lease = acquire(&app, &key, &holder, duration_ms).await?;
    Ok(Json(held(&app, &key, lease, duration_ms)))
}

/// Tells who holds a lock.
#[utoipa::path(
    get, path = "/redis-test/lock-status/{id}", operation_id = "lockStatus", tag = "Node",
    security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "The lock's key")),
    responses((status = 200, description = "The lock", body = LockStatus)),
)]
pub(super) async fn status<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
    Id(key): Id<Key>,
) -> Result<Json<LockStatus>, Error> {
    let state = app.backend().locks().inspect(&key.resource()).await.map_err(failure::storage)?;
    let remaining = state.as_ref().map(|state| state.remaining.as_millis());
    Ok(Json(LockStatus {
        lock_service: service(&app),
        backend: app.backend().name(),
        key: key.0.to_string(),
        held: state.is_some(),
        token: state.as_ref().map(|state| state.token),
        remaining_ms: remaining.map(|left| u64::try_from(left).unwrap_or(u64::MAX)),
        holder: state.map(|state| state.holder),
    }))
}

/// Lets several ask at once for the lock under which a saga would be started.
#[utoipa::path(
    post, path = "/redis-test/saga-creation-test", operation_id = "trySagaCreation", tag = "Node",
    security(("bearer" = ["admin"])),
    request_body = ContendersBody,
    responses((status = 200, description = "Who got it", body = Contest)),
)]
pub(super) async fn saga_creation<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
    JsonBody(body): JsonBody<ContendersBody>,
) -> Result<Json<Contest>, Error> {
    let id = CorrelationId::new(body.correlation_id.as_str())
        .map_err(|error| Error::field("correlationId", error.to_string()))?;
    let (resource, ttl) = (format!("trial:saga:{id}"), Duration::from_millis(LOCK_TRIAL_MS_MAX));
    let contender = |number: usize| {
        let (app, resource) = (&app, &resource);
        async move {
            let holder = format!("{}/{number}", app.node().id());
            app.backend().locks().acquire(resource, &holder, ttl).await
        }
    };
    let mut winners = Vec::new();
    for lease in join_all((1..=LOCK_TRIAL_CONTENDERS).map(contender)).await {
        winners.extend(lease.map_err(failure::storage)?);
    }
    for lease in &winners {
        app.backend().locks().release(lease).await.map_err(failure::storage)?;
    }
    Ok(Json(Contest {
        lock_service: service(&app),
        backend: app.backend().name(),
        correlation_id: id.to_string(),
        contenders: LOCK_TRIAL_CONTENDERS,
        exclusive: winners.len() == 1,
        winners: winners.into_iter().map(|lease| lease.holder).collect(),
    }))
}

/// In whose name and for how long, checked.
fn asked<B: Backend>(app: &App<B>, body: LockBody) -> Result<(String, u64), Error> {
    let duration_ms = body.duration.unwrap_or(DURATION_MS);
    if !(1..=LOCK_TRIAL_MS_MAX).contains(&duration_ms) {
        let wants = format!("{duration_ms}: wants 1 to {LOCK_TRIAL_MS_MAX}");
        return Err(Error::field("duration", wants));
    }
    let holder = match body.node_id {
        Some(given) => NodeId::new(given.as_str()).map_err(|_| {
            let wants = Invalid::text(&given, "1 to 64 of A-Z, a-z, 0-9 and _ . : @ + -");
            Error::field("nodeId", wants.to_string())
        })?,
        None => app.node().id().clone(),
    };
    Ok((holder.to_string(), duration_ms))
}

async fn acquire<B: Backend>(
    app: &App<B>,
    key: &Key,
    holder: &str,
    ttl_ms: u64,
) -> Result<Lease, Error> {
    let (locks, resource) = (app.backend().locks(), key.resource());
    let lease = locks.acquire(&resource, holder, Duration::from_millis(ttl_ms)).await;
    if let Some(lease) = lease.map_err(failure::storage)? {
        return Ok(lease);
    }
    let by = locks.inspect(&resource).await.map_err(failure::storage)?;
    let by = by.map_or_else(
        || "was held a moment ago".to_owned(),
        |by| format!("is held by {} for another {} ms", by.holder, by.remaining.as_millis()),
    );
    Err(Error::StateForbids(format!("lock {} {by}", key.0)))
}

fn held<B: Backend>(app: &App<B>, key: &Key, lease: Lease, duration_ms: u64) -> Held {
    Held {
        lock_service: service(app),
        backend: app.backend().name(),
        key: key.0.to_string(),
        holder: lease.holder,
        token: lease.token,
        duration_ms,
        released: None,
    }
}

/// Which lock service this is.
fn service<B: Backend>(app: &App<B>) -> &'static str {
    if app.backend().shared() { "shared" } else { "in-process" }
}
