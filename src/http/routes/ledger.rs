//! The fake gateway's ledger: the independent witness of the money. Only with the fake gateway.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use sagaline_storage::Backend;
use serde::Serialize;

use crate::app::gateway::LedgerEntry;
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::error::Error;
use crate::http::params::Params;
use crate::limits::{LEDGER_ENTRIES_DEFAULT, LEDGER_ENTRIES_MAX};

/// `/gateway/ledger`.
pub(super) fn routes<B: Backend>() -> Router<App<B>> {
    Router::new().route("/gateway/ledger", get(read))
}

/// Entries behind `after`, oldest first, and where the next page begins.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LedgerPage {
    entries: Vec<LedgerEntry>,
    next_after: u64,
}

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
