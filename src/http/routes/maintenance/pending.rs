//! `GET /saga/maintenance/pending-orders`: orders that were placed and have not come to an end.

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use sagaline_storage::{Backend, Clock, Direction};
use serde::Serialize;
use utoipa::ToSchema;

use crate::canary::planted;
use crate::domain::{OrderId, OrderStatus, PaymentKind, UserId, WallTime};
use crate::engine::DocumentQuery;
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::error::Error;
use crate::http::failure;
use crate::http::params::Params;
use crate::limits::{FLOW_STUCK_MS, PAGE_ENTRIES_MAX};
use crate::projections::{OrderDocument, Orders, partition};

/// Where orders that have not come to an end stand in the view.
const STATUSES: [OrderStatus; 2] = [OrderStatus::Pending, OrderStatus::Processing];

/// Orders that have not come to an end.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PendingOrders {
    /// How many there are, of any age.
    total: u64,
    /// How many of the orders shown are stuck.
    stuck: usize,
    /// Oldest first.
    orders: Vec<PendingOrder>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PendingOrder {
    /// Its saga has the same id.
    order_id: OrderId,
    user_id: UserId,
    status: OrderStatus,
    /// `card`: its saga is at work. `external`: a merchant has yet to confirm that it was paid.
    payment: PaymentKind,
    created_at: WallTime,
    age_ms: u64,
    /// Its saga should have brought it to an end long ago.
    is_stuck: bool,
}

/// Lists the orders that have not come to an end, oldest first.
#[utoipa::path(
    get, path = "/saga/maintenance/pending-orders", operation_id = "listPendingOrders", tag = "Operators",
    security(("bearer" = ["admin"])),
    params(
        ("olderThan" = Option<u64>, Query, description = "Only orders older than this, in seconds"),
        ("limit" = Option<u32>, Query, description = "Orders at most", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "Orders without an end", body = PendingOrders)),
)]
pub(super) async fn pending_orders<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
    mut params: Params,
) -> Result<Json<PendingOrders>, Error> {
    let older_than_s = params.number("olderThan", 0..=u64::MAX).unwrap_or(0);
    let limit = params.number("limit", 1..=PAGE_ENTRIES_MAX.into());
    params.finish()?;
    let limit = usize::try_from(limit.unwrap_or_else(|| PAGE_ENTRIES_MAX.into()));
    let limit = limit.unwrap_or(usize::MAX);
    let view = app.views::<Orders>()?;
    app.caught_up(&view).await?;
    let (mut total, mut found) = (0, Vec::new());
    for status in STATUSES {
        let of_status = partition(&[status.as_str()]);
        total += view.count("by_status", &of_status).await.map_err(failure::storage)?;
        let page = view.query(oldest(of_status, None, limit)).await;
        found.extend(page.map_err(failure::storage)?.documents);
    }
    let now_us = app.clock().now().0;
    let shown = found.iter().map(|order| PendingOrder::of(order, now_us));
    let mut orders: Vec<_> = shown.filter(|o| o.age_ms / 1_000 >= older_than_s).collect();
    orders.sort_by_key(|order| order.created_at);
    if planted("pending-orders-newest-first") {
        orders.reverse();
    }
    orders.truncate(limit);
    let stuck = orders.iter().filter(|order| order.is_stuck).count();
    Ok(Json(PendingOrders { total, stuck, orders }))
}

/// The oldest orders of a partition.
pub(super) fn oldest(partition: Bytes, after: Option<Bytes>, limit: usize) -> DocumentQuery {
    let direction = Direction::Forward;
    DocumentQuery { index: "by_status", partition, direction, after, skip: 0, limit }
}

impl PendingOrder {
    fn of(order: &OrderDocument, now_us: u64) -> Self {
        let age_ms = now_us.saturating_sub(order.created_at.0) / 1_000;
        let payment = order.payment_method.kind;
        let by_saga = match payment {
            PaymentKind::Card => true,
            PaymentKind::External => false,
        };
        Self {
            order_id: order.id,
            user_id: order.user_id,
            status: order.status,
            payment,
            created_at: order.created_at,
            age_ms,
            is_stuck: by_saga && age_ms >= FLOW_STUCK_MS,
        }
    }
}
