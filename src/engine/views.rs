//! A projection's view as a user of a node sees it: documents by key and by index, and how far it is.
//! Reads whichever generation is the live one; never writes.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sagaline_storage::views::{ViewPage, ViewQuery, ViewStore};
use sagaline_storage::{Backend, Clock, Direction, EventStore, GlobalPosition, StorageError};

use super::core::Core;
use super::generations::LiveView;
use super::projection::Projection;
use super::projector::read;
use super::stage::LoadError;
use super::subscription::Followed;
use crate::canary::planted;

/// A projection's view as a user of a node sees it. Cheap to clone.
pub struct Views<B: Backend, P> {
    pub(crate) core: Arc<Core<B>>,
    pub(crate) progress: Followed,
    pub(crate) live: Arc<LiveView>,
    pub(crate) projection: PhantomData<fn(P)>,
}

impl<B: Backend, P> Clone for Views<B, P> {
    fn clone(&self) -> Self {
        let (core, progress) = (self.core.clone(), self.progress.clone());
        Self { core, progress, live: self.live.clone(), projection: PhantomData }
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
        let backend = &self.core.backend;
        let read = |view: Arc<str>| async move { backend.views().get(&view, key.as_bytes()).await };
        let Some(stored) = self.live.read(backend, read).await? else { return Ok(None) };
        self.document(key.as_bytes(), stored).await.map(Some)
    }

    /// Documents by an index.
    pub async fn query(
        &self,
        query: DocumentQuery,
    ) -> Result<DocumentPage<P::Document>, StorageError> {
        let backend = &self.core.backend;
        let query = &query;
        let ask = |view| async move {
            let query = ViewQuery {
                view,
                index: query.index.into(),
                partition: query.partition.clone(),
                direction: query.direction,
                after: query.after.clone(),
                list: Some(self.live.list()),
                skip: query.skip,
                limit: query.limit,
            };
            backend.views().query(query).await
        };
        let ViewPage { documents, cursor } = self.live.read(backend, ask).await?;
        let mut read = Vec::with_capacity(documents.len());
        for (key, document) in documents {
            read.push(self.document(&key, document).await?);
        }
        Ok(DocumentPage { documents: read, cursor })
    }

    /// A document with its personal parts, as far as their subjects are not forgotten.
    async fn document(&self, key: &[u8], stored: Bytes) -> Result<P::Document, StorageError> {
        let opened = self.core.privacy.show(stored).await.map_err(|error| match error {
            LoadError::Storage(error) => error,
            LoadError::Codec(error) => StorageError::corrupt(error.problem),
        })?;
        read::<P>(&String::from_utf8_lossy(key), &opened)
    }

    /// How many documents a partition of an index holds.
    pub async fn count(&self, index: &str, partition: &[u8]) -> Result<u64, StorageError> {
        let backend = &self.core.backend;
        let count =
            |view: Arc<str>| async move { backend.views().count(&view, index, partition).await };
        self.live.read(backend, count).await
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

    async fn stored_checkpoint(&self) -> Result<Option<GlobalPosition>, StorageError> {
        let backend = &self.core.backend;
        backend.views().checkpoint(&self.live.subscription(backend).await?).await
    }

    /// Watches how far another node has brought the view.
    async fn stored_checkpoint_reaches(&self, position: GlobalPosition) {
        let mut pause = LOOK_MIN;
        loop {
            match self.stored_checkpoint().await {
                Ok(reached) if reached.is_some_and(|reached| reached >= position) => return,
                Ok(_) if pause > LOOK_MIN && planted("view-awaited-for-two-looks") => return,
                Ok(_) => {}
                Err(error) => tracing::debug!(view = P::NAME, %error, "checkpoint not read, again"),
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
