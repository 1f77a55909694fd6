//! Waiting for the end of a saga, as `Prefer: wait` asks. Ends early when the node is about to stop:
//! whoever waits gets what there is.

use std::time::Duration;

use sagaline_storage::Backend;
use uuid::Uuid;

use super::app::App;
use super::within::within;

/// Returns when the saga has ended or waits for an operator, when nobody works on it, when `limit` has
/// passed, or when the node stops. What became of it is read afterwards.
pub(super) async fn wait_for_end<B: Backend>(app: &App<B>, saga: Uuid, limit: Option<Duration>) {
    let Some(limit) = limit else { return };
    let ended = within(app.clock(), limit, app.sagas().wait(saga));
    let waited = futures_util::future::select(std::pin::pin!(ended), std::pin::pin!(app.stopped()));
    if let futures_util::future::Either::Left((Some(Err(error)), _)) = waited.await {
        tracing::debug!(saga_id = %saga, %error, "not waited for");
    }
}
