//! `POST /sagas`: starts any saga the node knows.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use sagaline_storage::{Backend, Clock, CorrelationId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{document, opened};
use crate::domain::Invalid;
use crate::engine::{StartError, StartRequest, Started};
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::body::JsonBody;
use crate::http::correlation::Correlation;
use crate::http::error::Error;
use crate::http::failure;
use crate::http::idempotency::{HeaderKey, Replayed};
use crate::http::prefer::Wait;
use crate::http::waiting::{wait_for_end, wait_for_end_of};
use crate::limits::SAGA_DATA_BYTES_MAX;
use crate::projections::SagaPage;
use crate::saga::{Json as RawJson, SagaState};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "sagaType": "order-refund", "correlationId": "desk:4711",
    "data": {
        "userId": "0192f3a4-5b6c-7d8e-9f01-23456789abcd", "reason": "came back",
        "terms": {"orderId": "0192f3a4-5b6c-7d8e-9f01-23456789abcd", "amountMinor": 3998, "currency": "USD"},
    },
}))]
pub(super) struct StartBody {
    /// A type that this node knows.
    saga_type: String,
    /// What sagas of the type take.
    #[schema(value_type = serde_json::Value)]
    data: RawJson,
    /// Missing: the request's.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    correlation_id: Option<String>,
}

/// Starts a saga of any type that the node knows.
///
/// When the answer comes the saga is on disk. The same idempotency key and body again give the same saga.
/// With `Prefer: wait` the answer comes when it has ended.
#[utoipa::path(
    post, path = "/sagas", operation_id = "startSaga", tag = "Sagas",
    security(("bearer" = ["admin"])),
    params(Wait, HeaderKey),
    request_body = StartBody,
    responses(
        (status = 201, description = "The saga", body = SagaPage, headers(
            ("Location" = String, description = "Where the saga is"),
            ("Idempotent-Replayed" = String, description = "`true` on the first answer given again"),
        )),
        (status = 409, description = "STATE_FORBIDS"),
        (status = 422, description = "IDEMPOTENCY_KEY_REUSED"),
    ),
)]
pub(super) async fn start<B: Backend>(
    State(app): State<App<B>>,
    Admin(caller): Admin,
    wait: Wait,
    header_key: HeaderKey,
    correlation: Correlation,
    JsonBody(body): JsonBody<StartBody>,
) -> Result<Response, Error> {
    let length = body.data.as_str().len();
    if length > SAGA_DATA_BYTES_MAX {
        let wants = format!("has {length} bytes: wants at most {SAGA_DATA_BYTES_MAX}");
        return Err(Error::field("data", wants));
    }
    let correlation_id = match body.correlation_id {
        Some(id) => CorrelationId::new(id.as_str())
            .map_err(|_| Error::field("correlationId", not_an_id(&id)))?,
        None => correlation.id,
    };
    let key = header_key.or_body(None)?;
    let shown_key = key.as_ref().map_or_else(String::new, ToString::to_string);
    let request = StartRequest {
        // Keys are scoped to who gives them.
        idempotency_key: key.map(|key| format!("{}/{key}", caller.user)),
        correlation_id: Some(correlation_id),
    };
    let until = wait.limit().map(|limit| app.clock().monotonic().saturating_add(limit));
    let starting = app.sagas().begin_named(&body.saga_type, request, body.data);
    let mut starting = starting.map_err(|error| refusal(error, shown_key.clone()))?;
    let ended = wait_for_end_of(&app, &mut starting, wait.limit()).await;
    let started = starting.started().await.map_err(|error| refusal(error, shown_key))?;
    // What is left of the wait: for a saga that an earlier request started, or that another node has now.
    let left = until.map(|until| until.saturating_sub(app.clock().monotonic()));
    let ended = match ended {
        Some(ended) => Some(ended),
        None => wait_for_end(&app, started.id, left).await,
    };
    answer(&app, wait, started, ended).await
}

async fn answer<B: Backend>(
    app: &App<B>,
    wait: Wait,
    started: Started,
    ended: Option<SagaState>,
) -> Result<Response, Error> {
    let Started { id, correlation_id, replayed, state } = started;
    let saga = match (wait.limit(), ended) {
        (None, _) => opened(app, id, correlation_id, state).await?,
        (Some(_), Some(ended)) => opened(app, id, correlation_id, ended).await?,
        (Some(_), None) => document(app, id).await?,
    };
    let location = [(LOCATION, format!("/sagas/{id}"))];
    let saga = Json(app.show(&saga));
    Ok((StatusCode::CREATED, wait.applied(), Replayed(replayed), location, saga).into_response())
}

fn not_an_id(text: &str) -> String {
    Invalid::text(text, "1 to 64 of A-Z, a-z, 0-9 and _ . : @ + -").to_string()
}

fn refusal(error: StartError, key: String) -> Error {
    match error {
        StartError::KeyReused { .. } => Error::IdempotencyKeyReused(key),
        error @ (StartError::UnknownType { .. }
        | StartError::UnknownDefinition { .. }
        | StartError::BadInput { .. }
        | StartError::BadRequest(_)
        | StartError::ClaimTaken { .. }
        | StartError::Rejected { .. }
        | StartError::Overloaded { .. }
        | StartError::Unavailable(_)) => failure::start(error),
    }
}
