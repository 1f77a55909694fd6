//! The resources of the API: one file each, with its routes at the top. A handler reads the request,
//! asks the engine or a view, and writes the answer; it decides nothing. What stands above it in
//! `#[utoipa::path]` is what the API's document says of it, and the only way onto the router.

mod auth;
mod consumers;
mod documentation;
mod health;
mod ledger;
mod maintenance;
mod operator;
mod orders;
mod payments;
mod projections;
mod sagas;
mod trace;
mod users;

use sagaline_storage::Backend;
use utoipa_axum::router::OpenApiRouter;

pub(crate) use trace::category;

use super::app::App;
use super::error::Error;

/// Refuses what cannot be the reason that somebody gives; by the command line too.
pub(crate) fn check_reason(reason: &str) -> Result<(), Error> {
    operator::check_reason(reason)
}

/// All of them.
pub(super) fn all<B: Backend>() -> OpenApiRouter<App<B>> {
    OpenApiRouter::new()
        .merge(auth::routes())
        .merge(users::routes())
        .merge(orders::routes())
        .merge(payments::routes())
        .merge(sagas::routes())
        .merge(operator::routes())
        .merge(maintenance::routes())
        .merge(projections::routes())
        .merge(consumers::routes())
        .merge(trace::routes())
        .merge(ledger::routes())
        .merge(health::routes())
        .merge(documentation::routes())
}
