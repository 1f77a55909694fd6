//! Sagas: look at one, list them, start any type that the node knows.

mod active;
mod list;
mod start;

use axum::Json;
use axum::extract::State;
use sagaline_storage::{Backend, Clock, CorrelationId, Direction};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::canary::planted;
use crate::engine::{DocumentQuery, RequestError};
use crate::http::app::App;
use crate::http::auth::Caller;
use crate::http::error::Error;
use crate::http::failure;
use crate::http::id::Id;
use crate::http::metrics::SagasNow;
use crate::http::prefer::{Applied, Wait};
use crate::http::waiting::wait_for_end;
use crate::projections::{SagaDocument, SagaPage, Sagas, partition};
use crate::saga::SagaState;

pub(super) use active::oldest;

/// `/sagas`, and what `/saga` has to look at.
pub(super) fn routes<B: Backend>() -> OpenApiRouter<App<B>> {
    OpenApiRouter::new()
        .routes(routes!(list::list, start::start))
        .routes(routes!(look))
        .routes(routes!(list::of_correlation))
        .routes(routes!(list::status_of_correlation))
        .routes(routes!(list::of_status))
        .routes(routes!(list::orders_processing))
        .routes(routes!(active::active))
}

/// Shows a saga, as the log has it.
///
/// With `Prefer: wait` the answer comes when it has ended or waits for an operator.
#[utoipa::path(
    get, path = "/sagas/{id}", operation_id = "showSaga", tag = "Sagas",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The saga's id; an order's saga has the order's"), Wait),
    responses(
        (status = 200, description = "The saga", body = SagaPage),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
async fn look<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
    wait: Wait,
    Id(id): Id<Uuid>,
) -> Result<(Applied, Json<SagaPage>), Error> {
    let mut saga = visible(&app, caller, id).await?;
    if wait.limit().is_some() {
        saga = match wait_for_end(&app, id, wait.limit()).await {
            Some(ended) => opened(&app, id, saga.correlation_id, ended).await?,
            None => document(&app, id).await?,
        };
    }
    Ok((wait.applied(), Json(app.show(&saga))))
}

async fn visible<B: Backend>(
    app: &App<B>,
    caller: Caller,
    id: Uuid,
) -> Result<SagaDocument, Error> {
    let saga = document(app, id).await?;
    if may_see(caller, &saga) { Ok(saga) } else { Err(failure::request(RequestError::NotFound)) }
}

fn may_see(caller: Caller, saga: &SagaDocument) -> bool {
    planted("foreign-saga-shown")
        || caller.is_admin()
        || saga.user_id.as_deref() == Some(&*caller.user.to_string())
}

/// The saga as the log has it.
pub(super) async fn document<B: Backend>(app: &App<B>, id: Uuid) -> Result<SagaDocument, Error> {
    let history = app.sagas().history(id).await.map_err(failure::request)?;
    opened(app, id, history.correlation_id, history.state).await
}

/// The saga in a state, with the personal parts of its input.
async fn opened<B: Backend>(
    app: &App<B>,
    id: Uuid,
    correlation_id: CorrelationId,
    state: SagaState,
) -> Result<SagaDocument, Error> {
    let state = app.sagas().open(state).await.map_err(failure::load)?;
    Ok(SagaDocument::new(id, correlation_id, state))
}

/// How the sagas stand, for the measures: the view's counts, as old as the view.
pub(super) async fn now<B: Backend>(app: &App<B>) -> Result<SagasNow, Error> {
    let view = app.views::<Sagas>()?;
    let mut states = Vec::new();
    for state in ["started", "compensating", "parked"] {
        let of_state = partition(&[state]);
        let count = view.count("by_status", &of_state).await.map_err(failure::storage)?;
        let oldest = DocumentQuery {
            index: "by_status",
            partition: of_state,
            direction: Direction::Forward,
            after: None,
            skip: 0,
            limit: 1,
        };
        let oldest = view.query(oldest).await.map_err(failure::storage)?.documents;
        let now_us = app.clock().now().0;
        let age = |saga: &SagaDocument| now_us.saturating_sub(saga.state.started_at_us) / 1_000_000;
        states.push((state, count, oldest.first().map_or(0, age)));
    }
    let live = u64::try_from(app.sagas().live()).unwrap_or(u64::MAX);
    let orphans = u64::try_from(app.node().orphans().len()).unwrap_or(u64::MAX);
    Ok(SagasNow { live, orphans, states })
}
