//! The read models of the node: how far each has come, and the order to build one anew from the log.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sagaline_storage::Backend;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::engine::{ProjectionState, RebuildError};
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::error::Error;
use crate::http::failure;
use crate::http::id::Id;

/// `/projections`.
pub(super) fn routes<B: Backend>() -> OpenApiRouter<App<B>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(rebuild))
}

/// The read models by name.
#[derive(Serialize, ToSchema)]
struct ProjectionList {
    projections: Vec<ProjectionState>,
}

/// Lists the read models: position, lag, generation, and what is being rebuilt.
#[utoipa::path(
    get, path = "/projections", operation_id = "listProjections", tag = "Operators",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "The read models", body = ProjectionList)),
)]
async fn list<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
) -> Result<Json<ProjectionList>, Error> {
    let projections = app.node().projections().await.map_err(failure::storage)?;
    Ok(Json(ProjectionList { projections }))
}

/// Builds a read model anew from the log, beside the live one.
///
/// The live one goes on answering and is replaced when the new one has caught up; `rebuilding` in the
/// answer goes away then. One that is being rebuilt goes on.
#[utoipa::path(
    post, path = "/projections/{name}/rebuild", operation_id = "rebuildProjection", tag = "Operators",
    security(("bearer" = ["admin"])),
    params(("name" = String, Path, description = "The read model's name")),
    responses(
        (status = 202, description = "The read model, being rebuilt", body = ProjectionState),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
async fn rebuild<B: Backend>(
    State(app): State<App<B>>,
    Admin(caller): Admin,
    Id(name): Id<String>,
) -> Result<(StatusCode, Json<ProjectionState>), Error> {
    match app.node().rebuild(&name).await {
        Ok(state) => {
            tracing::info!(projection = state.name, by = %caller.user, "rebuild ordered");
            Ok((StatusCode::ACCEPTED, Json(state)))
        }
        Err(RebuildError::Unknown { .. }) => Err(Error::NotFound("the projection")),
        Err(RebuildError::Storage(error)) => Err(failure::storage(error)),
    }
}
