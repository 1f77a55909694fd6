//! A node: a value in its user's process. No global state; several in one process stay apart.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sagaline_storage::views::ViewStore;
use sagaline_storage::{
    Backend, Clock, EventStore, Filter, GlobalPosition, NodeId, Shard, StorageError,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::saga;

use super::aggregates::Aggregates;
use super::append::Refused;
use super::begin::Begin;
use super::consumer::{AnyConsumer, Consumer, Consumers, checked, consume};
use super::core::{Core, Definitions, StoreStreams};
use super::definition::Definition;
use super::directory::Directory;
use super::event_subscription::EventSubscription;
use super::generations::LiveView;
use super::http_client::{Connect, HttpClient, TcpConnect};
use super::metrics::Metrics;
use super::outbox;
use super::ownership::duty;
use super::ownership::group::Group;
use super::ownership::tail;
use super::ownership::watched::Watched;
use super::ownership::{Ownership, ShardWatch};
use super::pages::Pages;
use super::participants::{ParticipantHealth, Participants};
use super::privacy::{MasterKey, Privacy};
use super::projection::Projection;
use super::projector::Projector;
use super::rebuild::{AnyProjection, Keeping};
use super::recovery;
use super::sagas::Sagas;
use super::settings::EngineSettings;
use super::stage::LoadError;
use super::subscription::{Followed, following};
use super::view_states::KeptView;
use super::views::Views;

/// Why a node did not start.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NodeError {
    /// A setting is wrong.
    #[error("{0}")]
    Setting(String),
    /// The store did not serve.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The master key is not the store's.
    #[error(transparent)]
    Personal(#[from] LoadError),
    /// The store refused the node's first append.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Puts a node together.
pub struct NodeBuilder<B: Backend> {
    backend: B,
    settings: EngineSettings,
    definitions: Definitions,
    projections: Vec<Arc<dyn AnyProjection<B>>>,
    consumers: Vec<Arc<dyn AnyConsumer>>,
    connect: Arc<dyn Connect>,
    master_key: Option<MasterKey>,
}

/// A running node. Cheap to clone; dropping the last one stops its background work, `drain` stops it in
/// good order.
pub struct Node<B: Backend> {
    inner: Arc<Inner<B>>,
}

impl<B: Backend> Clone for Node<B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

struct Inner<B: Backend> {
    core: Arc<Core<B>>,
    views: BTreeMap<&'static str, KeptView>,
    outbox: Followed,
    consumers: Arc<BTreeMap<&'static str, Followed>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    recovered: u64,
}

impl<B: Backend> NodeBuilder<B> {
    /// A node on this backend, without sagas or projections.
    pub fn new(backend: B) -> Self {
        Self {
            backend,
            settings: EngineSettings::default(),
            definitions: Definitions::default(),
            projections: Vec::new(),
            consumers: Vec::new(),
            connect: Arc::new(TcpConnect),
            master_key: None,
        }
    }

    /// Tunes the engine.
    #[must_use]
    pub fn settings(mut self, settings: EngineSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Tunes the engine on top of what was set before.
    #[must_use]
    pub fn tuned(mut self, tune: impl FnOnce(&mut EngineSettings)) -> Self {
        tune(&mut self.settings);
        self
    }

    /// Lets the node run sagas of this definition. Of several under one name the last one is for new
    /// sagas; the others let running sagas end as they began.
    #[must_use]
    pub fn saga<T>(mut self, definition: &Definition<T>) -> Self {
        self.definitions.add(definition.registered.clone());
        self
    }

    /// Lets the node keep this read model.
    #[must_use]
    pub fn projection<P: Projection>(mut self, projection: P) -> Self {
        self.projections.push(Arc::new(Projector(projection)));
        self
    }

    /// Lets the node deliver the log's events to this consumer.
    #[must_use]
    pub fn consumer<C: Consumer>(mut self, consumer: C) -> Self {
        self.consumers.push(Arc::new(consumer));
        self
    }

    /// How calls of steps connect; TCP unless said otherwise.
    #[must_use]
    pub fn connect(mut self, connect: Arc<dyn Connect>) -> Self {
        self.connect = connect;
        self
    }

    /// Lets it keep personal parts of events, under keys that are wrapped under this one. All nodes over one
    /// log have the same, and none starts with another than the store knows.
    #[must_use]
    pub fn master_key(mut self, master_key: MasterKey) -> Self {
        self.master_key = Some(master_key);
        self
    }

    /// The definitions of the sagas it will run, in the order of their names.
    pub fn definitions(&self) -> Vec<&saga::Definition> {
        self.definitions.sorted()
    }

    /// The names and versions of its read models: see [`live_generation`](super::live_generation).
    pub fn projections(&self) -> Vec<(&'static str, u32)> {
        let each = self.projections.iter();
        each.map(|projection| (projection.name(), projection.version())).collect()
    }

    /// Embedded: takes the shards, takes up every saga that owes something, and follows the log; when it
    /// returns, requests reach every saga under way. Over a log that other nodes share: joins them. Then
    /// shards come to it and go behind its return.
    pub async fn start(mut self) -> Result<Node<B>, NodeError> {
        let consumers = checked(std::mem::take(&mut self.consumers))?;
        let (core, projections) = self.core()?;
        core.privacy.check_master().await?;
        recovery::pin_shards(&core).await?;
        let (recovered, mut tasks) = if core.backend.shared() {
            (0, share(&core).await?)
        } else {
            let shards: Vec<Shard> = (0..core.settings.shards).map(Shard).collect();
            recovery::take_shards(&core, &shards).await?;
            (recovery::recover(&core, &shards).await?, Vec::new())
        };
        let (pages, mut views) = (Arc::new(Pages::new(core.settings.tail_events)), BTreeMap::new());
        for projection in projections {
            let (progress, followed) = following(&pages);
            let name = projection.name();
            let grace = Duration::from_millis(core.settings.retired_view_ms);
            let live = Arc::new(LiveView::new(name, projection.version(), grace));
            views.insert(name, KeptView { progress: followed, live: live.clone() });
            let keeper = core.clone();
            let run = move |stop| {
                let (core, live, progress) = (keeper.clone(), live.clone(), progress.clone());
                projection.clone().run(Keeping { core, live, stop, progress })
            };
            tasks.push(tokio::spawn(duty::keep(core.clone(), name, core.stop.subscribe(), run)));
        }
        let (sender, outbox) = following(&pages);
        let follower = core.clone();
        let relay = move |stop| {
            let (core, progress) = (follower.clone(), sender.clone());
            async move {
                outbox::relay(core.clone(), stop, progress).await;
                // Whoever relays next says how far behind it is.
                core.metrics.outbox_lag.set(0);
            }
        };
        tasks.push(tokio::spawn(duty::keep(core.clone(), OUTBOX, core.stop.subscribe(), relay)));
        let (consumers, running) = consume(&core, &pages, consumers);
        tasks.extend(running);
        let (consumers, tasks) = (Arc::new(consumers), Mutex::new(tasks));
        Ok(Node { inner: Arc::new(Inner { core, views, outbox, consumers, tasks, recovered }) })
    }

    /// What the parts of the node share, and its projections.
    #[allow(clippy::type_complexity, reason = "a pair that is taken apart at once")]
    fn core(self) -> Result<(Arc<Core<B>>, Vec<Arc<dyn AnyProjection<B>>>), NodeError> {
        let node_id = NodeId::new(self.settings.node_id.as_str())?;
        if self.settings.shards == 0 {
            return Err(NodeError::Setting("shards 0: wants at least 1".to_owned()));
        }
        let metrics = Arc::<Metrics>::default();
        let (backend, master) = (self.backend.clone(), self.master_key);
        let privacy = Privacy::new(backend, node_id.clone(), metrics.clone(), master);
        let privacy = Arc::new(privacy);
        let streams = Arc::new(StoreStreams {
            backend: self.backend.clone(),
            privacy: privacy.clone(),
            snapshot_events: self.settings.snapshot_events.clamp(2, 10_000),
        });
        let participants = Participants::new(self.backend.clock().clone(), &self.settings);
        let core = Core {
            node_id,
            definitions: self.definitions,
            directory: Directory::default(),
            participants,
            http: HttpClient::new(self.connect),
            streams,
            privacy,
            metrics,
            ownership: Ownership::of_none(self.settings.shards),
            watched: Watched::default(),
            stop: watch::Sender::new(false),
            draining: AtomicBool::new(false),
            store_lost: watch::Sender::new(None),
            orphans: Mutex::default(),
            settings: self.settings,
            backend: self.backend,
        };
        Ok((Arc::new(core), self.projections))
    }
}

/// Joins the other nodes over the same log.
async fn share<B: Backend>(core: &Arc<Core<B>>) -> Result<Vec<JoinHandle<()>>, NodeError> {
    // Before the first shard: what other nodes write behind it is told.
    let head = core.backend.events().head().await?;
    let following = tail::follow(core.clone(), head, core.stop.subscribe());
    let membership = Group::new(core.clone(), core.stop.subscribe()).run();
    Ok(vec![tokio::spawn(following), tokio::spawn(membership)])
}

const OUTBOX: &str = "outbox";

impl<B: Backend> Node<B> {
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

    /// Stops in good order: no new sagas, those under way get some time to end, then the followers stop and
    /// the views are flushed. What is left is taken up at the next start, or at once by other nodes over the
    /// same log.
    pub async fn drain(&self) -> Result<(), StorageError> {
        const LOOK: Duration = Duration::from_millis(20);
        let core = &self.inner.core;
        core.draining.store(true, Ordering::Release);
        let clock = core.backend.clock();
        let bound = Duration::from_millis(core.settings.drain_timeout_ms);
        let begun = clock.monotonic();
        let under_way = || core.directory.len() > 0 && !core.has_lost_store();
        while under_way() && clock.monotonic().saturating_sub(begun) < bound {
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
        core.backend.views().flush().await
    }
}

impl<B: Backend> Drop for Inner<B> {
    fn drop(&mut self) {
        self.core.directory.close();
        self.core.stop.send_replace(true);
    }
}
