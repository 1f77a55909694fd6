//! The operator's verbs. Each needs a reason, is an event of the saga, and answers with the saga as it is
//! afterwards; 409 when its state forbids the verb.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use sagaline_storage::Backend;
use serde::Deserialize;
use uuid::Uuid;

use super::sagas;
use crate::domain::{FieldErrors, Invalid};
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::body::JsonBody;
use crate::http::error::Error;
use crate::http::failure;
use crate::http::id::Id;
use crate::limits::REASON_BYTES_MAX;
use crate::projections::SagaPage;
use crate::saga::{Json as RawJson, Verb};

/// `/saga/{verb}/{sagaId}`.
pub(super) fn routes<B: Backend>() -> Router<App<B>> {
    let plain = |verb: Verb| {
        post(move |app: State<App<B>>, admin: Admin, id: Id<Uuid>, body: JsonBody<ReasonBody>| {
            operate(app, admin, id, verb, body.0.reason)
        })
    };
    Router::new()
        .route("/saga/retry/{id}", plain(Verb::Retry))
        .route("/saga/skip/{id}", plain(Verb::Skip))
        .route("/saga/compensate/{id}", plain(Verb::Compensate))
        .route("/saga/pause/{id}", plain(Verb::Pause))
        .route("/saga/resume/{id}", plain(Verb::Resume))
        .route("/saga/resolve/{id}", post(resolve))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReasonBody {
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolveBody {
    reason: String,
    outcome: String,
    #[serde(default)]
    result: Option<RawJson>,
}

async fn resolve<B: Backend>(
    app: State<App<B>>,
    admin: Admin,
    id: Id<Uuid>,
    JsonBody(body): JsonBody<ResolveBody>,
) -> Result<Json<SagaPage>, Error> {
    let verb = match (body.outcome.as_str(), body.result) {
        ("succeeded", result) => {
            Verb::ResolveSucceeded { result: result.unwrap_or_else(RawJson::null) }
        }
        ("rejected", None) => Verb::ResolveRejected,
        ("rejected", Some(_)) => {
            return Err(Error::field("result", "is given: what did not happen has no result"));
        }
        (outcome, _) => {
            let wants = Invalid::text(outcome, "succeeded or rejected");
            return Err(Error::field("outcome", wants.to_string()));
        }
    };
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

/// 1 byte to the limit, not blank.
pub(super) fn check_reason(reason: &str) -> Result<(), Error> {
    let fits = (1..=REASON_BYTES_MAX).contains(&reason.len()) && !reason.trim().is_empty();
    if fits && !reason.chars().any(char::is_control) {
        return Ok(());
    }
    let mut errors = FieldErrors::default();
    let wants = format!("1 to {REASON_BYTES_MAX} bytes on one line, not blank");
    errors.add("reason", Invalid::text(reason, wants));
    Err(errors.into())
}
