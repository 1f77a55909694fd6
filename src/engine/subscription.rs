//! Following the log from a checkpoint, from catch-up to live: one operation without a seam. Read what
//! is behind the checkpoint, hand it on, commit effect and checkpoint together, wait for more.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sagaline_storage::views::{Checkpoint, ViewBatch, ViewChange, ViewError, ViewStore};
use sagaline_storage::{
    AllQuery, Backend, Clock, Direction, ErrorKind, EventStore, Filter, GlobalPosition,
    StorageError,
};
use tokio::sync::{Notify, watch};

use crate::canary::planted;

use super::core::Core;
use super::pages::{Page, Pages, Wanted};
use super::projection::NotApplied;

/// After the head is reached the next look comes no sooner, and the later the more there was: events that
/// come close together are taken together, so that a document which changes eight times in a moment is
/// written once. A quiet log is followed within [`PACE_MIN`]; a log that grows by more than a thousand
/// events a second, every [`PACE_MAX`]. Whoever waits for a follower ends its pause.
const PACE_MIN: Duration = Duration::from_millis(20);
const PACE_MAX: Duration = Duration::from_millis(200);
const PACE_PER_EVENT: Duration = Duration::from_millis(1);
const RETRY: Duration = Duration::from_millis(500);

/// Somebody who follows the log under a name.
pub(crate) struct Subscription<B: Backend> {
    pub(crate) core: Arc<Core<B>>,
    pub(crate) name: Arc<str>,
    pub(crate) filter: Arc<Filter>,
    /// An event of which the view store refuses what it comes to is passed over. False: it is tried again.
    pub(crate) passes_over: bool,
    /// True: stop at the next opportunity.
    pub(crate) stop: watch::Receiver<bool>,
    /// How far it has come, for those who wait for it.
    pub(crate) progress: Progress,
}

/// A follower's own end: it tells how far it has come, and hears that somebody waits. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Progress {
    reached: watch::Sender<GlobalPosition>,
    awaited: Arc<Notify>,
    pages: Arc<Pages>,
}

/// The end of those who look at a follower. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Followed {
    reached: watch::Receiver<GlobalPosition>,
    awaited: Arc<Notify>,
}

/// Both ends, at the start of the log. `pages` is shared by all followers of a node.
pub(crate) fn following(pages: &Arc<Pages>) -> (Progress, Followed) {
    let (sender, receiver) = watch::channel(GlobalPosition::START);
    let awaited = Arc::new(Notify::new());
    let progress = Progress { reached: sender, awaited: awaited.clone(), pages: pages.clone() };
    (progress, Followed { reached: receiver, awaited })
}

impl Progress {
    /// The other end.
    pub(crate) fn followed(&self) -> Followed {
        Followed { reached: self.reached.subscribe(), awaited: self.awaited.clone() }
    }

    /// Both ends for somebody else who follows, over the same pages.
    pub(crate) fn apart(&self) -> (Self, Followed) {
        following(&self.pages)
    }

    /// It has come to `position`.
    pub(crate) fn reach(&self, position: GlobalPosition) {
        self.reached.send_replace(position);
    }

    /// Returns when somebody waits for it.
    pub(crate) async fn awaited(&self) {
        self.awaited.notified().await;
    }

    /// What all followers of the node read.
    pub(crate) fn pages(&self) -> &Pages {
        &self.pages
    }
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

/// What a batch of events comes to.
#[derive(Default)]
pub(crate) struct Changes {
    /// To be committed with the checkpoint.
    pub(crate) documents: Vec<(Arc<str>, ViewChange)>,
    /// What changes nothing because it could not be applied. Told once it is committed: a follower that
    /// another node has overtaken may have read documents from behind its place, and its batch is void.
    pub(crate) passed_over: Vec<(GlobalPosition, NotApplied)>,
}

impl<B: Backend> Subscription<B> {
    /// Follows until it is told to stop, or until somebody deletes its checkpoint. `apply` may see a batch
    /// again when the commit failed or after a crash: its effects must bear that.
    pub(crate) async fn run<F, Fut>(mut self, mut apply: F)
    where
        F: FnMut(Wanted) -> Fut + Send,
        Fut: Future<Output = Result<Changes, StorageError>> + Send,
    {
        while !*self.stop.borrow() {
            match self.follow(&mut apply).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(subscription = %self.name, %error, "subscription interrupted, again");
                    self.rest(RETRY).await;
                }
            }
        }
    }

    async fn follow<F, Fut>(&mut self, apply: &mut F) -> Result<(), StorageError>
    where
        F: FnMut(Wanted) -> Fut + Send,
        Fut: Future<Output = Result<Changes, StorageError>> + Send,
    {
        let backend = self.core.backend.clone();
        let mut before = backend.views().checkpoint(&self.name).await?;
        // Whoever was at the end of the log is near it: how far it is from there is not asked each time.
        let mut near = false;
        // Up to here a page is one event: one of them is what the view store refuses.
        let mut apart_to = GlobalPosition::START;
        while !*self.stop.borrow() {
            let from = before.unwrap_or(GlobalPosition::START);
            if near && !self.goes_on(from).await {
                return Ok(());
            }
            let page = match from < apart_to {
                true => self.one(from).await?,
                false => self.page(from, near).await?,
            };
            near = page.is_end();
            let after = match planted("reader-without-gap-guard") {
                true => backend.events().head().await?,
                false => page.next(),
            };
            if after == from {
                self.progress.reached.send_replace(from);
                near = true;
                continue;
            }
            if planted("offset-committed-before-the-handler") {
                let checkpoint = Checkpoint { subscription: self.name.clone(), before, after };
                let batch = ViewBatch { changes: Vec::new(), checkpoints: vec![checkpoint] };
                if backend.views().commit(batch).await.is_ok() {
                    before = Some(after);
                }
            }
            let wanted = page.wanted(from, self.filter.clone());
            let last = wanted.last_of_several();
            let mut taken = self.take(apply, wanted, (before, after)).await;
            if let Err(ViewError::Storage(error)) = &taken
                && self.passes_over
                && error.kind == ErrorKind::Invalid
            {
                if let Some(last) = last {
                    apart_to = last;
                    continue;
                }
                let refused = NotApplied::Refused(error.clone());
                let passed_over = vec![(after, refused)];
                let changes = Changes { documents: Vec::new(), passed_over };
                taken = self.commit(changes, (before, after)).await;
            }
            match taken {
                Ok(()) => before = Some(after),
                Err(ViewError::CheckpointMoved { actual: None, .. }) => return Ok(()),
                Err(ViewError::CheckpointMoved { actual, .. }) => before = actual,
                Err(ViewError::Storage(error)) => return Err(error),
            }
            self.progress.reached.send_replace(before.unwrap_or_default());
            if near {
                self.pause(pace(after.0 - from.0)).await;
            }
        }
        Ok(())
    }

    /// Applies a page and commits what it comes to.
    async fn take<F, Fut>(
        &self,
        apply: &mut F,
        wanted: Wanted,
        moves: (Option<GlobalPosition>, GlobalPosition),
    ) -> Result<(), ViewError>
    where
        F: FnMut(Wanted) -> Fut + Send,
        Fut: Future<Output = Result<Changes, StorageError>> + Send,
    {
        let changes = apply(wanted).await.map_err(ViewError::Storage)?;
        self.commit(changes, moves).await
    }

    async fn commit(
        &self,
        changes: Changes,
        (before, after): (Option<GlobalPosition>, GlobalPosition),
    ) -> Result<(), ViewError> {
        let Changes { documents, passed_over } = changes;
        let checkpoint = Checkpoint { subscription: self.name.clone(), before, after };
        let batch = ViewBatch { changes: documents, checkpoints: vec![checkpoint] };
        self.core.backend.views().commit(batch).await?;
        self.tell(&passed_over);
        Ok(())
    }

    fn tell(&self, passed_over: &[(GlobalPosition, NotApplied)]) {
        for (position, error) in passed_over {
            self.core.metrics.projection_errors.add(1);
            tracing::error!(subscription = %self.name, %position, %error, "event passed over");
        }
    }

    /// Returns when there may be something behind `from`; false: it was told to stop.
    async fn goes_on(&mut self, from: GlobalPosition) -> bool {
        tokio::select! {
            biased;
            _ = self.stop.changed() => {}
            () = self.core.backend.events().await_after(from) => {}
        }
        !*self.stop.borrow()
    }

    /// The events behind `from`, or the next part of them.
    async fn page(&self, from: GlobalPosition, near: bool) -> Result<Page, StorageError> {
        let limit = self.core.settings.subscription_batch.clamp(1, 10_000);
        let log = self.core.backend.events();
        if near {
            return self.progress.pages.behind(log, from, limit).await;
        }
        let head = log.head().await?;
        self.progress.pages.next(log, from, head, limit, &self.filter).await
    }

    /// The next event that is wanted.
    async fn one(&self, from: GlobalPosition) -> Result<Page, StorageError> {
        let query = AllQuery {
            from,
            direction: Direction::Forward,
            limit: 1,
            filter: Filter::clone(&self.filter),
        };
        Ok(Page::of(from, self.core.backend.events().read_all(query).await?))
    }

    /// Lets events gather for the next look, unless somebody waits for them. Under load all followers
    /// look at the same time, at the same page.
    async fn pause(&mut self, pause: Duration) {
        let awaited = self.progress.awaited.clone();
        let pause = if pause == PACE_MAX { self.until_next_look() } else { pause };
        tokio::select! {
            biased;
            () = awaited.notified() => {}
            () = self.rest(pause) => {}
        }
    }

    /// To the next multiple of [`PACE_MAX`], unless that is so near that hardly anything would gather.
    fn until_next_look(&self) -> Duration {
        let now = self.core.backend.clock().monotonic().as_micros();
        let past = u64::try_from(now % PACE_MAX.as_micros()).unwrap_or_default();
        let left = PACE_MAX - Duration::from_micros(past);
        if left < PACE_MAX / 4 { left + PACE_MAX } else { left }
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
