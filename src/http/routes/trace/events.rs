//! `GET /trace/events`: the log's events, newest first, or from a place on.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use sagaline_storage::{
    AllQuery, Backend, Direction, EventStore, EventType, Filter, GlobalPosition, RecordedEvent,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::timeline::{self, TimelineEvent};
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::error::Error;
use crate::http::failure;
use crate::http::params::Params;
use crate::limits::{TRACE_PAGE_EVENTS_DEFAULT, TRACE_PAGE_EVENTS_MAX};

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
    /// The log's last position.
    head: u64,
}

/// Shows events of the log: the latest, or with `after` those behind a position.
#[utoipa::path(
    get, path = "/trace/events", operation_id = "listEvents", tag = "Traces",
    security(("bearer" = ["admin"])),
    params(
        ("limit" = Option<u64>, Query, description = "Events at most", minimum = 1, maximum = 1000),
        ("eventType" = Option<String>, Query, description = "Only events of this type", example = "OrderPlaced"),
        ("after" = Option<u64>, Query, description = "Events behind this position instead of the latest"),
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
    let filter = filter(&mut params);
    params.finish()?;
    let limit = usize::try_from(limit.unwrap_or(TRACE_PAGE_EVENTS_DEFAULT)).unwrap_or(usize::MAX);
    let head = app.backend().events().head().await.map_err(failure::storage)?;
    let (direction, from) = match after {
        Some(after) => (Direction::Forward, after),
        None => (Direction::Backward, GlobalPosition(head.0.saturating_add(1))),
    };
    let query = AllQuery { from, direction, limit, filter };
    let (mut events, next) = read(&app, query).await?;
    events.sort_unstable_by_key(|event| event.position);
    let next_after = if after.is_some() { next } else { head };
    let events = shown(&events, next_after, head);
    Ok(Json(events))
}

fn shown(events: &[RecordedEvent], next: GlobalPosition, head: GlobalPosition) -> EventPage {
    let mut by_type = BTreeMap::new();
    for event in events {
        *by_type.entry(event.event_type.to_string()).or_insert(0) += 1;
    }
    EventPage { events: timeline::of(events), by_type, next_after: next.0, head: head.0 }
}

/// `eventType` of the query.
pub(super) fn filter(params: &mut Params) -> Filter {
    let event_type = params.parsed("eventType", |text| EventType::new(text));
    Filter { event_types: event_type.into_iter().collect(), ..Filter::ALL }
}

/// Up to `limit` events, and where it goes on. A store may come back with less than there is.
pub(super) async fn read<B: Backend>(
    app: &App<B>,
    mut query: AllQuery,
) -> Result<(Vec<RecordedEvent>, GlobalPosition), Error> {
    let wanted = query.limit;
    let mut events = Vec::new();
    loop {
        query.limit = wanted - events.len();
        let page = app.backend().events().read_all(query.clone()).await;
        let page = page.map_err(failure::storage)?;
        events.extend(page.events);
        query.from = page.next;
        if page.end || events.len() >= wanted {
            return Ok((events, query.from));
        }
    }
}
