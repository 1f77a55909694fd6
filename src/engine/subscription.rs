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
use tokio::sync::{Notify, watch};

use super::core::Core;

/// After the head is reached the next look comes no sooner, and the later the more there was: events that
/// come close together are taken together, so that a document which changes eight times in a moment is
/// written once. A quiet log is followed within [`PACE_MIN`]; a log that grows by more than a thousand
/// events a second, every [`PACE_MAX`]. Whoever waits for a follower ends its pause.
const PACE_MIN: Duration = Duration::from_millis(2);
const PACE_MAX: Duration = Duration::from_millis(100);
const PACE_PER_EVENT: Duration = Duration::from_millis(1);
const RETRY: Duration = Duration::from_millis(500);

/// Somebody who follows the log under a name.
pub(crate) struct Subscription<B: Backend> {
    pub(crate) core: Arc<Core<B>>,
    pub(crate) name: Arc<str>,
    pub(crate) filter: Filter,
    /// True: stop at the next opportunity.
    pub(crate) stop: watch::Receiver<bool>,
    /// How far it has come, for those who wait for it.
    pub(crate) progress: Progress,
}

/// A follower's own end: it tells how far it has come, and hears that somebody waits.
pub(crate) struct Progress {
    reached: watch::Sender<GlobalPosition>,
    awaited: Arc<Notify>,
}

/// The end of those who look at a follower. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Followed {
    reached: watch::Receiver<GlobalPosition>,
    awaited: Arc<Notify>,
}

/// Both ends, at the start of the log.
pub(crate) fn following() -> (Progress, Followed) {
    let (sender, receiver) = watch::channel(GlobalPosition::START);
    let awaited = Arc::new(Notify::new());
    let progress = Progress { reached: sender, awaited: awaited.clone() };
    (progress, Followed { reached: receiver, awaited })
}

impl Followed {
    /// How far the follower has come.
    pub(crate) fn position(&self) -> GlobalPosition {
        *self.reached.borrow()
    }

    /// Returns when the follower has come to `position`; true, unless it stopped before. Its pause ends
    /// at once: events it has not seen are not kept from whoever asks for them.
    pub(crate) async fn caught_up(&mut self, position: GlobalPosition) -> bool {
        if self.position() < position {
            self.awaited.notify_one();
        }
        self.reached.wait_for(|reached| *reached >= position).await.is_ok()
    }
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
                self.rest(RETRY).await;
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
                self.progress.reached.send_replace(from);
                tokio::select! {
                    biased;
                    _ = self.stop.changed() => {}
                    () = backend.events().await_after(from) => {}
                }
                continue;
            }
            let pace = pace(page.next.0 - from.0);
            let changes = apply(page.events.into()).await?;
            let checkpoint =
                Checkpoint { subscription: self.name.clone(), before, after: page.next };
            let batch = ViewBatch { changes, checkpoint: Some(checkpoint) };
            match backend.views().commit(batch).await {
                Ok(()) => before = Some(page.next),
                Err(ViewError::CheckpointMoved { actual, .. }) => before = actual,
                Err(ViewError::Storage(error)) => return Err(error),
            }
            self.progress.reached.send_replace(before.unwrap_or_default());
            if page.end {
                self.pause(pace).await;
            }
        }
        Ok(())
    }

    /// Lets events gather for the next look, unless somebody waits for them.
    async fn pause(&mut self, pause: Duration) {
        let awaited = self.progress.awaited.clone();
        tokio::select! {
            biased;
            () = awaited.notified() => {}
            () = self.rest(pause) => {}
        }
    }

    async fn rest(&mut self, rest: Duration) {
        let clock = self.core.backend.clock().clone();
        tokio::select! {
            biased;
            _ = self.stop.changed() => {}
            () = clock.sleep(rest) => {}
        }
    }
}

fn pace(events: u64) -> Duration {
    let events = u32::try_from(events).unwrap_or(u32::MAX);
    PACE_PER_EVENT.saturating_mul(events).clamp(PACE_MIN, PACE_MAX)
}
