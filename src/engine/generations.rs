//! Generations of a view: the one that answers queries, the one that is built beside it, and those that
//! are to be deleted. Which is which stands in a document of the view store, changed by compare and set,
//! so that a crash leaves one of its states and several nodes agree on it.
//!
//! Called by the projections' runner and by whoever reads a view. Decides nothing about documents.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use sagaline_storage::views::{Checkpoint, ViewBatch, ViewChange, ViewError, ViewStore};
use sagaline_storage::{Backend, Clock, GlobalPosition, StorageError};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// The view in which the documents about generations are kept, by the projection's name.
const VIEW: &str = "generations";

/// One build of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Generation {
    /// Of the projection whose documents they are.
    pub(crate) version: u32,
    /// Counts up over all versions of a projection, from 1.
    pub(crate) number: u32,
}

impl Generation {
    /// The view that holds its documents. The first generation has the plain name.
    pub(crate) fn view(self, name: &str) -> Arc<str> {
        match self.number {
            1 => format!("{name}.v{}", self.version).into(),
            number => format!("{name}.v{}.g{number}", self.version).into(),
        }
    }

    /// Under which the store keeps how far it has come.
    pub(crate) fn subscription(self, name: &str) -> Arc<str> {
        format!("projection:{}", self.view(name)).into()
    }
}

/// The generations of a view, as the store has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Generations {
    /// Answers queries.
    pub(crate) live: Generation,
    /// Is built beside it.
    pub(crate) next: Option<Generation>,
    /// Nobody reads them any more.
    pub(crate) retired: Vec<Generation>,
    /// Counts the changes of this document.
    #[serde(skip)]
    pub(crate) revision: GlobalPosition,
}

impl Generations {
    fn first(version: u32) -> Self {
        let live = Generation { version, number: 1 };
        Self { live, next: None, retired: Vec::new(), revision: GlobalPosition::START }
    }

    /// The generation whose documents a program that knows `version` can read.
    pub(crate) fn readable(&self, version: u32) -> Option<Generation> {
        let known = [Some(self.live), self.next].into_iter().flatten();
        known.into_iter().find(|generation| generation.version == version)
    }

    /// Another one is built; what was being built before is given up.
    pub(crate) fn build(&mut self, version: u32) -> Generation {
        let all = self.retired.iter().chain([&self.live]).chain(&self.next);
        let number = all.map(|generation| generation.number).max().unwrap_or(0) + 1;
        self.retired.extend(self.next.take());
        *self.next.insert(Generation { version, number })
    }

    /// What was built is the live one from now on.
    pub(crate) fn swap(&mut self) {
        if let Some(next) = self.next.take() {
            self.retired.push(std::mem::replace(&mut self.live, next));
        }
    }
}

/// The generations in the store; none before anybody followed the log for this view.
pub(crate) async fn load<V: ViewStore>(
    views: &V,
    name: &str,
) -> Result<Option<Generations>, StorageError> {
    // In this order: a document that is newer than its revision is refused when it is written back.
    let Some(revision) = views.checkpoint(&revisions(name)).await? else { return Ok(None) };
    let Some(bytes) = views.get(VIEW, name.as_bytes()).await? else { return Ok(None) };
    let read = serde_json::from_slice::<Generations>(&bytes);
    let read = read.map_err(|error| {
        StorageError::corrupt(format!("the generations of the view {name}: {error}"))
    })?;
    Ok(Some(Generations { revision, ..read }))
}

/// The generations, made up when there are none: a store of an earlier program has a view without them.
/// A view of another version than `version` is built anew beside the one there is, unless `shared` and the
/// other version is the newer one: then a newer program keeps it.
pub(crate) async fn begin<V: ViewStore>(
    views: &V,
    name: &str,
    version: u32,
    shared: bool,
) -> Result<Generations, StorageError> {
    loop {
        let stored = load(views, name).await?;
        let mut wanted = match &stored {
            Some(stored) => stored.clone(),
            None => found(views, name, version).await?,
        };
        let foreign = match shared {
            true => wanted.live.version < version,
            false => wanted.live.version != version,
        };
        if foreign && wanted.next.is_none_or(|next| next.version != version) {
            wanted.build(version);
        }
        if stored.as_ref() == Some(&wanted) {
            return Ok(wanted);
        }
        if let Some(kept) = keep(views, name, wanted, stored.is_none()).await? {
            return Ok(kept);
        }
    }
}

/// What a program left that knew of no generations: of its versions the newest is the live one.
async fn found<V: ViewStore>(
    views: &V,
    name: &str,
    version: u32,
) -> Result<Generations, StorageError> {
    let mut found = Vec::new();
    for version in (1..=version).rev() {
        let generation = Generation { version, number: 1 };
        if views.checkpoint(&generation.subscription(name)).await?.is_some() {
            found.push(generation);
        }
    }
    let mut generations = Generations::first(version);
    let mut found = found.into_iter();
    if let Some(live) = found.next() {
        generations.live = live;
    }
    generations.retired = found.collect();
    Ok(generations)
}

/// Stores them, if nobody changed them since they were read; none: somebody did. `is_new`: there were none.
pub(crate) async fn keep<V: ViewStore>(
    views: &V,
    name: &str,
    generations: Generations,
    is_new: bool,
) -> Result<Option<Generations>, StorageError> {
    keep_while(views, name, generations, is_new, None).await
}

/// What was built is the live one from now on, if what was live still stands at `reached`: another node may
/// follow it that does not know yet that this one keeps the view. None: it moved, or somebody changed them.
pub(crate) async fn swap<V: ViewStore>(
    views: &V,
    name: &str,
    begun: &Generations,
    reached: Option<GlobalPosition>,
) -> Result<Option<Generations>, StorageError> {
    let subscription = begun.live.subscription(name);
    let stands = reached.map(|at| Checkpoint { subscription, before: Some(at), after: at });
    let mut swapped = begun.clone();
    swapped.swap();
    keep_while(views, name, swapped, false, stands).await
}

async fn keep_while<V: ViewStore>(
    views: &V,
    name: &str,
    generations: Generations,
    is_new: bool,
    stands: Option<Checkpoint>,
) -> Result<Option<Generations>, StorageError> {
    let document = serde_json::to_vec(&generations)
        .map_err(|error| StorageError::invalid(format!("the generations of {name}: {error}")))?;
    let before = (!is_new).then_some(generations.revision);
    let after = GlobalPosition(generations.revision.0 + 1);
    let put = ViewChange::Put {
        key: Bytes::copy_from_slice(name.as_bytes()),
        document: document.into(),
        secondary: Vec::new(),
    };
    let revision = Checkpoint { subscription: revisions(name), before, after };
    let checkpoints = stands.into_iter().chain([revision]).collect();
    let batch = ViewBatch { changes: vec![(VIEW.into(), put)], checkpoints };
    match views.commit(batch).await {
        Ok(()) => Ok(Some(Generations { revision: after, ..generations })),
        Err(ViewError::CheckpointMoved { .. }) => Ok(None),
        Err(ViewError::Storage(error)) => Err(error),
    }
}

/// Under which the revisions are counted: the store compares a subscription's place before it moves it.
fn revisions(name: &str) -> Arc<str> {
    format!("generations:{name}").into()
}

/// Which view a node's queries go to, and the bell by which somebody at this node asks for another.
#[derive(Debug)]
pub(crate) struct LiveView {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    /// How long a retired generation is kept.
    pub(crate) grace: Duration,
    known: Mutex<Option<(Generations, Duration)>>,
    asked: Notify,
}

impl LiveView {
    pub(crate) fn new(name: &'static str, version: u32, grace: Duration) -> Self {
        Self { name, version, grace, known: Mutex::default(), asked: Notify::new() }
    }

    /// What the store is known to have.
    pub(crate) fn learn<B: Backend>(&self, backend: &B, generations: Generations) {
        *self.known.lock() = Some((generations, backend.clock().monotonic()));
    }

    /// Somebody changed the generations: the runner looks at once.
    pub(crate) fn ring(&self) {
        self.asked.notify_one();
    }

    /// Returns when somebody has rung.
    pub(crate) async fn rung(&self) {
        self.asked.notified().await;
    }

    /// What `read` finds in the live view. It may be asked twice: when the view was swapped meanwhile and
    /// the answer took so long that a part of what it read may have been deleted.
    pub(crate) async fn read<B, T, F>(
        &self,
        backend: &B,
        read: impl Fn(Arc<str>) -> F,
    ) -> Result<T, StorageError>
    where
        B: Backend,
        F: Future<Output = Result<T, StorageError>>,
    {
        loop {
            let (generation, known_at) = self.generation(backend).await?;
            let answer = read(generation.view(self.name)).await;
            let took = backend.clock().monotonic().saturating_sub(known_at);
            if took <= self.grace / 2 || self.generation(backend).await?.0 == generation {
                return answer;
            }
        }
    }

    /// To which cursors belong, whichever generation answers: all of one version have the same documents in
    /// the same order.
    pub(crate) fn list(&self) -> Arc<str> {
        Generation { version: self.version, number: 1 }.view(self.name)
    }

    /// Under which the store keeps how far the view has come that queries go to.
    pub(crate) async fn subscription<B: Backend>(
        &self,
        backend: &B,
    ) -> Result<Arc<str>, StorageError> {
        Ok(self.generation(backend).await?.0.subscription(self.name))
    }

    /// The generation that queries go to, and when it was that. What is known is looked up again long
    /// before a generation that was replaced meanwhile is deleted.
    async fn generation<B: Backend>(
        &self,
        backend: &B,
    ) -> Result<(Generation, Duration), StorageError> {
        let now = backend.clock().monotonic();
        let known = self.known.lock().clone();
        let (generations, known_at) = match known {
            Some(known) if now.saturating_sub(known.1) <= self.grace / 10 => known,
            _ => {
                let stored = load(backend.views(), self.name).await?;
                let generations = stored.unwrap_or_else(|| Generations::first(self.version));
                self.learn(backend, generations.clone());
                (generations, now)
            }
        };
        let readable = generations.readable(self.version).ok_or_else(|| {
            StorageError::unavailable(format!(
                "the view {} is kept in version {} by a newer program, this one knows version {}",
                self.name, generations.live.version, self.version
            ))
        })?;
        Ok((readable, known_at))
    }
}

#[cfg(test)]
#[path = "generations_tests.rs"]
mod tests;
