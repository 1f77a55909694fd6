//! The operator's verbs. Each needs a reason, is an event of the saga, and answers with the saga as it is
//! afterwards; 409 when its state forbids the verb.

use axum::Json;
use axum::extract::State;
use sagaline_storage::Backend;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::sagas;
use crate::domain::{FieldErrors, Invalid};
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::body::JsonBody;
use crate::http::error::Error;
use crate::http::failure;
use crate::http::id::Id;
use crate::http::resolved::resolved;
use crate::limits::REASON_CHARS_MAX;
use crate::projections::SagaPage;
use crate::saga::{Json as RawJson, Verb};

/// `/saga/{verb}/{sagaId}`.
pub(super) fn routes<B: Backend>() -> OpenApiRouter<App<B>> {
    OpenApiRouter::new()
        .routes(routes!(retry))
        .routes(routes!(skip))
        .routes(routes!(compensate))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(resolve))
}

/// A handler for a verb that takes nothing but a reason.
macro_rules! verb {
    ($(#[$doc:meta])* $name:ident, $path:literal, $id:literal, $verb:ident) => {
        $(#[$doc])*
        #[utoipa::path(
            post, path = $path, operation_id = $id, tag = "Operators",
            security(("bearer" = ["admin"])),
            params(("id" = Uuid, Path, description = "The saga's id")),
            request_body = ReasonBody,
            responses(
                (status = 200, description = "The saga afterwards", body = SagaPage),
                (status = 404, description = "NOT_FOUND"),
                (status = 409, description = "STATE_FORBIDS"),
            ),
        )]
        async fn $name<B: Backend>(
            app: State<App<B>>,
            admin: Admin,
            id: Id<Uuid>,
            body: JsonBody<ReasonBody>,
        ) -> Result<Json<SagaPage>, Error> {
            operate(app, admin, id, Verb::$verb, body.0.reason).await
        }
    };
}

verb!(
    /// Brings a parked saga back: the step it is parked at is tried again.
    retry, "/saga/retry/{id}", "retrySaga", Retry
);
verb!(
    /// Takes the step that a saga is parked at as done, or as undone, by other means.
    skip, "/saga/skip/{id}", "skipStep", Skip
);
verb!(
    /// Lets a saga go back whose pivot has not succeeded.
    compensate, "/saga/compensate/{id}", "compensateSaga", Compensate
);
verb!(
    /// Lets a saga start nothing new until it is resumed.
    pause, "/saga/pause/{id}", "pauseSaga", Pause
);
verb!(
    /// Lets a paused saga go on.
    resume, "/saga/resume/{id}", "resumeSaga", Resume
);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "the bank says it works again"}))]
pub(super) struct ReasonBody {
    /// Kept with what is done; one line.
    #[schema(min_length = 1, max_length = 500)]
    pub(super) reason: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "reason": "the bank confirmed it by telephone", "outcome": "succeeded", "result": {"reference": "b-17"},
}))]
struct ResolveBody {
    /// Kept with what is done; one line.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// `succeeded` or `rejected`.
    outcome: String,
    /// The step's result, when it succeeded.
    #[serde(default)]
    #[schema(value_type = Option<serde_json::Value>)]
    result: Option<RawJson>,
}

/// Says what became of the step that a saga is parked at.
#[utoipa::path(
    post, path = "/saga/resolve/{id}", operation_id = "resolveStep", tag = "Operators",
    security(("bearer" = ["admin"])),
    params(("id" = Uuid, Path, description = "The saga's id")),
    request_body = ResolveBody,
    responses(
        (status = 200, description = "The saga afterwards", body = SagaPage),
        (status = 404, description = "NOT_FOUND"),
        (status = 409, description = "STATE_FORBIDS"),
    ),
)]
async fn resolve<B: Backend>(
    app: State<App<B>>,
    admin: Admin,
    id: Id<Uuid>,
    JsonBody(body): JsonBody<ResolveBody>,
) -> Result<Json<SagaPage>, Error> {
    let verb = resolved(&body.outcome, body.result)?;
    operate(app, admin, id, verb, body.reason).await
}

async fn operate<B: Backend>(
    State(app): State<App<B>>,
    Admin(caller): Admin,
    Id(id): Id<Uuid>,
    verb: Verb,
    reason: String,
) -> Result<Json<SagaPage>, Error> {
    check_reason(&reason)?;
    let actor = caller.user.to_string();
    tracing::info!(saga_id = %id, ?verb, %actor, "an operator intervenes");
    app.sagas().operate(id, verb, &reason, &actor).await.map_err(failure::request)?;
    let saga = sagas::document(&app, id).await?;
    Ok(Json(app.show(&saga)))
}

/// 1 character to the limit, not blank.
pub(super) fn check_reason(reason: &str) -> Result<(), Error> {
    let fits = (1..=REASON_CHARS_MAX).contains(&reason.chars().count());
    let fits = fits && !reason.trim().is_empty();
    if fits && !reason.chars().any(char::is_control) {
        return Ok(());
    }
    let mut errors = FieldErrors::default();
    let wants = format!("1 to {REASON_CHARS_MAX} characters on one line, not blank");
    errors.add("reason", Invalid::text(reason, wants));
    Err(errors.into())
}
