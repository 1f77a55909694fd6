//! `GET /trace/distribution`: which node took which orders, and in what order they came, by microsecond.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use sagaline_storage::{
    AllQuery, Backend, Direction, EventStore, EventType, Filter, GlobalPosition, NodeId,
    RecordedEvent,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::events::read;
use crate::domain::WallTime;
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::error::Error;
use crate::http::failure;
use crate::http::params::Params;
use crate::limits::{TRACE_PAGE_EVENTS_DEFAULT, TRACE_PAGE_EVENTS_MAX};

/// What an order begins with.
const ORDER_PLACED: &str = "OrderPlaced";

/// The latest orders by the node that took them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Distribution {
    /// How many orders were looked at.
    orders: usize,
    nodes: Vec<Share>,
    /// In the order of the log.
    arrivals: Vec<Arrival>,
}

/// A node's part.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Share {
    #[schema(value_type = String)]
    node_id: NodeId,
    orders: usize,
    /// Of all orders looked at, 0 to 1.
    share: f64,
}

/// An order on its arrival.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Arrival {
    order_id: String,
    #[schema(value_type = String)]
    node_id: NodeId,
    position: u64,
    /// By the log's clock, to the microsecond. The order is the position's.
    arrived_at: WallTime,
    /// Microseconds since 1970, for programs.
    arrived_at_us: u64,
    since_previous_us: u64,
}

/// Shows which node took which of the latest orders, and when to the microsecond.
#[utoipa::path(
    get, path = "/trace/distribution", operation_id = "showDistribution", tag = "Traces",
    security(("bearer" = ["admin"])),
    params(("limit" = Option<u64>, Query, description = "Orders at most", minimum = 1, maximum = 1000)),
    responses((status = 200, description = "The latest orders by node", body = Distribution)),
)]
pub(super) async fn distribution<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
    mut params: Params,
) -> Result<Json<Distribution>, Error> {
    let limit = params.number("limit", 1..=TRACE_PAGE_EVENTS_MAX);
    params.finish()?;
    let limit = usize::try_from(limit.unwrap_or(TRACE_PAGE_EVENTS_DEFAULT)).unwrap_or(usize::MAX);
    let head = app.backend().events().head().await.map_err(failure::storage)?;
    let placed = EventType::new(ORDER_PLACED).map_err(failure::storage)?;
    let filter = Filter { event_types: vec![placed], ..Filter::ALL };
    let from = GlobalPosition(head.0.saturating_add(1));
    let query = AllQuery { from, direction: Direction::Backward, limit, filter };
    let mut placed = read(&app, query).await?.events;
    placed.sort_unstable_by_key(|event| event.position);
    Ok(Json(of(&placed)))
}

fn of(placed: &[RecordedEvent]) -> Distribution {
    let mut by_node = BTreeMap::<&NodeId, usize>::new();
    let mut arrivals: Vec<Arrival> = Vec::with_capacity(placed.len());
    for event in placed {
        *by_node.entry(&event.node_id).or_insert(0) += 1;
        let at_us = event.recorded_at.0;
        let before_us = arrivals.last().map_or(at_us, |before| before.arrived_at_us);
        arrivals.push(Arrival {
            order_id: event.stream.key().to_owned(),
            node_id: event.node_id.clone(),
            position: event.position.0,
            arrived_at: WallTime(at_us),
            arrived_at_us: at_us,
            since_previous_us: at_us.saturating_sub(before_us),
        });
    }
    let share = |(node_id, orders): (&NodeId, usize)| Share {
        node_id: node_id.clone(),
        orders,
        share: orders as f64 / placed.len() as f64,
    };
    let nodes = by_node.into_iter().map(share).collect();
    Distribution { orders: placed.len(), nodes, arrivals }
}
