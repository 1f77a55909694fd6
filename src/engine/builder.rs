//! Putting a node together and starting it: what it runs, and on what. Called by whoever makes a node, in
//! production as in a simulation; what it starts is a [`Node`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;
use sagaline_storage::{Backend, EventStore, NodeId, Shard, StorageError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::saga;

use super::append::Refused;
use super::consumer::{AnyConsumer, Consumer, checked, consume};
use super::core::{Core, Definitions, StoreStreams};
use super::definition::Definition;
use super::directory::Directory;
use super::generations::LiveView;
use super::http_client::{Connect, HttpClient, TcpConnect};
use super::keys;
use super::metrics::Metrics;
use super::node::{Inner, Node};
use super::outbox;
use super::ownership::Ownership;
use super::ownership::duty;
use super::ownership::group::Group;
use super::ownership::tail;
use super::ownership::watched::Watched;
use super::pages::Pages;
use super::participants::Participants;
use super::privacy::{MasterKey, Privacy};
use super::projection::{Projection, check_projection};
use super::projector::Projector;
use super::rebuild::{AnyProjection, Keeping};
use super::recovery;
use super::settings::EngineSettings;
use super::stage::LoadError;
use super::step::BoxFuture;
use super::subscription::following;
use super::tasks::Tasks;
use super::view_states::KeptView;

const OUTBOX: &str = "outbox";

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

/// Two of what there is one of each name.
pub(crate) fn twice(what: &str, name: &str) -> NodeError {
    NodeError::Setting(format!("{what} {name:?} is there twice: rename one (NAME) or take one out"))
}

/// Gives back a store that was opened for one node alone.
pub(super) type Closing = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Puts a node together.
pub struct NodeBuilder<B: Backend> {
    backend: B,
    settings: EngineSettings,
    definitions: Definitions,
    projections: Vec<Arc<dyn AnyProjection<B>>>,
    /// Why one of the projections cannot be kept.
    refused: Option<NodeError>,
    consumers: Vec<Arc<dyn AnyConsumer>>,
    connect: Arc<dyn Connect>,
    master_key: Option<MasterKey>,
    closing: Option<Closing>,
    at_rest: bool,
}

impl<B: Backend> NodeBuilder<B> {
    /// A node on this backend, without sagas or projections.
    pub fn new(backend: B) -> Self {
        Self {
            backend,
            settings: EngineSettings::default(),
            definitions: Definitions::default(),
            projections: Vec::new(),
            refused: None,
            consumers: Vec::new(),
            connect: Arc::new(TcpConnect),
            master_key: None,
            closing: None,
            at_rest: false,
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

    /// Lets the node keep this read model; there is one of each name.
    #[must_use]
    pub fn projection<P: Projection>(mut self, projection: P) -> Self {
        let refused = if self.projections.iter().any(|known| known.name() == P::NAME) {
            Some(twice("projection", P::NAME))
        } else {
            check_projection::<P>().err().map(NodeError::Storage)
        };
        self.refused = self.refused.or(refused);
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

    /// What gives the store back, which was opened for this node alone, once the node has drained.
    pub(crate) fn closing<F>(mut self, close: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let close = move || -> BoxFuture<'static, ()> { Box::pin(close()) };
        self.closing = Some(Arc::new(close));
        self
    }

    /// It takes no saga up: what a person asks of one is decided and made durable, and what is then to be done
    /// in the world is left to the next start. For a look at the store of a node that does not run. Sagas alone
    /// rest: consumer groups that it is given run, and one that is started here is worked on.
    #[must_use]
    pub fn at_rest(mut self) -> Self {
        self.at_rest = true;
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
        if let Some(refused) = self.refused.take() {
            return Err(refused);
        }
        let consumers = checked(std::mem::take(&mut self.consumers))?;
        for (_, terms) in &consumers {
            let categories = terms.filter.categories.iter().map(|category| &**category);
            keys::check_categories(&format!("consumer {:?}", terms.name), categories)?;
        }
        let closing = self.closing.take();
        let (core, projections) = self.core()?;
        core.privacy.check_master().await?;
        recovery::pin_shards(&core).await?;
        let (recovered, mut tasks) = if core.backend.shared() {
            (0, share(&core).await?)
        } else {
            let shards: Vec<Shard> = (0..core.settings.shards).map(Shard).collect();
            recovery::take_shards(&core, &shards).await?;
            let taken_up = match core.at_rest {
                true => 0,
                false => recovery::recover(&core, &shards).await?,
            };
            (taken_up, Vec::new())
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
        Ok(Node::of(Inner { core, views, outbox, consumers, tasks, recovered, closing }))
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
            tasks: Tasks::default(),
            stop: watch::Sender::new(false),
            draining: AtomicBool::new(false),
            store_lost: watch::Sender::new(None),
            orphans: Mutex::default(),
            at_rest: self.at_rest,
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
