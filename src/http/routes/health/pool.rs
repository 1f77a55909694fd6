//! `GET /db-pool`: what the node's store has in use, what it may have, and how it answers to several
//! reads at once.

use axum::Json;
use axum::extract::State;
use futures_util::future::join_all;
use sagaline_storage::{Backend, Clock, EventStore, Shard};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::error::Error;
use crate::http::failure;
use crate::limits::POOL_PROBE_READS;

/// The store's use and limits.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pool {
    /// Which store was tried: `in-process`, or the database that the nodes of a cluster share.
    #[schema(value_type = String)]
    store: &'static str,
    #[schema(value_type = String)]
    backend: &'static str,
    /// Connections to a database at most; missing: the store is in this process and has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    connections_max: Option<u32>,
    requests_in_progress: u64,
    requests_max: usize,
    sagas_live: usize,
    sagas_live_max: usize,
    open_files_max: u32,
    /// Bytes in the store's cache; missing, as is the next: this store does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_bytes: Option<u64>,
    cache_bytes_max: u64,
    /// Bytes written that are not in tables yet, of the log and of the read models.
    #[serde(skip_serializing_if = "Option::is_none")]
    write_buffer_bytes: Option<u64>,
    write_buffer_bytes_max: u64,
    /// The log's last position.
    head: u64,
    probe: Probe,
}

/// Reads that were made at once, each of an entry in the store itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Probe {
    reads: usize,
    fastest_us: u64,
    slowest_us: u64,
}

/// Shows the store's use and limits, and how long several reads at once take.
#[utoipa::path(
    get, path = "/db-pool", operation_id = "showPool", tag = "Node",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "The store", body = Pool)),
)]
pub(super) async fn pool<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
) -> Result<Json<Pool>, Error> {
    let head = app.backend().events().head().await.map_err(failure::storage)?;
    let reads = join_all((0..POOL_PROBE_READS).map(|number| read(&app, Shard(number)))).await;
    let took_us: Vec<u64> = reads.into_iter().collect::<Result<_, _>>()?;
    let memory = app.backend().events().memory().map_err(failure::storage)?;
    let (settings, shared) = (app.settings(), app.backend().shared());
    Ok(Json(Pool {
        store: if shared { "shared" } else { "in-process" },
        backend: app.backend().name(),
        connections_max: shared.then_some(settings.database.pool_max),
        requests_in_progress: app.gate().inside(),
        requests_max: settings.http.requests_max,
        sagas_live: app.sagas().live(),
        sagas_live_max: settings.engine.sagas_in_flight_max,
        open_files_max: settings.store.open_files_max,
        cache_bytes: memory.map(|memory| memory.cache_bytes),
        cache_bytes_max: settings.store.cache_bytes,
        write_buffer_bytes: memory.map(|memory| memory.write_buffer_bytes),
        write_buffer_bytes_max: settings.store.write_buffer_bytes,
        head: head.0,
        probe: Probe {
            reads: took_us.len(),
            fastest_us: took_us.iter().min().copied().unwrap_or_default(),
            slowest_us: took_us.iter().max().copied().unwrap_or_default(),
        },
    }))
}

/// How long it takes to read something that no node remembers.
async fn read<B: Backend>(app: &App<B>, shard: Shard) -> Result<u64, Error> {
    let began = app.clock().monotonic();
    app.backend().events().epoch(shard).await.map_err(failure::storage)?;
    let took = app.clock().monotonic().saturating_sub(began);
    Ok(u64::try_from(took.as_micros()).unwrap_or(u64::MAX))
}
