//! Several nodes over one log, in one process.

mod bus;
mod log;

use sagaline::engine::{
    Definition, EngineSettings, Node, NodeBuilder, StartError, StartRequest, Started,
};
use sagaline_storage::backend::Parts;
use sagaline_storage::clock::{Clock, SystemClock, SystemEntropy};
use sagaline_storage::memory::{LocalBus, LocalLocks, MemoryKv};
use sagaline_storage::view_store::Views;
use sagaline_storage::{AllQuery, Backend, EventStore, GlobalPosition, Log, RecordedEvent, Shard};
use tokio::runtime::Handle;

pub(crate) use bus::NodeBus;
pub(crate) use log::NodeLog;

use crate::trip::{self, Trip, World};

pub(crate) type Shared =
    Parts<NodeLog, Views<MemoryKv>, LocalLocks<SystemClock>, NodeBus, SystemClock, SystemEntropy>;

/// Two to a partition of the bus.
pub(crate) const SHARDS: u32 = 16;

/// A call that hangs hangs for as long as any test takes.
const ATTEMPT_TIMEOUT_MS: u64 = 3_600_000;

/// What the nodes share, and the runtime that the shared things live on.
pub(crate) struct Cluster {
    pub(crate) world: World,
    pub(crate) definition: Definition<Trip>,
    pub(crate) log: Log<MemoryKv, SystemClock>,
    pub(crate) bus: LocalBus,
    views: Views<MemoryKv>,
    locks: LocalLocks<SystemClock>,
    clock: SystemClock,
    runtime: Handle,
}

impl Cluster {
    pub(crate) async fn new() -> Self {
        let Parts { events, views, locks, bus, clock, .. } = trip::backend(&MemoryKv::new()).await;
        let (world, runtime) = (World::default(), Handle::current());
        let definition = trip::with_attempt_timeout(&world, ATTEMPT_TIMEOUT_MS);
        Self { world, definition, log: events, bus, views, locks, clock, runtime }
    }

    /// A node's way to everything that is shared.
    pub(crate) fn backend(&self) -> Shared {
        Parts {
            name: "shared",
            shared: true,
            events: NodeLog::new(self.log.clone()),
            views: self.views.clone(),
            locks: self.locks.clone(),
            bus: NodeBus::new(self.bus.clone(), self.runtime.clone()),
            clock: self.clock,
            entropy: SystemEntropy,
        }
    }

    pub(crate) fn builder(&self, name: &str, backend: Shared) -> NodeBuilder<Shared> {
        let settings = EngineSettings {
            node_id: name.to_owned(),
            shards: SHARDS,
            drain_timeout_ms: 50,
            ..EngineSettings::default()
        };
        NodeBuilder::new(backend).settings(settings).saga(&self.definition)
    }

    pub(crate) async fn node(&self, name: &str) -> Node<Shared> {
        self.builder(name, self.backend()).start().await.unwrap()
    }

    /// Nodes that have divided all shards among them.
    pub(crate) async fn nodes<const N: usize>(&self, names: [&str; N]) -> [Node<Shared>; N] {
        let mut nodes = Vec::new();
        for name in names {
            nodes.push(self.node(name).await);
        }
        settled(&nodes).await;
        nodes.try_into().unwrap_or_else(|_| unreachable!("as many as there are names"))
    }

    /// Starts a trip on a node.
    pub(crate) async fn start(&self, node: &Node<Shared>, city: &str) -> Started {
        self.try_start(node, city, None).await.unwrap()
    }

    pub(crate) async fn try_start(
        &self,
        node: &Node<Shared>,
        city: &str,
        key: Option<&str>,
    ) -> Result<Started, StartError> {
        let idempotency_key = key.map(str::to_owned);
        let request = StartRequest { idempotency_key, correlation_id: None };
        node.sagas().start(&self.definition, request, &Trip { city: city.to_owned() }).await
    }

    /// The whole log.
    pub(crate) async fn events(&self) -> Vec<RecordedEvent> {
        let query = AllQuery::after(GlobalPosition::START, 10_000);
        self.log.read_all(query).await.unwrap().events
    }

    /// As another node would take every shard.
    pub(crate) async fn raise_all_epochs(&self) {
        let shards: Vec<_> = (0..SHARDS).map(Shard).collect();
        self.log.raise_epochs(&shards).await.unwrap();
    }
}

/// Waits until every shard has one owner among `nodes`, and every node a share.
pub(crate) async fn settled(nodes: &[Node<Shared>]) {
    let owned = || nodes.iter().map(Node::shards_owned);
    until(|| owned().sum::<u64>() == u64::from(SHARDS) && owned().all(|owned| owned > 0)).await;
}

/// Waits for something that must come to be, for as long as it takes.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let clock = SystemClock::default();
    while !condition() {
        clock.sleep(std::time::Duration::from_millis(1)).await;
    }
}

/// The bus of a node.
pub(crate) fn bus_of(node: &Node<Shared>) -> &NodeBus {
    node.backend().bus()
}
