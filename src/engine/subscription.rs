//! Following the log from a checkpoint, from catch-up to live: one operation without a seam. Read what
//! is behind the checkpoint, hand it on, commit effect and checkpoint together, wait for more.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sagaline_storage::views::{Checkpoint, ViewBatch, ViewChange, ViewError, ViewStore};
use sagaline_storage::{
    AllQuery, Backend, Clock, Direction, EventStore, Filter, GlobalPosition, RecordedEvent,
    StorageError,
};
use tokio::sync::watch;

use super::core::Core;

/// After the head is reached the next look comes no sooner, and the later the more there was: events that
/// come close together are taken together, which is most of what following costs under load. A quiet
/// log is followed within [`PACE_MIN`].
const PACE_MIN: Duration = Duration::from_millis(2);
const PACE_MAX: Duration = Duration::from_millis(100);
const PACE_PER_EVENT: Duration = Duration::from_micros(50);
const RETRY: Duration = Duration::from_millis(500);

/// Somebody who follows the log under a name.
pub(crate) struct Subscription<B: Backend> {
    pub(crate) core: Arc<Core<B>>,
    pub(crate) name: Arc<str>,
    pub(crate) filter: Filter,
    /// True: stop at the next opportunity.
    pub(crate) stop: watch::Receiver<bool>,
    /// How far it has come, for those who wait for it.
    pub(crate) progress: watch::Sender<GlobalPosition>,
}

/// What is to be committed for a batch of events.
pub(crate) type Changes = Vec<(Arc<str>, ViewChange)>;

impl<B: Backend> Subscription<B> {
    /// Follows until it is told to stop. `apply` may see a batch again when the commit failed or after a
    /// crash: its effects must bear that.
    pub(crate) async fn run<F, Fut>(mut self, mut apply: F)
    where
        F: FnMut(Arc<[RecordedEvent]>) -> Fut + Send,
        Fut: Future<Output = Result<Changes, StorageError>> + Send,
    {
        while !*self.stop.borrow() {
            if let Err(error) = self.follow(&mut apply).await {
                tracing::warn!(subscription = %self.name, %error, "subscription interrupted, again");
                self.pause(RETRY).await;
            }
        }
    }

    async fn follow<F, Fut>(&mut self, apply: &mut F) -> Result<(), StorageError>
    where
        F: FnMut(Arc<[RecordedEvent]>) -> Fut + Send,
        Fut: Future<Output = Result<Changes, StorageError>> + Send,
    {
        let backend = self.core.backend.clone();
        let mut before = backend.views().checkpoint(&self.name).await?;
        while !*self.stop.borrow() {
            let from = before.unwrap_or(GlobalPosition::START);
            let query = AllQuery {
                from,
                direction: Direction::Forward,
                limit: self.core.settings.subscription_batch.clamp(1, 10_000),
                filter: self.filter.clone(),
            };
            let page = backend.events().read_all(query).await?;
            if page.next == from {
                self.progress.send_replace(from);
                tokio::select! {
                    biased;
                    _ = self.stop.changed() => {}
                    () = backend.events().await_after(from) => {}
                }
                continue;
            }
            let pace = pace(page.events.len());
            let changes = apply(page.events.into()).await?;
            let checkpoint =
                Checkpoint { subscription: self.name.clone(), before, after: page.next };
            let batch = ViewBatch { changes, checkpoint: Some(checkpoint) };
            match backend.views().commit(batch).await {
                Ok(()) => before = Some(page.next),
                Err(ViewError::CheckpointMoved { actual, .. }) => before = actual,
                Err(ViewError::Storage(error)) => return Err(error),
            }
            self.progress.send_replace(before.unwrap_or_default());
            if page.end {
                self.pause(pace).await;
            }
        }
        Ok(())
    }

    async fn pause(&mut self, pause: Duration) {
        let clock = self.core.backend.clock().clone();
        tokio::select! {
            biased;
            _ = self.stop.changed() => {}
            () = clock.sleep(pause) => {}
        }
    }
}

fn pace(events: usize) -> Duration {
    let events = u32::try_from(events).unwrap_or(u32::MAX);
    PACE_PER_EVENT.saturating_mul(events).clamp(PACE_MIN, PACE_MAX)
}
