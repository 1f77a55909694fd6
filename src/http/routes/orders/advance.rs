//! What a merchant does with a paid order: ship it, deliver it, give its money back.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sagaline_storage::Backend;

use super::change::refusal;
use super::{NO_ORDER, document};
use crate::domain::{OrderId, OrderStatus};
use crate::engine::CommandMetadata;
use crate::http::app::App;
use crate::http::auth::Merchant;
use crate::http::body::JsonBody;
use crate::http::correlation::Correlation;
use crate::http::error::Error;
use crate::http::id::Id;
use crate::http::prefer::{Applied, Wait};
use crate::http::routes::operator::{ReasonBody, check_reason};
use crate::http::waiting::wait_for_end;
use crate::projections::OrderDocument;

/// Says that a paid order is on its way.
#[utoipa::path(
    put, path = "/orders/{id}/ship", operation_id = "shipOrder", tag = "Merchants",
    security(("bearer" = ["merchant"])),
    params(("id" = Uuid, Path, description = "The order's id")),
    responses(
        (status = 200, description = "The shipped order", body = OrderDocument),
        (status = 404, description = "NOT_FOUND"),
        (status = 409, description = "STATE_FORBIDS"),
    ),
)]
pub(super) async fn ship<B: Backend>(
    State(app): State<App<B>>,
    Merchant(caller): Merchant,
    correlation: Correlation,
    Id(id): Id<OrderId>,
) -> Result<Json<OrderDocument>, Error> {
    app.orders().ship(id, caller.user, &metadata(correlation)).await.map_err(refusal)?;
    document(&app, id).await?.map(Json).ok_or(NO_ORDER)
}

/// Says that a shipped order has arrived.
#[utoipa::path(
    put, path = "/orders/{id}/deliver", operation_id = "deliverOrder", tag = "Merchants",
    security(("bearer" = ["merchant"])),
    params(("id" = Uuid, Path, description = "The order's id")),
    responses(
        (status = 200, description = "The delivered order", body = OrderDocument),
        (status = 404, description = "NOT_FOUND"),
        (status = 409, description = "STATE_FORBIDS"),
    ),
)]
pub(super) async fn deliver<B: Backend>(
    State(app): State<App<B>>,
    Merchant(caller): Merchant,
    correlation: Correlation,
    Id(id): Id<OrderId>,
) -> Result<Json<OrderDocument>, Error> {
    app.orders().deliver(id, caller.user, &metadata(correlation)).await.map_err(refusal)?;
    document(&app, id).await?.map(Json).ok_or(NO_ORDER)
}

/// Gives the money of a paid order back, also of one that was shipped or delivered.
///
/// A saga of its own does it; the order is cancelled after that. There is one refund for an order, however
/// often it is asked for. With `Prefer: wait` the answer comes when the money is back.
#[utoipa::path(
    post, path = "/orders/{id}/refund", operation_id = "refundOrder", tag = "Merchants",
    security(("bearer" = ["merchant"])),
    params(("id" = Uuid, Path, description = "The order's id"), Wait),
    request_body = ReasonBody,
    responses(
        (status = 200, description = "The cancelled order: its money is back", body = OrderDocument),
        (status = 202, description = "The order; its money is on its way back", body = OrderDocument),
        (status = 404, description = "NOT_FOUND"),
        (status = 409, description = "STATE_FORBIDS"),
    ),
)]
pub(super) async fn refund<B: Backend>(
    State(app): State<App<B>>,
    _: Merchant,
    wait: Wait,
    correlation: Correlation,
    Id(id): Id<OrderId>,
    JsonBody(body): JsonBody<ReasonBody>,
) -> Result<(StatusCode, Applied, Json<OrderDocument>), Error> {
    check_reason(&body.reason)?;
    let started = app.orders().refund(id, &body.reason, &metadata(correlation)).await;
    if let Some(saga) = started.map_err(refusal)? {
        wait_for_end(&app, saga, wait.limit()).await;
    }
    let order = document(&app, id).await?.ok_or(NO_ORDER)?;
    let done = order.status == OrderStatus::Cancelled;
    let status = if done { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, wait.applied(), Json(order)))
}

fn metadata(correlation: Correlation) -> CommandMetadata {
    CommandMetadata { correlation_id: correlation.id, causation_id: None }
}
