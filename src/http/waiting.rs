//! Waiting for the end of a saga, as `Prefer: wait` asks. Ends early when the node is about to stop:
//! whoever waits gets what there is.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use sagaline_storage::Backend;
use uuid::Uuid;

use super::app::App;
use super::within::within;
use crate::canary::planted;
use crate::engine::Starting;
use crate::saga::SagaState;

/// Returns when the saga has ended or waits for an operator, with its state then. Without one when
/// nobody works on it, when `limit` has passed, or when the node stops: what became of it is then to be
/// read.
pub(super) async fn wait_for_end<B: Backend>(
    app: &App<B>,
    saga: Uuid,
    limit: Option<Duration>,
) -> Option<SagaState> {
    let ended = async {
        let ended = app.sagas().wait(saga).await;
        ended.inspect_err(|error| tracing::debug!(saga_id = %saga, %error, "not waited for")).ok()
    };
    bounded(app, limit?, ended).await
}

/// The same for a saga that is being started, for who need not know of its start before its end.
pub(super) async fn wait_for_end_of<B: Backend>(
    app: &App<B>,
    starting: &mut Starting,
    limit: Option<Duration>,
) -> Option<SagaState> {
    bounded(app, limit?, starting.ended()).await
}

/// Until `limit` has passed or the node stops.
async fn bounded<B: Backend>(
    app: &App<B>,
    limit: Duration,
    ended: impl Future<Output = Option<SagaState>>,
) -> Option<SagaState> {
    if planted("wait-answered-at-once") {
        return None;
    }
    if planted("wait-to-the-last") {
        within(app.clock(), limit, app.stopped()).await;
        return None;
    }
    let ended = pin!(within(app.clock(), limit, ended));
    let stopped = pin!(app.stopped());
    match select(ended, stopped).await {
        Either::Left((ended, _)) => ended.flatten(),
        Either::Right(((), _)) => None,
    }
}
