//! `GET /saga/active`: the sagas on their way, one's own; all for an administrator.

use axum::Json;
use axum::extract::State;
use sagaline_storage::{Backend, Direction};
use serde::Serialize;
use utoipa::ToSchema;

use super::list::place;
use crate::canary::planted;
use crate::engine::DocumentQuery;
use crate::http::app::App;
use crate::http::auth::Caller;
use crate::http::error::Error;
use crate::http::failure;
use crate::http::params::Params;
use crate::limits::{PAGE_ENTRIES_DEFAULT, PAGE_ENTRIES_MAX};
use crate::projections::{self, SagaDocument, SagaPage, Sagas};

/// The statuses of sagas that have not ended.
pub(in crate::http::routes) const ACTIVE: [&str; 3] = ["started", "compensating", "parked"];

/// The oldest sagas on their way.
#[derive(Serialize, ToSchema)]
pub(super) struct ActiveSagas {
    /// How many there are.
    total: u64,
    /// Oldest first.
    sagas: Vec<SagaPage>,
}

/// Lists the sagas that have not ended, oldest first, parked ones among them.
#[utoipa::path(
    get, path = "/saga/active", operation_id = "listActiveSagas", tag = "Sagas",
    security(("bearer" = [])),
    params(("limit" = Option<u32>, Query, description = "Sagas at most", minimum = 1, maximum = 100)),
    responses((status = 200, description = "Sagas on their way", body = ActiveSagas)),
)]
pub(super) async fn active<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
    mut params: Params,
) -> Result<Json<ActiveSagas>, Error> {
    let limit = params.number("limit", 1..=PAGE_ENTRIES_MAX.into());
    params.finish()?;
    let limit = limit.unwrap_or_else(|| PAGE_ENTRIES_DEFAULT.into());
    let (total, sagas) = oldest(&app, caller, usize::try_from(limit).unwrap_or(usize::MAX)).await?;
    let sagas = sagas.iter().map(|saga| app.show(saga)).collect();
    Ok(Json(ActiveSagas { total, sagas }))
}

/// How many sagas have not ended, and the oldest of them.
pub(in crate::http::routes) async fn oldest<B: Backend>(
    app: &App<B>,
    caller: Caller,
    limit: usize,
) -> Result<(u64, Vec<SagaDocument>), Error> {
    let view = app.views::<Sagas>()?;
    app.caught_up(&view).await?;
    let (mut total, mut oldest) = (0, Vec::new());
    for status in ACTIVE {
        let (index, partition) = place(caller, None, Some(status));
        let counted = match planted("active-sagas-of-everybody-counted") {
            true => view.count("by_status", &projections::partition(&[status])).await,
            false => view.count(index, &partition).await,
        };
        total += counted.map_err(failure::storage)?;
        let direction = Direction::Forward;
        let query = DocumentQuery { index, partition, direction, after: None, skip: 0, limit };
        oldest.extend(view.query(query).await.map_err(failure::storage)?.documents);
    }
    oldest.sort_by_key(|saga| (saga.state.started_at_us, saga.id));
    oldest.truncate(limit);
    Ok((total, oldest))
}
