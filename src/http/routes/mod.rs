//! The resources of the API: one file each, with its routes at the top. A handler reads the request,
//! asks the engine or a view, and writes the answer; it decides nothing.

mod auth;
mod health;
mod ledger;
mod operator;
mod orders;
mod sagas;
mod trace;

use axum::Router;
use sagaline_storage::Backend;

use super::app::App;

/// All of them.
pub(super) fn all<B: Backend>() -> Router<App<B>> {
    Router::new()
        .merge(auth::routes())
        .merge(orders::routes())
        .merge(sagas::routes())
        .merge(operator::routes())
        .merge(trace::routes())
        .merge(ledger::routes())
        .merge(health::routes())
}
