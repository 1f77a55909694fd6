//! The fake gateway's ledger: the independent witness of the money. Only with the fake gateway.

use axum::Json;
use axum::extract::State;
use sagaline_storage::Backend;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::gateway::LedgerEntry;
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::error::Error;
use crate::http::params::Params;
use crate::limits::{LEDGER_ENTRIES_DEFAULT, LEDGER_ENTRIES_MAX};

/// `/gateway/ledger`.
pub(super) fn routes<B: Backend>() -> OpenApiRouter<App<B>> {
    OpenApiRouter::new().routes(routes!(read))
}

/// Entries behind `after`, oldest first, and where the next page begins.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LedgerPage {
    entries: Vec<LedgerEntry>,
    /// Give it as `after` for the next page.
    next_after: u64,
}

/// Shows the fake gateway's ledger: what really happened to the money.
#[utoipa::path(
    get, path = "/gateway/ledger", operation_id = "showLedger", tag = "Payments",
    security(("bearer" = ["admin"])),
    params(
        ("after" = Option<u64>, Query, description = "Entries behind this one"),
        ("limit" = Option<u64>, Query, description = "Entries of a page", minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, description = "A page of entries, oldest first", body = LedgerPage),
        (status = 404, description = "NOT_FOUND"),
    ),
)]

async fn read<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
    mut params: Params,
) -> Result<Json<LedgerPage>, Error> {
    let after = params.number("after", 0..=u64::MAX).unwrap_or(0);
    let limit = params.number("limit", 1..=LEDGER_ENTRIES_MAX).unwrap_or(LEDGER_ENTRIES_DEFAULT);
    params.finish()?;
    let ledger = app.ledger().ok_or(Error::NotFound("a ledger: the gateway is a remote one"))?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let entries = ledger.read(after, limit).map_err(Error::internal)?;
    let next_after = entries.last().map_or(after, |entry| entry.seq);
    Ok(Json(LedgerPage { entries, next_after }))
}
