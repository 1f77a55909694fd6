//! The whole flow of an order or of a request: what there is of it, every event with its cause, and how
//! long everything took. Read from the log, so it is never behind.

mod distribution;
mod events;
mod flows;
mod stream;
mod timeline;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use sagaline_storage::{
    AllQuery, Backend, Clock, CorrelationId, Direction, EventStore, Filter, GlobalPosition,
    RecordedEvent, StreamId, StreamVersion,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::ORDER_REFUND;
use crate::canary::planted;
use crate::domain::{Aggregate, Order, OrderId, Payment};
use crate::engine::SAGA_CATEGORY;
use crate::http::app::App;
use crate::http::auth::Caller;
use crate::http::error::Error;
use crate::http::id::Id;
use crate::http::{failure, fresh};
use crate::limits::{TRACE_EVENTS_MAX, TRACE_SEARCH_MS_MAX};
use crate::projections::{OrderDocument, Orders, PaymentDocument, Payments, SagaPage, Sagas, fold};

pub(crate) use events::category;
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

/// Those of them that tell of the order itself.
const OF_ORDER: [&str; 2] = [Order::CATEGORY, Payment::CATEGORY];

/// A flow: what there is, and what happened in order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Trace {
    #[schema(value_type = String)]
    correlation_id: CorrelationId,
    order: Option<OrderDocument>,
    payment: Option<PaymentDocument>,
    saga: Option<SagaPage>,
    /// How the money was given back, once that was asked for.
    refund: Option<Refund>,
    /// What happened to the order, its payment and its saga.
    timeline: Vec<TimelineEvent>,
    summary: Summary,
}

/// The saga that gives an order's money back, and what happened in it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Refund {
    saga: SagaPage,
    timeline: Vec<TimelineEvent>,
}

/// The flows of one request.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CorrelationTrace {
    #[schema(value_type = String)]
    correlation_id: CorrelationId,
    /// The orders that it did something to, as they are now.
    orders: Vec<OrderDocument>,
    /// Their payments.
    payments: Vec<PaymentDocument>,
    /// The sagas that it did something to, as they are now.
    sagas: Vec<SagaPage>,
    /// What happened by it.
    timeline: Vec<TimelineEvent>,
    summary: Summary,
}

/// Shows the whole flow of an order: saga, order, payment, refund, and every event with its cause.
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
        refund: refund_of(&app, &key).await?,
        timeline: timeline::of(&events),
        summary: Summary::of(&events, false),
    }))
}

/// The refund of an order: there is one, which is started under the order's id.
async fn refund_of<B: Backend>(app: &App<B>, order: &str) -> Result<Option<Refund>, Error> {
    let started = app.sagas().started_under(ORDER_REFUND, order).await;
    let Some(saga) = started.map_err(failure::request)? else { return Ok(None) };
    let key = saga.to_string();
    let events = fresh::stream(app, SAGA_CATEGORY, &key).await?;
    let saga = fold(&Sagas, &key, &events).map_err(Error::internal)?;
    Ok(saga.map(|saga| Refund { saga: app.show(&saga), timeline: timeline::of(&events) }))
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
    let (events, truncated) = correlated(&app, caller, &id).await?;
    if events.is_empty() {
        return Err(Error::NotFound("an event with this correlation id"));
    }
    let (mut orders, mut payments, mut sagas) = (Vec::new(), Vec::new(), Vec::new());
    // An order that the request changed may have come into being by an earlier one.
    for key in keys(&events, &OF_ORDER) {
        let mut flow = fresh::streams(&app, &OF_ORDER, &key).await?;
        if planted("request-trace-of-its-own-events") {
            flow.retain(|event| event.correlation_id == id);
        }
        orders.extend(fold(&Orders, &key, &flow).map_err(Error::internal)?);
        payments.extend(fold(&Payments, &key, &flow).map_err(Error::internal)?);
    }
    for key in keys(&events, &[SAGA_CATEGORY]) {
        let flow = fresh::stream(&app, SAGA_CATEGORY, &key).await?;
        let saga = fold(&Sagas, &key, &flow).map_err(Error::internal)?;
        sagas.extend(saga.map(|saga| app.show(&saga)));
    }
    let (timeline, summary) = (timeline::of(&events), Summary::of(&events, truncated));
    Ok(Json(CorrelationTrace { correlation_id: id, orders, payments, sagas, timeline, summary }))
}

/// The events of a request that the caller may see, in the order of the log: everything for an
/// administrator, one's own flows for others. And whether there may be more than one answer holds, or than
/// are found in a bounded time.
async fn correlated<B: Backend>(
    app: &App<B>,
    caller: Caller,
    id: &CorrelationId,
) -> Result<(Vec<RecordedEvent>, bool), Error> {
    let until = app.clock().monotonic() + Duration::from_millis(TRACE_SEARCH_MS_MAX);
    let filter = Filter { correlation_id: Some(id.clone()), ..Filter::ALL };
    let mut own = Own { app, user: caller.user.to_string(), known: BTreeMap::new() };
    let mut from = GlobalPosition::START;
    let mut events = Vec::new();
    loop {
        let (direction, limit) = (Direction::Forward, TRACE_EVENTS_MAX);
        let query = AllQuery { from, direction, limit, filter: filter.clone() };
        let page = app.backend().events().read_all(query).await.map_err(failure::storage)?;
        for event in page.events {
            if caller.is_admin() || own.holds(&event).await? {
                events.push(event);
            }
        }
        from = page.next;
        let is_cut = events.len() > TRACE_EVENTS_MAX;
        events.truncate(TRACE_EVENTS_MAX);
        let is_full = events.len() == TRACE_EVENTS_MAX;
        if page.end || is_full || app.clock().monotonic() >= until {
            return Ok((events, is_cut || !page.end));
        }
    }
}

/// The flows that are one user's own, as far as they were looked at. Two users may have given their requests
/// the same correlation id.
struct Own<'a, B: Backend> {
    app: &'a App<B>,
    user: String,
    /// By the category and the key of the stream that says whose a flow is.
    known: BTreeMap<(&'static str, String), bool>,
}

impl<B: Backend> Own<'_, B> {
    /// Whether an event is of such a flow.
    async fn holds(&mut self, event: &RecordedEvent) -> Result<bool, Error> {
        let Some(category) = telling(event.stream.category()) else { return Ok(false) };
        let flow = (category, event.stream.key().to_owned());
        if let Some(is_own) = self.known.get(&flow) {
            return Ok(*is_own);
        }
        let is_first = event.stream.category() == category && event.version == FIRST;
        let user = match is_first {
            true => user_of(event)?,
            false => self.user_of_stream(category, event.stream.key()).await?,
        };
        let is_own = user.as_ref() == Some(&self.user);
        self.known.insert(flow, is_own);
        Ok(is_own)
    }

    async fn user_of_stream(&self, category: &str, key: &str) -> Result<Option<String>, Error> {
        let stream = StreamId::new(format!("{category}-{key}")).map_err(failure::storage)?;
        let log = self.app.backend().events();
        let first = log.read_stream(&stream, FIRST, Direction::Forward, 1).await;
        let first = first.map_err(failure::storage)?;
        first.first().map_or(Ok(None), user_of)
    }
}

/// A stream's first event says whose it is.
const FIRST: StreamVersion = StreamVersion(1);

/// The category of the stream that says whose a flow with streams of this category is; none: it is no flow.
fn telling(category: &str) -> Option<&'static str> {
    if OF_ORDER.contains(&category) {
        return Some(Order::CATEGORY);
    }
    (category == SAGA_CATEGORY).then_some(SAGA_CATEGORY)
}

/// Whose an order or a saga is, by its first event.
fn user_of(first: &RecordedEvent) -> Result<Option<String>, Error> {
    let key = first.stream.key();
    let order = fold(&Orders, key, [first]).map_err(Error::internal)?;
    let saga = fold(&Sagas, key, [first]).map_err(Error::internal)?;
    let of_order = order.map(|order| order.user_id.to_string());
    Ok(of_order.or_else(|| saga.and_then(|saga| saga.user_id)))
}

/// The keys of the streams of some categories, each once.
fn keys(events: &[RecordedEvent], categories: &[&str]) -> Vec<String> {
    let wanted = events.iter().filter(|event| categories.contains(&event.stream.category()));
    let mut keys: Vec<String> = wanted.map(|event| event.stream.key().to_owned()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
