//! Orders: place, list, look, cancel; and what a merchant does with them.

mod advance;
mod change;
mod gate;
mod list;
mod place;

use axum::Json;
use axum::extract::State;
use sagaline_storage::Backend;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::{Aggregate, Order, OrderId, Payment, PaymentKind};
use crate::http::app::App;
use crate::http::auth::Caller;
use crate::http::error::Error;
use crate::http::fresh;
use crate::http::id::Id;
use crate::http::prefer::{Applied, Wait};
use crate::http::waiting::wait_for_end;
use crate::projections::{OrderDocument, Orders, fold};

/// `/orders`.
pub(super) fn routes<B: Backend>() -> OpenApiRouter<App<B>> {
    OpenApiRouter::new()
        .routes(routes!(list::list, place::place))
        .routes(routes!(look, change::cancel))
        .routes(routes!(change::confirm))
        .routes(routes!(advance::ship))
        .routes(routes!(advance::deliver))
        .routes(routes!(advance::refund))
}

const NO_ORDER: Error = Error::NotFound("the order");

/// Shows an order.
///
/// It is read from the log: an order just placed is always found. With `Prefer: wait` the answer comes
/// when its saga has ended.
#[utoipa::path(
    get, path = "/orders/{id}", operation_id = "showOrder", tag = "Orders",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The order's id"), Wait),
    responses(
        (status = 200, description = "The order", body = OrderDocument),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
async fn look<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
    wait: Wait,
    Id(id): Id<OrderId>,
) -> Result<(Applied, Json<OrderDocument>), Error> {
    let mut order = visible(&app, caller, id).await?;
    if wait.limit().is_some() {
        wait_for_end(&app, id.uuid(), wait.limit()).await;
        order = document(&app, id).await?.ok_or(NO_ORDER)?;
    }
    Ok((applied(wait, &order), Json(order)))
}

/// Says that the wait was granted, where there is a saga to wait for: an order that is paid elsewhere has none.
fn applied(wait: Wait, order: &OrderDocument) -> Applied {
    match order.payment_method.kind {
        PaymentKind::Card => wait.applied(),
        PaymentKind::External => Wait::default().applied(),
    }
}

/// The order as the log has it, when the caller may see it: a foreign one is as missing as a missing one.
async fn visible<B: Backend>(
    app: &App<B>,
    caller: Caller,
    id: OrderId,
) -> Result<OrderDocument, Error> {
    let order = document(app, id).await?;
    order.filter(|order| caller.may_see(order.user_id)).ok_or(NO_ORDER)
}

/// The order as the log has it.
pub(super) async fn document<B: Backend>(
    app: &App<B>,
    id: OrderId,
) -> Result<Option<OrderDocument>, Error> {
    let key = id.to_string();
    let events = fresh::streams(app, &[Order::CATEGORY, Payment::CATEGORY], &key).await?;
    fold(&Orders, &key, &events).map_err(Error::internal)
}
