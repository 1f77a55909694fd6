//! Aggregates that are loaded from a snapshot on.

use std::convert::Infallible;

use bytes::Bytes;
use sagaline::domain::Aggregate;
use sagaline::engine::{CommandMetadata, EngineSettings, Node, NodeBuilder};
use sagaline_storage::memory::MemoryKv;
use sagaline_storage::views::{ViewBatch, ViewChange, ViewStore};
use sagaline_storage::{Backend, CorrelationId};
use serde::{Deserialize, Serialize};

use crate::trip::{self, Memory};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Purse {
    coins: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum PurseEvent {
    CoinsAdded { coins: u64 },
}

impl Aggregate for Purse {
    const CATEGORY: &'static str = "purse";
    type Command = u64;
    type Event = PurseEvent;
    type Refusal = Infallible;

    fn decide(&self, coins: u64) -> Result<Vec<PurseEvent>, Infallible> {
        Ok(vec![PurseEvent::CoinsAdded { coins }])
    }

    fn evolve(&mut self, event: &PurseEvent) {
        let PurseEvent::CoinsAdded { coins } = event;
        self.coins += coins;
    }
}

/// What became of [`Purse`]: its state has another shape, and its snapshots another version.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Pouch {
    coins: u64,
    #[serde(default)]
    times: u64,
}

impl Aggregate for Pouch {
    const CATEGORY: &'static str = Purse::CATEGORY;
    const SNAPSHOT_VERSION: u32 = Purse::SNAPSHOT_VERSION + 1;
    type Command = u64;
    type Event = PurseEvent;
    type Refusal = Infallible;

    fn decide(&self, coins: u64) -> Result<Vec<PurseEvent>, Infallible> {
        Ok(vec![PurseEvent::CoinsAdded { coins }])
    }

    fn evolve(&mut self, event: &PurseEvent) {
        let PurseEvent::CoinsAdded { coins } = event;
        self.coins += coins;
        self.times += 1;
    }
}

const VIEW: &str = "snapshot:purse.v1";

/// A node with a purse to which coins were added twenty times.
async fn filled() -> Node<Memory> {
    let kv = MemoryKv::new();
    let settings = EngineSettings { shards: 4, snapshot_events: 3, ..EngineSettings::default() };
    let builder = NodeBuilder::new(trip::backend(&kv).await).settings(settings);
    let node = builder.start().await.unwrap();
    let metadata =
        CommandMetadata { correlation_id: CorrelationId::new("c").unwrap(), causation_id: None };
    for coins in 1..=20 {
        let purse = node.aggregates().execute::<Purse>("mine", coins, &metadata).await.unwrap();
        assert_eq!(purse.coins, (1..=coins).sum::<u64>());
    }
    node
}

async fn snapshot(node: &Node<Memory>, view: &str) -> Option<Bytes> {
    node.backend().views().get(view, b"purse-mine").await.unwrap()
}

#[tokio::test]
async fn a_state_from_a_snapshot_on_is_the_fold_of_all_events() {
    let node = filled().await;
    let loaded = node.aggregates().load::<Purse>("mine").await.unwrap();
    assert_eq!((loaded.state.coins, loaded.version.0), (210, 20));
    assert!(snapshot(&node, VIEW).await.is_some(), "a snapshot was kept");
}

#[tokio::test]
async fn deleting_all_snapshots_changes_nothing() {
    let node = filled().await;
    node.backend().views().clear(VIEW, None).await.unwrap();
    assert_eq!(snapshot(&node, VIEW).await, None);
    let loaded = node.aggregates().load::<Purse>("mine").await.unwrap();
    assert_eq!((loaded.state.coins, loaded.version.0), (210, 20));
    assert!(snapshot(&node, VIEW).await.is_some(), "another one was kept");
}

#[tokio::test]
async fn a_snapshot_that_older_code_made_is_ignored() {
    let node = filled().await;
    // One that says something else than the events: it is told whether it was looked at.
    let document = Bytes::from_static(br#"{"version":20,"state":{"coins":1}}"#);
    let key = Bytes::from_static(b"purse-mine");
    let put = ViewChange::Put { key, document: document.clone(), secondary: Vec::new() };
    let batch = ViewBatch { changes: vec![(VIEW.into(), put)], checkpoints: Vec::new() };
    node.backend().views().commit(batch).await.unwrap();
    let by_older = node.aggregates().load::<Purse>("mine").await.unwrap();
    assert_eq!((by_older.state.coins, by_older.version.0), (1, 20));

    let loaded = node.aggregates().load::<Pouch>("mine").await.unwrap();
    assert_eq!((loaded.state.coins, loaded.state.times, loaded.version.0), (210, 20, 20));
    assert_eq!(snapshot(&node, VIEW).await, Some(document), "it is the older code's");
    let own = snapshot(&node, "snapshot:purse.v2").await.expect("one of its own was kept");
    let own: serde_json::Value = serde_json::from_slice(&own).unwrap();
    assert_eq!(own, serde_json::json!({"version": 20, "state": {"coins": 210, "times": 20}}));
}
