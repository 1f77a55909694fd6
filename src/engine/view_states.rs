//! Read models as an operator of a node sees them: how far each has come, and the order to build one anew.

use std::sync::Arc;

use sagaline_storage::views::ViewStore;
use sagaline_storage::{Backend, EventStore, GlobalPosition, StorageError};
use serde::Serialize;

use super::generations::{self, Generation, LiveView};
use super::node::Node;
use super::subscription::Followed;

/// A read model that a node keeps.
#[derive(Clone)]
pub(crate) struct KeptView {
    pub(crate) progress: Followed,
    pub(crate) live: Arc<LiveView>,
}

/// How a read model is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionState {
    /// Its name.
    #[schema(value_type = String)]
    pub name: &'static str,
    /// The version of its documents.
    pub version: u32,
    /// How often it was built, the live one counted: 1 is what grew with the log.
    pub generation: u32,
    /// How far the live one has come.
    #[schema(value_type = u64)]
    pub position: GlobalPosition,
    /// Events of the log behind that.
    pub lag: u64,
    /// What is built beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebuilding: Option<Rebuilding>,
    /// Generations that nobody reads any more and that are not deleted yet.
    pub retired: usize,
}

/// A generation that is built beside the live one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rebuilding {
    /// The generation it will be.
    pub generation: u32,
    /// How far it has come.
    #[schema(value_type = u64)]
    pub position: GlobalPosition,
    /// Events of the log behind that: it is swapped in when there are none.
    pub lag: u64,
}

/// Why a read model is not built anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// The node keeps none of this name.
    #[error("there is no projection `{name}`: wants one of {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// The store did not serve. Whether it was ordered is seen in [`Node::projections`].
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Where the live documents of a projection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveGeneration {
    /// The view in the store.
    pub view: Arc<str>,
    /// Its checkpoint.
    pub subscription: Arc<str>,
    /// Nothing is built beside it, and nothing of what it replaced is left.
    pub is_alone: bool,
}

/// Where the live documents of a projection are, as the store has it: for exports, comparisons and tests,
/// which read a store without a node.
pub async fn live_generation<V: ViewStore>(
    views: &V,
    name: &str,
    version: u32,
) -> Result<LiveGeneration, StorageError> {
    let stored = generations::load(views, name).await?;
    let is_alone = stored.as_ref().is_none_or(|stored| {
        stored.live.version == version && stored.next.is_none() && stored.retired.is_empty()
    });
    let first = Generation { version, number: 1 };
    let live = stored.and_then(|stored| stored.readable(version)).unwrap_or(first);
    Ok(LiveGeneration { view: live.view(name), subscription: live.subscription(name), is_alone })
}

impl<B: Backend> Node<B> {
    /// Every read model that this node keeps, by name; over a log that nodes share also those that another
    /// one follows at the moment.
    pub async fn projections(&self) -> Result<Vec<ProjectionState>, StorageError> {
        let mut states = Vec::new();
        for kept in self.kept_views().values() {
            states.push(self.projection_state(&kept.live).await?);
        }
        Ok(states)
    }

    /// Has a read model built anew from the log, beside the live one, which goes on answering; it is swapped
    /// in when it has caught up. Returns at once with its state: `rebuilding` goes away when it is done. One
    /// that is being rebuilt goes on.
    pub async fn rebuild(&self, name: &str) -> Result<ProjectionState, RebuildError> {
        let (backend, views) = (self.backend(), self.kept_views());
        let Some(kept) = views.get(name) else {
            let known = views.keys().copied().collect::<Vec<_>>().join(", ");
            return Err(RebuildError::Unknown { name: name.to_owned(), known });
        };
        let live = &kept.live;
        loop {
            let (store, shared) = (backend.views(), backend.shared());
            let mut wanted = generations::begin(store, live.name, live.version, shared).await?;
            if wanted.next.is_none() {
                wanted.build(live.version);
                if generations::keep(store, live.name, wanted, false).await?.is_none() {
                    continue;
                }
                live.ring();
            }
            return Ok(self.projection_state(live).await?);
        }
    }

    async fn projection_state(&self, live: &LiveView) -> Result<ProjectionState, StorageError> {
        let backend = self.backend();
        let (views, name) = (backend.views(), live.name);
        let begun = generations::begin(views, name, live.version, backend.shared()).await?;
        let (position, lag) = self.place(name, begun.live).await?;
        let rebuilding = match begun.next {
            Some(next) => {
                let (position, lag) = self.place(name, next).await?;
                Some(Rebuilding { generation: next.number, position, lag })
            }
            None => None,
        };
        Ok(ProjectionState {
            name,
            version: begun.live.version,
            generation: begun.live.number,
            position,
            lag,
            rebuilding,
            retired: begun.retired.len(),
        })
    }

    /// How far a generation has come, and the events behind that.
    async fn place(
        &self,
        name: &str,
        generation: Generation,
    ) -> Result<(GlobalPosition, u64), StorageError> {
        let backend = self.backend();
        let reached = backend.views().checkpoint(&generation.subscription(name)).await?;
        let reached = reached.unwrap_or(GlobalPosition::START);
        let head = backend.events().head().await?;
        Ok((reached, head.0.saturating_sub(reached.0)))
    }
}
