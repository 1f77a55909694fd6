//! `DELETE /orders/{id}` and `PUT /orders/{id}/confirm`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sagaline_storage::{Backend, Clock};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{NO_ORDER, applied, document, visible};
use crate::app::{Cancelled, ChangeError};
use crate::canary::planted;
use crate::domain::{OrderId, OrderStatus, PaymentId};
use crate::engine::CommandMetadata;
use crate::http::app::App;
use crate::http::auth::{Caller, Merchant};
use crate::http::body::{JsonBody, OptionalBody};
use crate::http::correlation::Correlation;
use crate::http::error::Error;
use crate::http::id::Id;
use crate::http::prefer::{Applied, Wait};
use crate::http::routes::operator::check_reason;
use crate::http::waiting::wait_for_end;
use crate::projections::OrderDocument;

/// How long a cancellation is waited for when the caller does not say: it usually takes milliseconds,
/// and then the answer is the cancelled order. So long it is also waited for that it is known whether the
/// money has moved.
const CANCEL_WAIT: Duration = Duration::from_secs(2);

#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelBody {
    #[serde(default)]
    /// Missing: "cancelled by its customer", or "cancelled by an administrator".
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ConfirmBody {
    /// What the payment is called where it was made.
    #[schema(value_type = PaymentId)]
    payment_id: String,
}

/// Cancels an order.
///
/// Before its money has moved its saga goes back; after that the money is given back. 200 with the
/// cancelled order, or 202 with one whose money is still on its way back. 409 also while nobody knows
/// whether its money has moved: the wish stays, and what comes of it is told to who asks again.
#[utoipa::path(
    delete, path = "/orders/{id}", operation_id = "cancelOrder", tag = "Orders",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The order's id"), Wait),
    request_body = Option<CancelBody>,
    responses(
        (status = 200, description = "The cancelled order", body = OrderDocument),
        (status = 202, description = "The order; its money is on its way back", body = OrderDocument),
        (status = 404, description = "NOT_FOUND"),
        (status = 409, description = "STATE_FORBIDS"),
    ),
)]
pub(super) async fn cancel<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
    wait: Wait,
    correlation: Correlation,
    Id(id): Id<OrderId>,
    OptionalBody(body): OptionalBody<CancelBody>,
) -> Result<(StatusCode, Applied, Json<OrderDocument>), Error> {
    let reason = body.unwrap_or_default().reason;
    reason.as_deref().map_or(Ok(()), check_reason)?;
    let order = if planted("foreign-order-cancelled") {
        document(&app, id).await?.ok_or(NO_ORDER)?
    } else {
        visible(&app, caller, id).await?
    };
    let is_own = order.user_id == caller.user;
    let by = if is_own { "its customer" } else { "an administrator" };
    let reason = reason.unwrap_or_else(|| format!("cancelled by {by}"));
    let metadata = CommandMetadata { correlation_id: correlation.id, causation_id: None };
    let actor = caller.user.to_string();
    let limit = wait.limit().unwrap_or(CANCEL_WAIT);
    let until = app.clock().monotonic() + limit;
    let cancelled = app.orders().cancel(id, &reason, &actor, limit, &metadata).await;
    let cancelled = cancelled.map_err(refusal)?;
    let left = until.saturating_sub(app.clock().monotonic());
    match cancelled {
        Cancelled::Now => {}
        Cancelled::Refunding(saga) => {
            wait_for_end(&app, saga, wait.limit().map(|_| left)).await;
        }
        Cancelled::Compensating => drop(wait_for_end(&app, id.uuid(), Some(left)).await),
    }
    let order = document(&app, id).await?.ok_or(NO_ORDER)?;
    let done = order.status == OrderStatus::Cancelled;
    let status = if done { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, applied(wait, &order), Json(order)))
}

/// Confirms that an order was paid elsewhere.
///
/// Only orders with the payment method `external`.
#[utoipa::path(
    put, path = "/orders/{id}/confirm", operation_id = "confirmOrder", tag = "Merchants",
    security(("bearer" = ["merchant"])),
    params(("id" = Uuid, Path, description = "The order's id")),
    request_body = ConfirmBody,
    responses(
        (status = 200, description = "The paid order", body = OrderDocument),
        (status = 404, description = "NOT_FOUND"),
        (status = 409, description = "STATE_FORBIDS"),
    ),
)]
pub(super) async fn confirm<B: Backend>(
    State(app): State<App<B>>,
    _: Merchant,
    correlation: Correlation,
    Id(id): Id<OrderId>,
    JsonBody(body): JsonBody<ConfirmBody>,
) -> Result<Json<OrderDocument>, Error> {
    let payment = PaymentId::parse(&body.payment_id);
    let payment = payment.map_err(|error| Error::field("paymentId", error.to_string()))?;
    let metadata = CommandMetadata { correlation_id: correlation.id, causation_id: None };
    app.orders().confirm(id, payment, &metadata).await.map_err(refusal)?;
    document(&app, id).await?.map(Json).ok_or(NO_ORDER)
}

/// What a refused change is told.
pub(super) fn refusal(error: ChangeError) -> Error {
    match error {
        ChangeError::NotFound => NO_ORDER,
        ChangeError::Refused(_)
        | ChangeError::SagaRefused(_)
        | ChangeError::InDoubt(_)
        | ChangeError::RefundRefused { .. } => Error::StateForbids(error.to_string()),
        ChangeError::Unavailable(cause) => Error::Unavailable(cause),
    }
}
