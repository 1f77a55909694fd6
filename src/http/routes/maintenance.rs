//! What an operator looks at when work seems to be stuck, and the broom for orders that nobody pays.

mod cleanup;
mod pending;

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use sagaline_storage::Backend;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::sagas;
use crate::engine::ParticipantHealth;
use crate::engine::metrics::Metrics;
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::error::Error;
use crate::http::failure;
use crate::projections::{SagaStatus, Sagas, partition};

/// `/saga/maintenance`.
pub(super) fn routes<B: Backend>() -> OpenApiRouter<App<B>> {
    OpenApiRouter::new()
        .routes(routes!(pending::pending_orders))
        .routes(routes!(saga_health))
        .routes(routes!(cleanup::cleanup_pending))
}

/// How the sagas fare.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SagaHealth {
    /// `healthy`, or `degraded`: sagas are parked or left alone, or a participant's breaker is open.
    #[schema(value_type = String)]
    status: &'static str,
    /// Sagas that this node works on.
    live: u64,
    /// Sagas whose definition this node does not know.
    orphans: u64,
    /// All sagas by status.
    #[schema(value_type = BTreeMap<String, u64>)]
    by_status: BTreeMap<&'static str, u64>,
    /// For each status that has no end: the age of its oldest saga, in seconds.
    #[schema(value_type = BTreeMap<String, u64>)]
    oldest_age_s: BTreeMap<&'static str, u64>,
    since_start: SinceStart,
    participants: Vec<Participant>,
    timer_lag_us: u64,
    outbox_lag_events: u64,
}

/// What this node has counted since it was started.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SinceStart {
    started: u64,
    completed: u64,
    compensated: u64,
    parked: u64,
    recovered: u64,
    quarantined: u64,
    calls: u64,
    calls_retried: u64,
    calls_outcome_unknown: u64,
    /// Completed of all that ended, 0 to 1; missing before the first end.
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_share: Option<f64>,
    /// Retries of all calls, 0 to 1; missing before the first call.
    #[serde(skip_serializing_if = "Option::is_none")]
    retried_share: Option<f64>,
}

/// Whom the sagas' steps call.
#[derive(Serialize, ToSchema)]
struct Participant {
    #[schema(value_type = String)]
    name: &'static str,
    /// `closed`, `open` or `half-open`.
    #[schema(value_type = String)]
    breaker: &'static str,
    /// Calls under way.
    calls: usize,
}

/// Shows how the sagas fare: counts, rates, the oldest, and the health of whom they call.
#[utoipa::path(
    get, path = "/saga/maintenance/saga-health", operation_id = "showSagaHealth", tag = "Operators",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "The sagas' health", body = SagaHealth)),
)]
async fn saga_health<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
) -> Result<Json<SagaHealth>, Error> {
    let view = app.views::<Sagas>()?;
    app.caught_up(&view).await?;
    let now = sagas::now(&app).await?;
    let mut by_status = BTreeMap::new();
    for status in SagaStatus::WORDS {
        let count = view.count("by_status", &partition(&[status])).await;
        by_status.insert(status, count.map_err(failure::storage)?);
    }
    let (engine, participants) = (app.node().metrics(), app.node().participants());
    let trouble = by_status.get("parked").is_some_and(|parked| *parked > 0)
        || now.orphans > 0
        || participants.iter().any(|participant| participant.breaker == "open");
    Ok(Json(SagaHealth {
        status: if trouble { "degraded" } else { "healthy" },
        live: now.live,
        orphans: now.orphans,
        by_status,
        oldest_age_s: now.states.into_iter().map(|(state, _, age_s)| (state, age_s)).collect(),
        since_start: SinceStart::of(engine),
        participants: participants.into_iter().map(Participant::of).collect(),
        timer_lag_us: engine.timer_lag_us.get(),
        outbox_lag_events: engine.outbox_lag.get(),
    }))
}

impl SinceStart {
    fn of(engine: &Metrics) -> Self {
        let share = |part: u64, all: u64| (all > 0).then(|| part as f64 / all as f64);
        let (completed, compensated) =
            (engine.sagas_completed.get(), engine.sagas_compensated.get());
        let (calls, calls_retried) = (engine.calls.get(), engine.calls_retried.get());
        Self {
            started: engine.sagas_started.get(),
            completed,
            compensated,
            parked: engine.sagas_parked.get(),
            recovered: engine.sagas_recovered.get(),
            quarantined: engine.sagas_quarantined.get(),
            calls,
            calls_retried,
            calls_outcome_unknown: engine.calls_outcome_unknown.get(),
            completed_share: share(completed, completed + compensated),
            retried_share: share(calls_retried, calls),
        }
    }
}

impl Participant {
    fn of(health: ParticipantHealth) -> Self {
        Self { name: health.name, breaker: health.breaker, calls: health.calls }
    }
}
