//! A node: a value in its user's process. No global state; several in one process stay apart.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use sagaline_storage::views::ViewStore;
use sagaline_storage::{Backend, Clock, EventStore, Filter, GlobalPosition, NodeId, StorageError};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::canary::planted;
use crate::saga;

use super::aggregates::Aggregates;
use super::begin::Begin;
use super::builder::Closing;
use super::consumer::Consumers;
use super::core::Core;
use super::event_subscription::EventSubscription;
use super::metrics::Metrics;
use super::ownership::ShardWatch;
use super::participants::ParticipantHealth;
use super::projection::Projection;
use super::sagas::Sagas;
use super::subscription::Followed;
use super::view_states::KeptView;
use super::views::Views;

/// A running node. Cheap to clone; dropping the last one stops its background work, [`Node::drain`] stops it
/// in good order.
pub struct Node<B: Backend> {
    inner: Arc<Inner<B>>,
}

impl<B: Backend> Clone for Node<B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

/// What a node's clones share.
pub(super) struct Inner<B: Backend> {
    pub(super) core: Arc<Core<B>>,
    pub(super) views: BTreeMap<&'static str, KeptView>,
    pub(super) outbox: Followed,
    pub(super) consumers: Arc<BTreeMap<&'static str, Followed>>,
    pub(super) tasks: Mutex<Vec<JoinHandle<()>>>,
    pub(super) recovered: u64,
    pub(super) closing: Option<Closing>,
}

impl<B: Backend> Node<B> {
    /// A node that runs.
    pub(super) fn of(inner: Inner<B>) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// The sagas.
    pub fn sagas(&self) -> Sagas<B> {
        Sagas { core: self.inner.core.clone() }
    }

    /// The aggregates.
    pub fn aggregates(&self) -> Aggregates<B> {
        Aggregates { core: self.inner.core.clone() }
    }

    /// A projection's view; none when the node does not keep it.
    pub fn views<P: Projection>(&self) -> Option<Views<B, P>> {
        let KeptView { progress, live } = self.inner.views.get(P::NAME)?.clone();
        Some(Views { core: self.inner.core.clone(), progress, live, projection: PhantomData })
    }

    pub(super) fn core(&self) -> &Arc<Core<B>> {
        &self.inner.core
    }

    pub(super) fn kept_views(&self) -> &BTreeMap<&'static str, KeptView> {
        &self.inner.views
    }

    /// The consumers.
    pub fn consumers(&self) -> Consumers<B> {
        Consumers { core: self.inner.core.clone(), groups: self.inner.consumers.clone() }
    }

    /// The events of the log that `filter` admits, from `begin` on and then as they come.
    pub async fn subscribe(
        &self,
        begin: Begin,
        filter: Filter,
    ) -> Result<EventSubscription<B>, StorageError> {
        EventSubscription::begin(self.inner.core.clone(), begin, filter).await
    }

    /// The backend: log, views, locks, bus, clock, randomness.
    pub fn backend(&self) -> &B {
        &self.inner.core.backend
    }

    /// What the engine counts.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.core.metrics
    }

    /// The node's name.
    pub fn id(&self) -> &NodeId {
        &self.inner.core.node_id
    }

    /// The health of every participant called so far.
    pub fn participants(&self) -> Vec<ParticipantHealth> {
        self.inner.core.participants.health()
    }

    /// The definitions it knows, in the order of their names; also those that only let running sagas end.
    pub fn definitions(&self) -> Vec<&saga::Definition> {
        self.inner.core.definitions.sorted()
    }

    /// The definition under which new sagas of a type start.
    pub fn definition(&self, saga_type: &str) -> Option<&saga::Definition> {
        self.inner.core.definitions.named(saga_type).map(|registered| &registered.definition)
    }

    /// The saga types it can start, by name.
    pub fn saga_types(&self) -> Vec<Arc<str>> {
        self.inner.core.definitions.names()
    }

    /// How many shards it owns: embedded all of them, beside other nodes its share.
    pub fn shards_owned(&self) -> u64 {
        self.inner.core.ownership.count()
    }

    /// The shards it owns, as they come and go: for whoever wants to see who owns what.
    pub fn shards(&self) -> ShardWatch {
        self.inner.core.ownership.watch()
    }

    /// How many sagas were taken up before its start returned.
    pub fn recovered(&self) -> u64 {
        self.inner.recovered
    }

    /// Sagas left alone because their definition is not known here: start a node that knows it.
    pub fn orphans(&self) -> Vec<Uuid> {
        self.inner.core.orphans.lock().iter().copied().collect()
    }

    /// How far the outbox has come.
    pub fn outbox_position(&self) -> GlobalPosition {
        self.inner.outbox.position()
    }

    /// Whether it can serve: the store answers, and nothing is being shut down. The error says why not.
    pub async fn ready(&self) -> Result<(), String> {
        let core = &self.inner.core;
        if core.is_draining() {
            return Err("draining".to_owned());
        }
        if core.has_lost_store() {
            return Err("the store does not serve any more; start the node again".to_owned());
        }
        core.backend.events().head().await.map(drop).map_err(|error| error.to_string())
    }

    /// Returns when the store has failed for good, with the reason: nothing is acknowledged any more, and
    /// what was is on its disk. The node must be stopped and started again.
    pub async fn store_lost(&self) -> StorageError {
        let mut lost = self.inner.core.store_lost.subscribe();
        match lost.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(error)) => error.clone(),
            // The sender lives as long as this node does.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Stops in good order: no new sagas, those under way get `drain_timeout_ms` to end, then the followers stop
    /// and the views are flushed. What is left is taken up at the next start, or at once by other nodes over the
    /// same log. Until then it is one of them: it works on what a node that dies meanwhile leaves to it.
    ///
    /// A node that opened its store itself (`Node::embedded`, `Node::in_memory`) closes it then, for which what
    /// was cut off gets the same time once more: what is appended later is refused, while reads go on. The
    /// folder is free, for this process and for any other, when the last clone of the node is dropped, and
    /// with it what the node gave out: sagas, aggregates, views, consumers, subscriptions, routers. Of a node
    /// that is dropped without this it is free somewhat later, when everything in the background has ended.
    pub async fn drain(&self) -> Result<(), StorageError> {
        const LOOK: Duration = Duration::from_millis(20);
        let core = &self.inner.core;
        core.draining.store(true, Ordering::Release);
        let clock = core.backend.clock();
        let bound = Duration::from_millis(core.settings.drain_timeout_ms);
        let begun = clock.monotonic();
        let under_way = || core.directory.len() > 0 && !core.has_lost_store();
        let in_time =
            || clock.monotonic().saturating_sub(begun) < bound || planted("drain-without-bound");
        while under_way() && in_time() {
            clock.sleep(LOOK).await;
        }
        core.directory.close();
        core.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.inner.tasks.lock());
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a follower of the log ended badly");
            }
        }
        let flushed = core.backend.views().flush().await;
        if let Some(close) = &self.inner.closing {
            // They stop by themselves, and hold the store until they are gone.
            tokio::select! {
                biased;
                () = core.tasks.gone() => {}
                () = clock.sleep(bound) => tracing::warn!("a saga's task does not end"),
            }
            close().await;
        }
        flushed
    }
}

impl<B: Backend> Drop for Inner<B> {
    fn drop(&mut self) {
        self.core.directory.close();
        self.core.stop.send_replace(true);
    }
}
