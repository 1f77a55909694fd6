//! Sagas of the node: start, look, and an operator's verbs.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use sagaline_storage::Backend;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Own;
use crate::domain::Invalid;
use crate::engine::{StartError, StartRequest};
use crate::http::body;
use crate::http::correlation::Correlation;
use crate::http::error::Error;
use crate::http::failure;
use crate::http::id::{Id, Named};
use crate::http::idempotency::{HeaderKey, Replayed};
use crate::http::prefer::Wait;
use crate::http::within::within;
use crate::limits::{REASON_BYTES_MAX, SAGA_DATA_BYTES_MAX};
use crate::projections::{SagaDocument, SagaPage};
use crate::saga::{Json as RawJson, SagaState, Verb};

/// So many ids of parked sagas at a time; an operator begins at the top.
const PARKED_MAX: usize = 1_000;

type Body = Result<Bytes, BytesRejection>;

/// Sagas that wait for an operator.
#[derive(Serialize)]
pub(super) struct ParkedSagas {
    parked: Vec<Uuid>,
}

/// Why, and who.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Intervention {
    reason: String,
    #[serde(default)]
    actor: Option<String>,
}

pub(super) async fn parked<B: Backend>(
    State(own): State<Own<B>>,
) -> Result<Json<ParkedSagas>, Error> {
    let parked = own.node().sagas().parked(None, PARKED_MAX).await.map_err(failure::request)?;
    Ok(Json(ParkedSagas { parked }))
}

pub(super) async fn look<B: Backend>(
    State(own): State<Own<B>>,
    wait: Wait,
    Id(id): Id<Uuid>,
) -> Result<Response, Error> {
    let page = shown(&own, id, wait).await?;
    Ok((wait.applied(), Json(page)).into_response())
}

/// `{id}` of the path is the saga's type here: the two share a place.
pub(super) async fn start<B: Backend>(
    State(own): State<Own<B>>,
    Named(saga_type): Named<String>,
    wait: Wait,
    key: HeaderKey,
    correlation: Correlation,
    input: Body,
) -> Result<Response, Error> {
    let input = read(input)?;
    if input.len() > SAGA_DATA_BYTES_MAX {
        return Err(Error::BodyTooLarge(SAGA_DATA_BYTES_MAX));
    }
    let input: RawJson = body::parse(&input)?;
    let key = key.or_body(None)?;
    let request = StartRequest {
        idempotency_key: key.as_ref().map(ToString::to_string),
        correlation_id: Some(correlation.id),
    };
    let started = own.node().sagas().start_named(&saga_type, request, input).await;
    let started = started.map_err(|error| match error {
        StartError::UnknownType { .. } => Error::NotFound("the saga type"),
        StartError::KeyReused { .. } => {
            Error::IdempotencyKeyReused(key.map_or_else(String::new, |key| key.to_string()))
        }
        error => failure::start(error),
    })?;
    let page = shown(&own, started.id, wait).await?;
    let replayed = Replayed(started.replayed);
    Ok((StatusCode::CREATED, wait.applied(), replayed, Json(page)).into_response())
}

pub(super) async fn operate<B: Backend>(
    State(own): State<Own<B>>,
    Named((id, verb)): Named<(String, String)>,
    body: Body,
) -> Result<Json<SagaPage>, Error> {
    let id = Uuid::parse_str(&id).map_err(|_| {
        Error::field("id", Invalid::text(&id, "the id of a saga, a UUID").to_string())
    })?;
    let Intervention { reason, actor } = body::parse(&read(body)?)?;
    let actor = actor.unwrap_or_else(|| "an operator".to_owned());
    for (field, text) in [("reason", &reason), ("actor", &actor)] {
        let fits = (1..=REASON_BYTES_MAX).contains(&text.len()) && !text.trim().is_empty();
        if !fits || text.chars().any(char::is_control) {
            let wants = format!("1 to {REASON_BYTES_MAX} bytes on one line, not blank");
            return Err(Error::field(field, Invalid::text(text, wants).to_string()));
        }
    }
    let sagas = own.node().sagas();
    let done = match verb.as_str() {
        "cancel" => sagas.cancel(id, &reason, &actor).await,
        verb => sagas.operate(id, self::verb(verb)?, &reason, &actor).await,
    };
    done.map_err(failure::request)?;
    shown(&own, id, Wait::default()).await.map(Json)
}

fn verb(word: &str) -> Result<Verb, Error> {
    match word {
        "retry" => Ok(Verb::Retry),
        "skip" => Ok(Verb::Skip),
        "compensate" => Ok(Verb::Compensate),
        "pause" => Ok(Verb::Pause),
        "resume" => Ok(Verb::Resume),
        word => {
            let wants = "retry, skip, compensate, pause, resume or cancel";
            Err(Error::field("verb", Invalid::text(word, wants).to_string()))
        }
    }
}

fn read(body: Body) -> Result<Bytes, Error> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::BodyTooLarge(SAGA_DATA_BYTES_MAX),
        _ => Error::BodyBroken,
    })
}

/// The saga as the log has it; with a wait, as it has come to rest, or as it is when that is over.
async fn shown<B: Backend>(own: &Own<B>, id: Uuid, wait: Wait) -> Result<SagaPage, Error> {
    let (node, sagas) = (own.node(), own.node().sagas());
    if let Some(limit) = wait.limit() {
        // It is read below, whatever came of the wait.
        let rested = within(node.backend().clock(), limit, sagas.wait(id)).await;
        tracing::debug!(saga_id = %id, rested = matches!(rested, Some(Ok(_))), "waited for");
    }
    let history = sagas.history(id).await.map_err(failure::request)?;
    let state: SagaState = history.state;
    let document = SagaDocument::new(id, history.correlation_id, state);
    Ok(SagaPage::new(&document, &own.0.step_names))
}
