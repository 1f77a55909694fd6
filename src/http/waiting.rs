//! Waiting for the end of a saga, as `Prefer: wait` asks. Ends early when the node is about to stop:
//! whoever waits gets what there is.

use crate::canary::planted;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use sagaline_storage::Backend;
use uuid::Uuid;

use super::app::App;
use super::within::within;
use crate::saga::SagaState;

/// Returns when the saga has ended or waits for an operator, with its state then. Without one when
/// nobody works on it, when `limit` has passed, or when the node stops: what became of it is then to be
/// read.
pub(super) async fn wait_for_end<B: Backend>(
    app: &App<B>,
    saga: Uuid,
    limit: Option<Duration>,
) -> Option<SagaState> {
    if planted("wait-answered-at-once") {
        return None;
    }
    if planted("wait-to-the-last") {
        within(app.clock(), limit?, app.stopped()).await;
        return None;
    }
    let ended = pin!(within(app.clock(), limit?, app.sagas().wait(saga)));
    let stopped = pin!(app.stopped());
    match select(ended, stopped).await {
        Either::Left((Some(Ok(state)), _)) => Some(state),
        Either::Left((Some(Err(error)), _)) => {
            tracing::debug!(saga_id = %saga, %error, "not waited for");
            None
        }
        Either::Left((None, _)) | Either::Right(((), _)) => None,
    }
}
