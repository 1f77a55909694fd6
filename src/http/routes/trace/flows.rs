//! `GET /trace/active-flows`: what is in progress, and what does not move.

use axum::Json;
use axum::extract::State;
use sagaline_storage::{Backend, Clock, CorrelationId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::WallTime;
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::error::Error;
use crate::http::params::Params;
use crate::http::routes::sagas;
use crate::limits::{FLOW_STUCK_MS, PAGE_ENTRIES_MAX};
use crate::projections::{SagaDocument, SagaStatus};

/// The flows in progress.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActiveFlows {
    /// How many there are.
    total: u64,
    /// How many of the flows shown are stuck.
    stuck: usize,
    /// Oldest first.
    flows: Vec<Flow>,
}

/// A flow in progress.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Flow {
    saga_id: Uuid,
    saga_type: String,
    #[schema(value_type = String)]
    correlation_id: CorrelationId,
    #[schema(value_type = SagaStatus)]
    status: &'static str,
    paused: bool,
    current_step: Option<String>,
    started_at: WallTime,
    updated_at: WallTime,
    /// Since something happened to it last.
    idle_ms: u64,
    /// Nothing has happened to it for a minute.
    is_stuck: bool,
    error_message: Option<String>,
}

/// Lists the flows in progress, oldest first, and says which do not move.
#[utoipa::path(
    get, path = "/trace/active-flows", operation_id = "listActiveFlows", tag = "Traces",
    security(("bearer" = ["admin"])),
    params(("limit" = Option<u32>, Query, description = "Flows at most", minimum = 1, maximum = 100)),
    responses((status = 200, description = "Flows in progress", body = ActiveFlows)),
)]
pub(super) async fn active<B: Backend>(
    State(app): State<App<B>>,
    Admin(caller): Admin,
    mut params: Params,
) -> Result<Json<ActiveFlows>, Error> {
    let limit = params.number("limit", 1..=PAGE_ENTRIES_MAX.into());
    params.finish()?;
    let limit = usize::try_from(limit.unwrap_or_else(|| PAGE_ENTRIES_MAX.into()));
    let (total, sagas) = sagas::oldest(&app, caller, limit.unwrap_or(usize::MAX)).await?;
    let flows: Vec<Flow> = sagas.iter().map(|saga| flow(&app, saga)).collect();
    let stuck = flows.iter().filter(|flow| flow.is_stuck).count();
    Ok(Json(ActiveFlows { total, stuck, flows }))
}

fn flow<B: Backend>(app: &App<B>, saga: &SagaDocument) -> Flow {
    let idle_ms = app.clock().now().0.saturating_sub(saga.state.updated_at_us) / 1_000;
    let page = app.show(saga);
    Flow {
        saga_id: page.id,
        saga_type: page.saga_type.to_string(),
        correlation_id: page.correlation_id,
        status: page.status,
        paused: page.paused,
        current_step: page.current_step,
        started_at: page.created_at,
        updated_at: page.updated_at,
        idle_ms,
        is_stuck: idle_ms >= FLOW_STUCK_MS,
        error_message: page.error_message,
    }
}
