//! Payments: what is known of the money of every order. The gateway is the truth; see its ledger.

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use sagaline_storage::Backend;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::canary::planted;
use crate::domain::{Aggregate, Order, OrderId, Payment, PaymentStatus, Role};
use crate::http::app::App;
use crate::http::auth::{Caller, Merchant};
use crate::http::error::Error;
use crate::http::fresh;
use crate::http::id::Id;
use crate::http::pages::{Listed, Page};
use crate::http::params::Params;
use crate::projections::{ALL, Orders, PaymentDocument, Payments, fold, partition};

/// `/payments`.
pub(super) fn routes<B: Backend>() -> OpenApiRouter<App<B>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(look))
}

/// A page of payments.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PaymentList {
    payments: Vec<PaymentDocument>,
    #[serde(flatten)]
    listed: Listed,
}

/// Lists the payments, newest first.
#[utoipa::path(
    get, path = "/payments", operation_id = "listPayments", tag = "Payments",
    security(("bearer" = ["merchant"])),
    params(Page, ("status" = Option<PaymentStatus>, Query, description = "Only payments that are this")),
    responses((status = 200, description = "A page of payments", body = PaymentList)),
)]
async fn list<B: Backend>(
    State(app): State<App<B>>,
    _: Merchant,
    mut params: Params,
) -> Result<Json<PaymentList>, Error> {
    let status = params.parsed("status", PaymentStatus::parse);
    let page = Page::take(&mut params);
    params.finish()?;
    let (index, partition) = match status {
        None => ("all", Bytes::from_static(ALL)),
        Some(status) => ("by_status", partition(&[status.as_str()])),
    };
    let (payments, listed) = page.read::<B, Payments>(&app, index, partition).await?;
    Ok(Json(PaymentList { payments, listed }))
}

/// Shows the payment of an order, to who ordered and to merchants.
///
/// It has the order's id. It is read from the log, and there is none before the gateway has answered.
#[utoipa::path(
    get, path = "/payments/{id}", operation_id = "showPayment", tag = "Payments",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The order's id, which is the payment's")),
    responses(
        (status = 200, description = "The payment", body = PaymentDocument),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
async fn look<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
    Id(id): Id<OrderId>,
) -> Result<Json<PaymentDocument>, Error> {
    const MISSING: Error = Error::NotFound("the payment");
    let key = id.to_string();
    let events = fresh::streams(&app, &[Order::CATEGORY, Payment::CATEGORY], &key).await?;
    let order = fold(&Orders, &key, &events).map_err(Error::internal)?.ok_or(MISSING)?;
    let sees_all = match caller.role {
        Role::Merchant | Role::Admin => true,
        Role::Customer => false,
    };
    if !sees_all && order.user_id != caller.user && !planted("foreign-payment-shown") {
        return Err(MISSING);
    }
    fold(&Payments, &key, &events).map_err(Error::internal)?.map(Json).ok_or(MISSING)
}
