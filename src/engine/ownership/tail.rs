//! The end of a shared log as this node sees it: what other nodes write to sagas that this node works on,
//! and what anybody writes to sagas that somebody at this node waits for. Never runs in an embedded node.

use std::sync::Arc;
use std::time::Duration;

use sagaline_storage::{
    AllQuery, Backend, Clock, EventStore, Filter, GlobalPosition, RecordedEvent,
};
use tokio::sync::watch;

use crate::canary::planted;

use super::super::core::Core;
use super::super::{keys, taken_up};

const PAGE: usize = 1_000;
/// Events that come close together are read together; nobody waits long for that.
const PACE: Duration = Duration::from_millis(2);
const RETRY: Duration = Duration::from_millis(200);
/// Nothing is owed behind these.
const ENDS: [&str; 2] = ["SagaCompleted", "SagaCompensated"];

/// Follows what is behind `from` until it is told to stop. `from` must have been the head before this
/// node took its first shard: what was written earlier is seen when sagas are taken up.
pub(crate) async fn follow<B: Backend>(
    core: Arc<Core<B>>,
    mut from: GlobalPosition,
    mut stop: watch::Receiver<bool>,
) {
    let filter = Filter { categories: vec![keys::SAGA_CATEGORY.into()], ..Filter::ALL };
    let clock = core.backend.clock().clone();
    while !*stop.borrow() {
        let query = AllQuery { filter: filter.clone(), ..AllQuery::after(from, PAGE) };
        let pause = match core.backend.events().read_all(query).await {
            Ok(page) => {
                page.events.iter().for_each(|event| notice(&core, event));
                from = match planted("tail-goes-on-at-the-head") {
                    true => core.backend.events().head().await.unwrap_or(page.next),
                    false => page.next,
                };
                if !page.end {
                    continue;
                }
                PACE
            }
            Err(error) => {
                tracing::warn!(%error, "the end of the log is not followed, again");
                RETRY
            }
        };
        let there_may_be_more = async {
            clock.sleep(pause).await;
            core.backend.events().await_after(from).await;
        };
        tokio::select! {
            biased;
            _ = stop.changed() => {}
            () = there_may_be_more => {}
        }
    }
}

fn notice<B: Backend>(core: &Arc<Core<B>>, event: &RecordedEvent) {
    let by_other = event.node_id != core.node_id;
    if !by_other && core.watched.is_empty() {
        return;
    }
    let Some(saga) = keys::saga_of(&event.stream) else { return };
    core.watched.tell(saga);
    if !by_other || planted("lost-wake-up-without-poll") {
        return;
    }
    if ENDS.contains(&event.event_type.as_str()) {
        taken_up::wake_if_under_way(core, saga, event.version);
    } else {
        taken_up::wake(core, saga, event.version);
    }
}
