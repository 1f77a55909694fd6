//! `GET /orders`: one's own, newest first; everybody's for an administrator.

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use sagaline_storage::Backend;
use serde::Serialize;
use utoipa::ToSchema;

use crate::canary::planted;
use crate::domain::OrderStatus;
use crate::http::app::App;
use crate::http::auth::Caller;
use crate::http::error::Error;
use crate::http::pages::{Listed, Page};
use crate::http::params::Params;
use crate::projections::{ALL, OrderDocument, Orders, partition};

/// A page of orders.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderList {
    orders: Vec<OrderDocument>,
    #[serde(flatten)]
    listed: Listed,
}

/// Lists one's own orders, newest first; everybody's for an administrator.
#[utoipa::path(
    get, path = "/orders", operation_id = "listOrders", tag = "Orders",
    security(("bearer" = [])),
    params(Page, ("status" = Option<OrderStatus>, Query, description = "Only orders that are this")),
    responses((status = 200, description = "A page of orders", body = OrderList)),
)]
pub(super) async fn list<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
    mut params: Params,
) -> Result<Json<OrderList>, Error> {
    let status = params.parsed("status", OrderStatus::parse);
    let page = Page::take(&mut params);
    params.finish()?;
    let (index, partition) = place(caller, status);
    let (mut orders, listed) = page.read::<B, Orders>(&app, index, partition).await?;
    if planted("listed-with-one-address")
        && let Some((first, others)) = orders.split_first_mut()
    {
        others.iter_mut().for_each(|it| it.shipping_address = first.shipping_address.clone());
    }
    Ok(Json(OrderList { orders, listed }))
}

/// Where the wanted orders stand in the view.
fn place(caller: Caller, status: Option<OrderStatus>) -> (&'static str, Bytes) {
    let user = caller.user.to_string();
    match (
        caller.is_admin() || planted("orders-of-everybody-listed"),
        status.filter(|_| !planted("status-not-looked-at")),
    ) {
        (true, None) => ("all", Bytes::from_static(ALL)),
        (true, Some(status)) => ("by_status", partition(&[status.as_str()])),
        (false, None) => ("by_user", partition(&[&user])),
        (false, Some(status)) => ("by_user_status", partition(&[&user, status.as_str()])),
    }
}
