//! Running projections: documents loaded, changed by the pure function, stored with the checkpoint.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sagaline_storage::views::{SecondaryKey, ViewChange, ViewPage, ViewQuery, ViewStore};
use sagaline_storage::{
    Backend, Clock, Direction, EventStore, Filter, GlobalPosition, StorageError,
};
use serde::Serialize;
use tokio::sync::watch;

use super::core::Core;
use super::pages::Wanted;
use super::projection::{Projection, Recorded, View};
use super::step::BoxFuture;
use super::subscription::{Changes, Followed, Progress, Subscription};

/// A projection without its types.
pub(crate) trait AnyProjection<B: Backend>: Send + Sync {
    fn name(&self) -> &'static str;
    /// Under which the store keeps how far it has come.
    fn subscription(&self) -> Arc<str>;
    fn run(
        self: Arc<Self>,
        core: Arc<Core<B>>,
        stop: watch::Receiver<bool>,
        progress: Progress,
    ) -> BoxFuture<'static, ()>;
}

pub(crate) struct Projector<P>(pub(crate) P);

/// The view in which a version of a projection is kept.
fn view_name<P: Projection>(version: u32) -> Arc<str> {
    format!("{}.v{version}", P::NAME).into()
}

fn subscription_name<P: Projection>(version: u32) -> Arc<str> {
    format!("projection:{}", view_name::<P>(version)).into()
}

impl<B: Backend, P: Projection> AnyProjection<B> for Projector<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn subscription(&self) -> Arc<str> {
        subscription_name::<P>(P::VERSION)
    }

    fn run(
        self: Arc<Self>,
        core: Arc<Core<B>>,
        stop: watch::Receiver<bool>,
        progress: Progress,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            if let Err(error) = clear_older::<B, P>(&core).await {
                tracing::warn!(projection = P::NAME, %error, "older versions of the view are left");
            }
            let categories = P::CATEGORIES.iter().map(|category| (*category).into()).collect();
            let filter = Arc::new(Filter { categories, ..Filter::ALL });
            let name = subscription_name::<P>(P::VERSION);
            let subscription = Subscription { core: core.clone(), name, filter, stop, progress };
            let apply = move |events| {
                let (projector, core) = (self.clone(), core.clone());
                async move { projector.apply(&core, events).await }
            };
            subscription.run(apply).await;
        })
    }
}

/// Views of older versions are not read by anybody any more.
async fn clear_older<B: Backend, P: Projection>(core: &Core<B>) -> Result<(), StorageError> {
    for version in 1..P::VERSION {
        let subscription = subscription_name::<P>(version);
        if core.backend.views().checkpoint(&subscription).await?.is_some() {
            let view = view_name::<P>(version);
            core.backend.views().clear(&view, Some(&subscription)).await?;
        }
    }
    Ok(())
}

/// After so many events or documents a follower lets others run: a thousand of them at a stretch would
/// hold up every request on its thread.
const TURN_LENGTH: usize = 64;

/// Ends a turn every [`TURN_LENGTH`] steps.
async fn give_way(step: usize) {
    if step % TURN_LENGTH == TURN_LENGTH - 1 {
        tokio::task::yield_now().await;
    }
}

impl<P: Projection> Projector<P> {
    async fn apply<B: Backend>(
        &self,
        core: &Core<B>,
        events: Wanted,
    ) -> Result<Changes, StorageError> {
        let name = view_name::<P>(P::VERSION);
        let mut view = View::new();
        for (step, event) in events.iter().enumerate() {
            for key in self.0.keys(&Recorded(event)) {
                if view.holds(&key) {
                    continue;
                }
                let stored = core.backend.views().get(&name, key.as_bytes()).await?;
                let document = stored.map(|bytes| read::<P>(&key, &bytes)).transpose()?;
                view.load(key, document);
            }
            if let Err(error) = self.0.apply(&mut view, &Recorded(event)) {
                core.metrics.projection_errors.add(1);
                let position = event.position.0;
                tracing::error!(projection = P::NAME, position, %error, "event passed over");
            }
            give_way(step).await;
        }
        self.changes(&name, view).await
    }

    async fn changes(
        &self,
        name: &Arc<str>,
        mut view: View<P::Document>,
    ) -> Result<Changes, StorageError> {
        let mut written = Written::default();
        let mut changes = Changes::new();
        for (step, (key, document)) in view.take_changes().into_iter().enumerate() {
            changes.push(self.change(name, &mut written, key, document)?);
            give_way(step).await;
        }
        Ok(changes)
    }

    fn change(
        &self,
        view: &Arc<str>,
        written: &mut Written,
        key: &str,
        document: Option<&P::Document>,
    ) -> Result<(Arc<str>, ViewChange), StorageError> {
        let primary = Bytes::copy_from_slice(key.as_bytes());
        let Some(document) = document else {
            return Ok((view.clone(), ViewChange::Delete { key: primary }));
        };
        let bytes = written
            .document(document)
            .map_err(|error| StorageError::invalid(format!("{view} {key}: {error}")))?;
        let secondary = self.0.index(key, document).into_iter().map(|key| SecondaryKey {
            index: written.shared(key.index),
            partition: key.partition,
            sort: key.sort,
        });
        let secondary = secondary.collect();
        let put = ViewChange::Put { key: primary, document: bytes, secondary };
        Ok((view.clone(), put))
    }
}

/// What the documents of a batch are written with, made once for all of them: a batch has a thousand.
#[derive(Default)]
struct Written {
    indexes: Vec<(&'static str, Arc<str>)>,
    text: Vec<u8>,
}

impl Written {
    fn document(&mut self, document: &impl Serialize) -> Result<Bytes, serde_json::Error> {
        self.text.clear();
        serde_json::to_writer(&mut self.text, document)?;
        Ok(Bytes::copy_from_slice(&self.text))
    }

    /// The name of an index.
    fn shared(&mut self, name: &'static str) -> Arc<str> {
        if let Some((_, shared)) = self.indexes.iter().find(|(known, _)| *known == name) {
            return shared.clone();
        }
        let shared: Arc<str> = name.into();
        self.indexes.push((name, shared.clone()));
        shared
    }
}

fn read<P: Projection>(key: &str, bytes: &[u8]) -> Result<P::Document, StorageError> {
    serde_json::from_slice(bytes).map_err(|error| {
        StorageError::corrupt(format!(
            "document {key} of {} does not fit its type ({error}): raise the projection's VERSION \
             when documents change",
            P::NAME
        ))
    })
}

/// A projection's view as a user of a node sees it. Cheap to clone.
pub struct Views<B: Backend, P> {
    pub(crate) core: Arc<Core<B>>,
    pub(crate) progress: Followed,
    pub(crate) projection: PhantomData<fn(P)>,
}

impl<B: Backend, P> Clone for Views<B, P> {
    fn clone(&self) -> Self {
        let (core, progress) = (self.core.clone(), self.progress.clone());
        Self { core, progress, projection: PhantomData }
    }
}

/// Documents, and where the next page starts.
#[derive(Debug, Clone)]
pub struct DocumentPage<D> {
    /// In the order of the query.
    pub documents: Vec<D>,
    /// Give it to the next query; none: that was all.
    pub cursor: Option<Bytes>,
}

/// A query of one partition of an index, biggest `sort` first unless said otherwise.
#[derive(Debug, Clone)]
pub struct DocumentQuery {
    /// The index.
    pub index: &'static str,
    /// The partition.
    pub partition: Bytes,
    /// Upwards or downwards.
    pub direction: Direction,
    /// The cursor of the page before.
    pub after: Option<Bytes>,
    /// Documents passed over.
    pub skip: usize,
    /// At most this many.
    pub limit: usize,
}

impl DocumentQuery {
    /// The documents of one partition of an index: the first 100, biggest `sort` first.
    pub fn of(index: &'static str, partition: impl Into<Bytes>) -> Self {
        let direction = Direction::Backward;
        Self { index, partition: partition.into(), direction, after: None, skip: 0, limit: 100 }
    }

    /// Smallest `sort` first.
    #[must_use]
    pub fn upwards(mut self) -> Self {
        self.direction = Direction::Forward;
        self
    }

    /// Goes on behind a page: give it that page's cursor.
    #[must_use]
    pub fn after(mut self, cursor: Option<Bytes>) -> Self {
        self.after = cursor;
        self
    }

    /// At most so many documents.
    #[must_use]
    pub fn limit(mut self, documents: usize) -> Self {
        self.limit = documents;
        self
    }
}

impl<B: Backend, P: Projection> Views<B, P> {
    /// A document by its key.
    pub async fn get(&self, key: &str) -> Result<Option<P::Document>, StorageError> {
        let name = view_name::<P>(P::VERSION);
        let stored = self.core.backend.views().get(&name, key.as_bytes()).await?;
        stored.map(|bytes| read::<P>(key, &bytes)).transpose()
    }

    /// Documents by an index.
    pub async fn query(
        &self,
        query: DocumentQuery,
    ) -> Result<DocumentPage<P::Document>, StorageError> {
        let query = ViewQuery {
            view: view_name::<P>(P::VERSION),
            index: query.index.into(),
            partition: query.partition,
            direction: query.direction,
            after: query.after,
            skip: query.skip,
            limit: query.limit,
        };
        let ViewPage { documents, cursor } = self.core.backend.views().query(query).await?;
        let read = |(key, bytes): &(Bytes, Bytes)| read::<P>(&String::from_utf8_lossy(key), bytes);
        let documents = documents.iter().map(read).collect::<Result<_, _>>()?;
        Ok(DocumentPage { documents, cursor })
    }

    /// How many documents a partition of an index holds.
    pub async fn count(&self, index: &str, partition: &[u8]) -> Result<u64, StorageError> {
        let name = view_name::<P>(P::VERSION);
        self.core.backend.views().count(&name, index, partition).await
    }

    /// How far the view has come.
    pub fn position(&self) -> GlobalPosition {
        self.progress.position()
    }

    /// Waits until the view holds everything that is durable now, at most `bound`. False: it does not.
    pub async fn up_to_date(&self, bound: Duration) -> Result<bool, StorageError> {
        let head = self.core.backend.events().head().await?;
        Ok(self.caught_up(head, bound).await)
    }

    /// Waits until the view has come to `position`, at most `bound`. False: it has not.
    pub async fn caught_up(&self, position: GlobalPosition, bound: Duration) -> bool {
        let clock = self.core.backend.clock();
        let here = async {
            let mut progress = self.progress.clone();
            progress.caught_up(position).await
        };
        if !self.core.backend.shared() {
            return within(clock, bound, here).await.unwrap_or(false);
        }
        let anywhere = async {
            tokio::select! {
                biased;
                reached = here => reached,
                () = self.stored_checkpoint_reaches(position) => true,
            }
        };
        within(clock, bound, anywhere).await.unwrap_or(false)
    }

    /// Watches how far another node has brought the view.
    async fn stored_checkpoint_reaches(&self, position: GlobalPosition) {
        let subscription = subscription_name::<P>(P::VERSION);
        let mut pause = LOOK_MIN;
        loop {
            match self.core.backend.views().checkpoint(&subscription).await {
                Ok(reached) if reached.is_some_and(|reached| reached >= position) => return,
                Ok(_) => {}
                Err(error) => tracing::debug!(%subscription, %error, "checkpoint not read, again"),
            }
            self.core.backend.clock().sleep(pause).await;
            pause = (pause * 2).min(LOOK_MAX);
        }
    }
}

/// Between looks at a checkpoint that another node moves.
const LOOK_MIN: Duration = Duration::from_millis(5);
const LOOK_MAX: Duration = Duration::from_millis(50);

async fn within<C: Clock, T>(
    clock: &C,
    bound: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        done = future => Some(done),
        () = clock.sleep(bound) => None,
    }
}
