//! `POST /orders`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use sagaline_storage::Backend;

use super::{NO_ORDER, applied, document, gate};
use crate::app::{Accepted, PlaceError};
use crate::canary::planted;
use crate::domain::{OrderDraft, OrderRequest};
use crate::http::app::App;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::Correlation;
use crate::http::error::Error;
use crate::http::idempotency::{HeaderKey, Replayed};
use crate::http::prefer::Wait;
use crate::http::waiting::wait_for_end;
use crate::projections::OrderDocument;

/// Places an order.
///
/// When the answer comes the order is on disk, with its saga, its products' locks and its idempotency key.
/// Its payment goes on behind the answer; with `Prefer: wait` the answer comes when the saga has ended. The
/// same key and body again give the first answer again, marked by `Idempotent-Replayed: true`.
#[utoipa::path(
    post, path = "/orders", operation_id = "placeOrder", tag = "Orders",
    security(("bearer" = [])),
    params(Wait, HeaderKey),
    request_body = OrderDraft,
    responses(
        (status = 201, description = "The order", body = OrderDocument, headers(
            ("Location" = String, description = "Where the order is"),
            ("Idempotent-Replayed" = String, description = "`true` on the first answer given again"),
        )),
        (status = 409, description = "DUPLICATE_ORDER"),
        (status = 422, description = "IDEMPOTENCY_KEY_REUSED"),
    ),
)]
pub(super) async fn place<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
    wait: Wait,
    header_key: HeaderKey,
    correlation: Correlation,
    JsonBody(draft): JsonBody<OrderDraft>,
) -> Result<Response, Error> {
    let OrderRequest { details, idempotency_key } = draft.check()?;
    let key = header_key.or_body(idempotency_key)?;
    if key.is_none() {
        // With a key the request may be a repeat of the very order that holds the product.
        gate::pass(&app, caller.user, &details, &correlation.id).await?;
    }
    let shown_key = key.as_ref().map_or_else(String::new, ToString::to_string);
    let placed = app.orders().place(caller.user, details, key, correlation.id).await;
    let accepted = placed.map_err(|error| refusal(error, shown_key))?;
    answer(&app, wait, accepted).await
}

async fn answer<B: Backend>(
    app: &App<B>,
    wait: Wait,
    accepted: Accepted,
) -> Result<Response, Error> {
    let Accepted { order_id: id, replayed, document: as_placed, .. } = accepted;
    let at_once = replayed && planted("repeat-not-waited-for");
    let order = if wait.limit().is_some() && !at_once {
        wait_for_end(app, id.uuid(), wait.limit()).await;
        document(app, id).await?.ok_or(NO_ORDER)?
    } else {
        as_placed
    };
    let location = [(LOCATION, format!("/orders/{id}"))];
    let replayed = Replayed(replayed);
    let applied = applied(wait, &order);
    Ok((StatusCode::CREATED, applied, replayed, location, Json(order)).into_response())
}

fn refusal(error: PlaceError, key: String) -> Error {
    match error {
        PlaceError::Duplicate { existing, product } => {
            gate::duplicate(&existing.to_string(), &product)
        }
        PlaceError::KeyReused { .. } => Error::IdempotencyKeyReused(key),
        PlaceError::Overloaded { .. } => Error::Overloaded { what: "too many orders under way" },
        PlaceError::Unavailable(cause) => Error::Unavailable(cause),
    }
}
