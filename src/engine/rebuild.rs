//! Keeping a view: the live generation follows the log, and when another one is asked for it is built from
//! the log's start beside it, swapped in when it has caught up, and what it replaces is deleted.
//!
//! ```text
//! asked, or a raised VERSION ──> next: built beside live ──> caught up: live stops, next passes it
//!                                                        ──> swap, one commit ──> retired: deleted
//! ```
//! Each arrow is one commit of [`super::generations`]: after a crash whoever follows goes on behind the last
//! one. Run by one node at a time for each projection, see [`super::ownership::duty`].

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{self, FusedFuture};
use sagaline_storage::views::ViewStore;
use sagaline_storage::{Backend, Clock, EventStore, Filter, GlobalPosition, StorageError};
use tokio::sync::watch;

use super::core::Core;
use super::generations::{self, Generation, Generations, LiveView};
use super::projection::Projection;
use super::projector::Projector;
use super::step::BoxFuture;
use super::subscription::{Followed, Progress, Subscription};
use crate::canary::planted;

/// How often it is looked whether another node asked for a rebuild.
const LOOK: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(500);
/// Nearer to the head than this, the live view may stop for as long as the rest takes.
const NEAR_EVENTS: u64 = 8_192;

/// A projection without its types.
pub(crate) trait AnyProjection<B: Backend>: Send + Sync {
    fn name(&self) -> &'static str;
    fn version(&self) -> u32;
    fn run(self: Arc<Self>, keeping: Keeping<B>) -> BoxFuture<'static, ()>;
}

impl<B: Backend, P: Projection> AnyProjection<B> for Projector<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn version(&self) -> u32 {
        P::VERSION
    }

    fn run(self: Arc<Self>, keeping: Keeping<B>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let stop = keeping.stop.clone();
            while !*stop.borrow() {
                if let Err(error) = keeping.turn(&self).await {
                    tracing::warn!(projection = P::NAME, %error, "view interrupted, again");
                    keeping.rest(RETRY).await;
                }
            }
        })
    }
}

/// What keeping a view needs. Cheap to clone.
pub(crate) struct Keeping<B: Backend> {
    pub(crate) core: Arc<Core<B>>,
    pub(crate) live: Arc<LiveView>,
    /// True: stop at the next opportunity.
    pub(crate) stop: watch::Receiver<bool>,
    /// Of the view that queries go to.
    pub(crate) progress: Progress,
}

/// Why a turn ends.
enum Turn {
    /// What is built has come near the head.
    CaughtUp,
    /// The generations are others now, or the node stops.
    Over,
}

impl<B: Backend> Keeping<B> {
    /// Follows with one set of generations until there is another.
    async fn turn<P: Projection>(&self, projector: &Arc<Projector<P>>) -> Result<(), StorageError> {
        let (backend, name) = (&self.core.backend, self.live.name);
        let begun = generations::begin(backend.views(), name, P::VERSION, backend.shared()).await?;
        self.live.learn(backend, begun.clone());
        let follows = (begun.live.version == P::VERSION).then_some(begun.live);
        let builds = begun.next.filter(|next| next.version == P::VERSION);
        // Queries go to what is built as long as this program cannot read the live one.
        let (apart, built) = self.progress.apart();
        let (main, building) = match follows {
            Some(_) => (self.progress.clone(), apart),
            None => (apart, self.progress.clone()),
        };
        let built = if follows.is_some() { built } else { self.progress.followed() };
        let (end_live, live_ends) = watch::channel(false);
        let (end_next, next_ends) = watch::channel(false);
        let following = self.follow(projector, follows, live_ends, main).fuse();
        let next = self.follow(projector, builds, next_ends, building).fuse();
        let mut following = std::pin::pin!(following);
        let mut next = std::pin::pin!(next);
        let turn = tokio::select! {
            biased;
            turn = self.watch(&begun, builds.is_some(), built.clone()) => turn,
            () = &mut following => Ok(Turn::Over),
            () = &mut next => Ok(Turn::Over),
        };
        end_live.send_replace(true);
        let done = match turn {
            Ok(Turn::Over) => Ok(()),
            Err(error) => Err(error),
            Ok(Turn::CaughtUp) => {
                let swap = async {
                    following.as_mut().await;
                    self.swap(&begun, built).await
                };
                tokio::select! {
                    biased;
                    swapped = swap => swapped,
                    () = &mut next => Ok(()),
                    () = self.stopped() => Ok(()),
                }
            }
        };
        end_next.send_replace(true);
        // Both go on until the last has ended: one that nobody looks at may hold what the other waits for.
        let following = async {
            if !following.is_terminated() {
                following.await
            }
        };
        let next = async {
            if !next.is_terminated() {
                next.await
            }
        };
        future::join(following, next).await;
        done
    }

    /// Follows the log for a generation until `stop`; without a generation only waits.
    async fn follow<P: Projection>(
        &self,
        projector: &Arc<Projector<P>>,
        generation: Option<Generation>,
        mut stop: watch::Receiver<bool>,
        progress: Progress,
    ) {
        let Some(generation) = generation else {
            // That the sender is gone is as good a reason.
            let _ended = stop.wait_for(|stop| *stop).await.is_ok();
            return;
        };
        let categories = P::CATEGORIES.iter().map(|category| (*category).into()).collect();
        let filter = Arc::new(Filter { categories, ..Filter::ALL });
        let (name, view) = (generation.subscription(P::NAME), generation.view(P::NAME));
        let (core, passes_over) = (self.core.clone(), true);
        let subscription = Subscription { core, name, filter, passes_over, stop, progress };
        let apply = move |events| {
            let (projector, core, view) = (projector.clone(), self.core.clone(), view.clone());
            async move { projector.apply(&core, &view, events).await }
        };
        subscription.run(apply).await;
    }

    /// Returns when something is to be done about the generations.
    async fn watch(
        &self,
        begun: &Generations,
        builds: bool,
        built: Followed,
    ) -> Result<Turn, StorageError> {
        tokio::select! {
            biased;
            () = self.stopped() => Ok(Turn::Over),
            deleted = self.delete(begun), if !begun.retired.is_empty() => deleted.map(|()| Turn::Over),
            near = self.comes_near(built), if builds => near.map(|()| Turn::CaughtUp),
            changed = self.changed(begun) => changed.map(|()| Turn::Over),
        }
    }

    /// Returns when the generations are others than `begun`.
    async fn changed(&self, begun: &Generations) -> Result<(), StorageError> {
        let backend = &self.core.backend;
        loop {
            tokio::select! {
                biased;
                () = self.live.rung() => {}
                () = backend.clock().sleep(LOOK) => {}
            }
            let stored = generations::load(backend.views(), self.live.name).await?;
            if stored.as_ref() != Some(begun) {
                return Ok(());
            }
        }
    }

    /// Returns when what is built has come near the head of the log.
    async fn comes_near(&self, mut built: Followed) -> Result<(), StorageError> {
        if planted("view-swapped-early") {
            return Ok(());
        }
        loop {
            let head = self.core.backend.events().head().await?;
            if !built.caught_up(head).await {
                return std::future::pending().await;
            }
            let head = self.core.backend.events().head().await?;
            if head.0.saturating_sub(built.position().0) <= NEAR_EVENTS {
                return Ok(());
            }
        }
    }

    /// Makes what is built the live one, once it has passed the one that has stopped.
    async fn swap(&self, begun: &Generations, mut built: Followed) -> Result<(), StorageError> {
        let (backend, name) = (&self.core.backend, self.live.name);
        let reached = backend.views().checkpoint(&begun.live.subscription(name)).await?;
        let reached = reached.filter(|_| !planted("view-swapped-early"));
        if !built.caught_up(reached.unwrap_or(GlobalPosition::START)).await {
            return Ok(());
        }
        if let Some(kept) = generations::swap(backend.views(), name, begun, reached).await? {
            tracing::info!(projection = name, generation = kept.live.number, "view swapped");
            self.live.learn(backend, kept);
        }
        Ok(())
    }

    /// Deletes what nobody reads any more, a part at a time, so that nobody waits long for it.
    async fn delete(&self, begun: &Generations) -> Result<(), StorageError> {
        let (backend, name) = (&self.core.backend, self.live.name);
        backend.clock().sleep(self.live.grace).await;
        for generation in &begun.retired {
            let subscription = generation.subscription(name);
            backend.views().clear(&generation.view(name), Some(&subscription)).await?;
        }
        let left = Generations { retired: Vec::new(), ..begun.clone() };
        generations::keep(backend.views(), name, left, false).await.map(drop)
    }

    async fn stopped(&self) {
        let mut stop = self.stop.clone();
        // That the sender is gone is as good a reason.
        let _stopped = stop.wait_for(|stop| *stop).await.is_ok();
    }

    async fn rest(&self, rest: Duration) {
        let clock = self.core.backend.clock();
        tokio::select! {
            biased;
            () = self.stopped() => {}
            () = clock.sleep(rest) => {}
        }
    }
}
