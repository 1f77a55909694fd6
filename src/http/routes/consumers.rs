//! The node's consumer groups for an operator: how far they are, what they have parked, and what is to
//! become of that. A request to replay or skip is an event in the log, carried out by the node that runs the
//! group; so the answer says that it was taken, and the next look what it did.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use sagaline_storage::{Backend, CorrelationId, ErrorKind, EventId, EventType, StreamId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::operator::check_reason;
use crate::domain::WallTime;
use crate::engine::{CommandMetadata, ConsumerError, ConsumerStatus, DeadLetter};
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::body::JsonBody;
use crate::http::correlation::Correlation;
use crate::http::error::Error;
use crate::http::id::Named;
use crate::http::params::Params;
use crate::http::{failure, hex};
use crate::limits::{PAGE_ENTRIES_DEFAULT, PAGE_ENTRIES_MAX};

/// `/consumers`.
pub(super) fn routes<B: Backend>() -> OpenApiRouter<App<B>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(parked))
        .routes(routes!(replay))
        .routes(routes!(skip))
}

/// The groups that this node knows.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ConsumerList {
    consumers: Vec<ConsumerBody>,
}

/// How it stands with a group.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ConsumerBody {
    name: &'static str,
    /// Every event up to here is done, waits for another attempt, or is parked.
    position: u64,
    /// The log's last position.
    head: u64,
    /// Positions between the two.
    lag: u64,
    /// Keys whose first event is delivered again later.
    waiting_keys: u64,
    /// Keys whose first event is parked.
    parked_keys: u64,
    /// Events that wait or are parked, with those held behind them.
    letters: u64,
}

/// Parked events in the order of the log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ParkedList {
    parked: Vec<ParkedBody>,
    /// Give it as `cursor` for the next page; missing: that was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A dead letter: an event that is not delivered again until somebody says so.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ParkedBody {
    /// By which the group orders it: nothing of this key is delivered meanwhile.
    key: String,
    position: u64,
    #[schema(value_type = uuid::Uuid)]
    event_id: EventId,
    #[schema(value_type = String, example = "OrderPlaced")]
    event_type: EventType,
    #[schema(value_type = String)]
    stream: StreamId,
    version: u64,
    #[schema(value_type = String)]
    correlation_id: CorrelationId,
    recorded_at: WallTime,
    attempts: u32,
    /// Why the last attempt failed.
    reason: String,
    parked_at: WallTime,
    /// Later events of the key that are held behind it.
    held: u64,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "the warehouse is back", "key": "order-0192f3a0"}))]
struct ReplayBody {
    /// Kept in the log; one line.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// Only what is parked under this key; without it, everything.
    #[serde(default)]
    key: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "shipped by hand", "key": "order-0192f3a0"}))]
struct SkipBody {
    /// Kept in the log; one line.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// Whose parked event is taken for done.
    key: String,
}

/// Lists the consumer groups and how far each has come.
#[utoipa::path(
    get, path = "/consumers", operation_id = "listConsumers", tag = "Consumers",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "The groups", body = ConsumerList)),
)]
async fn list<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
) -> Result<Json<ConsumerList>, Error> {
    let groups = app.node().consumers();
    let mut consumers = Vec::new();
    for name in groups.names() {
        consumers.push(body(groups.status(name).await.map_err(refusal)?));
    }
    Ok(Json(ConsumerList { consumers }))
}

/// Lists what a group has parked, in the order of the log.
#[utoipa::path(
    get, path = "/consumers/{name}/parked", operation_id = "listParkedEvents", tag = "Consumers",
    security(("bearer" = ["admin"])),
    params(
        ("name" = String, Path, description = "The group's name"),
        ("limit" = Option<u64>, Query, description = "Entries of a page", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of dead letters", body = ParkedList),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
async fn parked<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
    Named(name): Named<String>,
    mut params: Params,
) -> Result<Json<ParkedList>, Error> {
    let limit = params.number("limit", 1..=PAGE_ENTRIES_MAX.into());
    let wrong = "is not the cursor of the page before";
    let cursor = params
        .parsed("cursor", |text| hex::decode(text).filter(|bytes| !bytes.is_empty()).ok_or(wrong));
    params.finish()?;
    let limit = limit.unwrap_or_else(|| PAGE_ENTRIES_DEFAULT.into());
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let groups = app.node().consumers();
    let page = groups.parked(&name, cursor.map(Bytes::from), limit).await.map_err(refusal)?;
    Ok(Json(ParkedList {
        parked: page.letters.into_iter().map(letter).collect(),
        next_cursor: page.cursor.map(|cursor| hex::encode(&cursor)),
    }))
}

/// Has parked events delivered again, from their first attempt on, and those held behind them.
#[utoipa::path(
    post, path = "/consumers/{name}/replay", operation_id = "replayParkedEvents", tag = "Consumers",
    security(("bearer" = ["admin"])),
    params(("name" = String, Path, description = "The group's name")),
    request_body = ReplayBody,
    responses(
        (status = 202, description = "The request is in the log; the group as it was", body = ConsumerBody),
        (status = 404, description = "NOT_FOUND"),
        (status = 409, description = "STATE_FORBIDS"),
    ),
)]
async fn replay<B: Backend>(
    State(app): State<App<B>>,
    Admin(caller): Admin,
    Named(name): Named<String>,
    correlation: Correlation,
    JsonBody(asked): JsonBody<ReplayBody>,
) -> Result<(StatusCode, Json<ConsumerBody>), Error> {
    check_reason(&asked.reason)?;
    let groups = app.node().consumers();
    let status = groups.status(&name).await.map_err(refusal)?;
    let metadata = CommandMetadata { correlation_id: correlation.id, causation_id: None };
    let actor = caller.user.to_string();
    let words = (&*asked.reason, &*actor);
    let replayed = groups.replay(&name, asked.key.as_deref(), words, &metadata).await;
    replayed.map_err(refusal)?;
    Ok((StatusCode::ACCEPTED, Json(body(status))))
}

/// Has a key's parked event taken for done, so that those held behind it go on.
#[utoipa::path(
    post, path = "/consumers/{name}/skip", operation_id = "skipParkedEvent", tag = "Consumers",
    security(("bearer" = ["admin"])),
    params(("name" = String, Path, description = "The group's name")),
    request_body = SkipBody,
    responses(
        (status = 202, description = "The request is in the log; the group as it was", body = ConsumerBody),
        (status = 404, description = "NOT_FOUND"),
        (status = 409, description = "STATE_FORBIDS"),
    ),
)]
async fn skip<B: Backend>(
    State(app): State<App<B>>,
    Admin(caller): Admin,
    Named(name): Named<String>,
    correlation: Correlation,
    JsonBody(asked): JsonBody<SkipBody>,
) -> Result<(StatusCode, Json<ConsumerBody>), Error> {
    check_reason(&asked.reason)?;
    let groups = app.node().consumers();
    let status = groups.status(&name).await.map_err(refusal)?;
    let metadata = CommandMetadata { correlation_id: correlation.id, causation_id: None };
    let actor = caller.user.to_string();
    let skipped = groups.skip(&name, &asked.key, (&*asked.reason, &*actor), &metadata).await;
    skipped.map_err(refusal)?;
    Ok((StatusCode::ACCEPTED, Json(body(status))))
}

fn body(status: ConsumerStatus) -> ConsumerBody {
    let (position, head) = (status.position.0, status.head.0);
    ConsumerBody {
        name: status.name,
        position,
        head,
        lag: head.saturating_sub(position),
        waiting_keys: status.waiting_keys,
        parked_keys: status.parked_keys,
        letters: status.letters,
    }
}

fn letter(letter: DeadLetter) -> ParkedBody {
    let event = letter.event;
    ParkedBody {
        key: letter.key,
        position: event.position.0,
        event_id: event.id,
        event_type: event.event_type,
        stream: event.stream,
        version: event.version.0,
        correlation_id: event.correlation_id,
        recorded_at: WallTime(event.recorded_at.0),
        attempts: letter.attempts,
        reason: letter.reason,
        parked_at: WallTime(letter.parked_at.0),
        held: letter.held,
    }
}

fn refusal(error: ConsumerError) -> Error {
    match error {
        ConsumerError::Unknown { .. } => Error::NotFound("the consumer"),
        ConsumerError::NotParked { .. } => Error::StateForbids(error.to_string()),
        // Of what a request brings along only a cursor gets as far as the store.
        ConsumerError::Storage(error) if error.kind == ErrorKind::Invalid => {
            Error::field("cursor", error.message)
        }
        ConsumerError::Storage(error) => failure::storage(error),
        ConsumerError::Unavailable(cause) => Error::Unavailable(cause),
    }
}
