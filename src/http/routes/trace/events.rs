//! `GET /trace/events`: the log's events, the latest first or from a place on, both ways, filtered.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use sagaline_storage::{
    AllQuery, Backend, Clock, CorrelationId, Direction, EventStore, EventType, Filter,
    GlobalPosition, RecordedEvent, StreamId, Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::timeline::{self, TimelineEvent};
use crate::domain::WallTime;
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::error::Error;
use crate::http::failure;
use crate::http::params::Params;
use crate::limits::{
    TRACE_FILTER_NAMES_MAX, TRACE_PAGE_EVENTS_DEFAULT, TRACE_PAGE_EVENTS_MAX, TRACE_SEARCH_MS_MAX,
};

/// Events of the log in its order, and how they divide into types.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventPage {
    /// Oldest first.
    events: Vec<TimelineEvent>,
    /// How many of these events have which type.
    #[schema(value_type = BTreeMap<String, u64>)]
    by_type: BTreeMap<String, u64>,
    /// Give it as `after` for what comes behind these.
    next_after: u64,
    /// Give it as `before` for what comes before these.
    next_before: u64,
    /// Nothing that is wanted is left in the direction of the read as of now. False: there may be more,
    /// also when this page has few events or none; a rare event is searched for a bounded time at once.
    end: bool,
    /// The log's last position.
    head: u64,
}

/// Shows events of the log: the latest, with `before` those before a position, with `after` those behind one.
///
/// Given filters must all match; several names stand in one value, with commas between them.
#[utoipa::path(
    get, path = "/trace/events", operation_id = "listEvents", tag = "Traces",
    security(("bearer" = ["admin"])),
    params(
        ("limit" = Option<u64>, Query, description = "Events at most", minimum = 1, maximum = 1000),
        ("after" = Option<u64>, Query, description = "The first events behind this position instead of the latest"),
        ("before" = Option<u64>, Query, description = "The latest events before this position; not together with `after`"),
        ("eventType" = Option<String>, Query, description = "Only events of these types", example = "OrderPlaced,OrderConfirmed"),
        ("category" = Option<String>, Query, description = "Only streams of these categories: what stands before the first `-`", example = "order"),
        ("correlationId" = Option<String>, Query, description = "Only events with this correlation id"),
        ("since" = Option<String>, Query, description = "Only events recorded at or after this time (RFC 3339)", example = "2026-11-22T19:04:05Z"),
        ("until" = Option<String>, Query, description = "Only events recorded before this time (RFC 3339)"),
    ),
    responses((status = 200, description = "Events in the order of the log", body = EventPage)),
)]
pub(super) async fn latest<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
    mut params: Params,
) -> Result<Json<EventPage>, Error> {
    let limit = params.number("limit", 1..=TRACE_PAGE_EVENTS_MAX);
    let after = params.number("after", 0..=u64::MAX).map(GlobalPosition);
    let before = params.number("before", 0..=u64::MAX).map(GlobalPosition);
    if let (Some(_), Some(before)) = (after, before) {
        params.refuse("before", &before.to_string(), "nothing beside after");
    }
    let filter = filter(&mut params);
    params.finish()?;
    let limit = usize::try_from(limit.unwrap_or(TRACE_PAGE_EVENTS_DEFAULT)).unwrap_or(usize::MAX);
    let head = app.backend().events().head().await.map_err(failure::storage)?;
    let behind_head = GlobalPosition(head.0.saturating_add(1));
    let (direction, from) = match after {
        Some(after) => (Direction::Forward, after),
        None => (Direction::Backward, before.unwrap_or(behind_head)),
    };
    let Found { mut events, next, end } =
        read(&app, AllQuery { from, direction, limit, filter }).await?;
    events.sort_unstable_by_key(|event| event.position);
    let (next_after, next_before) = match direction {
        Direction::Forward => (next, GlobalPosition(from.0.saturating_add(1))),
        // What comes behind the latest is what is appended next.
        Direction::Backward => (GlobalPosition(from.0.saturating_sub(1)).min(head), next),
    };
    let by_type = by_type(&events);
    let (next_after, next_before) = (next_after.0, next_before.0);
    let events = timeline::of(&events);
    Ok(Json(EventPage { events, by_type, next_after, next_before, end, head: head.0 }))
}

fn by_type(events: &[RecordedEvent]) -> BTreeMap<String, u64> {
    let mut by_type = BTreeMap::new();
    for event in events {
        *by_type.entry(event.event_type.to_string()).or_insert(0) += 1;
    }
    by_type
}

/// The filters of a query.
pub(super) fn filter(params: &mut Params) -> Filter {
    Filter {
        event_types: params
            .parsed("eventType", |text| names(text, EventType::new))
            .unwrap_or_default(),
        categories: params.parsed("category", |text| names(text, category)).unwrap_or_default(),
        correlation_id: params.parsed("correlationId", |text| CorrelationId::new(text)),
        recorded_from: params.parsed("since", time),
        recorded_to: params.parsed("until", time),
    }
}

/// Names with commas between them, each let through by its own door.
fn names<'a, T, E: Display>(
    text: &'a str,
    name: impl Fn(&'a str) -> Result<T, E>,
) -> Result<Vec<T>, String> {
    let names: Result<Vec<T>, E> = text.split(',').map(name).collect();
    let names = names.map_err(|error| error.to_string())?;
    if names.len() > TRACE_FILTER_NAMES_MAX {
        return Err(format!("has {} names, wants at most {TRACE_FILTER_NAMES_MAX}", names.len()));
    }
    Ok(names)
}

/// A category is the beginning of a stream's name, up to the first `-`.
pub(crate) fn category(text: &str) -> Result<Arc<str>, String> {
    match StreamId::new(text) {
        Ok(stream) if stream.category() == text => Ok(text.into()),
        Ok(_) => Err(format!("`{text}` is no category: wants what stands before the first `-`")),
        Err(error) => Err(error.to_string()),
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    let time = WallTime::parse(text).map(|time| Timestamp(time.0));
    time.ok_or_else(|| "wants a time like 2026-11-22T19:04:05Z".to_owned())
}

/// What a read has found.
pub(super) struct Found {
    pub(super) events: Vec<RecordedEvent>,
    /// Where it goes on.
    pub(super) next: GlobalPosition,
    /// There is nothing left as of now.
    pub(super) end: bool,
}

/// Up to `limit` events, and where it goes on. A store may come back with less than there is: then it is asked
/// for more, for a bounded time.
pub(super) async fn read<B: Backend>(app: &App<B>, mut query: AllQuery) -> Result<Found, Error> {
    let wanted = query.limit;
    let until = app.clock().monotonic() + Duration::from_millis(TRACE_SEARCH_MS_MAX);
    let mut events = Vec::new();
    loop {
        query.limit = wanted - events.len();
        let page = app.backend().events().read_all(query.clone()).await;
        let page = page.map_err(failure::storage)?;
        events.extend(page.events);
        query.from = page.next;
        if page.end || events.len() >= wanted || app.clock().monotonic() >= until {
            return Ok(Found { events, next: query.from, end: page.end });
        }
    }
}
