//! `POST /orders`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use sagaline_storage::Backend;

use super::{NO_ORDER, document, gate};
use crate::app::{Accepted, PlaceError};
use crate::domain::{Aggregate, Order, OrderDraft, OrderId, OrderRequest};
use crate::http::app::App;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::Correlation;
use crate::http::error::Error;
use crate::http::fresh;
use crate::http::idempotency::{HeaderKey, Replayed};
use crate::http::prefer::Wait;
use crate::http::waiting::wait_for_end;
use crate::projections::{OrderDocument, Orders, fold};

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
    answer(&app, wait, &accepted).await
}

async fn answer<B: Backend>(
    app: &App<B>,
    wait: Wait,
    accepted: &Accepted,
) -> Result<Response, Error> {
    let id = accepted.order_id;
    let order = match wait.limit() {
        Some(_) => {
            wait_for_end(app, id.uuid(), wait.limit()).await;
            document(app, id).await?
        }
        None => as_placed(app, id).await?,
    };
    let order = Json(order.ok_or(NO_ORDER)?);
    let location = [(LOCATION, format!("/orders/{id}"))];
    let replayed = Replayed(accepted.replayed);
    Ok((StatusCode::CREATED, wait.applied(), replayed, location, order).into_response())
}

/// The order as it was when it was accepted: the same for every answer to one idempotency key.
async fn as_placed<B: Backend>(app: &App<B>, id: OrderId) -> Result<Option<OrderDocument>, Error> {
    let key = id.to_string();
    let events = fresh::stream(app, Order::CATEGORY, &key).await?;
    fold(&Orders, &key, events.first()).map_err(Error::internal)
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
