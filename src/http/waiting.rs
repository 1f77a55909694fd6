//! Waiting for the end of a saga, as `Prefer: wait` asks. Ends early when the node is about to stop:
//! whoever waits gets what there is.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use sagaline_storage::Backend;
use uuid::Uuid;

use super::app::App;
use super::within::within;

/// Returns when the saga has ended or waits for an operator, when nobody works on it, when `limit` has
/// passed, or when the node stops. What became of it is read afterwards.
pub(super) async fn wait_for_end<B: Backend>(app: &App<B>, saga: Uuid, limit: Option<Duration>) {
    let Some(limit) = limit else { return };
    let ended = pin!(within(app.clock(), limit, app.sagas().wait(saga)));
    let stopped = pin!(app.stopped());
    if let Either::Left((Some(Err(error)), _)) = select(ended, stopped).await {
        tracing::debug!(saga_id = %saga, %error, "not waited for");
    }
}
