//! The whole flow of an order or of a request: what there is of it, every event with its cause, and how
//! long everything took. Read from the log, so it is never behind.

mod distribution;
mod events;
mod flows;
mod stream;
mod timeline;

use axum::Json;
use axum::extract::State;
use sagaline_storage::{
    AllQuery, Backend, CorrelationId, Direction, EventStore, Filter, GlobalPosition, RecordedEvent,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::canary::planted;
use crate::domain::{Aggregate, Order, OrderId, Payment};
use crate::engine::SAGA_CATEGORY;
use crate::http::app::App;
use crate::http::auth::Caller;
use crate::http::error::Error;
use crate::http::id::Id;
use crate::http::{failure, fresh};
use crate::limits::TRACE_EVENTS_MAX;
use crate::projections::{OrderDocument, Orders, PaymentDocument, Payments, SagaPage, Sagas, fold};

use timeline::{Summary, TimelineEvent};

/// `/trace`.
pub(super) fn routes<B: Backend>() -> OpenApiRouter<App<B>> {
    OpenApiRouter::new()
        .routes(routes!(of_order))
        .routes(routes!(of_correlation))
        .routes(routes!(events::latest))
        .routes(routes!(stream::live))
        .routes(routes!(flows::active))
        .routes(routes!(distribution::distribution))
}

/// The streams that an order's flow consists of; each has the order's key.
const FLOW: [&str; 3] = [Order::CATEGORY, Payment::CATEGORY, SAGA_CATEGORY];

/// A flow: what there is, and what happened in order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Trace {
    #[schema(value_type = String)]
    correlation_id: CorrelationId,
    order: Option<OrderDocument>,
    payment: Option<PaymentDocument>,
    saga: Option<SagaPage>,
    timeline: Vec<TimelineEvent>,
    summary: Summary,
}

/// The flows of one request.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CorrelationTrace {
    #[schema(value_type = String)]
    correlation_id: CorrelationId,
    orders: Vec<OrderDocument>,
    payments: Vec<PaymentDocument>,
    sagas: Vec<SagaPage>,
    timeline: Vec<TimelineEvent>,
    summary: Summary,
}

/// Shows the whole flow of an order: saga, order, payment, and every event with its cause.
#[utoipa::path(
    get, path = "/trace/order/{id}", operation_id = "traceOrder", tag = "Traces",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The order's id")),
    responses(
        (status = 200, description = "The flow", body = Trace),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
async fn of_order<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
    Id(id): Id<OrderId>,
) -> Result<Json<Trace>, Error> {
    const MISSING: Error = Error::NotFound("the order");
    let key = id.to_string();
    let mut events = fresh::streams(&app, &FLOW, &key).await?;
    if planted("trace-without-its-end") {
        events.pop();
    }
    let order = fold(&Orders, &key, &events).map_err(Error::internal)?;
    let order = order.filter(|order| caller.may_see(order.user_id)).ok_or(MISSING)?;
    let payment = fold(&Payments, &key, &events).map_err(Error::internal)?;
    let saga = fold(&Sagas, &key, &events).map_err(Error::internal)?;
    Ok(Json(Trace {
        correlation_id: order.correlation_id.clone(),
        order: Some(order),
        payment,
        saga: saga.map(|saga| app.show(&saga)),
        timeline: timeline::of(&events),
        summary: Summary::of(&events, false),
    }))
}

/// Shows everything that one request set in motion, as far as the caller may see it.
#[utoipa::path(
    get, path = "/trace/correlation/{id}", operation_id = "traceRequest", tag = "Traces",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The request's correlation id")),
    responses(
        (status = 200, description = "The flows", body = CorrelationTrace),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
async fn of_correlation<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
    Id(id): Id<CorrelationId>,
) -> Result<Json<CorrelationTrace>, Error> {
    let (events, truncated) = correlated(&app, &id).await?;
    let events = of_caller(caller, events)?;
    if events.is_empty() {
        return Err(Error::NotFound("an event with this correlation id"));
    }
    let (mut orders, mut payments, mut sagas) = (Vec::new(), Vec::new(), Vec::new());
    for key in keys(&events) {
        orders.extend(fold(&Orders, &key, &events).map_err(Error::internal)?);
        payments.extend(fold(&Payments, &key, &events).map_err(Error::internal)?);
        let saga = fold(&Sagas, &key, &events).map_err(Error::internal)?;
        sagas.extend(saga.map(|saga| app.show(&saga)));
    }
    let (timeline, summary) = (timeline::of(&events), Summary::of(&events, truncated));
    Ok(Json(CorrelationTrace { correlation_id: id, orders, payments, sagas, timeline, summary }))
}

/// The events of a request in the order of the log, and whether there are more than are read.
async fn correlated<B: Backend>(
    app: &App<B>,
    id: &CorrelationId,
) -> Result<(Vec<RecordedEvent>, bool), Error> {
    let filter = Filter { correlation_id: Some(id.clone()), ..Filter::ALL };
    let mut from = GlobalPosition::START;
    let mut events = Vec::new();
    loop {
        let limit = TRACE_EVENTS_MAX - events.len();
        let query = AllQuery { from, direction: Direction::Forward, limit, filter: filter.clone() };
        let page = app.backend().events().read_all(query).await.map_err(failure::storage)?;
        events.extend(page.events);
        from = page.next;
        if page.end || events.len() >= TRACE_EVENTS_MAX {
            app.node().open(&mut events).await.map_err(failure::load)?;
            return Ok((events, !page.end));
        }
    }
}

/// What the caller may see of them: everything for an administrator, one's own flows for others. Two
/// users may have given their requests the same correlation id.
fn of_caller(caller: Caller, events: Vec<RecordedEvent>) -> Result<Vec<RecordedEvent>, Error> {
    if caller.is_admin() {
        return Ok(events);
    }
    let mut own = Vec::new();
    for key in keys(&events) {
        let order = fold(&Orders, &key, &events).map_err(Error::internal)?;
        let saga = fold(&Sagas, &key, &events).map_err(Error::internal)?;
        let by_order = order.is_some_and(|order| order.user_id == caller.user);
        let user = caller.user.to_string();
        let by_saga = saga.is_some_and(|saga| saga.user_id.as_deref() == Some(&*user));
        if by_order || by_saga {
            own.push(key);
        }
    }
    let is_own = |event: &RecordedEvent| {
        let in_flow = FLOW.contains(&event.stream.category());
        in_flow && own.iter().any(|key| key == event.stream.key())
    };
    Ok(events.into_iter().filter(is_own).collect())
}

/// The keys of the flows' streams, each once.
fn keys(events: &[RecordedEvent]) -> Vec<String> {
    let in_flow = events.iter().filter(|event| FLOW.contains(&event.stream.category()));
    let mut keys: Vec<String> = in_flow.map(|event| event.stream.key().to_owned()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
